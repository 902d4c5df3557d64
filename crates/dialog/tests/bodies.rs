//! Bodies that scripts change on their way (spec dialog.md §1.2, `in_sdp` and `out_sdp`; §6.4).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use support::{World, response, sdp, text};

fn keeping() -> World {
    World::with(Settings { keep_sdp: KeepSdp::Always, ..Settings::default() })
}

/// A call of two branches whose offers were changed; the second one answers, and its answer is
/// changed too.
fn changed_both_ways(world: &mut World) -> Dialog {
    changed_with(world, DialogFlags::empty())
}

fn changed_with(world: &mut World, flags: DialogFlags) -> Dialog {
    let invite = InviteFacts { body: sdp("offer"), ..support::invite("call", "a") };
    let dialog = world.create_from(&invite, flags);
    let dialogs = &world.dialogs.clone();
    for (branch, sent) in [(1, "offer 1"), (2, "offer 2")] {
        world.branch(&dialog, branch);
        dialogs.offer_changed(dialog.key(), branch, Some(Body::sdp(sent.as_bytes()))).unwrap();
    }
    let answer = ReplyFacts { body: sdp("answer"), ..support::reply(2, 200, "b") };
    world.reply_with(&dialog, &answer);
    let received = answer.body.unwrap();
    let way = (2, Direction::Upstream);
    dialogs.body_changed(dialog.key(), way, &received, Some(Body::sdp(b"answer changed"))).unwrap();
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.seen();
    dialog
}

/// What came from the caller, went to the callee, came from it and went to the caller.
fn bodies(dialog: &Dialog) -> [String; 4] {
    let callee = dialog.snapshot().unwrap().answered_leg.unwrap();
    let all = [
        dialog.body_from(0).unwrap(),
        dialog.body_to(callee).unwrap(),
        dialog.body_from(callee).unwrap(),
        dialog.body_to(0).unwrap(),
    ];
    all.map(|body| text(body.unwrap().bytes()).to_owned())
}

fn within(
    world: &mut World,
    dialog: &Dialog,
    method: DialogMethod,
    cseq: u32,
    body: &str,
) -> Within {
    let matched = world.matched(dialog, "a", "b").unwrap();
    let facts = RequestFacts::of(&matched, method, cseq, support::flow(1));
    world.feed(&matched, &RequestFacts { body: sdp(body), ..facts }).unwrap();
    Within { matched, method, cseq }
}

/// A module's own INVITE in the caller's name.
fn ours_to_the_callee(world: &World, dialog: &Dialog) -> OwnRequest {
    let request = NewRequest::to_callee("INVITE").body(Body::sdp(b"ours"));
    dialog.send_request(request, |_| {}).unwrap();
    world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap()
}

// §1.2: each leg was sent what left on its branch, whatever came
#[test]
fn each_branch_has_the_offer_that_left_on_it() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    assert_eq!(bodies(&dialog), ["offer", "offer 2", "answer", "answer changed"]);
    let snapshot = dialog.snapshot().unwrap();
    let sent = snapshot.legs[2].sent_body.as_ref().unwrap();
    assert_eq!(text(sent.bytes()), "offer 2");
}

// §1.2, RFC 3261 §12.1.2: a branch may fork further on; all who are behind it got the same
#[test]
fn a_further_leg_of_a_branch_has_its_offer() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    let other = ReplyFacts { body: sdp("other"), ..support::reply(2, 200, "c") };
    world.reply_with(&dialog, &other);
    assert_eq!(text(dialog.body_to(3).unwrap().unwrap().bytes()), "offer 2");
    assert_eq!(text(dialog.body_from(3).unwrap().unwrap().bytes()), "other");
}

// §6.4: a re-INVITE ping tells each leg once more what it was told, and its 2xx changes nothing
#[test]
fn a_ping_tells_what_left() {
    let mut world = keeping();
    let flags = DialogFlags::REINVITE_PING_CALLER | DialogFlags::REINVITE_PING_CALLEE;
    let dialog = changed_with(&mut world, flags);
    world.pass(301);
    let pings: Vec<_> = world.sent.drain(..).collect();
    let told: Vec<_> = pings.iter().map(|own| text(own.body.as_ref().unwrap().bytes())).collect();
    assert_eq!(told, ["answer changed", "offer 2"]);
    let same = ResponseFacts { body: sdp("answer"), ..response(200) };
    let number = (DialogMethod::Invite, pings[1].cseq);
    world.dialogs.own_request_answered(world.now, pings[1].link, number, &same).unwrap();
    assert_eq!(bodies(&dialog), ["offer", "offer 2", "answer", "answer changed"]);
}

// §1.2: what a leg answers to us alone is its own from now on; where a script changes bodies, its
// peer goes on with what it was told
#[test]
fn what_a_leg_tells_us_alone_does_not_pass_by_the_script() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    let own = ours_to_the_callee(&world, &dialog);
    let other = ResponseFacts { body: sdp("mine"), ..response(200) };
    let number = (DialogMethod::Invite, own.cseq);
    world.dialogs.own_request_answered(world.now, own.link, number, &other).unwrap();
    assert_eq!(bodies(&dialog), ["offer", "ours", "mine", "answer changed"]);
}

// §6.4: the local route may change what we are about to say
#[test]
fn what_the_local_route_makes_of_our_body_counts() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    let own = ours_to_the_callee(&world, &dialog);
    world.dialogs.own_body_changed(own.link, Some(Body::sdp(b"ours changed"))).unwrap();
    let number = (DialogMethod::Invite, own.cseq);
    world.dialogs.own_request_answered(world.now, own.link, number, &response(200)).unwrap();
    assert_eq!(bodies(&dialog), ["offer", "ours changed", "answer", "answer changed"]);
}

// §1.2 (tmp SDPs), lessons 13: what was refused leaves both sides as they were
#[test]
fn a_refused_offer_leaves_what_was_sent_before() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    let request = within(&mut world, &dialog, DialogMethod::Invite, 11, "hold");
    let (received, way) = (sdp("hold").unwrap(), (2, Direction::Downstream));
    let sent = Body::sdp(b"hold changed");
    world.dialogs.body_changed(dialog.key(), way, &received, Some(sent.clone())).unwrap();
    world.dialogs.response_within(&request, &response(488), &mut Steps::new()).unwrap();
    assert_eq!(bodies(&dialog), ["offer", "offer 2", "answer", "answer changed"]);

    let request = within(&mut world, &dialog, DialogMethod::Invite, 12, "hold");
    world.dialogs.body_changed(dialog.key(), way, &received, Some(sent)).unwrap();
    let held = ResponseFacts { body: sdp("held"), ..response(200) };
    world.dialogs.response_within(&request, &held, &mut Steps::new()).unwrap();
    assert_eq!(bodies(&dialog), ["hold", "hold changed", "held", "held"]);
}

// RFC 3261 §13.2.1: the answer in an ACK may be changed as well
#[test]
fn an_answer_in_an_ack_may_be_changed() {
    let mut world = keeping();
    let dialog = world.create("call", "a", DialogFlags::empty());
    world.branch(&dialog, 1);
    world.reply_with(&dialog, &ReplyFacts { body: sdp("o"), ..support::reply(1, 200, "b") });
    within(&mut world, &dialog, DialogMethod::Ack, 10, "a");
    let (received, way) = (sdp("a").unwrap(), (1, Direction::Downstream));
    world
        .dialogs
        .body_changed(dialog.key(), way, &received, Some(Body::sdp(b"a changed")))
        .unwrap();
    assert_eq!(bodies(&dialog), ["a", "a changed", "o", "o"]);
}

// §6.4: who was told nothing is not told anything by a ping: an OPTIONS asks as well
#[test]
fn a_body_that_was_taken_away_is_not_told() {
    let mut world = keeping();
    let dialog = changed_with(&mut world, DialogFlags::REINVITE_PING_CALLEE);
    let request = within(&mut world, &dialog, DialogMethod::Invite, 11, "hold");
    let (received, way) = (sdp("hold").unwrap(), (2, Direction::Downstream));
    world.dialogs.body_changed(dialog.key(), way, &received, None).unwrap();
    let held = ResponseFacts { body: sdp("held"), ..response(200) };
    world.dialogs.response_within(&request, &held, &mut Steps::new()).unwrap();
    assert_eq!(text(dialog.body_from(0).unwrap().unwrap().bytes()), "hold");
    assert_eq!(dialog.body_to(2).unwrap(), None);
    world.pass(301);
    assert_eq!(text(&world.sent.pop().unwrap().method), "OPTIONS");
}

// §6.4, RFC 3261 §13.2.2.4: the local route may give our INVITE a body; then the 2xx answers it
#[test]
fn a_body_from_the_local_route_is_an_offer() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    dialog.send_request(NewRequest::to_callee("INVITE"), |_| {}).unwrap();
    let own = world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap();
    world.dialogs.own_body_changed(own.link, Some(Body::sdp(b"given"))).unwrap();
    let answer = ResponseFacts { body: sdp("taken"), ..response(200) };
    let number = (DialogMethod::Invite, own.cseq);
    let ack =
        world.dialogs.own_request_answered(world.now, own.link, number, &answer).unwrap().unwrap();
    assert_eq!(ack.body, None);
    assert_eq!(bodies(&dialog), ["offer", "given", "taken", "answer changed"]);
}

// `keep_sdp`: where bodies are not kept, neither is what became of them
#[test]
fn nothing_is_kept_where_bodies_are_not() {
    let mut world = World::with(Settings { keep_sdp: KeepSdp::Never, ..Settings::default() });
    let dialog = changed_both_ways(&mut world);
    let found = [0, 1, 2].map(|leg| (dialog.body_from(leg).unwrap(), dialog.body_to(leg).unwrap()));
    assert_eq!(found, [const { (None, None) }; 3]);
}

// Bodies that differ are counted; the same one twice is one
#[test]
fn changed_bodies_are_counted() {
    let mut world = keeping();
    let dialog = changed_both_ways(&mut world);
    let before = world.dialogs.memory();
    let way = (2, Direction::Downstream);
    let long = [b'x'; 5_000];
    let received = sdp("offer").unwrap();
    world.dialogs.body_changed(dialog.key(), way, &received, Some(Body::sdp(&long))).unwrap();
    assert!(world.dialogs.memory() > before + 4_900);
}
