//! What requests of our own do to media and targets (spec dialog.md §6.4, lessons 13).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use support::{World, flow, invite, reply, response, sdp, text};

const PINGED: DialogFlags =
    DialogFlags::REINVITE_PING_CALLER.union(DialogFlags::REINVITE_PING_CALLEE);

/// An answered call that keeps its bodies: "offer" of the caller, "answer" of the callee.
fn answered(world: &mut World) -> Dialog {
    let dialog =
        world.create_from(&InviteFacts { body: sdp("offer"), ..invite("call", "a") }, PINGED);
    world.branch(&dialog, 1);
    world.reply_with(&dialog, &ReplyFacts { body: sdp("answer"), ..reply(1, 200, "b") });
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    dialog
}

fn world() -> World {
    World::with(Settings { reinvite_ping_interval: 30, ..Settings::default() })
}

/// A module sends this to the callee.
fn asked(world: &mut World, dialog: &Dialog, request: NewRequest) -> OwnRequest {
    dialog.send_request(request, |_| {}).unwrap();
    assert_eq!(world.dialogs.take_intent().map(|intent| intent.wish), Some(Wish::Send));
    world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap()
}

fn answer(world: &World, own: &OwnRequest, facts: &ResponseFacts<'_>) -> Option<OwnRequest> {
    let method =
        if &*own.method == b"INVITE" { DialogMethod::Invite } else { DialogMethod::Update };
    world.dialogs.own_request_answered(own.link, (method, own.cseq), facts).unwrap()
}

fn bodies(dialog: &Dialog) -> [String; 2] {
    [0, 1].map(|leg| text(dialog.body_from(leg).unwrap().unwrap().bytes()).to_owned())
}

/// What each side is told by the pings that are due, caller first.
fn pinged(world: &mut World) -> Vec<(u16, String)> {
    world.sent.clear();
    world.pass(30);
    let pings: Vec<_> = world.sent.drain(..).collect();
    let told = |own: &OwnRequest| text(own.body.as_ref().unwrap().bytes()).to_owned();
    let all = pings.iter().map(|own| (own.link.leg, told(own))).collect();
    for own in &pings {
        world.settled(own, Outcome::Reply(200));
    }
    all
}

fn pairs(list: &[(u16, &str)]) -> Vec<(u16, String)> {
    list.iter().map(|(leg, body)| (*leg, (*body).to_owned())).collect()
}

// RFC 3261 §14.1, lessons 13: an INVITE of a module is an offer as any other
#[test]
fn an_offer_of_a_module_is_what_the_leg_knows_from_then_on() {
    let mut world = world();
    let dialog = answered(&mut world);
    let hold = NewRequest::to_callee("INVITE").body(Body::sdp(b"music"));
    let own = asked(&mut world, &dialog, hold);
    assert_eq!(pinged(&mut world), pairs(&[(0, "answer")]), "the callee has not answered yet");
    let facts = ResponseFacts { body: sdp("listening"), ..response(200) };
    for _ in 0..2 {
        let ack = answer(&world, &own, &facts).unwrap();
        assert_eq!((text(&ack.method), ack.cseq, ack.body), ("ACK", own.cseq, None));
    }
    world.settled(&own, Outcome::Reply(200));
    assert_eq!(bodies(&dialog), ["music", "listening"]);
    assert_eq!(pinged(&mut world), pairs(&[(0, "listening"), (1, "music")]));
}

// lessons 13: a refused or unanswered offer leaves what was agreed before
#[test]
fn a_refused_offer_of_a_module_changes_nothing() {
    for outcome in [Outcome::Reply(488), Outcome::TimedOut] {
        let mut world = world();
        let dialog = answered(&mut world);
        let update = NewRequest::to_callee("UPDATE").body(Body::sdp(b"music"));
        let own = asked(&mut world, &dialog, update);
        world.settled(&own, outcome);
        assert_eq!(bodies(&dialog), ["offer", "answer"]);
        assert_eq!(pinged(&mut world), pairs(&[(0, "answer"), (1, "offer")]));
    }
}

// RFC 3261 §13.2.2.4: without an offer in the INVITE, the ACK answers the one of the 2xx
#[test]
fn the_ack_answers_a_late_offer_with_what_the_peer_said() {
    let mut world = world();
    let dialog = answered(&mut world);
    let own = asked(&mut world, &dialog, NewRequest::to_callee("INVITE"));
    let facts = ResponseFacts { body: sdp("late"), ..response(200) };
    for _ in 0..2 {
        let ack = answer(&world, &own, &facts).unwrap();
        assert_eq!(text(ack.body.unwrap().bytes()), "offer");
    }
    assert_eq!(bodies(&dialog), ["offer", "late"]);
}

// §6.3: what a leg answers to a ping is in force: its peer hears of it by the next one
#[test]
fn a_changed_answer_to_a_ping_reaches_the_peer_by_the_next() {
    let mut world = world();
    let dialog = answered(&mut world);
    world.pass(30);
    let pings: Vec<_> = world.sent.drain(..).collect();
    answer(&world, &pings[1], &ResponseFacts { body: sdp("moved"), ..response(200) }).unwrap();
    for own in &pings {
        world.settled(own, Outcome::Reply(200));
    }
    assert_eq!(bodies(&dialog), ["offer", "moved"]);
    assert_eq!(pinged(&mut world), pairs(&[(0, "moved"), (1, "offer")]));
}

// RFC 3261 §12.2.1.2, RFC 3311 §5.1: a 2xx moves target and flow; lessons 23
#[test]
fn a_2xx_to_a_refresh_of_ours_moves_the_target() {
    let mut world = world();
    let dialog = answered(&mut world);
    let facts = ResponseFacts { contact: b"sip:bob@10.0.0.9", flow: flow(9), ..response(200) };
    let update = asked(&mut world, &dialog, NewRequest::to_callee("UPDATE"));
    assert_eq!(answer(&world, &update, &facts), None, "only an INVITE is acknowledged");
    world.settled(&update, Outcome::Reply(200));
    // the answer of the initial INVITE, once more and late, does not take it back
    world.reply_with(&dialog, &reply(1, 200, "b"));
    let next = asked(&mut world, &dialog, NewRequest::to_callee("INFO"));
    assert_eq!((text(&next.request_uri), next.flow), ("sip:bob@10.0.0.9", Some(flow(9))));
}
