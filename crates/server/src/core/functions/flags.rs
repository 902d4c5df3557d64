//! Message and branch flags (spec/script.md §10).

use duologue_script::{Args, Called};

use super::yes_or_no;
use crate::context::Context;

pub(super) fn set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    ctx.draft.flags |= mask(args);
    Called::Value(1)
}

pub(super) fn reset(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    ctx.draft.flags &= !mask(args);
    Called::Value(1)
}

pub(super) fn is_set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(ctx.draft.flags & mask(args) != 0)
}

pub(super) fn set_of_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let mask = mask(args);
    with_branch(ctx, args, |flags| {
        *flags |= mask;
        true
    })
}

pub(super) fn reset_of_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let mask = mask(args);
    with_branch(ctx, args, |flags| {
        *flags &= !mask;
        true
    })
}

pub(super) fn is_set_of_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let mask = mask(args);
    with_branch(ctx, args, |flags| *flags & mask != 0)
}

/// Calls `act` with the flags of the branch that the second argument names: 0 and nothing are the
/// Request-URI's (in branch, reply and failure routes the branch at hand), 1 the first additional.
fn with_branch(
    ctx: &mut Context<'_>,
    args: &Args<'_>,
    act: impl FnOnce(&mut u32) -> bool,
) -> Called {
    let index = usize::try_from(args.int(1).unwrap_or_default()).unwrap_or(usize::MAX);
    yes_or_no(branch_flags(ctx, index).is_some_and(act))
}

/// The flags of the branch with this index, the Request-URI's being 0.
pub(in crate::core) fn branch_flags<'c>(
    ctx: &'c mut Context<'_>,
    index: usize,
) -> Option<&'c mut u32> {
    let draft = &mut *ctx.draft;
    match index.checked_sub(1) {
        None => Some(&mut draft.target.flags),
        Some(additional) => draft.branches.get_mut(additional).map(|branch| &mut branch.flags),
    }
}

/// The flag argument as a bit; the loader numbers flags from 0 to 31.
fn mask(args: &Args<'_>) -> u32 {
    args.flag(0).and_then(|bit| 1u32.checked_shl(bit.into())).unwrap_or_default()
}
