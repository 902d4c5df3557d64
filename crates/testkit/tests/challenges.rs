//! Challenges between two agents (RFC 3261 §22), and what happens while a re-INVITE waits (§14.2).

use duologue_testkit::{Agent, CallState, Relay, World};

fn cast(seed: u64) -> (World, Agent, Agent) {
    let world = World::seeded(seed);
    let (alice, _, bob) = world.three_party(Relay::default());
    alice.has_password();
    (world, alice, bob)
}

// RFC 3261 §22.2: the same Call-ID and From, the next CSeq number.
#[test]
fn a_challenged_call_is_made_once_more() {
    let (world, alice, bob) = cast(1);
    bob.challenges("INVITE");
    alice.invite(&bob);
    world.settle();
    bob.answers();
    world.settle();
    let invites = bob.received("INVITE");
    assert_eq!(invites[0].message.call_id(), invites[1].message.call_id());
    assert_eq!(invites[0].message.from_tag(), invites[1].message.from_tag());
    assert_eq!([1, 2], [0, 1].map(|at: usize| invites[at].message.cseq().0));
    assert_eq!(bob.last("ACK").cseq().0, 2);
    assert_eq!((alice.state(), bob.state()), (CallState::Talking, CallState::Talking));
    assert_eq!(alice.dialogs(), 1);
}

#[test]
fn a_challenged_bye_is_sent_once_more() {
    let (world, alice, bob) = cast(2);
    alice.invite(&bob);
    bob.answers();
    world.settle();
    bob.challenges("BYE");
    alice.hangs_up();
    world.settle();
    assert_eq!(bob.last("BYE").cseq().0, 3);
    assert_eq!(alice.status_of("BYE"), Some(200));
    assert_eq!(bob.state(), CallState::Ended);
}

// RFC 3261 §14.2: 500 for a second re-INVITE while one waits, 491 for one that crosses ours.
#[test]
fn a_waiting_reinvite_refuses_others() {
    let (world, alice, bob) = cast(3);
    alice.invite(&bob);
    bob.answers();
    world.settle();
    bob.hesitates();
    alice.reinvites();
    world.run_for(std::time::Duration::from_millis(100));
    alice.reinvites();
    world.run_for(std::time::Duration::from_millis(100));
    assert_eq!(alice.status_of("INVITE"), Some(500));
    assert!(alice.last("500").header("Retry-After").is_some());
    bob.reinvites();
    world.run_for(std::time::Duration::from_millis(100));
    assert_eq!(bob.status_of("INVITE"), Some(491));
    bob.replies_to("INVITE", 200);
    world.settle();
    assert_eq!(bob.last("ACK").cseq().0, 2);
}

// RFC 3261 §12.2.1.1: whoever stands between must not give one number to two requests.
#[test]
fn a_number_that_comes_twice_is_noted() {
    let (world, alice, bob) = cast(4);
    world.tolerate();
    alice.invite(&bob);
    bob.answers();
    world.settle();
    alice.requests("INFO");
    alice.requests_with("INFO", |mut info| {
        info.headers.iter_mut().filter(|(name, _)| name == "CSeq").for_each(|(_, value)| {
            *value = "2 INFO".to_owned();
        });
        info
    });
    world.settle();
    assert!(bob.complaints()[0].contains("CSeq 2 came twice"), "{:?}", bob.complaints());
}
