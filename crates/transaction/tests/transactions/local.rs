//! Requests of our own.

use duologue_transaction::*;

use crate::world::*;

fn final_of(branch: u8, status: u16, local: bool) -> Effect {
    Effect::LocalFinal(Winner { branch: BranchIndex(branch), status, local })
}

#[test]
fn a_bye_of_ours_reports_its_answer_once() {
    let mut world = World::local(Kind::Other);
    world.fork(1);
    world.reply(0, 200, "a");
    assert_eq!(world.effects(), [final_of(0, 200, false)]);
    assert_eq!(world.reply(0, 200, "a").0, Received::Absorbed);
    assert!(world.tx.is_closed() && world.effects().is_empty());
    assert!(world.finished_by(5_000));
}

#[test]
fn a_bye_of_ours_reports_its_failure_with_the_reply() {
    let mut world = World::local(Kind::Other);
    world.fork(1);
    world.reply(0, 481, "a");
    assert_eq!(world.effects(), [final_of(0, 481, false)]);
    assert_eq!(world.tx.branch(BranchIndex(0)).unwrap().reply(), Some(&b"reply"[..]));
    assert!(world.tx.shrink() && world.tx.branches().is_empty());
}

#[test]
fn a_bye_of_ours_times_out_with_a_local_408() {
    let mut world = World::local(Kind::Other);
    world.fork(1);
    world.at(30_000);
    assert_eq!(world.effects().last(), Some(&final_of(0, 408, true)));
    assert!(world.tx.is_finished());
}

/// RFC 6026 §7.2: each 2xx goes to the user, who acknowledges it.
#[test]
fn an_invite_of_ours_passes_every_2xx() {
    let mut world = World::local(Kind::Invite);
    world.fork(1);
    assert_eq!(world.reply(0, 180, "a").1, RELAY);
    assert_eq!(world.reply(0, 200, "a").1, RELAY);
    assert_eq!(world.reply(0, 200, "a").1, Verdict::Relay { retransmission: true });
    assert_eq!(world.effects(), [final_of(0, 200, false)]);
    assert!(world.tx.shrink());
    assert!(world.finished_by(32_000));
}

#[test]
fn an_invite_of_ours_may_be_cancelled() {
    let mut world = World::local(Kind::Invite);
    world.fork(1);
    world.reply(0, 180, "a");
    let now = world.tick();
    world.tx.cancel_branches(now, None, CancelReason::Script, &mut world.fx);
    world.at(10).reply(0, 487, "a");
    assert_eq!(
        world.effects(),
        [cancels(0, CancelReason::Script), acks(0), final_of(0, 487, false)]
    );
}

#[test]
fn one_that_was_never_sent_ends_too() {
    let mut world = World::local(Kind::Other);
    world.at(120_000);
    assert_eq!(world.effects(), [Effect::Abandoned]);
    assert!(world.tx.is_finished());
}
