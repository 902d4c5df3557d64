//! What requests of our own do to media and targets (spec dialog.md §6.4, lessons 13).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use std::sync::{Arc, Mutex};
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
    let method = match &*own.method {
        b"INVITE" => DialogMethod::Invite,
        b"PRACK" => DialogMethod::Prack,
        _ => DialogMethod::Update,
    };
    world.dialogs.own_request_answered(world.now, own.link, (method, own.cseq), facts).unwrap()
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
    // §1.2: what we said in the caller's name is what the callee was sent, not what the caller said
    assert_eq!(bodies(&dialog), ["offer", "listening"]);
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

/// A module's INVITE without a body, whose ACK is held, got this answer.
fn challenged(world: &mut World, dialog: &Dialog) -> (OwnRequest, HeldAck) {
    let kept: Arc<Mutex<Option<HeldAck>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let invite = NewRequest::to_callee("INVITE").holding_ack();
    dialog.send_request(invite, move |answer| *keep.lock().unwrap() = answer.ack).unwrap();
    world.dialogs.take_intent().unwrap();
    let own = world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap();
    assert_eq!(answer(world, &own, &late()), None, "it waits");
    world.settled(&own, Outcome::Reply(200));
    let ack = kept.lock().unwrap().take().unwrap();
    (own, ack)
}

fn late() -> ResponseFacts<'static> {
    ResponseFacts { body: sdp("late"), ..response(200) }
}

/// The body of the ACK that leaves now.
fn released(world: &mut World, dialog: &Dialog, own: &OwnRequest) -> String {
    world.dialogs.take_intent().unwrap();
    let acks = world.dialogs.take_asked(dialog.key()).unwrap();
    let [ack] = &acks[..] else { panic!("one ACK") };
    assert_eq!((text(&ack.method), ack.cseq), ("ACK", own.cseq));
    text(ack.body.as_ref().unwrap().bytes()).to_owned()
}

// §13.2, RFC 3725 §4.1: the ACK waits for the answer of the other side, and repeats it
#[test]
fn a_held_ack_brings_what_is_said_later() {
    let mut world = world();
    let dialog = answered(&mut world);
    let (own, ack) = challenged(&mut world, &dialog);
    assert_eq!(answer(&world, &own, &late()), None, "the 2xx again");
    assert_eq!(pinged(&mut world), pairs(&[(0, "late")]), "the callee waits for its ACK");
    let again = NewRequest::to_callee("INVITE").holding_ack();
    assert_eq!(dialog.send_request(again, |_| ()), Err(AskError::Busy));
    ack.send(Body::sdp(b"agreed"));
    // it has not left yet: the next one waits its turn, or this one would be lost
    let again = NewRequest::to_callee("INVITE").holding_ack();
    assert_eq!(dialog.send_request(again, |_| ()), Err(AskError::Busy));
    assert_eq!(released(&mut world, &dialog, &own), "agreed");
    let sent = dialog.body_last_sent(Direction::Downstream).unwrap();
    assert_eq!(sent, Some(Body::sdp(b"agreed")), "§1.2, out_sdp");
    let ack = answer(&world, &own, &late()).unwrap();
    assert_eq!(text(ack.body.unwrap().bytes()), "agreed", "and once more");
    assert!(world.dialogs.take_asked(dialog.key()).unwrap().is_empty());
}

// RFC 3261 §13.2.2.4: who has nothing to say answers with what the peer said last
#[test]
fn a_held_ack_that_is_dropped_leaves_all_the_same() {
    let mut world = world();
    let dialog = answered(&mut world);
    let (own, ack) = challenged(&mut world, &dialog);
    drop(ack);
    assert_eq!(released(&mut world, &dialog, &own), "offer");
    let (_, ack) = challenged(&mut world, &dialog);
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(dialog.state(), Err(Gone));
    drop(ack);
}

// RFC 3261 §13.3.1.4: the side that waits for its ACK ends the call after 32 s
#[test]
fn a_held_ack_leaves_before_its_side_gives_up() {
    let mut world = world();
    let dialog = answered(&mut world);
    let (own, ack) = challenged(&mut world, &dialog);
    world.pass(19);
    assert_eq!(answer(&world, &own, &late()), None, "still held");
    world.pass(1);
    let left = answer(&world, &own, &late()).unwrap();
    assert_eq!(text(left.body.unwrap().bytes()), "offer", "what the peer said last");
    ack.send(Body::sdp(b"too late"));
    assert!(world.dialogs.take_intent().is_none());
    let again = answer(&world, &own, &late()).unwrap();
    assert_eq!(text(again.body.unwrap().bytes()), "offer", "an ACK does not change its mind");
}

/// A call whose callee made a reliable provisional with this body.
fn reliable(world: &mut World, offer: Option<&str>, early: &str) -> Dialog {
    let facts = InviteFacts { body: offer.and_then(sdp), ..invite("call", "a") };
    let dialog = world.create_from(&facts, PINGED);
    world.branch(&dialog, 1);
    let contact = b"sip:bob@10.0.0.2";
    let early = ReplyFacts { body: sdp(early), rseq: Some(7), contact, ..reply(1, 183, "b") };
    dialog.send_request(NewRequest::prack(b"b", 7, 10).body(Body::sdp(b"ours")), |_| {}).unwrap();
    world.reply_with(&dialog, &early);
    dialog
}

/// The PRACK that was asked for leaves now.
fn prack(world: &mut World, dialog: &Dialog) -> OwnRequest {
    world.dialogs.take_intent().unwrap();
    let own = world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap();
    assert_eq!((text(&own.method), own.rack), ("PRACK", Some((7, 10))));
    own
}

// RFC 3262 §5: the PRACK answers an offer that was made in the provisional
#[test]
fn an_asked_prack_answers_an_early_offer() {
    let mut world = world();
    let dialog = reliable(&mut world, None, "early");
    let own = prack(&mut world, &dialog);
    world.settled(&own, Outcome::Reply(200));
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    assert_eq!(pinged(&mut world), pairs(&[(0, "early"), (1, "ours")]));
    assert_eq!(dialog.body_from(0).unwrap(), None, "the caller said nothing");
}

// RFC 3262 §5: behind an answer it makes an offer of its own, which its 2xx answers
#[test]
fn an_asked_prack_may_make_an_offer() {
    let mut world = world();
    let dialog = reliable(&mut world, Some("offer"), "early");
    let own = prack(&mut world, &dialog);
    let facts = ResponseFacts { body: sdp("agreed"), ..response(200) };
    assert_eq!(answer(&world, &own, &facts), None, "only an INVITE is acknowledged");
    world.settled(&own, Outcome::Reply(200));
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    assert_eq!(pinged(&mut world), pairs(&[(0, "agreed"), (1, "ours")]));
}

// a refusal is acknowledged hop by hop: there is nothing to hold
#[test]
fn a_refused_invite_holds_no_ack() {
    let mut world = world();
    let dialog = answered(&mut world);
    for _ in 0..2 {
        let invite = NewRequest::to_callee("INVITE").holding_ack();
        let heard: Arc<Mutex<Option<bool>>> = Arc::default();
        let hears = Arc::clone(&heard);
        dialog
            .send_request(invite, move |answer| *hears.lock().unwrap() = Some(answer.ack.is_some()))
            .unwrap();
        world.dialogs.take_intent().unwrap();
        let own = world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap();
        world.settled(&own, Outcome::Reply(491));
        assert_eq!(*heard.lock().unwrap(), Some(false));
    }
}

// §13.2: `inbound` and `outbound`
#[test]
fn the_last_bodies_are_told_by_direction() {
    let mut world = world();
    let dialog = answered(&mut world);
    let (down, up) = (Direction::Downstream, Direction::Upstream);
    let texts = |bodies: [Option<Body>; 2]| bodies.map(|it| text(it.unwrap().bytes()).to_owned());
    let sent = [down, up].map(|to| dialog.body_last_sent(to).unwrap());
    let received = [down, up].map(|from| dialog.body_last_received(from).unwrap());
    assert_eq!(
        (texts(sent), texts(received)),
        (["offer", "answer"].map(str::to_owned), ["offer", "answer"].map(str::to_owned))
    );
}
