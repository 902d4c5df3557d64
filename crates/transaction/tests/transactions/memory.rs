//! Bytes that stay.

use duologue_transaction::*;

use crate::world::*;

/// spec/dialog.md §18.1: after a 2xx at most this much stays for timers L and M.
const SHRUNK_MAX: usize = 300;

#[test]
fn an_answered_invite_shrinks() {
    let mut world = World::invite();
    world.fork(1);
    world.sent(100, "");
    world.reply(0, 180, "a");
    world.sent(180, "a");
    assert!(!world.tx.shrink());
    assert!(world.tx.memory() > 1_800);
    world.reply(0, 200, "a");
    world.sent(200, "a");
    assert!(world.tx.shrink());
    assert!(world.tx.memory() <= SHRUNK_MAX, "{} bytes stay", world.tx.memory());
    // What stays still knows a new answer from an old one, and absorbs the rest.
    assert_eq!(world.reply(0, 200, "a").0, Received::Success { retransmission: true });
    assert_eq!(world.reply(0, 200, "b").1, RELAY);
    assert_eq!(world.reply(0, 486, "a").0, Received::Absorbed);
    assert_eq!(world.reply(1, 200, "a").0, Received::Absorbed);
    assert_eq!(world.tx.matches(&key("INVITE")), Some(Match::Retransmission));
    world.again();
    assert!(world.effects().is_empty());
}

/// However many phones answer.
#[test]
fn many_answers_stay_below_the_limit() {
    let mut world = World::invite();
    world.fork(32);
    for branch in 0..32 {
        world.reply(branch, 200, &format!("tag-{branch}"));
        world.sent(200, &format!("tag-{branch}"));
    }
    assert!(world.tx.shrink());
    assert!(world.tx.memory() <= SHRUNK_MAX, "{} bytes stay", world.tx.memory());
}

/// A branch that must still be cancelled and acknowledged keeps its request, and only it.
#[test]
fn a_losing_branch_keeps_its_request_until_it_ended() {
    let mut world = World::invite();
    world.fork(2);
    world.reply(0, 180, "a");
    world.reply(1, 200, "b");
    world.sent(200, "b");
    assert!(!world.tx.shrink());
    assert!(!world.tx.branch(BranchIndex(0)).unwrap().wire().is_empty());
    assert!(world.tx.branch(BranchIndex(1)).unwrap().wire().is_empty());
    assert!(world.tx.request().is_empty());
    world.reply(0, 487, "a");
    assert!(!world.tx.shrink());
    // RFC 3261 §17.1.1.2: until timer D its repetition gets an ACK.
    world.at(5_000);
    assert!(world.tx.shrink());
    assert!(world.tx.memory() <= SHRUNK_MAX);
}
