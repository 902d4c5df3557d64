//! The script that runs when none is given: a safe proxy for calls on this machine.

mod world;

use std::net::SocketAddr;

use duologue_testkit::{Agent, CallState, Served, World};
use world::{Proxy, answered, forgotten};

/// The built-in script listens on the loopback address alone, so its callers live there.
fn cast(seed: u64) -> (World, Agent, Served<Proxy>, Agent) {
    let world = World::seeded(seed);
    let proxy = Proxy::new(duologue::script::DEFAULT);
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let proxy = world.serve_at(&[at(5060)], proxy);
    let alice = world.agent_at("alice", at(5071));
    let bob = world.agent_at("bob", at(5070));
    (world, alice, proxy, bob)
}

#[test]
fn a_call_on_this_machine_goes_through_and_is_tracked() {
    let (world, alice, proxy, bob) = cast(1);
    answered(&world, &alice, &bob);
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    alice.reinvites();
    world.settle();
    assert_eq!(alice.status_of("INVITE"), Some(200));
    bob.hangs_up();
    world.settle();
    assert_eq!(bob.status_of("BYE"), Some(200));
    forgotten(&world, &proxy);
}

#[test]
fn a_call_is_refused_or_cancelled() {
    let (world, alice, proxy, bob) = cast(2);
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(alice.final_status(), Some(487));
    forgotten(&world, &proxy);
}

// An open relay would carry calls to anywhere.
#[test]
fn a_call_to_elsewhere_is_denied() {
    let (world, alice, proxy, _bob) = cast(3);
    let carol = world.agent("carol");
    alice.invite(&carol);
    world.settle();
    assert_eq!(alice.final_status(), Some(403));
    assert_eq!(carol.count(""), 0);
    forgotten(&world, &proxy);
}

#[test]
fn the_proxy_answers_for_itself() {
    let (world, alice, proxy, _bob) = cast(4);
    alice.sends("OPTIONS", "sip:127.0.0.1:5060");
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(200));
    alice.invite_uri("sip:nobody@127.0.0.1:5060");
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    forgotten(&world, &proxy);
}

// RFC 3261 §12.2.2: a request with a To-tag that belongs to no dialog of ours gets 481.
#[test]
fn a_request_of_an_unknown_dialog_is_refused() {
    let (world, alice, proxy, bob) = cast(5);
    alice.sends_with("BYE", &bob.uri(), |mut bye| {
        for (name, value) in &mut bye.headers {
            if name == "To" {
                value.push_str(";tag=unknown");
            }
        }
        bye
    });
    world.settle();
    assert_eq!(alice.status_of("BYE"), Some(481));
    assert_eq!(bob.count(""), 0);
    forgotten(&world, &proxy);
}
