//! The rows of spec dialog.md §2.2–2.4, each as a short call.

mod support;

use duologue_dialog::*;
use support::{World, reply};

const NONE: DialogFlags = DialogFlags::empty();

// §2.3 creation: refused unless initial, with a From-tag and a Call-ID; failures are counted
#[test]
fn creation_is_refused_without_identity() {
    let world = World::new();
    let mut steps = Steps::new();
    let mut create = |facts: &InviteFacts<'_>| {
        world.dialogs.create(world.now, facts, NONE, &mut steps).unwrap_err()
    };
    let good = support::invite("call", "a");
    assert_eq!(create(&InviteFacts { to_tag: b"x", ..good }), CreateError::NotInitial);
    assert_eq!(create(&InviteFacts { from_tag: b"", ..good }), CreateError::NoIdentity);
    assert_eq!(create(&InviteFacts { call_id: b"", ..good }), CreateError::NoIdentity);
    let long = vec![b'x'; TEXT_BYTES_MAX + 1];
    assert_eq!(create(&InviteFacts { contact: &long, ..good }), CreateError::TooLong);
    assert!(steps.is_empty());
    let statistics = world.dialogs.statistics();
    assert_eq!((statistics.failed_dialogs, statistics.processed_dialogs), (4, 0));
    assert!(world.dialogs.is_empty());
}

// §2.2, §2.3: 1 -> 2 -> 3 -> 4 -> 5 with the callbacks in order
#[test]
fn an_answered_call() {
    let mut world = World::new();
    let dialog = world.call("call");
    assert_eq!(dialog.state(), Ok(State::Unconfirmed));
    assert_eq!(world.seen(), ["CREATED"]);

    world.reply(&dialog, 180, "b");
    assert_eq!(world.seen(), ["RESPONSE_FWDED Some(1)", "1 -> 2", "EARLY"]);
    assert_eq!(world.dialogs.statistics().early_dialogs, 1);
    world.reply(&dialog, 183, "b");
    assert_eq!(world.seen(), ["RESPONSE_FWDED Some(1)"], "EARLY fires once");

    world.reply(&dialog, 200, "b");
    assert_eq!(world.seen(), ["RESPONSE_FWDED Some(1)", "2 -> 3", "CONFIRMED"]);
    assert_eq!(dialog.start_ts(), Ok(1_000_000), "the answer counts, not the INVITE");
    let statistics = world.dialogs.statistics();
    assert_eq!((statistics.early_dialogs, statistics.active_dialogs), (0, 1));

    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    assert_eq!(world.seen(), ["3 -> 4", "REQ_WITHIN downstream 1"]);

    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED Upstream BYE", "DESTROY"]);
    assert_eq!(dialog.state(), Err(Gone));
    assert_eq!(world.dialogs.statistics().active_dialogs, 0);
    world.dialogs.audit().unwrap();
}

// §2.2: 3 -> 5 by a BYE that overtakes the ACK
#[test]
fn bye_before_ack() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 200, "b");
    world.seen();
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    assert_eq!(world.seen(), ["3 -> 5", "TERMINATED Downstream BYE", "DESTROY"]);
}

// §2.2 RPL3xx, TDEL in 1 and 2; §2.3: FAILED with the reply or without
#[test]
fn calls_that_fail() {
    let mut world = World::new();
    let busy = world.call("busy");
    world.reply(&busy, 486, "b");
    assert_eq!(world.seen()[1..], ["RESPONSE_FWDED Some(1)", "1 -> 5", "FAILED 486"]);
    world.transaction_ended(&busy);
    assert_eq!(world.seen(), ["DESTROY"], "the INVITE's transaction kept it readable");

    let silent = world.call("silent");
    world.reply(&silent, 180, "");
    world.seen();
    world.transaction_ended(&silent);
    assert_eq!(world.seen(), ["2 -> 5", "FAILED", "DESTROY"]);
    assert_eq!(world.dialogs.statistics().failed_dialogs, 2);
    assert_eq!(world.dialogs.statistics().dialogs_tombstones, 0, "failed calls leave none");
}

// §2.2 `!`: a 1xx or negative reply after the answer, requests before any reply
#[test]
fn bogus_events_change_nothing() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 200, "b");
    world.seen();
    world.sent(&dialog, 180);
    world.sent(&dialog, 486);
    assert_eq!(
        world.seen(),
        ["note Bogus(ConfirmedNa, Provisional)", "note Bogus(ConfirmedNa, Failure)"]
    );
    world.sent(&dialog, 200);
    assert!(world.seen().is_empty(), "a retransmitted 200 is no event");
    assert_eq!(dialog.state(), Ok(State::ConfirmedNa));
    assert_eq!(world.dialogs.statistics().bogus_events, 2);
}

// §2.3, requests in 3 and 4: prev_cseq <- r_cseq <- CSeq, inv_cseq, target refresh
#[test]
fn bookkeeping_of_requests_within() {
    let mut world = World::new();
    let dialog = world.answered("call");
    world.request(&dialog, DialogMethod::Other, 11, "a", "b");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"]);
    let legs = dialog.snapshot().unwrap().legs;
    assert_eq!((legs[1].cseq, legs[1].prev_cseq), (11, Some(10)));
    assert_eq!(&*legs[0].contact, b"sip:alice@127.0.0.1:5061", "INFO refreshes nothing");

    world.request(&dialog, DialogMethod::Invite, 12, "a", "b");
    let legs = dialog.snapshot().unwrap().legs;
    assert_eq!((legs[1].cseq, legs[1].prev_cseq), (12, Some(11)));
    assert_eq!(legs[0].inv_cseq, 12);
    assert_eq!(&*legs[0].contact, b"sip:moved@10.0.0.1");

    let matched = world.request(&dialog, DialogMethod::Update, 1, "b", "a").unwrap();
    assert_eq!((matched.direction, matched.dst_leg), (Direction::Upstream, 0));
    let legs = dialog.snapshot().unwrap().legs;
    assert_eq!((legs[0].cseq, legs[0].prev_cseq, legs[1].inv_cseq), (1, Some(0), 0));

    let mut steps = Steps::new();
    let contact = b"sip:answer@10.0.0.2";
    let request = Within { matched, method: DialogMethod::Update, cseq: 1 };
    let facts = ResponseFacts { contact, ..support::response(200) };
    world.dialogs.response_within(&request, &facts, &mut steps).unwrap();
    assert_eq!(&*dialog.snapshot().unwrap().legs[0].contact, contact);
    assert!(matches!(
        steps.as_slice(),
        [Step::Fire(Firing { what: Fire::ResponseWithin(Direction::Downstream, 1), .. })]
    ));
}

// §2.3: in 2, PRACK and others fire REQ_WITHIN; in 1 they are bogus
#[test]
fn requests_before_the_answer() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    world.seen();
    world.request(&dialog, DialogMethod::Prack, 11, "a", "b");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"]);
    world.request(&dialog, DialogMethod::Ack, 11, "a", "b");
    assert_eq!(world.seen(), ["note Bogus(Early, Ack)"]);
}

// §2.3 hook 1: the callee's route set is the reply's, reversed, without upstream's and ours
#[test]
fn route_sets() {
    let mut world = World::new();
    let mut steps = Steps::new();
    let upstream: &[&[u8]] = &[b"<sip:u2;lr>", b"<sip:u1;lr>"];
    let facts = InviteFacts { record_routes: upstream, ..support::invite("call", "a") };
    let dialog = world.dialogs.create(world.now, &facts, NONE, &mut steps).unwrap();
    world.branch(&dialog, 1);
    let all: &[&[u8]] =
        &[b"<sip:d2;lr>", b"<sip:d1;lr>", b"<sip:me;lr>", b"<sip:u2;lr>", b"<sip:u1;lr>"];
    let answer = ReplyFacts { record_routes: all, own_record_routes: 1, ..reply(1, 200, "b") };
    world.reply_with(&dialog, &answer);
    let legs = dialog.snapshot().unwrap().legs;
    assert_eq!(&*legs[0].route_set, b"<sip:u2;lr>,<sip:u1;lr>");
    assert_eq!(&*legs[1].route_set, b"<sip:d1;lr>,<sip:d2;lr>");
}

// §2.4.1 and D2: two answered legs; each BYE ends its leg, the last one the dialog
#[test]
fn a_forked_call_with_two_answers() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.branch(&dialog, 2);
    world.reply_with(&dialog, &reply(1, 180, "b1"));
    world.reply_with(&dialog, &reply(2, 180, "b2"));
    world.reply_with(&dialog, &reply(2, 183, "b3"));
    let legs = dialog.snapshot().unwrap().legs;
    let tags: Vec<_> = legs.iter().map(|leg| &*leg.tag).collect();
    assert_eq!(tags, [b"a".as_slice(), b"b1", b"b2", b"b3"], "a downstream fork gets its own leg");

    world.reply_with(&dialog, &reply(2, 200, "b2"));
    world.reply_with(&dialog, &reply(1, 200, "b1"));
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b2");
    let snapshot = dialog.snapshot().unwrap();
    assert_eq!(snapshot.answered_leg, Some(2), "the first answer stays the answered leg");
    let confirmed = world.seen().iter().filter(|line| *line == "CONFIRMED").count();
    assert_eq!(confirmed, 1);

    world.request(&dialog, DialogMethod::Bye, 11, "a", "b3");
    assert!(world.seen().is_empty(), "§2.3: a BYE to an unanswered leg is only forwarded");
    world.request(&dialog, DialogMethod::Bye, 1, "b3", "a");
    assert_eq!(world.seen(), ["note Bogus(Confirmed, ByeUnansweredByCallee)"]);

    world.request(&dialog, DialogMethod::Bye, 11, "a", "b1");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"]);
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b1");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"], "retransmitted: still one leg left");
    world.request(&dialog, DialogMethod::Bye, 1, "b2", "a");
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED Upstream BYE", "DESTROY"]);
}

// §2.4.3 and D3: a late 2xx is counted, the dialog stays ended
#[test]
fn a_late_answer() {
    let mut world =
        World::with(Settings { late_answer: LateAnswer::Release, ..Settings::default() });
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    world.sent(&dialog, 408);
    world.seen();
    world.reply(&dialog, 200, "b");
    assert_eq!(world.seen(), ["RESPONSE_FWDED Some(1)", "note LateAnswer", "release late"]);
    assert_eq!(dialog.state(), Ok(State::Deleted));
    world.transaction_ended(&dialog);
    world.sent(&dialog, 200);
    let statistics = world.dialogs.statistics();
    assert_eq!((statistics.late_answers, statistics.failed_dialogs), (2, 1));
    assert!(world.dialogs.is_empty());
}

// §2.4.4: a CANCEL, then the 487
#[test]
fn a_cancelled_call() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    world.cancelled(&dialog);
    assert_eq!(dialog.end_reason(), Ok(Some(EndReason::CANCELLED)));
    world.seen();
    world.reply(&dialog, 487, "b");
    assert_eq!(world.seen()[1..], ["2 -> 5", "FAILED 487"]);
}

// §2.4.4: CANCEL and 200 cross; with the flag the call lives race_condition_timeout
#[test]
fn a_cancel_that_crosses_the_answer() {
    for cancel_first in [true, false] {
        let mut world = World::new();
        let flags = DialogFlags::END_ON_RACE_CONDITION | DialogFlags::BYE_ON_TIMEOUT;
        let dialog = world.create("call", "a", flags);
        world.branch(&dialog, 1);
        if cancel_first {
            world.cancelled(&dialog);
            world.reply(&dialog, 200, "b");
        } else {
            world.reply(&dialog, 200, "b");
            world.cancelled(&dialog);
        }
        assert!(dialog.flags().unwrap().contains(DialogFlags::RACE_CONDITION_OCCURRED));
        dialog.set_timeout(world.now, 1000).unwrap();
        assert_eq!(dialog.timeout(world.now), Ok(5), "assignments are ignored");
        world.pass(5);
        assert_eq!(world.ends.len(), 1);
        assert_eq!(dialog.end_reason(), Ok(Some(EndReason::SIP_RACE_CONDITION)));
    }
}

// §2.4.5: a BYE before the answer leaves a mark; the negative reply ends the dialog
#[test]
fn an_early_bye() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    world.seen();
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"]);
    assert!(dialog.flags().unwrap().contains(DialogFlags::HAS_BYE));
    world.reply(&dialog, 487, "b");
    assert_eq!(world.seen()[1..], ["2 -> 5", "FAILED 487"]);
}

// §2.4.7 and D4: the delete delay is served, and the tombstone after it routes a late BYE
#[test]
fn delete_delay_and_tombstone() {
    let mut world = World::with(Settings { delete_delay: 3, ..Settings::default() });
    let dialog = world.answered("call");
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED Downstream BYE"]);
    world.request(&dialog, DialogMethod::Bye, 12, "a", "b");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"], "in 5, any matched request");
    world.pass(4);
    assert_eq!(world.seen(), ["DESTROY"]);

    let late = world.matched(&dialog, "a", "b").unwrap();
    assert!(late.tombstone && late.owner == 77 && late.dst_leg == 1);
    let mut listed = Vec::new();
    assert_eq!(world.dialogs.list(Cursor::default(), 10, &mut listed), None);
    assert!(listed.is_empty() && world.dialogs.by_id(dialog.id()).is_none());
    world.pass(33);
    assert_eq!(world.matched(&dialog, "a", "b"), Err(NoMatch::UnknownDid));
    assert_eq!(world.dialogs.statistics().dialogs_tombstones, 0);
    assert_eq!(world.dialogs.next_wake(), None);
}

// lessons 1: nothing stays in state 5, even if nobody releases it
#[test]
fn a_forgotten_hold_delays_the_end_by_32_seconds() {
    let mut world = World::new();
    let dialog = world.answered("call");
    world.dialogs.hold(dialog.key()).unwrap();
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    world.seen();
    world.pass(31);
    assert_eq!(dialog.state(), Ok(State::Deleted));
    world.pass(2);
    assert_eq!(world.seen(), ["DESTROY"]);
}

// §2.3: the on-answer and on-hangup routes stand where the order says
#[test]
fn routes_in_order() {
    let mut world = World::new();
    let dialog = world.call("call");
    assert_eq!(dialog.set_route(RouteHook::Answer, Some(1)), Ok(true));
    assert_eq!(dialog.set_route(RouteHook::Hangup, Some(2)), Ok(true));
    world.seen();
    world.reply(&dialog, 200, "b");
    assert_eq!(world.seen()[1..], ["1 -> 3", "CONFIRMED", "route Answer 1"]);
    assert_eq!(dialog.set_route(RouteHook::Answer, None), Ok(false));
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(world.seen(), ["3 -> 5", "route Hangup 2", "TERMINATED Upstream BYE", "DESTROY"]);
}

// lessons 1: a DESTROY that the shell lost is asked for again
#[test]
fn a_lost_destroy_is_asked_for_again() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let mut lost = Steps::new();
    let matched = world.matched(&dialog, "a", "b").unwrap();
    let bye = RequestFacts::of(&matched, DialogMethod::Bye, 11, support::flow(1));
    world.dialogs.request_within(world.now, dialog.key(), &bye, &mut lost).unwrap();
    world.dialogs.release(world.now, dialog.key(), &mut lost).unwrap();
    assert_eq!(dialog.state(), Ok(State::Deleted));
    world.pass(2);
    assert_eq!(world.seen(), ["DESTROY"]);
    assert!(world.dialogs.is_empty());
}
