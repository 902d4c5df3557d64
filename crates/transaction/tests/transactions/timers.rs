//! Each timer, on both sides of its edge.

use std::time::Duration;

use duologue_transaction::*;

use crate::world::*;

fn is_request(effect: &Effect) -> bool {
    matches!(effect, Effect::SendRequest(_))
}

fn is_reply(effect: &Effect) -> bool {
    *effect == Effect::SendReply
}

/// RFC 3261 §17.1.1.2: an INVITE is repeated at T1, doubling; spec/modules.md §1.1: at most T2.
#[test]
fn timer_a_doubles_up_to_t2_and_ends_with_a_reply() {
    let mut world = World::invite();
    world.fork(1);
    world.at(16_000);
    assert_eq!(world.take(is_request), [500, 1_500, 3_500, 7_500, 11_500, 15_500]);
    world.reply(0, 100, "");
    world.at(29_000);
    assert!(world.take(is_request).is_empty());
}

/// RFC 3261 §17.1.1.2: timer B gives up on a silent callee; it counts as a 408 (§16.8).
#[test]
fn timer_b_is_fr_timeout() {
    let mut world = World::invite();
    world.fork(1);
    world.at(29_999);
    world.log.clear();
    world.at(30_000);
    let silent = Effect::TimedOut { branch: BranchIndex(0), answered: false };
    assert_eq!(world.effects(), [silent, won_locally(0, 408)]);
    assert!(world.tx.branch(BranchIndex(0)).unwrap().answered_locally());
    assert!(world.tx.branch(BranchIndex(0)).unwrap().reply().is_none());
}

/// RFC 3261 §16.8: timer C cancels a ringing branch, which then counts as a 408.
#[test]
fn timer_c_is_fr_inv_timeout_and_cancels() {
    let mut world = World::invite();
    world.fork(1);
    world.at(1_000).reply(0, 180, "a");
    world.at(120_999);
    world.log.clear();
    world.at(121_000);
    let late = Effect::TimedOut { branch: BranchIndex(0), answered: true };
    assert_eq!(world.effects(), [cancels(0, CancelReason::TimedOut), late, won_locally(0, 408)]);
    world.sent(408, "p");
    // RFC 3261 §17.1.1.2: the 487 that follows is still acknowledged, and nothing more.
    assert_eq!(world.reply(0, 487, "a"), (Received::Failure, Verdict::Absorbed));
    assert_eq!(world.effects(), [acks(0)]);
}

/// RFC 3261 §16.7 step 2: each provisional but 100 restarts timer C.
#[test]
fn every_provisional_but_100_restarts_timer_c() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 180, "a");
    world.at(100_000).reply(0, 180, "a");
    world.at(200_000).reply(0, 100, "");
    world.log.clear();
    world.at(219_999);
    assert!(world.log.is_empty());
    world.at(220_000);
    assert!(world.effects().contains(&cancels(0, CancelReason::TimedOut)));
}

/// spec/modules.md §1.1: without `restart_fr_on_each_reply` only a higher code from 180 does.
#[test]
fn timer_c_may_be_restarted_by_progress_alone() {
    let settings = Settings { restart_fr_on_each_reply: false, ..Settings::default() };
    let mut world = World::new("INVITE", Over::Udp, &settings);
    world.fork(1);
    world.reply(0, 100, "");
    world.at(50_000).reply(0, 180, "a");
    world.at(60_000).reply(0, 180, "a");
    world.at(70_000).reply(0, 183, "a");
    world.at(80_000).reply(0, 180, "a");
    world.log.clear();
    world.at(189_999);
    assert!(world.log.is_empty());
    world.at(190_000);
    assert!(!world.log.is_empty());
}

/// spec/modules.md §1.4: a dropped provisional refreshes no timer, but retransmissions stop.
#[test]
fn a_dropped_provisional_leaves_the_timers_alone() {
    let mut world = World::invite();
    world.fork(1);
    let ringing = Reply { status: 180, to_tag: b"a", cancel: false };
    let now = world.tick();
    world.tx.receive_reply(now, BranchIndex(0), ringing, &mut world.fx);
    world.at(30_000);
    let late = Effect::TimedOut { branch: BranchIndex(0), answered: true };
    assert_eq!(world.effects(), [cancels(0, CancelReason::TimedOut), late, won_locally(0, 408)]);
}

/// `$T_fr_timeout` and `$T_fr_inv_timeout` override per transaction.
#[test]
fn time_outs_may_be_set_per_transaction() {
    let mut world = World::invite();
    world.tx.set_fr_timeout(Duration::from_secs(3));
    world.tx.set_fr_inv_timeout(Duration::from_secs(7));
    world.fork(2);
    world.at(1_000).reply(0, 180, "a");
    world.at(9_000);
    let timed_out = world.take(|effect| matches!(effect, Effect::TimedOut { .. }));
    assert_eq!(timed_out, [3_000, 8_000]);
}

/// RFC 3261 §17.1.1.2, timer D: repeated negative replies are acknowledged while it lingers.
#[test]
fn timer_d_is_wt_timer() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 486, "a");
    world.sent(486, "a");
    world.log.clear();
    world.at(4_999).reply(0, 486, "a");
    assert_eq!(world.effects(), [Effect::SendReply, Effect::SendReply, Effect::SendReply, acks(0)]);
    world.at(5_001).reply(0, 486, "a");
    assert!(!world.effects().contains(&acks(0)));
}

/// RFC 3261 §17.1.2.2: timer E doubles up to T2 and goes on at T2 after a provisional.
#[test]
fn timer_e_goes_on_at_t2_after_a_provisional() {
    let mut world = World::bye();
    world.fork(1);
    world.at(2_000).reply(0, 100, "");
    world.at(16_000);
    assert_eq!(world.take(is_request), [500, 1_500, 3_500, 7_500, 11_500, 15_500]);
}

/// RFC 3261 §17.1.2.2: timer F ends a request that gets no final reply.
#[test]
fn timer_f_is_fr_timeout_even_after_a_provisional() {
    let mut world = World::bye();
    world.fork(1);
    world.at(20_000).reply(0, 100, "");
    world.at(29_999);
    world.log.clear();
    world.at(30_000);
    assert_eq!(world.effects().last(), Some(&won_locally(0, 408)));
}

/// RFC 3261 §17.2.1: timer G repeats a negative reply to an INVITE until its ACK comes.
#[test]
fn timer_g_repeats_a_negative_reply_until_the_ack() {
    let mut world = World::invite();
    world.sent(404, "p");
    world.at(8_000);
    assert_eq!(world.take(is_reply), [500, 1_500, 3_500, 7_500]);
    world.ack();
    world.at(12_999);
    assert!(world.take(is_reply).is_empty());
}

/// RFC 3261 §17.2.1: timer H gives up waiting for the ACK.
#[test]
fn timer_h_is_fr_timeout() {
    let mut world = World::invite();
    world.sent(404, "p");
    assert!(!world.finished_by(29_999));
    world.log.clear();
    assert!(world.finished_by(30_000));
    assert_eq!(world.effects(), [Effect::AckMissing]);
}

/// RFC 3261 §17.2.1: timer I absorbs repeated ACKs for `wt_timer`.
#[test]
fn timer_i_is_wt_timer() {
    let mut world = World::invite();
    world.sent(404, "p");
    world.at(100).ack();
    world.ack();
    assert!(!world.finished_by(5_099));
    assert!(world.finished_by(5_100));
}

/// RFC 3261 §17.2.2: timer J answers repeated requests from memory.
#[test]
fn timer_j_is_wt_timer() {
    let mut world = World::bye();
    world.sent(200, "p");
    world.at(4_999).again();
    assert_eq!(world.effects(), [Effect::SendReply]);
    assert_eq!(world.tx.last_reply(), b"sent");
    assert!(world.finished_by(5_000));
}

/// RFC 3261 §17.1.2.2: timer K is T4.
#[test]
fn timer_k_is_t4() {
    let settings = Settings { wt_timer: Duration::from_secs(1), ..Settings::default() };
    let mut world = World::new("BYE", Over::Udp, &settings);
    world.fork(1);
    assert_eq!(world.reply(0, 200, "a").1, RELAY);
    world.sent(200, "a");
    assert!(!world.finished_by(4_999));
    assert!(world.finished_by(5_000));
}

/// RFC 6026 §7.1, §7.2: timers L and M are 64·T1.
#[test]
fn timers_l_and_m_are_64_t1() {
    let mut world = World::invite();
    world.fork(1);
    world.at(1_000).reply(0, 200, "a");
    world.sent(200, "a");
    assert!(world.tx.shrink());
    world.log.clear();
    assert!(!world.finished_by(32_999));
    assert!(world.finished_by(33_000));
    assert!(world.effects().is_empty());
}

/// RFC 3261 §17: reliable transports retransmit nothing, and timers I, J and K are zero.
#[test]
fn over_tcp_nothing_is_repeated() {
    let mut world = World::new("INVITE", Over::Tcp, &Settings::default());
    world.fork(1);
    world.at(20_000).reply(0, 404, "a");
    world.sent(404, "a");
    world.at(24_000).ack();
    assert_eq!(world.effects(), [acks(0), won(0, 404)]);
    assert!(world.finished_by(25_000));

    let mut world = World::new("BYE", Over::Tcp, &Settings::default());
    world.fork(1);
    world.at(10_000).reply(0, 200, "a");
    world.sent(200, "a");
    assert!(world.finished_by(10_000));
    assert!(world.effects().is_empty());
}

/// An owner that forgets a transaction is reminded once, then it ends by itself.
#[test]
fn nobody_answers_nobody_branches() {
    let mut world = World::invite();
    world.at(119_999);
    assert!(world.log.is_empty());
    world.at(120_000);
    assert_eq!(world.effects(), [Effect::Abandoned]);
    assert!(!world.finished_by(149_999));
    assert!(world.finished_by(150_000));
}
