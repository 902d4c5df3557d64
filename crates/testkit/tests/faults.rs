//! A call survives whatever the network does to it, and every run can be played again.

use std::time::Duration;

use duologue_testkit::{CallState, Fault, Packets, Relay, Weather, World};

/// A whole call; the world stays calm afterwards.
fn call(world: &World) -> (CallState, CallState) {
    let (alice, _, bob) = world.three_party(Relay::default());
    bob.answers_always();
    alice.invite(&bob);
    alice.hangs_up();
    world.settle();
    (alice.state(), bob.state())
}

#[test]
fn each_message_may_be_lost_doubled_or_late() {
    for fault in
        [Fault::Lose, Fault::Duplicate, Fault::REORDER, Fault::Delay(Duration::from_secs(1))]
    {
        let mut tried = 0;
        loop {
            let world = World::seeded(7);
            world.fault_nth(tried, fault, Packets::any());
            let ends = call(&world);
            if world.faults_pending() > 0 {
                break;
            }
            assert_eq!(ends, (CallState::Ended, CallState::Ended), "{fault:?} of {tried}");
            tried += 1;
        }
        assert!(tried >= 12, "only {tried} messages in a call");
    }
}

#[test]
fn bad_weather_is_survived_and_can_be_played_again() {
    let run = |seed| {
        let world = World::seeded(seed);
        world.weather(Weather {
            jitter: Duration::from_millis(30),
            loss: 100,
            duplication: 100,
            reordering: 100,
            ..Weather::default()
        });
        assert_eq!(call(&world), (CallState::Ended, CallState::Ended), "seed {seed}");
        world.trace()
    };
    for seed in 0..50 {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(1), run(2));
}

#[test]
fn a_dead_link_can_be_healed() {
    let world = World::seeded(1);
    let (alice, proxy, bob) = world.three_party(Relay::default());
    world.lose_all(alice.to(&proxy));
    bob.answers_always();
    alice.invite(&bob);
    world.run_for(Duration::from_secs(5));
    assert_eq!(bob.count("INVITE"), 0);
    world.heal();
    world.settle();
    assert_eq!(bob.state(), CallState::Talking);
}
