//! Time for scripts: `$ctime`, `get_accurate_time()`, differences.

use duologue_script::{Args, Called, Reading, Text, Value, VarAccess};
use duologue_sip::Moment;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::context::Context;

/// What `$ctime(…)` can tell.
const FIELDS: [&str; 9] = ["sec", "min", "hour", "mday", "mon", "year", "wday", "yday", "isdst"];

/// Now in local time, a field of it.
pub(super) fn ctime(ctx: &mut Context<'_>, access: &VarAccess<'_>, _: &mut Text) -> Reading {
    let name = access.name.and_then(|name| std::str::from_utf8(name).ok());
    let now = local(ctx.turn.now, TimeZone::system());
    match name.zip(now).and_then(|(name, now)| field(name, &now)) {
        Some(number) => Reading::Int(number),
        None => Reading::Null,
    }
}

/// Knows the name when the script loads.
pub(super) fn check_field(name: &str) -> Result<Option<u32>, String> {
    if FIELDS.contains(&name) {
        Ok(None)
    } else {
        Err(format!("\"{name}\" is not one of {}", FIELDS.join(", ")))
    }
}

fn local(now: Moment, zone: TimeZone) -> Option<Zoned> {
    let now = Timestamp::from_second(i64::try_from(now.unix).ok()?).ok()?;
    Some(now.to_zoned(zone))
}

fn field(name: &str, now: &Zoned) -> Option<i32> {
    Some(match name {
        "sec" => now.second().into(),
        "min" => now.minute().into(),
        "hour" => now.hour().into(),
        "mday" => now.day().into(),
        "mon" => now.month().into(),
        "year" => now.year().into(),
        // 1 is Sunday.
        "wday" => now.weekday().to_sunday_one_offset().into(),
        "yday" => now.day_of_year().into(),
        "isdst" => now.time_zone().to_offset_info(now.timestamp()).dst().is_dst().into(),
        _ => return None,
    })
}

/// `get_accurate_time(seconds, microseconds [, text])`: the time of the turn, to the millisecond.
pub(super) fn accurate(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (seconds, micros) = wall(ctx.turn.node.started, ctx.turn.now);
    let text = format!("{seconds}.{micros:06}");
    let Ok(number) = i32::try_from(seconds) else { return Called::Value(-1) };
    let stored = args.store(ctx, 0, Value::Int(number)).is_ok()
        && args.store(ctx, 1, Value::Int(micros)).is_ok()
        && args.store(ctx, 2, Value::Str(text.as_bytes())).is_ok();
    Called::Value(if stored { 1 } else { -1 })
}

/// The wall clock to the millisecond. It is told in whole seconds, so the fraction comes from the
/// monotonic clock since the start: differences are true, and the whole is behind by less than a
/// second. After somebody set the clock only the seconds are.
fn wall(started: Moment, now: Moment) -> (u64, i32) {
    let elapsed = now.tick.since(started.tick);
    let seconds = started.unix + elapsed.as_secs();
    let micros = i32::try_from(elapsed.subsec_micros()).unwrap_or_default();
    if seconds.abs_diff(now.unix) <= 1 { (seconds, micros) } else { (now.unix, micros) }
}

/// `ts_usec_delta(s1, us1, s2, us2 [, text] [, number])`: how far two times are apart.
pub(super) fn delta(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let micros = |seconds, micros| {
        let (seconds, micros): (i32, i32) = (args.int(seconds)?, args.int(micros)?);
        Some(i64::from(seconds) * 1_000_000 + i64::from(micros))
    };
    let (Some(one), Some(other)) = (micros(0, 1), micros(2, 3)) else { return Called::Value(-1) };
    let apart = one.abs_diff(other);
    if args.store(ctx, 4, Value::Str(apart.to_string().as_bytes())).is_err() {
        return Called::Value(-1);
    }
    if args.has(5) {
        // More than 35 minutes do not fit into 32 bits.
        let Ok(number) = i32::try_from(apart) else { return Called::Value(-1) };
        if args.store(ctx, 5, Value::Int(number)).is_err() {
            return Called::Value(-1);
        }
    }
    Called::Value(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use duologue_sip::Tick;
    use jiff::tz;

    /// spec/modules.md §25, `$ctime`.
    #[test]
    fn the_fields_of_a_moment() {
        let moment = Moment { unix: 1_704_103_205, ..Moment::default() };
        let now = local(moment, TimeZone::fixed(tz::offset(2))).unwrap();
        let shown = FIELDS.map(|name| field(name, &now).unwrap());
        // Mon Jan 1 2024, 12:00:05.
        assert_eq!(shown, [5, 0, 12, 1, 1, 2024, 2, 1, 0]);
        assert!(check_field("wday").is_ok());
        assert!(check_field("day").is_err());
    }

    #[test]
    fn the_wall_clock_has_a_fraction() {
        let at = |millis, unix| Moment { tick: Tick::from_millis(millis), unix };
        let started = at(1_000, 500);
        assert_eq!(wall(started, at(1_000, 500)), (500, 0));
        assert_eq!(wall(started, at(3_250, 502)), (502, 250_000));
        assert_eq!(wall(started, at(3_250, 503)), (502, 250_000), "the second began within");
        assert_eq!(wall(started, at(3_250, 9_000)), (9_000, 250_000), "the clock was set");
    }
}
