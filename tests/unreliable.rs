//! UDP as it is: each message of a call lost, doubled or late, one after the other.

mod world;

use std::time::Duration;

use duologue::dialog::EndReason;
use duologue_testkit::{Agent, CallState, Fault, Packets, Served, Weather, World};
use world::{Proxy, cast, forgotten, plain};

/// How many packets no call below reaches.
const PACKETS_MAX: u32 = 100;

/// Plays a call once for each of its packets, with the fault on that packet.
fn with_each_packet(fault: Fault, play: impl Fn(&World, &Agent, &Served<Proxy>, &Agent)) {
    for packet in 0..PACKETS_MAX {
        let (world, alice, proxy, bob) = cast(u64::from(packet), &plain());
        world.fault_nth(packet, fault, Packets::any());
        play(&world, &alice, &proxy, &bob);
        let struck = world.faults_pending() == 0;
        world.heal();
        forgotten(&world, &proxy);
        if !struck {
            assert!(packet > 5, "the fault struck nothing");
            return;
        }
    }
    panic!("a call of {PACKETS_MAX} packets");
}

fn answered(world: &World, alice: &Agent, proxy: &Served<Proxy>, bob: &Agent) {
    alice.invite(bob);
    bob.rings();
    world.settle();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.state(), CallState::Talking);
    alice.hangs_up();
    world.settle();
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    // A retransmission is not a second request (RFC 3261 §17.2.1, §17.2.2).
    assert_eq!(bob.count("INVITE"), 1);
    assert_eq!(bob.count("BYE"), 1);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.processed_dialogs, statistics.active_dialogs), (1, 0));
    assert_eq!(statistics.failed_dialogs, 0);
}

fn refused(world: &World, alice: &Agent, proxy: &Served<Proxy>, bob: &Agent) {
    alice.invite(bob);
    bob.rings();
    world.settle();
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    assert_eq!(bob.count("INVITE"), 1);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.processed_dialogs, statistics.failed_dialogs), (1, 1));
}

fn cancelled(world: &World, alice: &Agent, proxy: &Served<Proxy>, bob: &Agent) {
    alice.invite(bob);
    bob.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(alice.final_status(), Some(487));
    assert_eq!(bob.count("INVITE"), 1);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.processed_dialogs, statistics.failed_dialogs), (1, 1));
}

// RFC 3261 §17.1.1.2, §17.1.2.2, §13.3.1.4: somebody repeats whatever got lost.
#[test]
fn an_answered_call_survives_the_loss_of_any_message() {
    with_each_packet(Fault::Lose, answered);
}

#[test]
fn an_answered_call_takes_no_harm_from_any_message_twice() {
    with_each_packet(Fault::Duplicate, answered);
}

#[test]
fn an_answered_call_takes_no_harm_from_any_message_late() {
    with_each_packet(Fault::REORDER, answered);
}

// RFC 3261 §17.2.1 (Timer G): the refusal is repeated until its ACK comes.
#[test]
fn a_refused_call_survives_the_loss_of_any_message() {
    with_each_packet(Fault::Lose, refused);
}

#[test]
fn a_refused_call_takes_no_harm_from_any_message_twice() {
    with_each_packet(Fault::Duplicate, refused);
}

#[test]
fn a_refused_call_takes_no_harm_from_any_message_late() {
    with_each_packet(Fault::REORDER, refused);
}

// RFC 3261 §9: the CANCEL, its answer and the 487 are repeated alike.
#[test]
fn a_cancelled_call_survives_the_loss_of_any_message() {
    with_each_packet(Fault::Lose, cancelled);
}

#[test]
fn a_cancelled_call_takes_no_harm_from_any_message_twice() {
    with_each_packet(Fault::Duplicate, cancelled);
}

#[test]
fn a_cancelled_call_takes_no_harm_from_any_message_late() {
    with_each_packet(Fault::REORDER, cancelled);
}

// Everything at once, from many seeds: whatever becomes of the call, nothing is left behind.
#[test]
fn nothing_is_left_behind_in_bad_weather() {
    for seed in 0..200 {
        let (world, alice, proxy, bob) = cast(seed, &plain());
        world.weather(Weather {
            jitter: Duration::from_millis(60),
            loss: 150,
            duplication: 100,
            reordering: 100,
            ..Weather::default()
        });
        bob.answers_always();
        alice.invite(&bob);
        world.settle();
        alice.hangs_up_now();
        world.settle();
        bob.hangs_up_now();
        world.run_for(Duration::from_secs(200));
        // A call whose BYE never arrived lives until its lifetime ends, or an operator ends it.
        let call_id = alice.call_id();
        let left = proxy.borrow().node.dialogs.by_callid(call_id.as_bytes(), None);
        if let Some(dialog) = left {
            let _ = dialog.terminate(EndReason::new("test"));
        }
        world.weather(Weather::default());
        forgotten(&world, &proxy);
    }
}
