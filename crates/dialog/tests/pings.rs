//! Pings (spec dialog.md §6.1–§6.4, decision D12, lessons 13 and 14).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use support::{World, response, sdp, text};

const BOTH: DialogFlags = DialogFlags::PING_CALLER.union(DialogFlags::PING_CALLEE);
const REINVITES: DialogFlags =
    DialogFlags::REINVITE_PING_CALLER.union(DialogFlags::REINVITE_PING_CALLEE);

/// An answered call whose INVITE and 200 carried bodies.
fn answered(world: &mut World, flags: DialogFlags) -> Dialog {
    let invite = InviteFacts { body: sdp("offer"), ..support::invite("call", "a") };
    let dialog = world.create_from(&invite, flags);
    world.branch(&dialog, 1);
    world.reply_with(&dialog, &ReplyFacts { body: sdp("answer"), ..support::reply(1, 200, "b") });
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.seen();
    dialog
}

fn one(world: &mut World) -> OwnRequest {
    let own = world.sent.pop().expect("a ping was due");
    assert!(world.sent.is_empty(), "one ping at a time");
    own
}

fn within(
    world: &mut World,
    dialog: &Dialog,
    facts: impl Fn(RequestFacts<'_>) -> RequestFacts<'_>,
) -> Within {
    let matched = world.matched(dialog, "a", "b").unwrap();
    let all = facts(RequestFacts::of(&matched, DialogMethod::Other, 11, support::flow(1)));
    world.feed(&matched, &all).unwrap();
    Within { matched, method: all.method, cseq: all.cseq }
}

// §6.2: never in 3; from the ACK on, the first one interval later, at most a tenth earlier
#[test]
fn pings_begin_at_the_ack() {
    let mut world = World::new();
    let dialog = world.create("call", "a", BOTH);
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    world.pass(50);
    assert!(world.sent.is_empty(), "nobody acknowledged");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.pass(26);
    assert!(world.sent.is_empty());
    world.pass(4);
    let legs: Vec<_> = world.sent.iter().map(|own| (text(&own.method), own.link.leg)).collect();
    assert_eq!(legs, [("OPTIONS", 0), ("OPTIONS", 1)]);
    // §6.4: OPTIONS has no Contact and no body
    assert!(world.sent.iter().all(|own| own.contact.is_empty() && own.body.is_none()));
    assert_eq!(world.dialogs.statistics().pings_sent, 2);
}

// lessons 14: calls that begin together are not pinged together
#[test]
fn first_pings_are_spread() {
    let mut world = World::with(Settings { options_ping_interval: 300, ..Settings::default() });
    for number in 0..200 {
        let call_id = format!("{number}");
        let dialog = world.create(&call_id, "a", DialogFlags::PING_CALLEE);
        world.branch(&dialog, 1);
        world.reply(&dialog, 200, "b");
        world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    }
    let mut busiest = 0;
    for second in 0..=300 {
        let before = world.sent.len();
        world.pass(1);
        let now = world.sent.len() - before;
        assert!(now == 0 || second >= 269, "none comes more than a tenth early");
        busiest = busiest.max(now);
    }
    assert_eq!(world.sent.len(), 200);
    assert!(busiest < 30, "{busiest} pings in one second");
}

// §6.1: a re-INVITE wins over OPTIONS; §6.4: it carries what the leg was told, and the peer's Contact
#[test]
fn a_reinvite_tells_the_leg_what_it_knows() {
    let mut world = World::with(Settings { reinvite_ping_interval: 60, ..Settings::default() });
    let dialog = answered(&mut world, BOTH | REINVITES);
    world.pass(60);
    let pings: Vec<_> = world.sent.drain(..).collect();
    assert_eq!(pings.len(), 2);
    for (own, body, contact) in [
        (&pings[0], "answer", "sip:bob@127.0.0.1:5062"),
        (&pings[1], "offer", "sip:alice@127.0.0.1:5061"),
    ] {
        assert_eq!((text(&own.method), text(&own.contact)), ("INVITE", contact));
        let found = own.body.as_ref().unwrap();
        assert_eq!((found.content_type(), text(found.bytes())), (&b"application/sdp"[..], body));
    }
    // §6.3: each 2xx is acknowledged under the number of its INVITE, at the new target
    let link = pings[1].link;
    let facts = ResponseFacts { contact: b"sip:bob@10.0.0.9", ..response(200) };
    let ack = world.dialogs.own_request_answered(
        world.now,
        link,
        (DialogMethod::Invite, pings[1].cseq),
        &facts,
    );
    let ack = ack.unwrap().unwrap();
    assert_eq!((text(&ack.method), ack.cseq), ("ACK", pings[1].cseq));
    assert_eq!(text(&ack.request_uri), "sip:bob@10.0.0.9");
    assert!(dialog.is_active());
}

// lessons 13: without a body to tell, an OPTIONS asks as well (`keep_sdp=never`)
#[test]
fn without_a_body_a_reinvite_is_an_options() {
    let mut world = World::with(Settings { keep_sdp: KeepSdp::Never, ..Settings::default() });
    answered(&mut world, DialogFlags::REINVITE_PING_CALLEE);
    world.pass(300);
    assert_eq!(text(&one(&mut world).method), "OPTIONS");
}

// §6.3: 408 and silence are failures, so many in a row end the call (D12); 481 does at once
#[test]
fn failures_end_the_call() {
    for (outcomes, ended) in [
        (&[Outcome::TimedOut][..], false),
        (&[Outcome::TimedOut, Outcome::Reply(408)], true),
        (&[Outcome::NotSent, Outcome::NotSent], true),
        (&[Outcome::TimedOut, Outcome::Reply(200), Outcome::TimedOut], false),
        (&[Outcome::Reply(481)], true),
        (&[Outcome::Reply(405), Outcome::Reply(401), Outcome::Reply(500)], false),
        // lessons 12, 14: glare is a sign of life
        (&[Outcome::TimedOut, Outcome::Reply(491), Outcome::TimedOut], false),
    ] {
        let mut world = World::new();
        let dialog = answered(&mut world, DialogFlags::PING_CALLEE);
        for &outcome in outcomes {
            world.pass(30);
            let own = one(&mut world);
            world.settled(&own, outcome);
        }
        assert_eq!(world.ends.len(), usize::from(ended), "{outcomes:?}");
        let reason = ended.then_some(EndReason::CALLEE_PING_TIMEOUT);
        assert_eq!(dialog.end_reason(), Ok(reason), "{outcomes:?}");
    }
}

// §6.2: the reason names the side and the kind
#[test]
fn the_reason_names_side_and_kind() {
    for (flags, reason) in [
        (DialogFlags::PING_CALLER, "Caller Ping Timeout"),
        (DialogFlags::PING_CALLEE, "Callee Ping Timeout"),
        (DialogFlags::REINVITE_PING_CALLER, "Caller ReINVITE Ping Timeout"),
        (DialogFlags::REINVITE_PING_CALLEE, "Callee ReINVITE Ping Timeout"),
    ] {
        let mut world = World::with(Settings { ping_failures_max: 1, ..Settings::default() });
        let dialog = answered(&mut world, flags);
        world.pass(300);
        let own = one(&mut world);
        world.settled(&own, Outcome::TimedOut);
        assert_eq!(dialog.end_reason().unwrap().unwrap().as_str(), reason);
        // §6.2: regardless of BYEONTIMEOUT
        assert_eq!(world.byes(&dialog).len(), 2);
    }
}

// §6.3: a ping still under way is no second one
#[test]
fn a_pending_ping_skips_the_round() {
    let mut world = World::new();
    answered(&mut world, DialogFlags::PING_CALLEE);
    world.pass(95);
    assert_eq!(world.sent.len(), 1);
}

// A ping whose outcome got lost counts as failed some minutes later: nothing stays pending
#[test]
fn a_lost_outcome_counts_as_failed() {
    let mut world = World::with(Settings { ping_failures_max: 1, ..Settings::default() });
    let dialog = answered(&mut world, DialogFlags::PING_CALLEE);
    world.pass(400);
    assert_eq!((world.sent.len(), world.ends.len()), (1, 1));
    assert_eq!(dialog.end_reason(), Ok(Some(EndReason::CALLEE_PING_TIMEOUT)));
}

// lessons 14: any request of a side is a sign of life
#[test]
fn traffic_is_a_sign_of_life() {
    let mut world = World::new();
    let dialog = answered(&mut world, DialogFlags::PING_CALLER);
    for _ in 0..3 {
        world.pass(30);
        let own = one(&mut world);
        world.settled(&own, Outcome::TimedOut);
        within(&mut world, &dialog, |facts| facts);
    }
    assert!(world.ends.is_empty());
}

// lessons 13: nobody is pinged between an offer and its answer, nor while an INVITE is open
#[test]
fn no_ping_between_offer_and_answer() {
    let mut world = World::new();
    let dialog = answered(&mut world, DialogFlags::PING_CALLEE);
    let method = DialogMethod::Invite;
    let request =
        within(&mut world, &dialog, |facts| RequestFacts { method, body: sdp("hold"), ..facts });
    world.pass(65);
    assert!(world.sent.is_empty());
    let facts = ResponseFacts { body: sdp("held"), ..response(200) };
    world.dialogs.response_within(&request, &facts, &mut Steps::new()).unwrap();
    world.pass(30);
    let own = one(&mut world);
    world.settled(&own, Outcome::Reply(200));

    // an offer that nobody answers holds pings up no longer than its transaction lives
    let request = within(&mut world, &dialog, |facts| RequestFacts {
        method: DialogMethod::Update,
        cseq: 12,
        body: sdp("again"),
        ..facts
    });
    world.pass(65);
    assert!(world.sent.is_empty());
    world.dialogs.request_over(&request);
    world.pass(30);
    one(&mut world);
}

// lessons 13: a refused hold leaves what was agreed before: a ping must not put the call on hold
#[test]
fn a_ping_never_offers_what_was_refused() {
    let settings = Settings { reinvite_ping_interval: 30, ..Settings::default() };
    let mut world = World::with(settings);
    let dialog = answered(&mut world, DialogFlags::REINVITE_PING_CALLEE);
    let request = within(&mut world, &dialog, |facts| RequestFacts {
        method: DialogMethod::Invite,
        body: sdp("hold"),
        ..facts
    });
    world.dialogs.response_within(&request, &response(488), &mut Steps::new()).unwrap();
    world.pass(30);
    assert_eq!(text(one(&mut world).body.unwrap().bytes()), "offer");
    assert_eq!(text(dialog.body_from(0).unwrap().unwrap().bytes()), "offer");
    assert_eq!(text(dialog.body_from(1).unwrap().unwrap().bytes()), "answer");
}

// §1.2, `keep_sdp`: auto keeps bodies where somebody needs them, always for all
#[test]
fn bodies_are_kept_as_wanted() {
    for (keep_sdp, flags, kept) in [
        (KeepSdp::Auto, DialogFlags::empty(), false),
        (KeepSdp::Auto, DialogFlags::REINVITE_PING_CALLER, true),
        (KeepSdp::Always, DialogFlags::empty(), true),
        (KeepSdp::Never, DialogFlags::REINVITE_PING_CALLER, false),
    ] {
        let mut world = World::with(Settings { keep_sdp, ..Settings::default() });
        let dialog = answered(&mut world, flags);
        assert_eq!(dialog.body_from(0).unwrap().is_some(), kept, "{keep_sdp:?} {flags:?}");
        assert_eq!(dialog.body_from(1).unwrap().is_some(), kept, "{keep_sdp:?} {flags:?}");
    }
}

// §6.1: intervals of a dialog's own
#[test]
fn a_dialog_may_have_intervals_of_its_own() {
    let mut world = World::new();
    let dialog = answered(&mut world, DialogFlags::PING_CALLEE);
    assert_eq!(dialog.ping_interval(PingKind::Options), Ok(30));
    dialog.set_ping_interval(world.now, PingKind::Options, 5).unwrap();
    assert_eq!(dialog.ping_interval(PingKind::Options), Ok(5));
    for _ in 0..3 {
        world.pass(5);
        let own = one(&mut world);
        world.settled(&own, Outcome::Reply(200));
    }
}

// §6.2: dialogs in 5 are dropped from the list; a ping under way changes nothing then
#[test]
fn an_ended_dialog_is_not_pinged() {
    let mut world = World::new();
    let dialog = answered(&mut world, BOTH);
    world.pass(30);
    let pings: Vec<_> = world.sent.drain(..).collect();
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    world.settled(&pings[0], Outcome::TimedOut);
    world.pass(60);
    assert!(world.sent.is_empty() && world.ends.is_empty());
    assert_eq!(world.dialogs.len(), 0);
}

// D2: pings go on with the answered leg that is left
#[test]
fn the_leg_that_is_left_is_pinged() {
    let mut world = World::new();
    let dialog = world.create("call", "a", DialogFlags::PING_CALLEE);
    world.branch(&dialog, 1);
    world.branch(&dialog, 2);
    world.reply_with(&dialog, &support::reply(1, 200, "b"));
    world.reply_with(&dialog, &support::reply(2, 200, "c"));
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert!(dialog.is_active());
    world.pass(30);
    assert_eq!(one(&mut world).link.leg, 2);
}

// §13.2: what comes of a module's request tells as well whether a pinged side is there
#[test]
fn other_requests_of_ours_find_out_too() {
    for (outcomes, ends) in [
        (&[Outcome::Reply(481)][..], true),
        (&[Outcome::TimedOut, Outcome::Reply(408)], true),
        (&[Outcome::TimedOut, Outcome::Reply(488), Outcome::TimedOut], false),
    ] {
        for flags in [DialogFlags::PING_CALLEE, DialogFlags::PING_CALLER] {
            let mut world = World::new();
            let dialog = answered(&mut world, flags);
            for &outcome in outcomes {
                dialog.send_request(NewRequest::to_callee("INFO"), |_| ()).unwrap();
                let own = world.dialogs.take_asked(dialog.key()).unwrap().pop().unwrap();
                world.settled(&own, outcome);
            }
            let expected = ends && flags == DialogFlags::PING_CALLEE;
            assert_eq!(world.ends.len(), usize::from(expected), "{outcomes:?} {flags:?}");
            let reason = expected.then_some(EndReason::CALLEE_PING_TIMEOUT);
            assert_eq!(dialog.end_reason().unwrap(), reason);
        }
    }
}
