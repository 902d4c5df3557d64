//! The branches of a transaction as scripts see them: `$tm.branch.…`, `$bavp`,
//! `$T_branch_last_reply_code` (spec/modules.md §1.6).

use duologue_script::{
    Args, Assign, AvpList, Called, FlagKind, Index, Reading, RouteKind, Text, Value, VarAccess,
    WriteError,
};
use duologue_transaction::{Branch, BranchIndex};

use crate::context::Context;
use crate::tm::BranchAttached;

/// The variables that need each branch to be remembered.
pub const BRANCH_VARIABLES: [&str; 6] = [
    "tm.branch.duri",
    "tm.branch.path",
    "tm.branch.q",
    "tm.branch.flags",
    "tm.branch.flag",
    "tm.branch.attr",
];

/// Which branches an access means: the one at hand without an index, else of all rounds, or with
/// `/active` of the latest one.
fn meant(ctx: &Context<'_>, index: Index) -> Vec<BranchIndex> {
    let entry = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get(id));
    let Some(transaction) = entry.map(|entry| &entry.transaction) else {
        return if index == Index::None { ctx.branch.into_iter().collect() } else { Vec::new() };
    };
    let all = || (0..).map(BranchIndex).take(transaction.branches().len());
    match index {
        Index::None => ctx.branch.into_iter().collect(),
        // The branch that is about to be sent has a number and is no branch yet.
        Index::At(n @ 0..) => u8::try_from(n).ok().map(BranchIndex).into_iter().collect(),
        Index::At(n) => one_of(all().collect(), n),
        Index::All => all().collect(),
        Index::AtActive(n) => one_of(transaction.active_branches().collect(), n),
        Index::AllActive => transaction.active_branches().collect(),
        Index::Append => Vec::new(),
    }
}

/// The n-th of these, counted from the end if negative.
fn one_of(branches: Vec<BranchIndex>, n: i32) -> Vec<BranchIndex> {
    let at = match usize::try_from(n) {
        Ok(n) => Some(n),
        Err(_) => {
            let back = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
            branches.len().checked_sub(back)
        }
    };
    at.and_then(|at| branches.get(at)).copied().into_iter().collect()
}

/// The branch that is about to be sent: it is not the transaction's yet.
fn in_the_making(ctx: &Context<'_>, branch: BranchIndex) -> bool {
    ctx.kind == RouteKind::Branch && ctx.branch == Some(branch)
}

/// The branch whose flags and values lie in the draft.
fn at_hand(ctx: &Context<'_>, branch: BranchIndex) -> bool {
    matches!(ctx.kind, RouteKind::Branch | RouteKind::Reply | RouteKind::Failure)
        && ctx.branch == Some(branch)
}

fn sent<'c>(ctx: &'c Context<'_>, branch: BranchIndex) -> Option<&'c Branch> {
    ctx.turn.body.transactions.get(ctx.transaction?)?.transaction.branch(branch)
}

fn kept<'c>(ctx: &'c Context<'_>, branch: BranchIndex) -> Option<&'c BranchAttached> {
    // A failure route holds them itself.
    let held = ctx.draft.kept_branches.get(usize::from(branch.0));
    held.or_else(|| ctx.turn.body.transactions.get(ctx.transaction?)?.branch(branch))
}

fn kept_mut<'c>(ctx: &'c mut Context<'_>, branch: BranchIndex) -> Option<&'c mut BranchAttached> {
    let at = usize::from(branch.0);
    if ctx.draft.kept_branches.len() > at {
        return ctx.draft.kept_branches.get_mut(at);
    }
    let entry = ctx.turn.body.transactions.get_mut(ctx.transaction?)?;
    entry.transaction.branch(branch)?;
    Some(entry.attach_branch(branch))
}

/// Writes out one text per meant branch, joined if all are.
fn texts(
    ctx: &Context<'_>,
    var: &VarAccess<'_>,
    out: &mut Text,
    text: impl Fn(BranchIndex, &mut Vec<u8>) -> bool,
) -> Reading {
    let mut any = false;
    for branch in meant(ctx, var.index) {
        let mut one = Vec::new();
        if text(branch, &mut one) {
            if any {
                out.push(b", ");
            }
            any = true;
            out.push(&one);
        }
    }
    if any { Reading::Str } else { Reading::Null }
}

/// `$(tm.branch.uri[n])`.
pub(super) fn uri(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    texts(ctx, var, out, |branch, text| {
        if in_the_making(ctx, branch) {
            text.extend_from_slice(ctx.request_uri().unwrap_or_default());
            return !text.is_empty();
        }
        let known = kept(ctx, branch).map(|kept| &*kept.uri).filter(|uri| !uri.is_empty());
        match (known, sent(ctx, branch)) {
            (Some(uri), _) => text.extend_from_slice(uri),
            (None, Some(sent)) => {
                let Ok(request) = duologue_sip::Message::parse(sent.wire()) else { return false };
                text.extend_from_slice(request.uri_bytes());
            }
            (None, None) => return false,
        }
        true
    })
}

/// `$(tm.branch.duri[n])`.
pub(super) fn next_hop(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    texts(ctx, var, out, |branch, text| {
        let next_hop = match in_the_making(ctx, branch) {
            true => ctx.draft.target.next_hop.as_deref(),
            false => kept(ctx, branch).and_then(|kept| kept.next_hop.as_deref()),
        };
        text.extend_from_slice(next_hop.unwrap_or_default());
        next_hop.is_some()
    })
}

/// `$(tm.branch.path[n])`: the way to a registered contact (RFC 3327).
pub(super) fn path(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    texts(ctx, var, out, |branch, text| {
        let path = match in_the_making(ctx, branch) {
            true => ctx.draft.target.path.as_deref(),
            false => kept(ctx, branch).and_then(|kept| kept.path.as_deref()),
        };
        text.extend_from_slice(path.unwrap_or_default());
        path.is_some()
    })
}

/// `$(tm.branch.q[n])`, × 1000.
pub(super) fn q(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    let Some(&branch) = meant(ctx, var.index).first() else { return Reading::Null };
    let q = match in_the_making(ctx, branch) {
        true => Some(ctx.draft.target.q),
        false => kept(ctx, branch).filter(|kept| !kept.uri.is_empty()).map(|kept| kept.q),
    };
    q.filter(|&q| q >= 0).map_or(Reading::Null, Reading::Int)
}

fn flags_of(ctx: &Context<'_>, branch: BranchIndex) -> Option<u32> {
    if at_hand(ctx, branch) {
        return Some(ctx.draft.target.flags);
    }
    sent(ctx, branch)?;
    Some(kept(ctx, branch).map_or(0, |kept| kept.flags))
}

/// `$(tm.branch.flags[n])`: the names of those that are set.
pub(super) fn flags(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let script = ctx.turn.node.script();
    let names = script.program.flag_names(FlagKind::Branch);
    texts(ctx, var, out, |branch, text| {
        let set = flags_of(ctx, branch).unwrap_or_default();
        let named = (0u32..32).zip(names).filter(|(bit, _)| set & (1 << bit) != 0);
        let named: Vec<&str> = named.map(|(_, name)| name.as_str()).collect();
        text.extend_from_slice(named.join(" ").as_bytes());
        !text.is_empty()
    })
}

fn flag_mask(ctx: &Context<'_>, var: &VarAccess<'_>) -> Option<u32> {
    let bit = match var.key {
        Some(bit) => bit,
        None => {
            let name = std::str::from_utf8(var.name?).ok()?;
            ctx.turn.node.script().program.flag(FlagKind::Branch, name)?.into()
        }
    };
    1u32.checked_shl(bit)
}

/// `$(tm.branch.flag(name)[n])`: 1 or 0.
pub(super) fn flag(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    let (Some(mask), Some(&branch)) = (flag_mask(ctx, var), meant(ctx, var.index).first()) else {
        return Reading::Null;
    };
    let set = flags_of(ctx, branch).map(|flags| i32::from(flags & mask != 0));
    set.map_or(Reading::Null, Reading::Int)
}

pub(super) fn set_flag(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let mask = flag_mask(ctx, var).ok_or(WriteError::Missing)?;
    let branch = meant(ctx, var.index).first().copied().ok_or(WriteError::Missing)?;
    let on = match value {
        Value::Null => false,
        value => value.int().ok_or(WriteError::BadValue)? != 0,
    };
    let put = |flags: &mut u32| {
        *flags = if on { *flags | mask } else { *flags & !mask };
    };
    let here = at_hand(ctx, branch);
    if here {
        put(&mut ctx.draft.target.flags);
    }
    match kept_mut(ctx, branch) {
        Some(kept) => put(&mut kept.flags),
        None if here => {}
        None => return Err(WriteError::Missing),
    }
    Ok(())
}

/// `$(tm.branch.socket[n])`: the socket that the branch was sent from.
pub(super) fn socket(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    texts(ctx, var, out, |branch, text| {
        let number = match in_the_making(ctx, branch) {
            true => ctx.draft.target.socket,
            false => sent(ctx, branch).map(|sent| sent.flow().socket),
        };
        let socket = number.and_then(|number| ctx.turn.node.sockets.get(number));
        text.extend_from_slice(socket.map_or("", |socket| socket.text()).as_bytes());
        socket.is_some()
    })
}

/// `$(tm.branch.last_received[n])`, `$(T_branch_last_reply_code[n])`: the last status of the branch.
pub(super) fn last_status(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let status = |branch| match (ctx.kind, ctx.branch == Some(branch), ctx.message.status()) {
        // A provisional is counted once its routes have let it pass.
        (RouteKind::Reply, true, Some(status)) => Some(status.code()),
        _ => sent(ctx, branch).map(Branch::last_status),
    };
    if matches!(var.index, Index::All | Index::AllActive) {
        return texts(ctx, var, out, |branch, text| {
            let status = status(branch);
            text.extend_from_slice(status.unwrap_or_default().to_string().as_bytes());
            status.is_some()
        });
    }
    let status = meant(ctx, var.index).first().and_then(|&branch| status(branch));
    status.map_or(Reading::Null, |status| Reading::Int(status.into()))
}

/// `$(tm.branch.attr(name)[n])`: whatever the script notes about a branch.
pub(super) fn attr(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(&branch) = meant(ctx, var.index).first() else { return Reading::Null };
    let Some(attrs) = attrs_of(ctx, branch) else { return Reading::Null };
    attrs.read(&VarAccess { index: Index::None, ..*var }, out)
}

pub(super) fn set_attr(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let branch = meant(ctx, var.index).first().copied().ok_or(WriteError::Missing)?;
    let plain = VarAccess { index: Index::None, ..*var };
    // One value per name.
    if at_hand(ctx, branch) {
        return ctx.draft.branch_attrs.write(&plain, Assign::SetAll, value);
    }
    let kept = kept_mut(ctx, branch).ok_or(WriteError::Missing)?;
    kept.attrs.write(&plain, Assign::SetAll, value)
}

fn attrs_of<'c>(ctx: &'c Context<'_>, branch: BranchIndex) -> Option<&'c AvpList> {
    match at_hand(ctx, branch) {
        true => Some(&ctx.draft.branch_attrs),
        false => kept(ctx, branch).map(|kept| &kept.attrs),
    }
}

/// `$bavp(name)`: like `$avp`, but of the branch.
pub(super) fn avp(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    match has_branch(ctx) {
        true => ctx.draft.branch_avps.read(var, out),
        false => Reading::Null,
    }
}

pub(super) fn set_avp(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    how: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    match has_branch(ctx) {
        true => ctx.draft.branch_avps.write(var, how, value),
        false => Err(WriteError::ReadOnly),
    }
}

fn has_branch(ctx: &Context<'_>) -> bool {
    ctx.branch.is_some_and(|branch| at_hand(ctx, branch))
}

/// `t_get_branch_idx_by_attr()`: the first branch, from an index on, whose attribute has this text or
/// number; without either, that has it at all.
pub(super) fn find_by_attr(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(name) = args.str(0) else { return Called::Value(-1) };
    let from = args.int(4).unwrap_or_default();
    let fits = |branch: &BranchIndex| {
        let value = attrs_of(ctx, *branch).and_then(|attrs| attrs.get(name, 0));
        let Some(value) = value.filter(|_| i32::from(branch.0) >= from) else { return false };
        args.str(1).is_none_or(|text| value.to_bytes().as_deref() == Some(text))
            && args.int(2).is_none_or(|number| value.int() == Some(number))
    };
    let mut branches = meant(ctx, Index::All);
    branches.extend(ctx.branch.filter(|&branch| in_the_making(ctx, branch)));
    let Some(found) = branches.into_iter().find(fits) else { return Called::Value(-1) };
    let stored = args.store(ctx, 3, Value::Int(found.0.into()));
    Called::Value(if stored.is_ok() { 1 } else { -1 })
}
