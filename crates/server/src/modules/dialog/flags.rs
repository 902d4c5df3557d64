//! The script's flags of a dialog, by name (spec/dialog.md §10.2).
//!
//! A flag has two numbers: its program's, and that of the dialogs, which outlive programs and whose
//! flags others name as well (modules, rows of a database). The name is what both mean.

use duologue_dialog::{Dialog, Gone};
use duologue_script::{
    Args, Assign, Called, FlagKind, Reading, Text, Value, VarAccess, WriteError,
};

use crate::context::Context;
use crate::module::{Host, Refusal};

/// Gives the script's flags the numbers that dialogs know them by. They keep them: call it once
/// nobody else refuses the script.
///
/// # Errors
/// There is no number left, or a name that no dialog's flag can have.
pub(crate) fn number(host: &Host<'_>) -> Result<(), Refusal> {
    for name in host.flag_names(FlagKind::Dialog) {
        host.dialogs()?.user_flag(name)?;
    }
    Ok(())
}

pub(super) fn set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    with(ctx, args, |dialog, mask| dialog.change_user_flags(mask, 0).is_ok())
}

pub(super) fn reset(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    with(ctx, args, |dialog, mask| dialog.change_user_flags(0, mask).is_ok())
}

pub(super) fn is_set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    with(ctx, args, |dialog, mask| dialog.user_flags().is_ok_and(|flags| flags & mask != 0))
}

/// One step: if the flag is as the number says it is inverted, else nothing happens.
pub(super) fn test_and_set(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let want = match args.int(1) {
        Some(0) => false,
        Some(1) => true,
        _ => return Called::Value(-1),
    };
    let Some(dialog) = ctx.dialog() else { return Called::Value(-2) };
    match mask(ctx, args).map(|mask| dialog.test_and_set_user_flags(mask, want)) {
        Some(Ok(true)) => Called::Value(1),
        Some(Err(Gone)) => Called::Value(-2),
        Some(Ok(false)) | None => Called::Value(-1),
    }
}

fn with(ctx: &mut Context<'_>, args: &Args<'_>, what: impl FnOnce(&Dialog, u32) -> bool) -> Called {
    let done = ctx.dialog().zip(mask(ctx, args)).is_some_and(|(dialog, mask)| what(&dialog, mask));
    Called::Value(if done { 1 } else { -1 })
}

/// The bit that dialogs know the flag by.
fn mask(ctx: &Context<'_>, args: &Args<'_>) -> Option<u32> {
    // The program that runs now knows the flags of those before it by the same numbers.
    let script = ctx.turn.node.script();
    let name = script.program.flag_names(FlagKind::Dialog).get(usize::from(args.flag(0)?))?;
    ctx.turn.node.dialogs.user_flags_named(name).ok()
}

pub(super) fn read(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(Ok(flags)) = ctx.dialog().map(|dialog| dialog.user_flags()) else {
        return Reading::Null;
    };
    out.push(ctx.turn.node.dialogs.user_flag_names(flags).as_bytes());
    Reading::Str
}

/// The whole set is replaced; NULL clears it.
pub(super) fn assign(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let names = value.to_bytes().unwrap_or_default();
    let names = std::str::from_utf8(&names).map_err(|_| WriteError::BadValue)?;
    let dialog = ctx.dialog().ok_or(WriteError::Missing)?;
    let flags = ctx.turn.node.dialogs.user_flags_named(names);
    let flags = flags.map_err(|_| WriteError::BadValue)?;
    dialog.change_user_flags(flags, u32::MAX).map(|_| ()).map_err(|Gone| WriteError::Missing)
}
