//! `$msg.branch…`: all branches of a request, the Request-URI's as number 0 (spec/script.md §8).

use duologue_script::{Assign, Index, Reading, Text, Value, VarAccess, WriteError};

use super::branch_fields::{Field, branch, branch_mut, position};
use super::branches;
use super::flags;
use super::uri::here;
use super::view::is_current;
use crate::context::Context;

/// How many attributes a branch may have.
const ATTRS_MAX: usize = 32;

/// Getter and setter of one field.
macro_rules! fields {
    ($($read:ident, $write:ident = $field:ident;)*) => {$(
        pub(super) fn $read(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            read(ctx, var, out, Field::$field)
        }

        pub(super) fn $write(
            ctx: &mut Context<'_>,
            var: &VarAccess<'_>,
            _: Assign,
            value: Value<'_>,
        ) -> Result<(), WriteError> {
            let place = place_to_write(ctx, var)?;
            let node = ctx.turn.node;
            let branch = branch_mut(ctx, place).ok_or(WriteError::Missing)?;
            Field::$field.write(node, branch, value)
        }
    )*};
}

fields! {
    uri, write_uri = Uri;
    next_hop, write_next_hop = NextHop;
    path, write_path = Path;
    q, write_q = Q;
    flag_names, write_flags = Flags;
    socket, write_socket = Socket;
}

/// `$msg.branch`: the URI of the last branch.
pub(super) fn last(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    read(ctx, var, out, Field::Uri)
}

/// `$msg.branch = uri` adds a branch.
pub(super) fn add(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    here(ctx, var)?;
    branches::add(ctx, value)
}

/// `$msg.branch.last_idx`: how many additional branches there are.
pub(super) fn last_index(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    match is_here(ctx, var) {
        true => i32::try_from(ctx.draft.branches.len()).map_or(Reading::Null, Reading::Int),
        false => Reading::Null,
    }
}

/// `$(msg.branch.flag(name)[n])`: 1 or 0.
pub(super) fn flag(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    let mask = flags::branch_mask(ctx, var);
    match (mask, at(ctx, var).and_then(|place| branch(ctx, place))) {
        (Some(mask), Some(branch)) => Reading::Int((branch.flags & mask != 0).into()),
        _ => Reading::Null,
    }
}

pub(super) fn write_flag(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let mask = flags::branch_mask(ctx, var).ok_or(WriteError::Missing)?;
    let place = place_to_write(ctx, var)?;
    flags::put(&mut branch_mut(ctx, place).ok_or(WriteError::Missing)?.flags, mask, value)
}

/// `$(msg.branch.attr(name)[n])`: what the script hung on the branch.
pub(super) fn attr(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let found = at(ctx, var).and_then(|place| branch(ctx, place));
    let value = found.zip(var.name).and_then(|(branch, name)| branch.attrs.get(name, 0));
    match value {
        Some(Value::Int(number)) => Reading::Int(number),
        Some(Value::Str(text)) => {
            out.push(text);
            Reading::Str
        }
        _ => Reading::Null,
    }
}

/// An attribute has one value; NULL takes it away.
pub(super) fn write_attr(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let place = place_to_write(ctx, var)?;
    let name = var.name.ok_or(WriteError::BadValue)?;
    let attrs = &mut branch_mut(ctx, place).ok_or(WriteError::Missing)?.attrs;
    attrs.remove_all(name);
    match value {
        Value::Null => Ok(()),
        _ if attrs.len() >= ATTRS_MAX => Err(WriteError::BadValue),
        value => attrs.push(name, value),
    }
}

fn read(ctx: &Context<'_>, var: &VarAccess<'_>, out: &mut Text, field: Field) -> Reading {
    let received = ctx.message.is_request().then(|| ctx.message.uri_bytes());
    if var.index != Index::All {
        let found = at(ctx, var).and_then(|place| branch(ctx, place));
        let node = ctx.turn.node;
        return found.map_or(Reading::Null, |branch| field.read(node, branch, received, out));
    }
    if !is_here(ctx, var) {
        return Reading::Null;
    }
    let all = std::iter::once(&ctx.draft.target).chain(&ctx.draft.branches);
    field.read_all(ctx.turn.node, all, received, out)
}

/// The branch that an access means: the last one without an index.
fn at(ctx: &Context<'_>, var: &VarAccess<'_>) -> Option<usize> {
    let additional = ctx.draft.branches.len();
    position(var.index, additional + 1, additional).filter(|_| is_here(ctx, var))
}

fn place_to_write(ctx: &Context<'_>, var: &VarAccess<'_>) -> Result<usize, WriteError> {
    here(ctx, var)?;
    at(ctx, var).ok_or(WriteError::Missing)
}

fn is_here(ctx: &Context<'_>, var: &VarAccess<'_>) -> bool {
    ctx.message.is_request() && is_current(ctx, var)
}
