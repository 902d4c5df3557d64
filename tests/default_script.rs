//! The script that runs when none is given: a safe proxy for calls on this machine, where phones
//! register.

mod world;

use std::net::SocketAddr;
use std::time::Duration;

use duologue_testkit::{Agent, CallState, Message, Served, World};
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

// Phones are there again after a restart, in the database of the calls.
#[test]
fn phones_are_kept() {
    use duologue::server::modules::usrloc::Usrloc;
    use duologue::server::storage::users::WriteMode;
    let (_world, _alice, proxy, _bob) = cast(8);
    let node = std::sync::Arc::clone(&proxy.borrow().node);
    let usrloc: &Usrloc = node.settings();
    assert!(usrloc.storage.loads && usrloc.storage.writes == Some(WriteMode::Back));
    assert!(node.user_storage.is_some() && node.storage.is_some());
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

const PROXY: &str = "sip:127.0.0.1:5060";

/// Registers a phone as the user of its own name.
fn registers(agent: &Agent, edit: impl FnOnce(Message) -> Message) {
    let user = format!("<sip:{}@localhost>", agent.name());
    agent.sends_with("REGISTER", PROXY, |mut message| {
        for (name, value) in &mut message.headers {
            if name == "To" {
                value.clone_from(&user);
            }
        }
        edit(message)
    });
}

fn registered(world: &World, agent: &Agent) -> Option<u16> {
    registers(agent, |message| message);
    world.settle();
    agent.status_of("REGISTER")
}

fn with_contact(contact: &str) -> impl FnOnce(Message) -> Message {
    move |mut message| {
        message.headers.retain(|(name, _)| name != "Contact");
        message.with("Contact", contact)
    }
}

#[test]
fn phones_register_and_call_each_other() {
    let (world, alice, proxy, bob) = cast(6);
    assert_eq!(registered(&world, &alice), Some(200));
    assert_eq!(registered(&world, &bob), Some(200));
    alice.invite_uri("sip:bob@127.0.0.1:5060");
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    bob.reinvites();
    world.settle();
    assert_eq!(bob.status_of("INVITE"), Some(200));
    alice.hangs_up();
    world.settle();
    // The way back, by another of our names.
    bob.invite_uri("sip:alice@localhost");
    alice.rings();
    world.settle();
    bob.cancels();
    world.settle();
    assert_eq!((bob.final_status(), alice.count("CANCEL")), (Some(487), 1));
    bob.invite_uri("sip:alice@localhost");
    alice.rejects(603);
    world.settle();
    assert_eq!(bob.final_status(), Some(603));
    alice.sends("MESSAGE", "sip:bob@localhost");
    world.settle();
    assert_eq!(alice.status_of("MESSAGE"), Some(200));
    // Registrations end within two hours, and then nothing is left.
    world.run_for(Duration::from_secs(7200));
    forgotten(&world, &proxy);
}

#[test]
fn two_phones_of_a_user_ring_at_the_same_time() {
    let (world, alice, proxy, bob) = cast(7);
    let second = world.agent_at("bob2", SocketAddr::from(([127, 0, 0, 1], 5072)));
    assert_eq!(registered(&world, &bob), Some(200));
    registers(&bob, with_contact("<sip:bob2@127.0.0.1:5072>"));
    world.settle();
    alice.invite_uri("sip:bob@localhost");
    bob.rings();
    second.rings();
    world.settle();
    second.answers();
    world.settle();
    assert_eq!((alice.state(), bob.count("CANCEL")), (CallState::Talking, 1));
    second.hangs_up();
    world.run_for(Duration::from_secs(7200));
    forgotten(&world, &proxy);
}

// A registration elsewhere would make an open relay.
#[test]
fn only_this_machine_is_registered() {
    let (world, alice, proxy, bob) = cast(8);
    for contact in [
        "<sip:bob@192.0.2.1>",
        "<sip:bob@127.0.0.1:5070>, <sip:bob@192.0.2.1>",
        "<sip:bob@example.com>",
        "<sip:bob@127.0.0.1;maddr=192.0.2.1>",
        "<tel:+4930>",
    ] {
        registers(&bob, with_contact(contact));
        world.settle();
        assert_eq!(bob.status_of("REGISTER"), Some(403), "{contact}");
    }
    alice.invite_uri("sip:bob@localhost");
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    // A name is no address, and an error in a comparison is no permission.
    alice.invite_uri("sip:bob@example.com");
    world.settle();
    assert_eq!(alice.final_status(), Some(403));
    // Who unregisters names no address.
    registers(&bob, |message| with_contact("*")(message).with("Expires", "0"));
    world.settle();
    assert_eq!(bob.status_of("REGISTER"), Some(200));
    alice.invite_uri("sip:bob@127.0.0.1:5070;maddr=192.0.2.1");
    world.settle();
    assert_eq!(alice.final_status(), Some(403));
    forgotten(&world, &proxy);
}

#[test]
fn what_phones_ask_for_beside_calls_is_answered() {
    let (world, alice, proxy, _bob) = cast(9);
    alice.sends("SUBSCRIBE", "sip:alice@localhost");
    world.settle();
    assert_eq!(alice.status_of("SUBSCRIBE"), Some(489));
    alice.sends("OPTIONS", "sip:nobody@localhost");
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(404));
    forgotten(&world, &proxy);
}

// spec/dialog.md §9: a user has five calls at a time, counted by a profile; others have no limit.
#[test]
fn a_user_has_five_calls_at_a_time() {
    let (world, alice, proxy, bob) = cast(20);
    bob.answers_always();
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let lines: Vec<Agent> =
        (0..6).map(|line| world.agent_at(&format!("line{line}"), at(6000 + line))).collect();
    let call = |line: &Agent| {
        let own = format!("sip:{}@", line.name());
        line.invite_with(&bob.uri(), |mut invite| {
            for (_, value) in invite.headers.iter_mut().filter(|(name, _)| name == "From") {
                *value = value.replace(&own, "sip:alice@");
            }
            invite
        });
        world.settle();
        line.final_status()
    };
    let statuses: Vec<_> = lines.iter().map(call).collect();
    assert_eq!(statuses, [Some(200); 6], "nobody knows her");
    lines[5].hangs_up();
    assert_eq!(registered(&world, &alice), Some(200));
    assert_eq!(call(&lines[5]), Some(486), "the five that run are hers");
    lines[0].hangs_up();
    world.settle();
    assert_eq!(call(&lines[5]), Some(200), "there is room again");
    for line in &lines[1..] {
        line.hangs_up();
    }
    world.settle();
    world.run_for(world::CALL_FORGOTTEN);
    world.check();
    proxy.borrow().assert_call_forgotten();
}
