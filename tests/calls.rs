//! The plain call in all its turns: answered, refused, given up, changed, ended.

mod world;

use std::time::Duration;

use duologue_testkit::{CallState, Message};
use world::{answered, cast, forgotten, plain};

// RFC 3261 §16.7, §13.2.2.4: replies travel back along Via, the ACK to a 2xx end to end.
#[test]
fn a_call_is_answered_and_ended_by_its_caller() {
    let (world, alice, proxy, bob) = cast(1, &plain());
    answered(&world, &alice, &bob);
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(bob.state(), CallState::Talking);
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    // RFC 3261 §16.2: the proxy says 100 so that nobody repeats the INVITE.
    assert_eq!(alice.count("100"), 1);
    assert_eq!(bob.count("ACK"), 1);

    alice.hangs_up();
    world.settle();
    assert_eq!(alice.status_of("BYE"), Some(200));
    assert_eq!(bob.state(), CallState::Ended);
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 0);
    forgotten(&world, &proxy);
}

#[test]
fn a_call_is_ended_by_its_callee() {
    let (world, alice, proxy, bob) = cast(2, &plain());
    answered(&world, &alice, &bob);
    bob.hangs_up();
    world.settle();
    assert_eq!(bob.status_of("BYE"), Some(200));
    assert_eq!(alice.count("BYE"), 1);
    assert_eq!(alice.state(), CallState::Ended);
    forgotten(&world, &proxy);
}

// RFC 3261 §15: both hang up before either BYE has arrived; each gets an answer.
#[test]
fn byes_that_cross_are_both_answered() {
    let (world, alice, proxy, bob) = cast(3, &plain());
    answered(&world, &alice, &bob);
    alice.hangs_up_now();
    bob.hangs_up_now();
    world.settle();
    assert_eq!(alice.count("BYE"), 1);
    assert_eq!(bob.count("BYE"), 1);
    assert!(alice.status_of("BYE").is_some());
    assert!(bob.status_of("BYE").is_some());
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    assert_eq!(proxy.borrow().node.dialogs.statistics().processed_dialogs, 1);
    forgotten(&world, &proxy);
}

// RFC 3261 §17.1.1.3: the proxy acknowledges a refusal itself; the caller's ACK ends at the proxy.
#[test]
fn a_busy_callee_is_told_to_the_caller() {
    let (world, alice, proxy, bob) = cast(4, &plain());
    alice.invite(&bob);
    bob.rings();
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    assert_eq!(alice.count("486"), 1);
    assert_eq!(bob.count("ACK"), 1);
    assert_eq!(proxy.borrow().node.dialogs.statistics().failed_dialogs, 1);
    forgotten(&world, &proxy);
}

// RFC 3261 §16.10, §9.1: the CANCEL is answered here and a CANCEL of our own goes on.
#[test]
fn a_ringing_call_is_cancelled() {
    let (world, alice, proxy, bob) = cast(5, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(alice.status_of("CANCEL"), Some(200));
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(alice.final_status(), Some(487));
    assert_eq!(alice.state(), CallState::Failed(487));
    assert_eq!(proxy.borrow().node.dialogs.statistics().failed_dialogs, 1);
    forgotten(&world, &proxy);
}

// RFC 3261 §16.10: without a provisional reply nothing may be cancelled downstream yet.
#[test]
fn a_cancel_before_any_reply_waits_for_one() {
    let (world, alice, proxy, bob) = cast(6, &plain());
    bob.manual();
    alice.invite(&bob);
    world.run_for(Duration::from_millis(100));
    alice.cancels();
    world.run_for(Duration::from_millis(100));
    assert_eq!(alice.status_of("CANCEL"), Some(200));
    assert_eq!(bob.count("CANCEL"), 0);
    bob.polite();
    bob.rings();
    world.settle();
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(alice.final_status(), Some(487));
    forgotten(&world, &proxy);
}

// RFC 3261 §9.1: a 2xx that crosses the CANCEL makes a call all the same; the caller ends it.
#[test]
fn an_answer_that_crosses_the_cancel_wins() {
    let (world, alice, proxy, bob) = cast(7, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    bob.answers();
    world.settle();
    assert_eq!(alice.final_status(), Some(200));
    assert_eq!(bob.count("ACK"), 1);
    assert_eq!(bob.count("BYE"), 1);
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    forgotten(&world, &proxy);
}

// RFC 3261 §14: the call is changed from either side and stays the same dialog.
#[test]
fn a_reinvite_travels_from_either_side() {
    let (world, alice, proxy, bob) = cast(8, &plain());
    answered(&world, &alice, &bob);
    alice.reinvites();
    world.settle();
    bob.reinvites();
    world.settle();
    assert_eq!(bob.count("INVITE"), 2);
    assert_eq!(alice.count("INVITE"), 1);
    assert_eq!(bob.count("ACK"), 2);
    assert_eq!(alice.count("ACK"), 1);
    assert_eq!(alice.status_of("INVITE"), Some(200));
    assert_eq!(bob.status_of("INVITE"), Some(200));
    let processed = proxy.borrow().node.dialogs.statistics().processed_dialogs;
    assert_eq!(processed, 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// RFC 3261 §14.2: a refused re-INVITE leaves the call as it was.
#[test]
fn a_refused_reinvite_changes_nothing() {
    let (world, alice, proxy, bob) = cast(9, &plain());
    answered(&world, &alice, &bob);
    bob.manual();
    alice.reinvites();
    bob.rejects(488);
    world.settle();
    assert_eq!(alice.status_of("INVITE"), Some(488));
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    bob.polite();
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn other_requests_within_the_call_are_relayed() {
    let (world, alice, proxy, bob) = cast(10, &plain());
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    bob.requests("OPTIONS");
    world.settle();
    assert_eq!(alice.status_of("INFO"), Some(200));
    assert_eq!(bob.status_of("OPTIONS"), Some(200));
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// RFC 3261 §16.3: a request that has come too far ends here.
#[test]
fn a_call_without_hops_left_is_refused() {
    let (world, alice, proxy, bob) = cast(11, &plain());
    alice.invite_with(&bob.uri(), |mut invite| {
        invite.headers.retain(|(name, _)| name != "Max-Forwards");
        invite.with("Max-Forwards", "0")
    });
    world.settle();
    assert_eq!(alice.final_status(), Some(483));
    assert_eq!(bob.count(""), 0);
    forgotten(&world, &proxy);
}

// RFC 3261 §16.7 step 1, §18.1.2: a reply belongs to a branch that we made, or to nobody.
#[test]
fn a_forged_branch_in_a_reply_changes_nothing() {
    let (world, alice, proxy, bob) = cast(12, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    bob.replies_with("INVITE", 200, |answer| forged(&answer));
    world.run_for(Duration::from_millis(400));
    assert_eq!(alice.count("200"), 0);
    assert_eq!(alice.final_status(), None);
    let statistics = proxy.borrow().node.dialogs.statistics();
    assert_eq!((statistics.early_dialogs, statistics.active_dialogs), (1, 0));
    // Nobody answers for real: the call times out while it rings (fr_inv_timeout).
    world.run_for(Duration::from_secs(130));
    assert_eq!(alice.final_status(), Some(408));
    forgotten(&world, &proxy);
}

/// The reply with one letter of our branch changed.
fn forged(answer: &Message) -> Message {
    let branch = answer.branch().to_owned();
    let mut other = branch.clone();
    let last = other.pop();
    other.push(if last == Some('0') { '1' } else { '0' });
    let mut forged = answer.clone();
    for (name, value) in &mut forged.headers {
        if name == "Via" {
            *value = value.replace(&branch, &other);
        }
    }
    forged
}
