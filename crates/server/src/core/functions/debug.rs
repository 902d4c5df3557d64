//! For those who look for a mistake in a script (spec/script.md §11).

use std::fmt::Write as _;

use duologue_script::{Args, Called, Value};

use crate::context::{Context, Trace};
use crate::loglevel;

/// `script_trace(level, format [, info])`: a line for each statement from here on, until the run
/// ends; without arguments, no more of them.
pub(super) fn script_trace(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    ctx.draft.trace = match (args.int(0), args.str(1)) {
        (None, None) => None,
        (Some(level), format) if level <= i32::from(loglevel::current()) => {
            let info = String::from_utf8_lossy(args.str(2).unwrap_or_default()).into_owned();
            let format = format.unwrap_or_default().into();
            Some(Box::new(Trace { level, format, info: info.into() }))
        }
        // Nobody would see the lines.
        _ => None,
    };
    Called::Value(1)
}

/// `avp_print()`: all AVPs of the message, newest first, at level INFO.
pub(super) fn avp_print(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let call_id = ctx.turn.call_id();
    for (name, value) in ctx.draft.avps.iter() {
        let name = String::from_utf8_lossy(name);
        let mut shown = String::new();
        // A string takes everything.
        let _ = match value {
            Value::Null => Ok(()),
            Value::Int(number) => write!(shown, "{number}"),
            Value::Str(text) | Value::StrInt(text, _) => {
                write!(shown, "\"{}\"", text.escape_ascii())
            }
        };
        tracing::debug!(target: "script", %call_id, "$avp({name}) = {shown}");
    }
    Called::Value(1)
}
