//! Lifetimes and the other deadlines: spec dialog.md §5, decisions D8 and D9; ends from the
//! middle: §7.

mod support;

use duologue_dialog::*;
use support::{World, reply, text};

fn settings() -> Settings {
    Settings { default_timeout: 100, ..Settings::default() }
}

// §5: armed at the answer; traffic does not restart it; §5.1, 5: EXPIRED, no reason, no BYE
#[test]
fn the_lifetime_runs_from_the_answer() {
    let mut world = World::with(settings());
    let dialog = world.call("call");
    assert_eq!(dialog.timeout(world.now), Ok(100), "1/2: the lifetime to come");
    world.pass(50);
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.pass(60);
    world.request(&dialog, DialogMethod::Other, 11, "a", "b");
    assert_eq!(dialog.timeout(world.now), Ok(40), "3/4: what is left");
    assert_eq!(dialog.duration(world.now), Ok(60));
    assert_eq!(dialog.snapshot().unwrap().timeout_ts, world.now.unix + 40);
    world.pass(39);
    world.seen();
    assert_eq!(dialog.state(), Ok(State::Confirmed));
    world.dialogs.hold(dialog.key()).unwrap();
    world.pass(1);
    assert_eq!(world.seen(), ["4 -> 5", "EXPIRED"]);
    assert_eq!(dialog.timeout(world.now), Ok(0), "5: 0");
    assert_eq!(dialog.end_reason(), Ok(None));
    world.dialogs.release(world.now, dialog.key(), &mut Steps::new()).unwrap();
    assert_eq!(world.dialogs.statistics().expired_dialogs, 1);
    assert!(world.ends.is_empty());
}

// §5: writing before and after the answer
#[test]
fn the_lifetime_can_be_set() {
    let mut world = World::with(settings());
    let dialog = world.call("call");
    dialog.set_timeout(world.now, 7).unwrap();
    assert_eq!(dialog.timeout(world.now), Ok(7));
    world.reply(&dialog, 200, "b");
    world.pass(3);
    assert_eq!(dialog.timeout(world.now), Ok(4));
    dialog.set_timeout(world.now, 20).unwrap();
    world.pass(19);
    assert_eq!(dialog.timeout(world.now), Ok(1));
    world.pass(1);
    assert_eq!(dialog.state(), Err(Gone));
}

// §2.3 and D9: a timeout waiting in the context is applied by its request, once
#[test]
fn a_pending_timeout_is_applied_once() {
    let mut world = World::with(settings());
    let dialog = world.answered("call");
    let matched = world.matched(&dialog, "a", "b").unwrap();
    let facts = RequestFacts::of(&matched, DialogMethod::Other, 11, support::flow(1));
    let _ = world.feed(&matched, &RequestFacts { timeout: Some(30), ..facts });
    world.pass(10);
    let _ = world.feed(&matched, &RequestFacts { cseq: 12, ..facts });
    assert_eq!(dialog.timeout(world.now), Ok(20), "the next request does not restart it");
}

// §5.1, 4: BYEONTIMEOUT: state 4 until the first BYE is answered, then TERMINATED
#[test]
fn expiry_with_byes() {
    let mut world = World::with(settings());
    let dialog = world.create("call", "a", DialogFlags::BYE_ON_TIMEOUT);
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    world.seen();
    world.pass(100);
    assert_eq!(world.seen(), ["end"]);
    assert_eq!((dialog.state(), dialog.timeout(world.now)), (Ok(State::Confirmed), Ok(0)));
    let byes = world.byes(&dialog);
    // §7: to the caller first; §6.4: URIs and tags as if the other endpoint were sending
    let [caller, callee] = &byes[..] else { panic!("two BYEs") };
    let alice = "<sip:alice@127.0.0.1:5061>;tag=a";
    let bob = "<sip:bob@127.0.0.1:5060>;tag=b";
    assert_eq!((caller.link.leg, &*caller.request_uri), (0, &b"sip:alice@127.0.0.1:5061"[..]));
    assert_eq!((text(&caller.from), text(&caller.to), caller.cseq), (bob, alice, 1));
    assert_eq!((callee.link.leg, &*callee.request_uri), (1, &b"sip:bob@127.0.0.1:5062"[..]));
    assert_eq!((text(&callee.from), text(&callee.to), callee.cseq), (alice, bob, 11));
    assert_eq!((caller.flow, callee.flow), (Some(support::flow(5061)), Some(support::flow(5062))));

    world.settled(caller, Outcome::Reply(200));
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED Lifetime Timeout"]);
    world.settled(callee, Outcome::Reply(200));
    assert_eq!(world.seen(), ["DESTROY"], "it stays readable until both sides answered");
    let statistics = world.dialogs.statistics();
    assert_eq!((statistics.expired_dialogs, statistics.active_dialogs), (1, 0));
}

// §5.1, 3: the on-timeout route may prolong the call
#[test]
fn the_timeout_route_may_prolong() {
    let mut world = World::with(settings());
    let dialog = world.call("call");
    dialog.set_route(RouteHook::Timeout, Some(3)).unwrap();
    world.reply(&dialog, 200, "b");
    world.seen();
    let mut steps = Steps::new();
    world.now.tick = world.now.tick + std::time::Duration::from_secs(100);
    world.dialogs.deadline(world.now, dialog.key(), &mut steps).unwrap();
    assert_eq!(
        steps.as_slice()[1..],
        [Step::Route(dialog.key(), RouteHook::Timeout, 3), Step::DecideExpiry(dialog.key())],
        "after the missing ACK"
    );
    assert_eq!(dialog.timeout(world.now), Ok(0));
    dialog.set_timeout(world.now, 5).unwrap();
    assert_eq!(dialog.timeout(world.now), Ok(5));
    steps.clear();
    world.dialogs.expire(world.now, dialog.key(), &mut steps).unwrap();
    assert!(steps.is_empty());
    world.pass(4);
    assert_eq!(dialog.state(), Ok(State::ConfirmedNa));
    world.pass(1);
    assert_eq!(world.seen(), ["route Timeout 3", "3 -> 5", "EXPIRED", "DESTROY"]);
}

// D8: the no-ACK timeout logs by default, ends the call if told to; the ACK stops it
#[test]
fn the_ack_that_never_comes() {
    let mut world = World::new();
    let dialog = world.call("call");
    world.reply(&dialog, 200, "b");
    world.seen();
    world.pass(61);
    assert_eq!(world.seen(), ["note NoAck"]);
    assert_eq!(dialog.state(), Ok(State::ConfirmedNa));

    let mut world = World::with(Settings { noack_action: NoAckAction::Bye, ..settings() });
    let silent = world.call("silent");
    world.reply(&silent, 200, "b");
    world.answered("acknowledged");
    world.pass(61);
    assert_eq!(world.ends.len(), 1);
    assert_eq!(silent.end_reason(), Ok(Some(EndReason::NO_ACK)));
}

// D8: the early timeout is off by default; set, it cancels
#[test]
fn the_early_timeout() {
    let mut world = World::with(Settings { early_timeout: Some(30), ..settings() });
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    world.pass(30);
    assert_eq!(world.ends.len(), 1);
    assert_eq!(world.dialogs.begin_end(world.now, dialog.key(), Byes::Both), Ok(EndPlan::Cancel));
    world.reply(&dialog, 487, "b");
    assert_eq!(dialog.end_reason(), Ok(Some(EndReason::EARLY_TIMEOUT)));
}

// §7: found and queued; first reason wins; state 5 is not found
#[test]
fn terminate_is_queued() {
    let mut world = World::with(settings());
    let dialog = world.answered("call");
    assert_eq!(dialog.terminate(EndReason::new("Fraud")), Ok(Heard::Queued));
    assert_eq!(dialog.terminate(EndReason::MI_TERMINATION), Ok(Heard::AlreadyEnding));
    let intent = Some(Intent { key: dialog.key(), owner: 77, wish: Wish::End });
    assert_eq!((world.dialogs.take_intent(), world.dialogs.take_intent()), (intent, intent));
    let plan = world.dialogs.begin_end(world.now, dialog.key(), Byes::Both).unwrap();
    assert!(matches!(plan, EndPlan::Byes(_)));
    assert_eq!(world.dialogs.begin_end(world.now, dialog.key(), Byes::Both), Ok(EndPlan::Ended));
    assert_eq!(dialog.terminate(EndReason::MI_TERMINATION), Ok(Heard::AlreadyEnding));
    assert_eq!(world.dialogs.take_intent(), None);
    // §7: a BYE that arrives meanwhile wins the state change, not the reason
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED Fraud"]);
    assert_eq!(dialog.terminate(EndReason::MI_TERMINATION), Err(TerminateError::NotActive));
}

// lessons 20: whatever becomes of our BYEs, the dialog ends
#[test]
fn lost_byes_end_the_dialog_all_the_same() {
    let mut world = World::new();
    let dialog = world.answered("call");
    dialog.terminate(EndReason::MI_TERMINATION).unwrap();
    world.dialogs.begin_end(world.now, dialog.key(), Byes::Both).unwrap();
    world.pass(41);
    assert_eq!(world.seen(), ["4 -> 5", "TERMINATED MI Termination"]);
    world.pass(33);
    assert_eq!(world.seen(), ["DESTROY"], "nothing stays in state 5 for ever");
}

// §7: asked to end while it rings, answered nevertheless: ended by BYEs
#[test]
fn an_answer_that_crosses_our_cancel() {
    let mut world = World::new();
    let dialog = world.call("call");
    dialog.terminate(EndReason::MI_TERMINATION).unwrap();
    assert_eq!(world.dialogs.begin_end(world.now, dialog.key(), Byes::Both), Ok(EndPlan::Cancel));
    world.seen();
    world.reply_with(&dialog, &reply(1, 200, "b"));
    assert_eq!(world.seen()[1..], ["1 -> 3", "CONFIRMED", "end"]);
    assert!(matches!(
        world.dialogs.begin_end(world.now, dialog.key(), Byes::Both),
        Ok(EndPlan::Byes(_))
    ));
}

// §2.4.7, D4: a dialog's own delete delay holds, the global one being zero or not
#[test]
fn a_delete_delay_of_its_own() {
    for global in [0, 9] {
        let mut world = World::with(Settings { delete_delay: global, ..Settings::default() });
        let (long, short) = (world.answered("long"), world.answered("short"));
        assert_eq!(long.delete_delay(), Ok(global));
        long.set_delete_delay(5).unwrap();
        short.set_delete_delay(0).unwrap();
        assert_eq!(long.delete_delay(), Ok(5));
        for dialog in [&long, &short] {
            world.request(dialog, DialogMethod::Bye, 1, "b", "a");
        }
        assert_eq!((long.state(), short.state()), (Ok(State::Deleted), Err(Gone)));
        world.pass(4);
        assert_eq!(long.state(), Ok(State::Deleted));
        world.pass(2);
        assert_eq!((long.state(), world.dialogs.len()), (Err(Gone), 0), "the list is serviced");
    }
}
