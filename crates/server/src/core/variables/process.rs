//! The program around the message: time, log levels, options, and the AVPs.

use duologue_script::{Assign, Reading, Text, Value, VarAccess, WriteError};
use duologue_sip::Moment;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::context::Context;
use crate::core::functions::micros_of_second;
use crate::loglevel;

/// The longest text that `$time(format)` gives, in bytes (spec/script.md §8).
const TIME_BYTES_MAX: usize = 127;
/// `Mon Jan  1 10:00:00 2024`
const CTIME: &[u8] = b"%a %b %e %H:%M:%S %Y";

// --- AVPs -------------------------------------------------------------------------------------

pub(super) fn avp(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    ctx.draft.avps.read(var, out)
}

pub(super) fn write_avp(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    how: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    ctx.draft.avps.write(var, how, value)
}

// --- Time -------------------------------------------------------------------------------------

/// `$Ts`: seconds since 1970.
pub(super) fn unix_time(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    seconds(ctx.turn.now)
}

/// `$Tsm`: the microseconds within the second that `$Ts` tells.
pub(super) fn micros(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Int(micros_of_second(ctx.turn.now))
}

/// `$TS`: when the program started.
pub(super) fn started(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    seconds(ctx.turn.node.started)
}

/// `$Tf`: the local time as `ctime` writes it; as a number, `$Ts`.
pub(super) fn time_text(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let now = ctx.turn.now;
    match (format(now, CTIME, TimeZone::system()), seconds(now)) {
        (Some(text), Reading::Int(number)) => {
            out.push(text.as_bytes());
            Reading::StrInt(number)
        }
        _ => Reading::Null,
    }
}

/// `$time(format)`: the local time as `strftime` writes it.
pub(super) fn time(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let text = var.name.and_then(|name| format(ctx.turn.now, name, TimeZone::system()));
    match text {
        Some(text) if text.len() <= TIME_BYTES_MAX => {
            out.push(text.as_bytes());
            Reading::Str
        }
        _ => Reading::Null,
    }
}

/// Tries the format when the script loads.
pub(super) fn check_time(name: &str) -> Result<Option<u32>, String> {
    match format(Moment::default(), name.as_bytes(), TimeZone::UTC) {
        Some(_) => Ok(None),
        None => Err(format!("\"{name}\" is no format of strftime")),
    }
}

fn format(moment: Moment, format: &[u8], zone: TimeZone) -> Option<String> {
    let now = Timestamp::from_second(i64::try_from(moment.unix).ok()?).ok()?;
    strtime::format(format, &now.to_zoned(zone)).ok()
}

fn seconds(moment: Moment) -> Reading {
    i32::try_from(moment.unix).map_or(Reading::Null, Reading::Int)
}

// --- The process ------------------------------------------------------------------------------

/// `$pp`: the process id.
pub(super) fn process_id(_: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    i32::try_from(std::process::id()).map_or(Reading::Null, Reading::Int)
}

/// `$mi`: the number of the message among those that this worker has handled.
pub(super) fn message_number(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Int(ctx.turn.worker.messages.cast_signed() & i32::MAX)
}

/// `$argv(name)`: the value of `-o name=value`; the last one given holds.
pub(super) fn argument(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(name) = var.name else { return Reading::Null };
    let mut options = ctx.turn.node.argv.iter().rev();
    match options.find(|(known, _)| known.as_bytes() == name) {
        Some((_, value)) => {
            out.push(value.as_bytes());
            Reading::Str
        }
        None => Reading::Null,
    }
}

pub(super) fn log_level(_: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Int(loglevel::current().into())
}

/// Sets the level of the program; NULL brings the configured one back.
pub(super) fn write_log_level(
    _: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    match value {
        Value::Null => loglevel::reset(),
        value => {
            let level = value.int().ok_or(WriteError::BadValue)?.clamp(-3, 4);
            loglevel::set(i8::try_from(level).map_err(|_| WriteError::BadValue)?);
        }
    }
    Ok(())
}

pub(super) fn xlog_level(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Int(ctx.turn.node.xlog_level.get())
}

/// Sets the threshold of `xlog()`; NULL brings the configured one back.
pub(super) fn write_xlog_level(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    match value {
        Value::Null => ctx.turn.node.xlog_level.reset(),
        value => ctx.turn.node.xlog_level.set(value.int().ok_or(WriteError::BadValue)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §8, `$Tf`, `$time`.
    #[test]
    fn times_are_written_as_in_c() {
        let moment = Moment { unix: 1_704_103_200, ..Moment::default() };
        let show = |text: &[u8]| format(moment, text, TimeZone::UTC);
        assert_eq!(show(CTIME).as_deref(), Some("Mon Jan  1 10:00:00 2024"));
        assert_eq!(show(b"%Y-%m-%d").as_deref(), Some("2024-01-01"));
        assert_eq!(check_time("%H:%M"), Ok(None));
        assert!(check_time("%").is_err());
    }
}
