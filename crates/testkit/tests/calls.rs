//! Whole calls through the relay: what the agents do by themselves, and what the test decides.

use std::time::Duration;

use duologue_testkit::{Agent, CallState, Endpoint, Packets, Relay, Served, World};

fn cast() -> (World, Agent, Served<Relay>, Agent) {
    let world = World::seeded(7);
    let (alice, proxy, bob) = world.three_party(Relay::default());
    (world, alice, proxy, bob)
}

fn established() -> (World, Agent, Served<Relay>, Agent) {
    let (world, alice, proxy, bob) = cast();
    alice.invite(&bob);
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Talking, CallState::Talking));
    (world, alice, proxy, bob)
}

#[test]
fn an_answered_call_is_ended_by_the_caller() {
    let (world, alice, _, bob) = established();
    alice.hangs_up();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    assert_eq!(alice.final_status(), Some(200));
    assert_eq!(alice.status_of("BYE"), Some(200));
    assert_eq!(alice.received("").iter().filter(|received| received.again).count(), 0);
    assert_eq!(alice.count("180") + alice.count("200 INVITE") + alice.count("200 BYE"), 3);
}

#[test]
fn an_answered_call_is_ended_by_the_callee() {
    let (world, alice, _, bob) = established();
    bob.hangs_up();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    assert_eq!(alice.count("BYE"), 1);
}

#[test]
fn requests_within_the_call_follow_the_record_routes() {
    let (world, alice, proxy, bob) = established();
    for method in ["INFO", "UPDATE", "OPTIONS", "MESSAGE"] {
        alice.requests(method);
        world.settle();
        assert_eq!(alice.status_of(method), Some(200), "{method}");
        assert_eq!(bob.received(method)[0].from, proxy.address());
    }
    bob.reinvites();
    world.settle();
    assert_eq!(alice.count("INVITE"), 1);
    assert_eq!((alice.count("ACK"), bob.status_of("INVITE")), (1, Some(200)));
    assert_eq!(alice.state(), CallState::Talking);
}

#[test]
fn a_busy_callee_gets_its_ack_on_the_branch_of_the_invite() {
    let (world, alice, proxy, bob) = cast();
    world.lose_next(alice.to(&proxy).only("ACK"));
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.state(), CallState::Failed(486));
    assert_eq!(bob.final_status(), Some(486));
    assert_eq!((bob.retransmissions("486"), bob.count("ACK")), (1, 1));
}

#[test]
fn a_cancelled_call_ends_with_487() {
    let (world, alice, _, bob) = cast();
    alice.invite(&bob);
    // RFC 3261 §9.1: nothing came back yet, so the CANCEL waits for the 180.
    alice.cancels();
    assert!(alice.sent("CANCEL").is_empty());
    bob.rings();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Failed(487), CallState::Failed(487)));
    assert_eq!((alice.status_of("CANCEL"), bob.count("ACK")), (Some(200), 1));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let (world, alice, _, bob) = cast();
    alice.invite(&bob);
    bob.rings();
    world.run_for(Duration::from_millis(50));
    alice.cancels();
    bob.answers();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    assert_eq!((alice.final_status(), bob.count("ACK"), bob.count("BYE")), (Some(200), 1, 1));
}

#[test]
fn a_fork_with_two_answers_makes_two_dialogs() {
    for keeps_one in [false, true] {
        let (world, alice, proxy, bob) = cast();
        let carol = world.agent("carol");
        proxy.borrow().fork("sip:team@10.0.0.1", &[&bob.uri(), &carol.uri()]);
        if keeps_one {
            alice.keeps_one_answer();
        }
        alice.invite_uri("sip:team@10.0.0.1");
        bob.rings();
        carol.rings();
        bob.answers();
        carol.answers();
        world.settle();
        assert_eq!(alice.dialogs(), if keeps_one { 1 } else { 2 });
        assert_eq!((bob.count("ACK"), carol.count("ACK")), (1, 1));
        alice.hangs_up();
        world.settle();
        assert_eq!((bob.count("BYE"), carol.count("BYE"), alice.dialogs()), (1, 1, 0));
        assert_eq!(alice.state(), CallState::Ended);
    }
}

#[test]
fn two_branches_may_reach_one_agent() {
    let (world, alice, proxy, bob) = cast();
    proxy.borrow().fork("sip:team@10.0.0.1", &[&bob.uri(), &bob.uri()]);
    alice.invite_uri("sip:team@10.0.0.1");
    bob.answers();
    bob.answers();
    world.settle();
    assert_eq!((bob.count("ACK"), alice.dialogs()), (2, 2));
}

#[test]
fn nobody_answers_a_silent_agent() {
    let (world, alice, _, bob) = cast();
    bob.silent();
    alice.invite(&bob);
    world.run_for(Duration::from_secs(31));
    assert_eq!((alice.state(), alice.retransmissions("INVITE")), (CallState::Calling, 5));
    world.settle();
    assert_eq!((alice.state(), alice.retransmissions("INVITE")), (CallState::Failed(408), 6));
    assert_eq!(world.now().as_millis(), 1_000 + 32_000, "timer B is 64*T1");
    assert!(!bob.received("INVITE").is_empty() && bob.sent("").is_empty());
}

#[test]
fn a_withheld_ack_makes_the_callee_repeat_and_at_last_hang_up() {
    let (world, alice, _, bob) = cast();
    alice.withholds_acks();
    alice.invite(&bob);
    bob.answers();
    world.run_for(Duration::from_secs(4));
    assert_eq!((bob.state(), bob.retransmissions("200")), (CallState::Answered, 3));
    alice.acks();
    world.settle();
    assert_eq!((bob.state(), bob.retransmissions("200 INVITE")), (CallState::Talking, 3));

    let (world, alice, _, bob) = cast();
    alice.withholds_acks();
    alice.invite(&bob);
    bob.answers();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    assert_eq!(alice.count("BYE"), 1);
}

#[test]
fn the_test_decides_each_reply_of_a_manual_agent() {
    let (world, alice, _, bob) = established();
    bob.manual();
    alice.requests("INFO");
    alice.reinvites();
    bob.replies_with("INVITE", 488, |response| response.with("Warning", "399 b \"no\""));
    bob.replies_to("INFO", 500);
    world.settle();
    assert_eq!((alice.status_of("INFO"), alice.status_of("INVITE")), (Some(500), Some(488)));
    assert_eq!(alice.last("488").header("Warning"), Some("399 b \"no\""));
    assert_eq!(alice.state(), CallState::Talking);
}

#[test]
fn byes_may_cross() {
    let (world, alice, _, bob) = established();
    alice.hangs_up();
    bob.hangs_up();
    world.settle();
    assert_eq!((alice.status_of("BYE"), bob.status_of("BYE")), (Some(200), Some(200)));
}

#[test]
fn requests_without_a_dialog_are_answered() {
    let (world, alice, proxy, bob) = cast();
    alice.sends("OPTIONS", &bob.uri());
    alice.sends("BYE", &bob.uri());
    alice.preloads(&["<sip:10.0.0.1;lr>"]);
    alice.sends_with("MESSAGE", &bob.uri(), |message| message.with("X-Note", "1"));
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(200));
    assert_eq!(alice.status_of("BYE"), Some(481));
    assert_eq!(bob.last("MESSAGE").header("X-Note"), Some("1"));
    assert_eq!(world.sent(&alice.to(&proxy).only("OPTIONS")), 1);
    assert_eq!(world.sent(&Packets::any()), 12);
}

#[test]
fn calls_work_over_ipv6() {
    let world = World::seeded(3);
    let proxy = world.serve_at(&["[2001:db8::1]:5060".parse().unwrap()], Relay::default());
    let alice = world.agent_at("alice", "[2001:db8::a]:5060".parse().unwrap());
    let bob = world.agent_at("bob", "[2001:db8::b]:5080".parse().unwrap());
    bob.answers_always();
    alice.invite(&bob);
    alice.hangs_up();
    world.settle();
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    assert_eq!(bob.received("BYE")[0].from, proxy.address());
}
