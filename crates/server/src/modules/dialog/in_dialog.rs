//! A request within a dialog held against it, set right by it, or renumbered (spec/dialog.md §6.4,
//! §8).

use duologue_dialog::CseqError;
use duologue_script::{Args, Called};

use crate::context::Context;
use crate::in_dialog;

/// spec/dialog.md §8: what is wrong with a request within its dialog, as a number.
pub(super) fn validate_dialog(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let code = match in_dialog::validate(ctx) {
        Ok(()) => 1,
        Err(invalid) => {
            tracing::debug!(call_id = %ctx.turn.call_id(), "validate_dialog(): {invalid}");
            invalid.code()
        }
    };
    Called::Value(code)
}

pub(super) fn fix_route_dialog(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    match in_dialog::fix_route(ctx) {
        Ok(()) => Called::Value(1),
        Err(error) => {
            tracing::debug!(call_id = %ctx.turn.call_id(), "fix_route_dialog(): {error}");
            Called::Value(-1)
        }
    }
}

/// spec/dialog.md §6.4: the numbers towards a callee go on by as many, one if none is given. The
/// callee is that of the tag, else that of the message's To.
pub(super) fn inc_cseq(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let by = args.int(1).unwrap_or(1);
    let Some(dialog) = ctx.dialog() else { return Called::Value(-2) };
    let of_message = ctx.message.to().ok().and_then(|to| to.tag());
    let increased = match u32::try_from(by) {
        Ok(by) => dialog.increase_cseq(args.str(0).or(of_message), by),
        Err(_) => return Called::Value(-1),
    };
    match increased {
        Ok(()) => Called::Value(1),
        Err(CseqError::UnknownLeg) => Called::Value(-1),
        Err(CseqError::Gone) => Called::Value(-2),
    }
}
