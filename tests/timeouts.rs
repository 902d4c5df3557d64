//! Nobody answers: the proxy's own patience, in virtual time.

mod world;

use std::time::Duration;

use duologue_testkit::CallState;
use world::{answered, cast, forgotten, plain, script_to};

fn with_settings(settings: &str) -> String {
    script_to(settings, "", "")
}

// RFC 3261 §16.8 and fr_timeout (spec/modules.md, tm): no reply at all makes a 408.
#[test]
fn a_silent_callee_times_out() {
    let script = with_settings("modparam(\"tm\", \"fr_timeout\", 5)");
    let (world, alice, proxy, bob) = cast(1, &script);
    bob.silent();
    alice.invite(&bob);
    world.run_for(Duration::from_millis(4_900));
    assert_eq!(alice.final_status(), None);
    world.run_for(Duration::from_millis(300));
    assert_eq!(alice.final_status(), Some(408));
    // RFC 3261 §17.1.1.2 (Timer A): 0, 0.5, 1.5 and 3.5 s; nothing to cancel without a reply.
    assert_eq!(bob.count("INVITE") + bob.repeats("INVITE"), 4);
    assert_eq!(bob.count("CANCEL"), 0);
    assert_eq!(proxy.borrow().node.dialogs.statistics().failed_dialogs, 1);
    forgotten(&world, &proxy);
}

// RFC 3261 §16.8 (Timer C) and fr_inv_timeout: ringing too long is cancelled and told as 408.
#[test]
fn a_callee_that_rings_too_long_is_cancelled() {
    let script = with_settings("modparam(\"tm\", \"fr_inv_timeout\", 30)");
    let (world, alice, proxy, bob) = cast(2, &script);
    alice.invite(&bob);
    bob.rings();
    world.run_for(Duration::from_secs(29));
    assert_eq!(alice.final_status(), None);
    assert_eq!(bob.count("CANCEL"), 0);
    world.run_for(Duration::from_secs(2));
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(alice.final_status(), Some(408));
    assert_eq!(alice.state(), CallState::Failed(408));
    forgotten(&world, &proxy);
}

// A BYE that nobody answers ends the dialog all the same (RFC 3261 §15.1.1).
#[test]
fn a_bye_without_an_answer_ends_the_call() {
    let (world, alice, proxy, bob) = cast(3, &plain());
    answered(&world, &alice, &bob);
    bob.silent();
    alice.hangs_up();
    world.run_for(Duration::from_secs(35));
    assert_eq!(alice.status_of("BYE"), Some(408));
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 0);
    forgotten(&world, &proxy);
}

// spec/dialog.md: default_timeout ends a call that neither side ended; without bye-on-timeout
// both sides hear nothing of it.
#[test]
fn a_call_that_outlives_its_lifetime_is_forgotten() {
    let script = with_settings("modparam(\"dialog\", \"default_timeout\", 60)");
    let (world, alice, proxy, bob) = cast(4, &script);
    answered(&world, &alice, &bob);
    world.run_for(Duration::from_secs(58));
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    world.run_for(Duration::from_secs(4));
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.active_dialogs, statistics.expired_dialogs), (0, 1));
    assert_eq!(alice.count("BYE") + bob.count("BYE"), 0);
    forgotten(&world, &proxy);
}

// spec/dialog.md: with bye-on-timeout both sides get a BYE from the proxy.
#[test]
fn a_call_with_bye_on_timeout_is_hung_up_on_both_sides() {
    let script = with_settings("modparam(\"dialog\", \"default_timeout\", 60)")
        .replace("create_dialog()", "create_dialog(\"bye-on-timeout\")");
    let (world, alice, proxy, bob) = cast(5, &script);
    answered(&world, &alice, &bob);
    world.run_for(Duration::from_secs(62));
    assert_eq!(alice.count("BYE"), 1);
    assert_eq!(bob.count("BYE"), 1);
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    forgotten(&world, &proxy);
}

// RFC 3261 §17.2.1 (Timer G): the 408 is repeated until its ACK comes.
#[test]
fn a_lost_408_is_repeated() {
    let script = with_settings("modparam(\"tm\", \"fr_timeout\", 2)");
    let (world, alice, proxy, bob) = cast(6, &script);
    bob.silent();
    world.lose_next(proxy.to(&alice).only("408"));
    alice.invite(&bob);
    world.settle();
    assert_eq!(alice.final_status(), Some(408));
    forgotten(&world, &proxy);
}

// RFC 3261 §17.1.1.3: fr_timeout also bounds how long the transaction waits for the ACK to its own
// 408. One that comes later still ends here: the callee never heard of that tag.
#[test]
fn an_ack_to_a_408_that_outlives_the_transaction_goes_no_further() {
    let script = with_settings("modparam(\"tm\", \"fr_timeout\", 2)");
    let (world, alice, proxy, bob) = cast(7, &script);
    world.tolerate();
    bob.silent();
    world.lose_all(alice.to(&proxy).only("ACK"));
    alice.invite(&bob);
    world.run_for(Duration::from_secs(20));
    let late = alice.sent("ACK")[0].message.to_bytes();
    world.heal();
    alice.sends_raw(&proxy, &late);
    world.run_for(Duration::from_secs(1));
    assert_eq!(alice.final_status(), Some(408));
    assert_eq!(bob.count("ACK"), 0);
    forgotten(&world, &proxy);
}
