//! `sleep()` and `usleep()` (spec/modules.md §25): a script waits, and nobody with it.

use std::time::Duration;

use duologue_script::{Args, Called, Param, ParamKind};

use crate::context::Context;
use crate::module::AsyncFunction;
use crate::waiting::{Begun, Pending, WAIT_MAX};

const INT: Param = Param::new(ParamKind::Int);

/// For `async()` and `launch()`.
pub(super) const ASYNC: &[AsyncFunction] = &[
    AsyncFunction::new("sleep", &[INT], begin_sleep).checked(check_seconds),
    AsyncFunction::new("usleep", &[INT], begin_usleep).checked(check_micros),
];

fn begin_sleep(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Begun {
    begin(ctx, args.int(0).and_then(seconds))
}

fn begin_usleep(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Begun {
    begin(ctx, args.int(0).and_then(micros))
}

fn begin(ctx: &Context<'_>, time: Option<Duration>) -> Begun {
    let Some(time) = time else { return Begun::Done(-1) };
    if time.is_zero() {
        return Begun::Done(1);
    }
    match Pending::after(ctx, time, 1) {
        Some(pending) => Begun::Waits(pending),
        None => Begun::Done(-1),
    }
}

/// As a plain statement the run waits where it stands, and the worker goes on.
pub(super) fn sleep(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    wait(ctx, args.int(0).and_then(seconds))
}

pub(super) fn usleep(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    wait(ctx, args.int(0).and_then(micros))
}

/// The run waits in place. Where it cannot (a branch route, say), it goes on at once with −1: the
/// worker has other calls to run.
fn wait(ctx: &mut Context<'_>, time: Option<Duration>) -> Called {
    match begin(ctx, time) {
        Begun::Done(code) => Called::Value(code),
        Begun::Waits(pending) => ctx.park(pending).unwrap_or(Called::Value(-1)),
    }
}

fn seconds(number: i32) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_secs)
}

fn micros(number: i32) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_micros)
}

pub(super) fn check_seconds(_: usize, text: &str) -> Result<(), String> {
    check(text, seconds, "seconds")
}

pub(super) fn check_micros(_: usize, text: &str) -> Result<(), String> {
    check(text, micros, "microseconds")
}

fn check(text: &str, time: fn(i32) -> Option<Duration>, unit: &str) -> Result<(), String> {
    match text.parse().ok().and_then(time) {
        Some(time) if time <= WAIT_MAX => Ok(()),
        _ => Err(format!("a script waits for 0 {unit} to an hour, not {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §25: literals are checked when the script loads.
    #[test]
    fn nobody_waits_for_less_than_nothing_or_more_than_an_hour() {
        for good in ["0", "1", "3600"] {
            assert_eq!(check_seconds(0, good), Ok(()));
        }
        for bad in ["-1", "3601"] {
            assert!(check_seconds(0, bad).is_err(), "{bad}");
        }
        assert_eq!(check_micros(0, "2000000000"), Ok(()));
        assert!(check_micros(0, "-1").is_err());
    }
}
