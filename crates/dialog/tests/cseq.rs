//! CSeq translation (spec dialog.md §6.4, §19, decision D13).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use support::World;

const PINGED: DialogFlags = DialogFlags::PING_CALLEE;

/// An answered call with these flags.
fn answered(world: &mut World, flags: DialogFlags) -> Dialog {
    let dialog = world.create("call", "a", flags);
    world.branch(&dialog, 1);
    world.reply(&dialog, 180, "b");
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.seen();
    dialog
}

/// The numbers under which a request goes on.
fn numbers(world: &mut World, dialog: &Dialog, method: DialogMethod, cseq: u32) -> NewNumbers {
    relayed(world, dialog, method, cseq, None, ("a", "b")).1
}

fn relayed(
    world: &mut World,
    dialog: &Dialog,
    method: DialogMethod,
    cseq: u32,
    rack_cseq: Option<u32>,
    (from, to): (&str, &str),
) -> (Within, NewNumbers) {
    let matched = world.matched(dialog, from, to).unwrap();
    let facts = RequestFacts::of(&matched, method, cseq, support::flow(1));
    let facts = RequestFacts { rack_cseq, ..facts };
    (Within { matched, method, cseq }, world.feed(&matched, &facts).unwrap())
}

fn cseq(world: &mut World, dialog: &Dialog, method: DialogMethod, number: u32) -> Option<u32> {
    numbers(world, dialog, method, number).cseq
}

/// The next ping of the callee; the interval is 30 s.
fn ping(world: &mut World, dialog: &Dialog) -> u32 {
    world.pass(30);
    let own = world.sent.pop().expect("a ping was due");
    assert_eq!((support::text(&own.method), own.link.leg), ("OPTIONS", 1));
    world.settled(&own, Outcome::Reply(200));
    assert!(dialog.is_active());
    own.cseq
}

// §19: the walk-through, number by number
#[test]
fn the_walk_through_of_the_spec() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    assert_eq!(dialog.snapshot().unwrap().legs[1].cseq, 10);
    assert_eq!(ping(&mut world, &dialog), 11);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 11), Some(12), "INFO");
    assert_eq!(ping(&mut world, &dialog), 13);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Invite, 12), Some(14));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 12), Some(14));
    // towards A nothing was generated, so B's requests keep their own numbers
    let back = relayed(&mut world, &dialog, DialogMethod::Other, 1, None, ("b", "a")).1;
    assert_eq!(back, NewNumbers::default());
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Bye, 13), Some(15));
}

// §6.4: as long as we send nothing ourselves, nothing changes
#[test]
fn without_requests_of_ours_numbers_pass() {
    let mut world = World::new();
    let dialog = answered(&mut world, DialogFlags::empty());
    for method in [DialogMethod::Other, DialogMethod::Invite, DialogMethod::Ack] {
        assert_eq!(numbers(&mut world, &dialog, method, 11), NewNumbers::default(), "{method:?}");
    }
}

// D13: other requests between an INVITE and its ACK do not move the ACK
#[test]
fn an_ack_follows_its_own_invite() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Invite, 11), None, "before any ping");
    dialog.send_request(NewRequest::to_callee("INFO"), |_| ()).unwrap();
    let own = world.dialogs.take_asked(dialog.key()).unwrap();
    assert_eq!(own[0].cseq, 12);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 12), Some(13), "INFO");
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 11), None, "sent as 11");
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Invite, 13), Some(14));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Update, 14), Some(15));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 13), Some(14));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 13), Some(14), "its 2xx came again");
}

// D13: one map per direction: the callee's re-INVITE is acknowledged under its number too
#[test]
fn both_directions_have_numbers_of_their_own() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED | DialogFlags::PING_CALLER);
    world.pass(30);
    let pings: Vec<_> = world.sent.drain(..).collect();
    assert_eq!(
        pings.iter().map(|own| (own.link.leg, own.cseq)).collect::<Vec<_>>(),
        [(0, 1), (1, 11)]
    );
    let mut back =
        |method, number| relayed(&mut world, &dialog, method, number, None, ("b", "a")).1.cseq;
    assert_eq!(back(DialogMethod::Invite, 1), Some(2));
    assert_eq!(back(DialogMethod::Other, 2), Some(3));
    assert_eq!(back(DialogMethod::Ack, 1), Some(2));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Invite, 11), Some(12));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 11), Some(12));
}

// Decision D2, RFC 3261 §12.1.1: each callee of a fork counts by itself, and what one of them sends
// to the caller is no retransmission of what another sent
#[test]
fn callees_of_a_fork_have_numbers_of_their_own() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::empty());
    for (branch, tag) in [(1, "b"), (2, "c")] {
        world.branch(&dialog, branch);
        world.reply_with(&dialog, &support::reply(branch, 200, tag));
    }
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    let from = |world: &mut World, tag, method, number| {
        relayed(world, &dialog, method, number, None, (tag, "a")).1.cseq
    };
    assert_eq!(from(&mut world, "b", DialogMethod::Invite, 1), None, "before any of ours");
    dialog.send_request(NewRequest::to_caller("INFO"), |_| ()).unwrap();
    assert_eq!(world.dialogs.take_asked(dialog.key()).unwrap()[0].cseq, 2);
    assert_eq!(from(&mut world, "c", DialogMethod::Other, 1), Some(3));
    assert_eq!(from(&mut world, "c", DialogMethod::Invite, 2), Some(4));
    assert_eq!(from(&mut world, "b", DialogMethod::Other, 2), Some(5));
    assert_eq!(from(&mut world, "b", DialogMethod::Ack, 1), None, "sent as 1");
    assert_eq!(from(&mut world, "c", DialogMethod::Ack, 2), Some(4));
}

// §2.2, §6.4: a BYE to a leg that has not answered changes nothing, but its number is taken
#[test]
fn a_bye_before_the_answer_has_taken_its_number() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::empty());
    world.branch(&dialog, 1);
    world.branch(&dialog, 2);
    world.reply_with(&dialog, &support::reply(2, 183, "c"));
    world.reply_with(&dialog, &support::reply(1, 200, "b"));
    world.request(&dialog, DialogMethod::Bye, 11, "a", "c");
    world.reply_with(&dialog, &support::reply(2, 200, "c"));
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    dialog.terminate(EndReason::new("test")).unwrap();
    let EndPlan::Byes(byes) = world.dialogs.begin_end(world.now, dialog.key(), Byes::Both).unwrap()
    else {
        panic!("it was answered");
    };
    let to_c: Vec<_> = byes.iter().filter(|bye| bye.link.leg == 2).map(|bye| bye.cseq).collect();
    assert_eq!(to_c, [12]);
}

// §6.4: a retransmission has the number that it had; once over, a number may come again
#[test]
fn retransmissions_reuse_the_number() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    let (info, first) = relayed(&mut world, &dialog, DialogMethod::Other, 11, None, ("a", "b"));
    let again = numbers(&mut world, &dialog, DialogMethod::Other, 11);
    assert_eq!((first.cseq, again.cseq), (Some(12), Some(12)));
    world.dialogs.request_over(&info);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 11), Some(13));
}

// An ACK does not end what its INVITE needs
#[test]
fn an_ack_that_is_over_leaves_the_number_of_its_invite() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    let (invite, _) = relayed(&mut world, &dialog, DialogMethod::Invite, 11, None, ("a", "b"));
    let (ack, numbers) = relayed(&mut world, &dialog, DialogMethod::Ack, 11, None, ("a", "b"));
    assert_eq!(numbers.cseq, Some(12));
    world.dialogs.request_over(&ack);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 11), Some(12));
    world.dialogs.request_over(&invite);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 11), None);
}

// lessons 12: the RAck of a PRACK names the INVITE as the callee knows it (RFC 3262 §7.2)
#[test]
fn rack_is_translated() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Invite, 11), Some(12));
    let prack = relayed(&mut world, &dialog, DialogMethod::Prack, 12, Some(11), ("a", "b")).1;
    assert_eq!(prack, NewNumbers { cseq: Some(13), rack_cseq: Some(12) });
}

// §6.4, `dlg_inc_cseq`: from the INVITE's number on, and the 2xx raises it further
#[test]
fn numbers_are_moved_on_and_enforced() {
    let mut world = World::new();
    let dialog = world.call("call");
    dialog.increase_cseq(None, 1).unwrap();
    assert_eq!(dialog.increase_cseq(Some(b"nobody"), 1), Err(CseqError::UnknownLeg));
    assert!(dialog.flags().unwrap().contains(DialogFlags::CSEQ_ENFORCE));
    // the INVITE went out a second time, with credentials and number 13; the caller knows its 10
    let answer = ReplyFacts { cseq: 13, ..support::reply(1, 200, "b") };
    let forwarded = world.dialogs.reply_forwarded(dialog.key(), &answer, &mut Steps::new());
    assert_eq!(forwarded.map(|forwarded| forwarded.cseq), Ok(10));
    world.sent(&dialog, 200);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 10), Some(13));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 11), Some(14));
    dialog.increase_cseq(Some(b"b"), 5).unwrap();
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 12), Some(20));
}

// RFC 3261 §9.1: a CANCEL has the number of its INVITE and goes on under the same; it may come and
// go while the INVITE still waits for its ACK
#[test]
fn a_cancel_takes_no_number_away() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    let (_, invite) = relayed(&mut world, &dialog, DialogMethod::Invite, 11, None, ("a", "b"));
    let (cancel, sent) = relayed(&mut world, &dialog, DialogMethod::Other, 11, None, ("a", "b"));
    assert_eq!((sent.cseq, invite.cseq), (Some(12), Some(12)));
    world.dialogs.request_over(&cancel);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 11), Some(12));
}

// §6.4: a challenge to a relayed INVITE or UPDATE on a renumbered leg takes one more
#[test]
fn a_challenge_skips_a_number() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    let (invite, _) = relayed(&mut world, &dialog, DialogMethod::Invite, 11, None, ("a", "b"));
    world.dialogs.response_within(&invite, &support::response(401), &mut Steps::new()).unwrap();
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Invite, 12), Some(14));
}

// RFC 3261 §12.2.2: a number that comes late or was made up takes nothing back
#[test]
fn low_numbers_do_not_lower_ours() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    cseq(&mut world, &dialog, DialogMethod::Other, 20);
    cseq(&mut world, &dialog, DialogMethod::Other, 3);
    assert_eq!(ping(&mut world, &dialog), 21);
}

// D26: what only a tombstone knows is renumbered as before
#[test]
fn a_bye_sent_again_after_the_end_has_a_higher_number() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Bye, 11), Some(12));
    world.transaction_ended(&dialog);
    assert_eq!(dialog.state(), Err(Gone));
    let late = world.matched(&dialog, "a", "b").unwrap();
    assert!(late.tombstone);
    let of =
        |matched, method, cseq| world.dialogs.number_for_late(&Within { matched, method, cseq });
    assert_eq!(of(late, DialogMethod::Bye, 12), Some(13));
    let back = world.matched(&dialog, "b", "a").unwrap();
    assert_eq!(of(back, DialogMethod::Bye, 1), None);
}

// RFC 3261 §12.2.1.1: a request that a script kept waiting does not leave below what went meanwhile
#[test]
fn who_waited_goes_behind_who_left_meanwhile() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    let (info, own) = relayed(&mut world, &dialog, DialogMethod::Other, 11, None, ("a", "b"));
    assert_eq!(own.cseq, None, "nothing of ours went yet");
    assert_eq!(world.dialogs.number_after_wait(&info), None);
    assert_eq!(ping(&mut world, &dialog), 12);
    assert_eq!(world.dialogs.number_after_wait(&info), Some(13));
    assert_eq!(world.dialogs.number_after_wait(&info), Some(13), "it is the last now");
    let (invite, sent) = relayed(&mut world, &dialog, DialogMethod::Invite, 12, None, ("a", "b"));
    assert_eq!(sent.cseq, Some(14));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 13), Some(15));
    assert_eq!(world.dialogs.number_after_wait(&invite), Some(16));
    assert_eq!(cseq(&mut world, &dialog, DialogMethod::Ack, 12), Some(16), "its ACK follows it");
    assert_eq!(world.dialogs.number_after_wait(&info), Some(17), "the INVITE went before it");
}

// However many requests a peer leaves open, what is remembered of them is bounded
#[test]
fn open_requests_are_bounded() {
    let mut world = World::new();
    let dialog = answered(&mut world, PINGED);
    ping(&mut world, &dialog);
    let before = world.dialogs.memory();
    for number in 0..10_000 {
        assert_eq!(cseq(&mut world, &dialog, DialogMethod::Other, 100 + number), Some(12 + number));
    }
    assert!(world.dialogs.memory() - before < 2000);
}
