//! Calls with several targets: at once and one after the other.

mod world;

use std::time::Duration;

use duologue_testkit::{CallState, World};
use world::{CAROL, Proxy, cast, forgotten, forking, script_to};

/// Whoever refuses or keeps silent is followed by carol.
const THEN_CAROL: &str = r#"
    failure_route[next] {
        if (t_was_cancelled())
            exit;
        if (t_check_status("486|408")) {
            $ru = "sip:carol@10.0.0.13:5060";
            t_relay();
        }
    }
"#;

fn serial() -> String {
    let settings = "modparam(\"tm\", \"fr_inv_timeout\", 20)";
    script_to(settings, "t_on_failure(\"next\");", THEN_CAROL)
}

// RFC 3261 §16.7 steps 9 and 10: the first answer goes up at once, the others are cancelled.
#[test]
fn the_first_answer_of_a_fork_wins() {
    let (world, alice, proxy, bob) = cast(1, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    assert_eq!(alice.count("180"), 2);
    carol.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(carol.state(), CallState::Talking);
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(carol.count("CANCEL"), 0);
    assert_eq!(alice.count("487"), 0);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.processed_dialogs, statistics.active_dialogs), (1, 1));
    carol.hangs_up();
    world.settle();
    assert_eq!(alice.state(), CallState::Ended);
    forgotten(&world, &proxy);
}

// RFC 3261 §16.7 step 5, RFC 6026 §7.1: every 2xx goes up, also one that crosses its CANCEL.
#[test]
fn two_answers_of_a_fork_both_reach_the_caller() {
    let (world, alice, proxy, bob) = cast(2, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    bob.answers();
    carol.answers();
    world.settle();
    assert_eq!(alice.count("200 INVITE"), 2);
    assert_eq!(alice.dialogs(), 2);
    assert_eq!(bob.count("ACK"), 1);
    assert_eq!(carol.count("ACK"), 1);
    alice.hangs_up();
    world.settle();
    assert_eq!(bob.state(), CallState::Ended);
    assert_eq!(carol.state(), CallState::Ended);
    forgotten(&world, &proxy);
}

// RFC 3261 §13.2.2.4: a caller that wants one call ends the other at once; the call goes on.
#[test]
fn the_answer_that_nobody_wants_is_hung_up() {
    let (world, alice, proxy, bob) = cast(3, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.keeps_one_answer();
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    bob.answers();
    carol.answers();
    world.settle();
    assert_eq!(bob.count("BYE") + carol.count("BYE"), 1);
    assert_eq!(bob.count("ACK") + carol.count("ACK"), 2);
    let (kept, other) =
        if bob.state() == CallState::Talking { (&bob, &carol) } else { (&carol, &bob) };
    assert_eq!(kept.state(), CallState::Talking);
    assert_eq!(other.state(), CallState::Ended);
    kept.hangs_up_now();
    forgotten(&world, &proxy);
}

// RFC 3261 §16.7 step 6: of several refusals the best goes up, once all have come.
#[test]
fn the_best_refusal_of_a_fork_is_told() {
    let (world, alice, proxy, bob) = cast(4, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(503);
    world.run_for(Duration::from_millis(100));
    assert_eq!(alice.final_status(), None);
    carol.rejects(404);
    world.settle();
    assert_eq!(alice.final_status(), Some(404));
    assert_eq!(alice.state(), CallState::Failed(404));
    forgotten(&world, &proxy);
}

// RFC 3261 §16.7 step 5: a 6xx ends the search.
#[test]
fn a_decline_everywhere_cancels_the_other_branch() {
    let (world, alice, proxy, bob) = cast(5, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    bob.rejects(603);
    world.settle();
    assert_eq!(carol.count("CANCEL"), 1);
    assert_eq!(alice.final_status(), Some(603));
    forgotten(&world, &proxy);
}

// RFC 3261 §16.10: a CANCEL goes to every branch.
#[test]
fn a_fork_is_cancelled_everywhere() {
    let (world, alice, proxy, bob) = cast(6, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(carol.count("CANCEL"), 1);
    assert_eq!(alice.final_status(), Some(487));
    assert_eq!(alice.count("487"), 1);
    forgotten(&world, &proxy);
}

// spec/script.md: failure_route runs before the refusal goes up and may try another target.
#[test]
fn a_refusal_is_followed_by_the_next_target() {
    let (world, alice, proxy, bob) = cast(7, &serial());
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    bob.rejects(486);
    carol.rings();
    carol.answers();
    world.settle();
    assert_eq!(alice.count("486"), 0);
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(carol.state(), CallState::Talking);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.processed_dialogs, statistics.active_dialogs), (1, 1));
    carol.hangs_up();
    world.settle();
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(alice.count("BYE"), 1);
    forgotten(&world, &proxy);
}

// spec/modules.md, tm: fr_inv_timeout makes a local 408, which failure_route sees like any other.
#[test]
fn a_target_that_rings_too_long_is_followed_by_the_next() {
    let (world, alice, proxy, bob) = cast(8, &serial());
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    world.run_for(Duration::from_secs(19));
    assert_eq!(carol.count("INVITE"), 0);
    world.run_for(Duration::from_secs(2));
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(carol.count("INVITE"), 1);
    carol.answers();
    world.settle();
    assert_eq!(alice.count("408"), 0);
    assert_eq!(alice.state(), CallState::Talking);
    carol.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn the_last_refusal_goes_up_when_no_target_is_left() {
    let (world, alice, proxy, bob) = cast(9, &serial());
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    carol.rejects(404);
    world.settle();
    assert!(matches!(alice.final_status(), Some(404 | 486)));
    assert_eq!(
        alice.received("").iter().filter(|got| got.message.status() >= Some(300)).count(),
        1
    );
    assert_eq!(proxy.borrow().node.dialogs.statistics().failed_dialogs, 1);
    forgotten(&world, &proxy);
}

// A call that its caller gave up is not offered to anybody else.
#[test]
fn a_cancelled_call_tries_no_further_target() {
    let (world, alice, proxy, bob) = cast(10, &serial());
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(alice.final_status(), Some(487));
    assert_eq!(carol.count("INVITE"), 0);
    forgotten(&world, &proxy);
}

// The same seed gives the same call, down to every byte of every message.
#[test]
fn a_forked_call_repeats_itself_from_its_seed() {
    let play = || {
        let world = World::seeded(11);
        let (alice, _proxy, bob) = world.three_party(Proxy::new(&forking(&[CAROL])));
        let carol = world.agent("carol");
        alice.invite(&bob);
        bob.rings();
        carol.answers();
        world.settle();
        alice.hangs_up();
        world.settle();
        let wire: Vec<_> = alice.received("").iter().map(|got| got.message.to_bytes()).collect();
        (world.trace(), wire)
    };
    assert_eq!(play(), play());
}

// RFC 3261 §16.7 step 7: the caller can answer all challenges at once.
#[test]
fn the_challenges_of_all_branches_go_back_together() {
    let (world, alice, proxy, bob) = cast(31, &forking(&[CAROL]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    world.run_for(Duration::from_millis(100));
    bob.replies_with("INVITE", 407, |reply| {
        reply.with("Proxy-Authenticate", "Digest realm=\"bob\", nonce=\"1\"")
    });
    carol.replies_with("INVITE", 401, |reply| {
        reply.with("WWW-Authenticate", "Digest realm=\"carol\", nonce=\"2\"")
    });
    world.settle();
    assert_eq!(alice.final_status(), Some(401));
    let reply = alice.last("401");
    assert!(reply.header("WWW-Authenticate").is_some_and(|it| it.contains("carol")));
    assert!(reply.header("Proxy-Authenticate").is_some_and(|it| it.contains("bob")));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2: a failure route may be armed in a reply route as well, and what the request
// route did to the message holds for the new branch.
#[test]
fn a_failure_route_armed_late_branches_with_the_changes_made_early() {
    let rest = format!("onreply_route[arms] {{ t_on_failure(\"next\"); }}\n{THEN_CAROL}");
    let targets = "append_hf(\"X-Early: yes\\r\\n\"); t_on_reply(\"arms\");";
    let (world, alice, proxy, bob) = cast(32, &script_to("", targets, &rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    bob.rejects(486);
    world.run_for(Duration::from_millis(100));
    carol.rings();
    carol.answers();
    world.settle();
    assert_eq!(alice.final_status(), Some(200));
    let invite = carol.last("INVITE");
    assert_eq!(invite.header("X-Early"), Some("yes"));
    assert!(invite.header("Record-Route").is_some());
    carol.hangs_up();
    forgotten(&world, &proxy);
}

// RFC 3261 §9.2: the script may make the CANCEL's transaction before it relays it.
#[test]
fn a_cancel_with_a_transaction_of_its_own_still_finds_its_invite() {
    let script = plain_with_newtran();
    let (world, alice, proxy, bob) = cast(33, &script);
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(alice.status_of("CANCEL"), Some(200));
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(alice.final_status(), Some(487));
    forgotten(&world, &proxy);
}

fn plain_with_newtran() -> String {
    let (checks, makes) =
        ("if (t_check_trans())\n            t_relay();", "t_newtran(); t_relay();");
    let script = world::plain();
    assert!(script.contains(checks));
    script.replace(checks, makes)
}
