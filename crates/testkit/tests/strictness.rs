//! What the testkit catches: malformed messages, livelocks, and tests that wait in vain.

use std::net::SocketAddr;

use duologue_sip::{Moment, Tick};
use duologue_testkit::{Datagram, Relay, Subject, World};

/// Spoils what passes through a relay.
struct Spoiler {
    relay: Relay,
    find: &'static str,
    put: &'static str,
}

impl Subject for Spoiler {
    fn receive(&mut self, now: Moment, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        self.relay.receive(now, local, from, bytes);
    }

    fn wake(&mut self, now: Moment) {
        self.relay.wake(now);
    }

    fn next_wake(&self) -> Option<Tick> {
        self.relay.next_wake()
    }

    fn take_datagrams(&mut self) -> Vec<Datagram> {
        let mut datagrams = self.relay.take_datagrams();
        for datagram in &mut datagrams {
            let text = String::from_utf8_lossy(&datagram.bytes).replace(self.find, self.put);
            datagram.bytes = text.into_bytes();
        }
        datagrams
    }
}

fn spoiled(find: &'static str, put: &'static str) -> Vec<String> {
    let world = World::seeded(7);
    let (alice, _, bob) = world.three_party(Spoiler { relay: Relay::default(), find, put });
    world.tolerate();
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
    let mut complaints = bob.complaints();
    complaints.extend(alice.complaints());
    complaints
}

#[test]
fn what_a_subject_spoils_is_complained_about() {
    assert!(spoiled("nothing", "nothing").is_empty());
    for (find, put, word) in [
        ("Max-Forwards: 69", "Max-Forwards: 70", "Max-Forwards"),
        ("CSeq: 1 OPTIONS", "CSeq: 2 OPTIONS", "are not the request's"),
        ("Content-Length: 0", "Content-Length: 3", "Content-Length"),
        ("\r\n\r\n", "\r\n", "no empty line"),
        ("branch=z9hG4bK-alice", "branch=z9hG4bK-elsa", "belongs to no request"),
    ] {
        let complaints = spoiled(find, put).join("\n");
        assert!(complaints.contains(word), "{find} -> {put}: {complaints}");
    }
}

#[test]
#[should_panic(expected = "malformed messages were received")]
fn settling_fails_a_test_with_complaints() {
    let world = World::seeded(7);
    let relay = Relay::default();
    let (alice, _, bob) = world.three_party(Spoiler { relay, find: ": 69", put: ": 70" });
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
}

#[test]
#[should_panic(expected = "bob waited 32s for an unanswered INVITE request")]
fn a_verb_does_not_wait_for_ever() {
    let world = World::seeded(7);
    let (_, _, bob) = world.three_party(Relay::default());
    bob.answers();
}

/// Wants to be woken, always.
struct Restless;

impl Subject for Restless {
    fn receive(&mut self, _: Moment, _: SocketAddr, _: SocketAddr, _: &[u8]) {}
    fn wake(&mut self, _: Moment) {}
    fn next_wake(&self) -> Option<Tick> {
        Some(Tick::ZERO)
    }
    fn take_datagrams(&mut self) -> Vec<Datagram> {
        Vec::new()
    }
}

#[test]
#[should_panic(expected = "the world stands still")]
fn a_livelock_is_found() {
    let world = World::seeded(7);
    let _served = world.serve(Restless);
    world.settle();
}

/// Wakes every second for ever, as a server's housekeeping does.
struct Housekeeper(Tick);

impl Subject for Housekeeper {
    fn receive(&mut self, _: Moment, _: SocketAddr, _: SocketAddr, _: &[u8]) {}
    fn wake(&mut self, now: Moment) {
        self.0 = now.tick + std::time::Duration::from_secs(1);
    }
    fn next_wake(&self) -> Option<Tick> {
        Some(self.0)
    }
    fn take_datagrams(&mut self) -> Vec<Datagram> {
        Vec::new()
    }
}

#[test]
fn housekeeping_does_not_keep_the_world_from_settling() {
    let world = World::seeded(7);
    let served = world.serve(Housekeeper(Tick::ZERO));
    world.settle();
    assert_eq!(world.now(), Tick::from_millis(5_000));
    world.run_for(std::time::Duration::from_secs(10));
    assert_eq!(served.borrow().0, Tick::from_millis(16_000));
}

#[test]
fn the_trace_is_a_ladder_with_the_seed() {
    let world = World::seeded(7);
    let (alice, proxy, bob) = world.three_party(Relay::default());
    world.lose_next(bob.to(&proxy));
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
    let trace = world.trace();
    assert!(trace.starts_with("seed 7\n"), "{trace}");
    assert!(
        trace.contains("1005  |                           |--------- OPTIONS -------->|"),
        "{trace}"
    );
    assert!(trace.contains("LOST"), "{trace}");
}
