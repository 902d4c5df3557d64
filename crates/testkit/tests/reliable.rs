//! Reliable provisional responses between two agents (RFC 3262).

use duologue_testkit::{CallState, Relay, World};

fn cast(seed: u64) -> (World, duologue_testkit::Agent, duologue_testkit::Agent) {
    let world = World::seeded(seed);
    let (alice, _, bob) = world.three_party(Relay::default());
    (world, alice, bob)
}

// RFC 3262 §3 and §4: repeated until the PRACK, whose RAck names RSeq and the INVITE's CSeq.
#[test]
fn a_reliable_ringing_is_repeated_until_its_prack() {
    let (world, alice, bob) = cast(1);
    alice.pracks();
    alice.invite(&bob);
    world.lose_next(duologue_testkit::Packets::from(&alice).only("PRACK"));
    bob.rings_reliably(180);
    world.settle();
    assert_eq!(alice.last("180").header("Require"), Some("100rel"));
    assert!(bob.retransmissions("180") >= 1);
    assert_eq!(alice.status_of("PRACK"), Some(200));
    assert_eq!(bob.last("PRACK").cseq(), (2, "PRACK"));
    bob.rings_reliably(183);
    world.settle();
    assert_eq!(bob.count("PRACK"), 2);
    bob.answers();
    world.settle();
    assert_eq!(bob.last("ACK").cseq().0, 1);
    alice.hangs_up();
    world.settle();
    assert_eq!(bob.last("BYE").cseq().0, 4);
    assert_eq!(bob.state(), CallState::Ended);
}

// RFC 3262 §3: without a PRACK within 64·T1 the INVITE is refused with a 5xx.
#[test]
fn without_a_prack_the_call_is_refused() {
    let (world, alice, bob) = cast(2);
    alice.invite(&bob);
    bob.rings_reliably(180);
    world.settle();
    assert_eq!(bob.count("PRACK"), 0);
    assert_eq!(alice.final_status(), Some(504));
}

// RFC 3262 §3: a RAck that names no response of ours is a mistake of whoever stands between.
#[test]
fn a_wrong_rack_is_noted() {
    let (world, alice, bob) = cast(3);
    world.tolerate();
    alice.pracks();
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.requests_early("PRACK");
    world.settle();
    assert_eq!(alice.status_of("PRACK"), Some(481));
    assert!(bob.complaints()[0].contains("names no response of mine"), "{:?}", bob.complaints());
}
