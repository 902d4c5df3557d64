//! Serial forking and the order of branches (spec/script.md §11).

use std::mem;

use duologue_script::{Args, Called, RouteKind};

use super::yes_or_no;
use crate::context::Context;
use crate::serial::{Group, SERIAL_MAX};
use crate::target::Target;

/// `serialize_branches(clear [, keep_order])`: all destinations but those of the first group wait
/// for their turn.
pub(super) fn serialize(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (clear, keep_order) = (args.int(0) != Some(0), args.int(1).is_some_and(|it| it != 0));
    if !ctx.message.is_request() {
        return Called::Value(-1);
    }
    if clear {
        ctx.draft.manners.serial.clear();
    }
    let draft = &*ctx.draft;
    let same_q = draft.branches.iter().all(|branch| branch.q == draft.target.q);
    if draft.branches.is_empty() || same_q && !keep_order {
        return Called::Value(1);
    }
    if draft.manners.serial.len() + 1 + draft.branches.len() > SERIAL_MAX {
        return Called::Value(-1);
    }
    let first = with_uri(ctx);
    let targets = std::iter::once(first).chain(mem::take(&mut ctx.draft.branches)).collect();
    ctx.draft.manners.serial.add(targets, keep_order);
    Called::Value(1)
}

/// `next_branches()`: 1 if somebody waits behind this group, 2 if it is the last, −1 if there is
/// none.
pub(super) fn next(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    if !matches!(ctx.kind, RouteKind::Request | RouteKind::Failure) {
        return Called::Value(-1);
    }
    let Some(Group { first, others, last }) = ctx.draft.manners.serial.next_group() else {
        return Called::Value(-1);
    };
    ctx.draft.target = first;
    ctx.draft.branches = others;
    Called::Value(if last { 2 } else { 1 })
}

/// `move_branch([source], [target] [, "keep"])`: the target gets all that the source has. The
/// source goes, unless it is to be kept or is the Request-URI's, without which no request can be.
pub(super) fn move_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (source, target) = (Place::of(args, 0), Place::of(args, 1));
    let keep = args.str(2).is_some_and(|word| !word.is_empty());
    if !(source.exists(ctx) && target.exists(ctx)) {
        return Called::Value(-1);
    }
    if source == target {
        return Called::Value(1);
    }
    let moved = match source {
        Place::RequestUri => with_uri(ctx),
        Place::Additional(index) => ctx.draft.branches[index].clone(),
    };
    target.put(ctx, moved);
    if let Place::Additional(index) = source
        && !keep
    {
        ctx.draft.branches.remove(index);
    }
    Called::Value(1)
}

/// `swap_branches([a], [b])`.
pub(super) fn swap(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let draft = &mut ctx.draft;
    let (one, other) = (Place::of(args, 0), Place::of(args, 1));
    match (one, other) {
        (Place::Additional(one), Place::Additional(other)) => {
            let both = one.max(other) < draft.branches.len();
            if both {
                draft.branches.swap(one, other);
            }
            yes_or_no(both)
        }
        (Place::RequestUri, Place::RequestUri) => yes_or_no(ctx.message.is_request()),
        (Place::RequestUri, Place::Additional(index))
        | (Place::Additional(index), Place::RequestUri) => {
            if !Place::Additional(index).exists(ctx) {
                return Called::Value(-1);
            }
            let first = with_uri(ctx);
            let other = mem::replace(&mut ctx.draft.branches[index], first);
            ctx.draft.target = other;
            Called::Value(1)
        }
    }
}

/// The one word that these functions know.
pub(super) fn check_keep(index: usize, text: &str) -> Result<(), String> {
    match (index, text) {
        (2, "keep" | "") | (0 | 1, _) => Ok(()),
        _ => Err(format!("the flag of move_branch() is \"keep\", not \"{text}\"")),
    }
}

/// The Request-URI branch, with its URI even if that is the received one.
fn with_uri(ctx: &Context<'_>) -> Target {
    Target { uri: ctx.request_uri().map(<[u8]>::to_vec), ..ctx.draft.target.clone() }
}

/// A branch by its index: none or a negative one is the Request-URI's, 0 the first additional one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    RequestUri,
    Additional(usize),
}

impl Place {
    fn of(args: &Args<'_>, i: usize) -> Self {
        match args.int(i).map(usize::try_from) {
            Some(Ok(index)) => Self::Additional(index),
            None | Some(Err(_)) => Self::RequestUri,
        }
    }

    fn exists(self, ctx: &Context<'_>) -> bool {
        ctx.message.is_request()
            && match self {
                Self::RequestUri => true,
                Self::Additional(index) => index < ctx.draft.branches.len(),
            }
    }

    fn put(self, ctx: &mut Context<'_>, branch: Target) {
        match self {
            Self::RequestUri => ctx.draft.target = branch,
            Self::Additional(index) => ctx.draft.branches[index] = branch,
        }
    }
}
