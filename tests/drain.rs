//! Going down in good order: new calls are refused, what runs goes on.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::sync::{Arc, Mutex};

use duologue::server::events::Raised;
use duologue_testkit::CallState;
use world::{answered, cast, forgotten, plain};

// RFC 3261 §21.5.4: 503 with Retry-After sends the caller elsewhere.
#[test]
fn new_calls_are_refused_while_draining() {
    let (world, alice, proxy, bob) = cast(1, &plain());
    proxy.borrow().node.drain();
    alice.invite(&bob);
    world.settle();
    assert_eq!(alice.final_status(), Some(503));
    assert!(alice.last("503").header("Retry-After").is_some());
    assert_eq!(bob.count(""), 0);
    assert_eq!(proxy.borrow().node.dialogs.statistics().processed_dialogs, 0);
    forgotten(&world, &proxy);
}

// spec/script.md §16, E_CORE_SR_STATUS_CHANGED: told once.
#[test]
fn who_subscribed_hears_that_the_end_is_near() {
    let (world, _alice, proxy, _bob) = cast(9, &plain());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&heard);
    let take = move |raised: &Arc<Raised>| all.lock().unwrap().push(raised.json().to_owned());
    let node = Arc::clone(&proxy.borrow().node);
    node.events.subscribe("E_CORE_SR_STATUS_CHANGED", "module:test", take).unwrap();
    node.drain();
    node.drain();
    let params = r#"{"group":"core","identifier":"main","status":-1,"details":"shutting down: new calls are refused","old_status":1}"#;
    let heard = heard.lock().unwrap().clone();
    assert!(heard.len() == 1 && heard[0].contains(params), "{heard:?}");
    forgotten(&world, &proxy);
}

#[test]
fn an_answered_call_goes_on_while_draining() {
    let (world, alice, proxy, bob) = cast(2, &plain());
    answered(&world, &alice, &bob);
    proxy.borrow().node.drain();
    alice.reinvites();
    world.settle();
    assert_eq!(alice.status_of("INVITE"), Some(200));
    bob.requests("INFO");
    world.settle();
    assert_eq!(bob.status_of("INFO"), Some(200));
    alice.hangs_up();
    world.settle();
    assert_eq!(alice.status_of("BYE"), Some(200));
    forgotten(&world, &proxy);
}

#[test]
fn a_ringing_call_can_still_be_answered_while_draining() {
    let (world, alice, proxy, bob) = cast(3, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    assert!(!proxy.borrow().node.is_idle());
    proxy.borrow().node.drain();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    bob.hangs_up();
    world.settle();
    assert!(proxy.borrow().node.is_idle(), "nothing waits but for strays");
    forgotten(&world, &proxy);
}

#[test]
fn a_ringing_call_can_still_be_cancelled_while_draining() {
    let (world, alice, proxy, bob) = cast(4, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    proxy.borrow().node.drain();
    alice.cancels();
    world.settle();
    assert_eq!(alice.status_of("CANCEL"), Some(200));
    assert_eq!(alice.final_status(), Some(487));
    forgotten(&world, &proxy);
}

// RFC 3261 §17.2.1: an INVITE that came before is the same call when it comes again.
#[test]
fn a_repeated_invite_is_no_new_call_while_draining() {
    let (world, alice, proxy, bob) = cast(5, &plain());
    world.lose_all(proxy.to(&alice).only("100"));
    alice.invite(&bob);
    world.run_for(std::time::Duration::from_millis(100));
    proxy.borrow().node.drain();
    world.run_for(std::time::Duration::from_secs(2));
    assert_eq!(alice.count("503"), 0);
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.count("INVITE"), 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}
