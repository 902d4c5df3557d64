//! Parallel and serial forking: RFC 3261 §16.7 with the order of spec/modules.md §1.4.

use duologue_transaction::*;

use crate::world::*;

/// RFC 3261 §16.7 steps 4 and 5: 100 stays, 18x goes on.
#[test]
fn provisionals_go_on_but_100_does_not() {
    let mut world = World::invite();
    world.fork(1);
    assert_eq!(world.reply(0, 100, ""), (Received::Provisional, Verdict::Absorbed));
    assert_eq!(world.reply(0, 180, "a"), (Received::Provisional, RELAY));
    assert_eq!(world.reply(0, 183, "a").1, RELAY);
    assert_eq!(world.tx.branch(BranchIndex(0)).unwrap().last_status(), 183);
}

/// RFC 3261 §16.7 step 10: an answer cancels the others; step 5: a second answer goes on as well.
#[test]
fn two_answers_are_both_relayed() {
    let mut world = World::invite();
    world.fork(3);
    world.reply(0, 180, "a");
    world.reply(1, 180, "b");
    assert_eq!(world.reply(1, 200, "b"), (Received::Success { retransmission: false }, RELAY));
    world.sent(200, "b");
    // The third has not said anything: RFC 3261 §9.1 lets its CANCEL wait.
    assert_eq!(world.effects(), [cancels(0, CancelReason::Answered)]);
    assert_eq!(world.reply(0, 200, "a"), (Received::Success { retransmission: false }, RELAY));
    world.sent(200, "a");
    assert_eq!(world.reply(2, 180, "c").1, Verdict::Absorbed);
    assert_eq!(world.effects(), [cancels(2, CancelReason::Answered)]);
    world.reply(2, 487, "c");
    assert_eq!(world.effects(), [acks(2)]);
}

/// One branch may answer twice, when a proxy behind it forked.
#[test]
fn two_answers_of_one_branch_are_told_apart_by_their_to_tag() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 200, "a");
    world.sent(200, "a");
    assert_eq!(world.reply(0, 200, "b").1, RELAY);
    let again = Verdict::Relay { retransmission: true };
    assert_eq!(world.reply(0, 200, "a"), (Received::Success { retransmission: true }, again));
    assert_eq!(world.reply(0, 200, "b").1, again);
}

/// spec/modules.md §1.2, `t_wait_for_new_branches`: nobody injected a branch in time.
#[test]
fn a_wait_in_vain_completes_with_408() {
    let mut world = World::invite();
    world.tx.wait_for_branches(world.tick());
    assert!(world.tx.is_waiting());
    world.at(119_999);
    assert!(world.effects().is_empty());
    world.at(120_000);
    let winner = Winner { branch: BranchIndex(0), status: 408, local: true };
    assert_eq!(world.effects(), [Effect::Completed(winner)]);
    assert!(!world.tx.is_waiting() && world.tx.branch(winner.branch).is_none());
    // A failure route may go on from here.
    world.fork(1);
    world.reply(0, 486, "a");
    let winner = Winner { branch: BranchIndex(0), status: 486, local: false };
    assert!(world.effects().contains(&Effect::Completed(winner)));
}

/// Who waits for branches may give up before the time: it is as if that had passed.
#[test]
fn a_wait_that_is_given_up_completes_with_408() {
    let mut world = World::invite();
    world.tx.wait_for_branches(world.tick());
    world.at(6_000);
    let now = world.tick();
    world.tx.give_up_waiting(now, &mut world.fx);
    let winner = Winner { branch: BranchIndex(0), status: 408, local: true };
    world.tx.give_up_waiting(now, &mut world.fx);
    assert_eq!(world.fx.as_slice(), [Effect::Completed(winner)], "once");
    // With a branch that rings, it is what that brings.
    let mut world = World::invite();
    world.tx.wait_for_branches(world.tick());
    world.fork(1);
    world.reply(0, 180, "a");
    let now = world.tick();
    world.tx.give_up_waiting(now, &mut world.fx);
    assert!(world.fx.as_slice().is_empty());
    world.reply(0, 486, "a");
    assert!(world.effects().contains(&won(0, 486)));
}

/// RFC 3841 §9.1: `no-cancel` lets the others ring.
#[test]
fn an_answer_need_not_cancel_the_others() {
    let mut world = World::invite();
    world.tx.set_no_cancel(true);
    world.fork(2);
    world.reply(0, 180, "a");
    world.reply(1, 200, "b");
    world.sent(200, "b");
    assert!(world.effects().is_empty());
}

/// RFC 3261 §16.7 step 5: a negative reply waits until all branches are final.
#[test]
fn the_best_negative_reply_wins_when_all_are_final() {
    let mut world = World::invite();
    world.fork(3);
    assert_eq!(world.reply(0, 503, "a"), (Received::Failure, Verdict::Stored));
    assert_eq!(world.reply(1, 486, "b").1, Verdict::Stored);
    assert_eq!(world.effects(), [acks(0), acks(1)]);
    world.reply(2, 404, "c");
    // 404 and 486 are both "other 4xx": the lower priority number is the 404's.
    assert_eq!(world.effects(), [acks(2), won(2, 404)]);
    assert_eq!(world.tx.branch(BranchIndex(2)).unwrap().reply(), Some(&b"reply"[..]));
    assert_eq!(world.tx.winner().unwrap().status, 404);
}

#[test]
fn on_a_tie_the_first_branch_wins() {
    let mut world = World::invite();
    world.fork(2);
    world.reply(1, 486, "b");
    world.reply(0, 486, "a");
    assert_eq!(world.effects().last(), Some(&won(0, 486)));
}

/// spec/modules.md §1.4: a 6xx cancels the rest, wins at once and forbids further branches.
#[test]
fn a_6xx_ends_the_set() {
    let mut world = World::invite();
    world.fork(3);
    world.reply(0, 180, "a");
    world.reply(1, 302, "b");
    world.log.clear();
    world.reply(2, 603, "c");
    assert_eq!(world.effects(), [acks(2), cancels(0, CancelReason::Declined), won(2, 603)]);
    let new = world.new_branch(false);
    assert_eq!(world.tx.add_branch(world.tick(), new), Err(Refused::Declined));
    world.sent(603, "c");
    assert_eq!(world.reply(0, 487, "a").1, Verdict::Absorbed);
    assert_eq!(world.effects(), [acks(0)]);
}

#[test]
fn with_disable_6xx_block_a_6xx_is_one_of_many() {
    let settings = Settings { disable_6xx_block: true, ..Settings::default() };
    let mut world = World::new("INVITE", Over::Udp, &settings);
    world.fork(2);
    world.reply(0, 603, "a");
    assert_eq!(world.effects(), [acks(0)]);
    world.reply(1, 404, "b");
    assert_eq!(world.effects(), [acks(1), won(0, 603)]);
    world.fork(1);
}

/// RFC 3261 §16.7 step 5: a 2xx that is later than the final reply goes on all the same.
#[test]
fn an_answer_after_a_failure_was_sent_is_relayed() {
    let mut world = World::invite();
    world.fork(2);
    world.reply(0, 180, "a");
    world.reply(1, 600, "b");
    world.sent(600, "b");
    world.ack();
    world.log.clear();
    assert_eq!(world.reply(0, 200, "a"), (Received::Success { retransmission: false }, RELAY));
    world.sent(200, "a");
    assert!(world.effects().is_empty());
}

/// A failure route adds branches: only they count in the next round.
#[test]
fn serial_forking_starts_a_new_round() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 302, "a");
    assert_eq!(world.effects(), [acks(0), won(0, 302)]);
    world.fork(2);
    assert!(world.tx.winner().is_none());
    world.reply(1, 503, "b");
    world.reply(2, 486, "c");
    assert_eq!(world.effects(), [acks(1), acks(2), won(2, 486)]);
    world.fork(1);
    assert_eq!(world.reply(3, 200, "d").1, RELAY);
    world.sent(200, "d");
    assert_eq!(world.tx.last_status_sent(), 200);
}

/// The owner may answer a completed set itself.
#[test]
fn a_failure_route_may_answer() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 486, "a");
    world.sent(480, "p");
    assert!(world.tx.is_closed() && world.tx.winner().is_none());
    let new = world.new_branch(false);
    assert_eq!(world.tx.add_branch(world.tick(), new), Err(Refused::Answered));
}

/// Answering while phones ring makes them stop.
#[test]
fn a_final_reply_of_ours_cancels_what_rings() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 180, "a");
    world.sent(486, "p");
    assert_eq!(world.effects(), [cancels(0, CancelReason::Script)]);
}

/// `minor_branch_flag`: not waited for, cancelled when the others are final.
#[test]
fn a_minor_branch_is_not_waited_for() {
    let mut world = World::invite();
    let minor = world.new_branch(true);
    world.tx.add_branch(world.tick(), minor).unwrap();
    world.fork(1);
    world.reply(0, 180, "a");
    world.reply(1, 486, "b");
    assert_eq!(world.effects(), [acks(1), cancels(0, CancelReason::Script), won(1, 486)]);
}

/// `t_wait_for_new_branches`: the round stays open.
#[test]
fn a_round_may_be_held_open() {
    let mut world = World::invite();
    world.tx.wait_for_branches(world.tick());
    world.fork(1);
    world.reply(0, 486, "a");
    world.fork(1);
    world.reply(1, 404, "b");
    assert_eq!(world.effects(), [acks(0), acks(1)]);
    let now = world.tick();
    world.tx.stop_waiting(now, &mut world.fx);
    assert_eq!(world.fx.as_slice(), [won(1, 404)]);
}

/// spec/modules.md §1.3: a transport error is a 477 of our own (RFC 3261 §16.9: 503).
#[test]
fn a_broken_transport_is_a_local_477() {
    let mut world = World::invite();
    world.fork(2);
    let now = world.tick();
    world.tx.transport_failed(now, BranchIndex(0), &mut world.fx);
    world.at(1).reply(1, 100, "");
    world.at(2).reply(1, 408, "b");
    assert_eq!(world.effects().last(), Some(&won(1, 408)));
    assert_eq!(world.tx.branch(BranchIndex(0)).unwrap().last_status(), 477);
}

/// RFC 3261 §16.7 step 5: only one final reply to anything but an INVITE.
#[test]
fn only_the_first_answer_to_a_non_invite_is_relayed() {
    let mut world = World::bye();
    world.fork(2);
    assert_eq!(world.reply(0, 200, "a").1, RELAY);
    world.sent(200, "a");
    assert_eq!(world.reply(1, 200, "b").1, Verdict::Absorbed);
    assert!(world.effects().is_empty());
}

#[test]
fn branches_are_bounded() {
    let mut world = World::invite();
    world.fork(MAX_BRANCHES);
    let new = world.new_branch(false);
    assert_eq!(world.tx.add_branch(world.tick(), new), Err(Refused::Full));
}
