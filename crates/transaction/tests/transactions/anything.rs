//! Whatever happens in whatever order: no panic, no endless life, no waking in the past.

use duologue_sip::Tick;
use duologue_transaction::*;
use proptest::prelude::*;

use crate::world::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Fork { minor: bool },
    Reply { branch: u8, status: u16, tag: u8, cancel: bool, forward: bool },
    Sent(u16),
    Again,
    Ack,
    Cancel,
    CancelBranch(Option<u8>),
    TransportFailed(u8),
    ReplyFailed,
    Hold,
    StopHolding,
    GiveUpHolding,
    Shrink,
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![
        Just(100),
        Just(180),
        Just(183),
        Just(200),
        Just(302),
        Just(401),
        Just(408),
        Just(486),
        Just(487),
        Just(503),
        Just(603),
        any::<u16>()
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..40_000_u64).prop_map(Step::Pass),
        3 => any::<bool>().prop_map(|minor| Step::Fork { minor }),
        6 => (0..4_u8, status(), 0..3_u8, any::<bool>(), any::<bool>()).prop_map(
            |(branch, status, tag, cancel, forward)| Step::Reply {
                branch, status, tag, cancel: cancel && tag == 0, forward: forward || tag > 0,
            }
        ),
        3 => status().prop_map(Step::Sent),
        1 => Just(Step::Again),
        1 => Just(Step::Ack),
        1 => Just(Step::Cancel),
        1 => proptest::option::of(0..4_u8).prop_map(Step::CancelBranch),
        1 => (0..4_u8).prop_map(Step::TransportFailed),
        1 => Just(Step::ReplyFailed),
        1 => Just(Step::Hold),
        1 => Just(Step::StopHolding),
        1 => Just(Step::GiveUpHolding),
        2 => Just(Step::Shrink),
    ]
}

fn transaction() -> impl Strategy<Value = (&'static str, Over, bool)> {
    (
        prop_oneof![Just("INVITE"), Just("BYE")],
        prop_oneof![Just(Over::Udp), Just(Over::Tcp)],
        proptest::bool::weighted(0.2),
    )
}

fn play(world: &mut World, step: Step) {
    let now = world.tick();
    match step {
        Step::Pass(millis) => drop(world.at(now.as_millis() + millis)),
        Step::Fork { minor } => {
            let new = world.new_branch(minor);
            let expected = world.tx.next_branch();
            assert_eq!(world.tx.add_branch(now, new), expected);
        }
        Step::Reply { branch, status, tag, cancel, forward } => {
            let (branch, tag) = (BranchIndex(branch), [tag]);
            let reply = Reply { status, to_tag: &tag, cancel };
            let received = world.tx.receive_reply(now, branch, reply, &mut world.fx);
            if forward && received != Received::Absorbed {
                let verdict = world.tx.forward_reply(now, branch, reply, b"r", &mut world.fx);
                if verdict != Verdict::Absorbed && verdict != Verdict::Stored {
                    world.sent(status, "t");
                }
            }
        }
        Step::Sent(status) => world.sent(status, "t"),
        Step::Again => world.again(),
        Step::Ack => world.ack(),
        Step::Cancel => drop(world.cancel()),
        Step::CancelBranch(only) => {
            let only = only.map(BranchIndex);
            world.tx.cancel_branches(now, only, CancelReason::Script, &mut world.fx);
        }
        Step::TransportFailed(branch) => {
            world.tx.transport_failed(now, BranchIndex(branch), &mut world.fx);
        }
        Step::ReplyFailed => world.tx.reply_failed(now, &mut world.fx),
        Step::Hold => world.tx.wait_for_branches(now),
        Step::StopHolding => world.tx.stop_waiting(now, &mut world.fx),
        Step::GiveUpHolding => world.tx.give_up_waiting(now, &mut world.fx),
        Step::Shrink => drop(world.tx.shrink()),
    }
}

/// What effects name must be there when they are carried out.
fn check_effects(world: &World) {
    for effect in world.fx.as_slice() {
        match *effect {
            Effect::SendRequest(branch)
            | Effect::SendAck(branch)
            | Effect::SendCancel(branch, _) => {
                assert!(!world.tx.branch(branch).unwrap().wire().is_empty());
            }
            Effect::SendReply => assert!(!world.tx.last_reply().is_empty()),
            Effect::Completed(winner) => {
                match world.tx.branch(winner.branch) {
                    Some(branch) => assert_eq!(branch.reply().is_none(), winner.local),
                    // It waited in vain for branches.
                    None => assert!(winner.local && winner.status == 408),
                }
            }
            _ => {}
        }
    }
}

/// An upper bound for the wakes that a transaction needs to end: each of 64 branches with its
/// retransmissions and those of its CANCEL, and some.
const WAKES_MAX: usize = 64 * 40;

proptest! {
    #[test]
    fn it_always_ends((method, over, local) in transaction(), steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new(method, over, &Settings::default());
        if local {
            let kind = if method == "INVITE" { Kind::Invite } else { Kind::Other };
            world = World::local(kind);
        }
        for step in steps {
            play(&mut world, step);
            check_effects(&world);
            let completions =
                world.fx.as_slice().iter().filter(|e| matches!(e, Effect::Completed(_))).count();
            prop_assert!(completions <= 1);
            world.fx.clear();
            world.log.clear();
        }
        let mut wakes = 0;
        while let Some(next) = world.tx.next_wake() {
            world.now = world.now.max(next.as_millis());
            world.tx.wake(world.tick(), &mut world.fx);
            check_effects(&world);
            world.fx.clear();
            // Nothing that was due is left over.
            prop_assert!(world.tx.next_wake().is_none_or(|next| next > world.tick()));
            wakes += 1;
            prop_assert!(wakes < WAKES_MAX);
        }
        prop_assert!(world.tx.is_finished());
        prop_assert_eq!(world.tx.next_wake(), None::<Tick>);
    }
}
