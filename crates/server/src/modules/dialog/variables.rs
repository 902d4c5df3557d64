//! What `$DLG_*` tell of a dialog (spec/dialog.md §14), and what can be set by them.

use duologue_dialog::{Gone, PingKind, State};
use duologue_script::{Assign, Reading, Text, Value, VarAccess, WriteError};

use crate::context::Context;

fn number(value: Result<u64, Gone>) -> Reading {
    match value {
        Ok(number) => Reading::Int(i32::try_from(number).unwrap_or(i32::MAX)),
        Err(Gone) => Reading::Null,
    }
}

pub(super) fn count(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(Ok(ctx.turn.node.dialogs.active_count()))
}

pub(super) fn status(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    match ctx.dialog().map(|dialog| dialog.state()) {
        Some(Ok(state)) => Reading::Int(state as i32),
        // Only a tombstone is left of it.
        Some(Err(Gone)) => Reading::Int(State::Deleted as i32),
        None => Reading::Null,
    }
}

pub(super) fn lifetime(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    let now = ctx.turn.now;
    ctx.dialog().map_or(Reading::Null, |dialog| number(dialog.duration(now)))
}

pub(super) fn dir(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(direction) = ctx.direction() else { return Reading::Null };
    out.push(direction.as_str().as_bytes());
    Reading::Str
}

pub(super) fn did(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(dialog) = ctx.dialog() else { return Reading::Null };
    out.push(dialog.id().did().as_bytes());
    Reading::Str
}

pub(super) fn end_reason(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(Ok(Some(reason))) = ctx.dialog().map(|dialog| dialog.end_reason()) else {
        return Reading::Null;
    };
    out.push(reason.as_str().as_bytes());
    Reading::Str
}

pub(super) fn timeout(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    let now = ctx.turn.now;
    match ctx.dialog() {
        Some(dialog) => number(dialog.timeout(now)),
        None => {
            ctx.draft.dialog_timeout.map_or(Reading::Null, |seconds| number(Ok(seconds.into())))
        }
    }
}

/// spec/dialog.md §5: a number of seconds, as an integer or as text.
pub(super) fn set_timeout(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let seconds = seconds(value)?;
    let now = ctx.turn.now;
    match ctx.dialog() {
        Some(dialog) => dialog.set_timeout(now, seconds).map_err(|Gone| WriteError::Missing),
        None => {
            ctx.draft.dialog_timeout = Some(seconds);
            Ok(())
        }
    }
}

pub(super) fn del_delay(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    ctx.dialog().map_or(Reading::Null, |dialog| number(dialog.delete_delay().map(u64::from)))
}

pub(super) fn set_del_delay(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let seconds = seconds(value)?;
    let dialog = ctx.dialog().ok_or(WriteError::Missing)?;
    dialog.set_delete_delay(seconds).map_err(|Gone| WriteError::Missing)
}

pub(super) fn options_ping(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    ping(ctx, PingKind::Options)
}

pub(super) fn reinvite_ping(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    ping(ctx, PingKind::Reinvite)
}

/// The interval before the answer, then the seconds until the next ping, 0 after the end; NULL if
/// nobody is pinged that way.
fn ping(ctx: &mut Context<'_>, kind: PingKind) -> Reading {
    let now = ctx.turn.now;
    let Some(dialog) = ctx.dialog() else { return Reading::Null };
    if dialog.is_pinged(kind) != Ok(true) {
        return Reading::Null;
    }
    let seconds = match dialog.state() {
        Ok(State::Deleted) => Ok(0),
        _ => match dialog.next_ping(now, kind) {
            Ok(Some(seconds)) => Ok(seconds),
            _ => dialog.ping_interval(kind),
        },
    };
    number(seconds.map(u64::from))
}

pub(super) fn set_options_ping(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    set_ping(ctx, PingKind::Options, value)
}

pub(super) fn set_reinvite_ping(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    set_ping(ctx, PingKind::Reinvite, value)
}

fn set_ping(ctx: &mut Context<'_>, kind: PingKind, value: Value<'_>) -> Result<(), WriteError> {
    let interval = seconds(value)?;
    if interval == 0 {
        return Err(WriteError::BadValue);
    }
    let now = ctx.turn.now;
    let dialog = ctx.dialog().ok_or(WriteError::Missing)?;
    dialog.set_ping_interval(now, kind, interval).map_err(|Gone| WriteError::Missing)
}

/// A number of seconds, as an integer or as text.
fn seconds(value: Value<'_>) -> Result<u32, WriteError> {
    let text = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<u32>().ok();
    let seconds = match value {
        Value::Null => return Err(WriteError::NotNull),
        Value::Int(number) | Value::StrInt(_, number) => u32::try_from(number).ok(),
        Value::Str(digits) => text(digits),
    };
    seconds.ok_or(WriteError::BadValue)
}
