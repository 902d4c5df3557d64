//! CANCEL: RFC 3261 §9 and §16.10.

use duologue_transaction::*;

use crate::world::*;

/// RFC 3261 §9.2: a CANCEL finds its INVITE by branch and sent-by.
#[test]
fn a_cancel_matches_its_invite_only() {
    let invite = World::invite();
    assert_eq!(invite.tx.matches(&key("CANCEL")), Some(Match::Cancel));
    assert_eq!(World::bye().tx.matches(&key("CANCEL")), None);
    let stranger = ServerKey::new(&SECRET, b"z9hG4bKother", b"client.example:5060", b"CANCEL");
    assert_eq!(invite.tx.matches(&stranger), None);
}

/// RFC 3261 §16.10: every pending branch is cancelled; the 487 wins.
#[test]
fn cancelling_a_ringing_call_yields_487() {
    let mut world = World::invite();
    world.fork(2);
    world.reply(0, 180, "a");
    world.reply(1, 404, "b");
    world.log.clear();
    assert!(world.cancel());
    assert!(world.tx.was_cancelled());
    world.cancel_reply(0, 200);
    world.reply(0, 487, "a");
    assert_eq!(world.effects(), [cancels(0, CancelReason::Caller), acks(0), won(0, 487)]);
}

/// spec/modules.md §1.4: without a CANCEL a 487 is an ordinary 4xx.
#[test]
fn a_487_is_preferred_only_when_cancelled() {
    let mut world = World::invite();
    world.fork(2);
    world.reply(0, 487, "a");
    world.reply(1, 404, "b");
    assert_eq!(world.effects().last(), Some(&won(1, 404)));
}

/// RFC 3261 §9.1: no CANCEL before a provisional; the INVITE is repeated until then.
#[test]
fn a_cancel_before_any_provisional_waits_for_one() {
    let mut world = World::invite();
    world.fork(1);
    world.at(100);
    assert!(world.cancel());
    world.at(600);
    assert_eq!(world.effects(), [Effect::SendRequest(BranchIndex(0))]);
    world.reply(0, 100, "");
    assert_eq!(world.effects(), [cancels(0, CancelReason::Caller)]);
    let new = world.new_branch(false);
    assert_eq!(world.tx.add_branch(world.tick(), new), Err(Refused::Cancelled));
}

/// RFC 3261 §9.1, §17.1.2: a CANCEL is repeated like any non-INVITE request, until its reply.
#[test]
fn a_cancel_is_repeated_until_its_reply() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 180, "a");
    world.cancel();
    world.at(4_000);
    let is_cancel = |effect: &Effect| matches!(effect, Effect::SendCancel(..));
    assert_eq!(world.take(is_cancel), [0, 500, 1_500, 3_500]);
    world.cancel_reply(0, 200);
    world.at(31_000);
    assert!(world.take(is_cancel).is_empty());
}

/// The final reply makes the CANCEL moot, even if that was never answered.
#[test]
fn the_487_ends_the_repetition_of_the_cancel() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 180, "a");
    world.cancel();
    world.at(10).reply(0, 487, "a");
    world.log.clear();
    world.at(4_000);
    assert!(world.effects().is_empty());
}

/// RFC 3261 §9.1: without a final reply in 64·T1 the INVITE counts as cancelled.
#[test]
fn a_cancelled_branch_that_stays_silent_is_given_up() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 180, "a");
    world.cancel();
    world.cancel_reply(0, 200);
    world.at(31_999);
    world.log.clear();
    // Provisionals do not prolong it.
    world.reply(0, 180, "a");
    world.at(32_000);
    assert_eq!(world.effects().last(), Some(&won_locally(0, 487)));
}

/// The 200 crosses the CANCEL: it is relayed, and the call exists.
#[test]
fn a_200_that_crosses_the_cancel_is_relayed() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 180, "a");
    world.cancel();
    assert_eq!(world.reply(0, 200, "a").1, RELAY);
    world.sent(200, "a");
    assert!(!world.cancel());
    world.cancel_reply(0, 481);
    assert!(world.finished_by(40_000));
}

/// RFC 3261 §9.2: after a final reply a CANCEL has no effect.
#[test]
fn a_late_cancel_has_no_effect() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 486, "a");
    world.sent(486, "a");
    world.log.clear();
    assert!(!world.cancel());
    assert!(!world.tx.was_cancelled() && world.log.is_empty());
}

/// `t_cancel_branch`: one, or all others.
#[test]
fn a_script_cancels_the_branches_it_names() {
    let mut world = World::invite();
    world.fork(3);
    for branch in 0..3 {
        world.reply(branch, 180, "t");
    }
    let now = world.tick();
    world.tx.cancel_branches(now, Some(BranchIndex(1)), CancelReason::Script, &mut world.fx);
    world.tx.cancel_others(now, BranchIndex(0), CancelReason::Script, &mut world.fx);
    let script = CancelReason::Script;
    assert_eq!(world.fx.as_slice(), [cancels(1, script), cancels(2, script)]);
    assert!(!world.tx.was_cancelled());
}

/// spec/modules.md §1.3: a CANCEL without a known INVITE is relayed like any other request.
#[test]
fn a_relayed_cancel_is_a_request_like_any_other() {
    let mut world = World::new("CANCEL", Over::Udp, &Settings::default());
    world.fork(1);
    let (now, reply) = (world.tick(), Reply { status: 200, to_tag: b"a", cancel: true });
    let received = world.tx.receive_reply(now, BranchIndex(0), reply, &mut world.fx);
    assert_eq!(received, Received::Success { retransmission: false });
    assert_eq!(world.tx.forward_reply(now, BranchIndex(0), reply, b"r", &mut world.fx), RELAY);
}

/// RFC 3261 §9.2: a CANCEL while a later round waits for branches finds none to cancel, and the
/// INVITE still gets its final reply.
#[test]
fn a_cancel_ends_a_later_round_that_nobody_joined() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 302, "a");
    world.tx.wait_for_branches(world.tick());
    world.cancel();
    let winner = Winner { branch: BranchIndex(1), status: 487, local: true };
    assert_eq!(world.effects().last(), Some(&Effect::Completed(winner)));
}

/// Whoever waits for branches to be injected stops waiting.
#[test]
fn a_cancel_closes_a_round_that_is_held_open() {
    let mut world = World::invite();
    world.tx.wait_for_branches(world.tick());
    world.fork(1);
    world.reply(0, 180, "a");
    world.cancel();
    world.reply(0, 487, "a");
    assert_eq!(world.effects().last(), Some(&won(0, 487)));
}
