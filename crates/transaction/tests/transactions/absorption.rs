//! What comes twice has no effect twice.

use duologue_transaction::*;

use crate::world::*;

/// RFC 3261 §17.2.1: the latest provisional is the answer to a repeated INVITE.
#[test]
fn a_repeated_invite_gets_the_last_provisional() {
    let mut world = World::invite();
    world.again();
    assert!(world.effects().is_empty());
    world.sent(100, "");
    world.again();
    assert_eq!(world.effects(), [Effect::SendReply]);
    assert_eq!(world.tx.matches(&key("INVITE")), Some(Match::Retransmission));
}

/// RFC 6026 §7.1: after a 2xx a repeated INVITE is absorbed, the callee repeats its answer.
#[test]
fn a_repeated_invite_after_its_answer_is_absorbed() {
    let mut world = World::invite();
    world.sent(200, "p");
    world.again();
    assert!(world.effects().is_empty() && world.tx.last_reply().is_empty());
    assert_eq!(world.tx.matches(&key("ACK")), Some(Match::AckOfSuccess));
}

/// RFC 3261 §17.2.1: a repeated INVITE gets the negative reply, until the ACK came.
#[test]
fn a_repeated_invite_after_its_failure_gets_it_again() {
    let mut world = World::invite();
    world.sent(486, "p");
    assert_eq!(world.tx.matches(&key("ACK")), Some(Match::AckOfFailure));
    world.again();
    assert_eq!(world.effects(), [Effect::SendReply]);
    world.ack();
    world.again();
    assert!(world.effects().is_empty());
}

/// RFC 3261 §17.2.2: nothing to say yet, so nothing is said.
#[test]
fn a_repeated_request_without_a_reply_is_absorbed() {
    let mut world = World::bye();
    world.again();
    assert!(world.effects().is_empty());
}

/// RFC 3261 §17.1.1.2: each repeated negative reply gets its ACK, the core hears of the first.
#[test]
fn repeated_negative_replies_are_acknowledged_and_absorbed() {
    let mut world = World::invite();
    world.fork(2);
    world.reply(0, 486, "a");
    assert_eq!(world.reply(0, 486, "a").0, Received::Absorbed);
    assert_eq!(world.effects(), [acks(0), acks(0)]);
}

/// RFC 3261 §17.1.2.2: repeated final replies end in Completed.
#[test]
fn repeated_answers_to_a_non_invite_are_absorbed() {
    let mut world = World::bye();
    world.fork(1);
    world.reply(0, 200, "a");
    world.sent(200, "a");
    assert_eq!(world.reply(0, 200, "a").0, Received::Absorbed);
    assert_eq!(world.reply(0, 404, "a").0, Received::Absorbed);
}

#[test]
fn a_provisional_after_the_final_reply_is_absorbed() {
    let mut world = World::invite();
    world.fork(1);
    world.reply(0, 200, "a");
    world.sent(200, "a");
    assert_eq!(world.reply(0, 180, "a").0, Received::Absorbed);
}

#[test]
fn nonsense_is_absorbed() {
    let mut world = World::invite();
    world.fork(1);
    for (branch, status) in [(0, 0), (0, 99), (0, 700), (0, u16::MAX), (1, 200), (255, 486)] {
        assert_eq!(world.reply(branch, status, "a").0, Received::Absorbed);
    }
    assert!(world.effects().is_empty());
}

/// Retransmissions that pile up while nobody looked are sent once.
#[test]
fn a_late_wake_sends_once() {
    let mut world = World::invite();
    world.fork(1);
    world.now = 20_000;
    let now = world.tick();
    world.tx.wake(now, &mut world.fx);
    assert_eq!(world.fx.as_slice(), [Effect::SendRequest(BranchIndex(0))]);
    assert_eq!(world.tx.next_wake().unwrap().as_millis(), 21_000);
}
