//! `check_time_rec()`: is a moment within times that come again and again (RFC 2445 §4.3.10)?
//!
//! One recurrence is a row of fields, `tz|dtstart|dtend|duration|freq|until|interval|byday|bymday|`
//! `byyday|byweekno|bymonth`. Empty fields at its end may be left out, and so may the zone. It means
//! a set of days on which a stretch of time begins; a moment is inside if one of the stretches that
//! began before has not ended. Stretches are measured on the wall clock of the zone.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

/// The longest stretch of a recurrence, in days: how far a look goes back.
const STRETCH_DAYS_MAX: i64 = 3_660;
/// How many members a list such as `byday` may have.
const LIST_MAX: usize = 400;

/// Times that come again.
#[derive(Clone, Debug)]
pub(super) struct Recurrence {
    zone: TimeZone,
    start: DateTime,
    stretch: Stretch,
    rule: Option<Rule>,
    until: Option<DateTime>,
}

/// How long one stretch takes.
#[derive(Clone, Copy, Debug)]
enum Stretch {
    /// So long.
    Fixed(SignedDuration),
    /// A day, a week, a month, a year.
    Calendar(Span),
    /// For ever.
    Endless,
}

/// On which days stretches begin.
#[derive(Clone, Debug)]
struct Rule {
    frequency: Frequency,
    interval: i32,
    by_day: Vec<(Option<i16>, Weekday)>,
    by_month_day: Vec<i16>,
    by_year_day: Vec<i16>,
    by_week: Vec<i16>,
    by_month: Vec<i16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Recurrence {
    /// Reads the fields.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        // A zone begins with a letter, a date with a digit. An empty first field can be either.
        let first = fields.first().copied().unwrap_or_default();
        match first.chars().next() {
            Some(letter) if letter.is_alphabetic() => Self::of(first, &fields[1..]),
            Some(_) => Self::of("", &fields),
            None => Self::of("", &fields[1..]).or_else(|_| Self::of("", &fields)),
        }
    }

    fn of(zone: &str, fields: &[&str]) -> Result<Self, String> {
        if fields.len() > 11 {
            return Err("too many fields".to_owned());
        }
        let zone = match zone {
            "" => TimeZone::system(),
            name => TimeZone::get(name).map_err(|_| format!("{name} is no time zone"))?,
        };
        let field = |at: usize| fields.get(at).copied().filter(|field| !field.is_empty());
        let date = |at| field(at).map(|text| date_time(text, &zone)).transpose();
        let start = date(0)?.map_or(EPOCH, |(start, _)| start);
        let until =
            date(4)?.map(
                |(until, whole_day)| {
                    if whole_day { until.date().to_datetime(Time::MAX) } else { until }
                },
            );
        let rule = rule(field)?;
        let end = date(1)?.map(|(end, _)| end);
        let stretch = match (field(2), end, &rule) {
            (Some(text), _, _) => Stretch::Fixed(duration(text)?),
            (None, Some(end), _) if end > start => Stretch::Fixed(end.duration_since(start)),
            (None, Some(_), _) => return Err("dtend is not after dtstart".to_owned()),
            (None, None, Some(rule)) => Stretch::Calendar(rule.natural_stretch()),
            (None, None, None) => Stretch::Endless,
        };
        let days = match stretch {
            Stretch::Fixed(duration) if rule.is_some() => duration.as_hours() / 24,
            _ => 0,
        };
        if days > STRETCH_DAYS_MAX {
            return Err("the duration is too long".to_owned());
        }
        Ok(Self { zone, start, stretch, rule, until })
    }

    /// Whether a moment is within one of the stretches.
    pub(super) fn contains(&self, moment: Timestamp) -> bool {
        let now = moment.to_zoned(self.zone.clone()).datetime();
        let begins = |start: DateTime| {
            start >= self.start && start <= now && self.until.is_none_or(|until| start <= until)
        };
        let Some(rule) = &self.rule else {
            return begins(self.start)
                && self.ends(self.start).is_none_or(|end| now < end)
                && self.until.is_none_or(|until| now <= until);
        };
        let back = match self.stretch {
            Stretch::Fixed(duration) => duration.as_hours() / 24 + 1,
            Stretch::Calendar(_) | Stretch::Endless => 366,
        };
        let mut day = now.date();
        for _ in 0..=back {
            let start = day.to_datetime(self.start.time());
            if begins(start)
                && self.ends(start).is_none_or(|end| now < end)
                && rule.has(day, self.start.date())
            {
                return true;
            }
            match day.yesterday() {
                Ok(before) if before >= self.start.date() => day = before,
                _ => return false,
            }
        }
        false
    }

    fn ends(&self, start: DateTime) -> Option<DateTime> {
        match self.stretch {
            Stretch::Fixed(duration) => start.checked_add(duration).ok(),
            Stretch::Calendar(span) => start.checked_add(span).ok(),
            Stretch::Endless => None,
        }
    }
}

/// Where time begins if nothing else is said.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl Rule {
    /// How long a stretch is that says nothing about it: as long as what it names.
    fn natural_stretch(&self) -> Span {
        let names_days = !self.by_day.is_empty()
            || !self.by_month_day.is_empty()
            || !self.by_year_day.is_empty();
        match self.frequency {
            _ if names_days => 1.day(),
            Frequency::Daily => 1.day(),
            Frequency::Weekly => 1.week(),
            _ if !self.by_week.is_empty() => 1.week(),
            Frequency::Monthly => 1.month(),
            Frequency::Yearly if !self.by_month.is_empty() => 1.month(),
            Frequency::Yearly => 1.year(),
        }
    }

    /// Whether a stretch begins on a day, if the first begins on `first`.
    fn has(&self, day: Date, first: Date) -> bool {
        self.is_due(day, first)
            && one_of(&self.by_month, day.month().into(), 0)
            && one_of(&self.by_year_day, day.day_of_year(), day.days_in_year())
            && one_of(&self.by_month_day, day.day().into(), day.days_in_month().into())
            && self.has_week(day)
            && self.has_weekday(day)
            && self.has_default(day, first)
    }

    /// Every second day, every third week.
    fn is_due(&self, day: Date, first: Date) -> bool {
        let months = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
        let passed = match self.frequency {
            Frequency::Daily => days_between(first, day),
            Frequency::Weekly => days_between(monday(first), monday(day)) / 7,
            Frequency::Monthly => months(day) - months(first),
            Frequency::Yearly => i32::from(day.year()) - i32::from(first.year()),
        };
        passed % self.interval == 0
    }

    /// ISO 8601 weeks.
    fn has_week(&self, day: Date) -> bool {
        let week = day.iso_week_date();
        one_of(&self.by_week, week.week().into(), week.weeks_in_year().into())
    }

    /// `MO`, and of a month or year `1MO`, `-1FR`.
    fn has_weekday(&self, day: Date) -> bool {
        let (at, of) = match self.frequency {
            Frequency::Monthly => (i16::from(day.day()), i16::from(day.days_in_month())),
            Frequency::Yearly if !self.by_month.is_empty() => {
                (i16::from(day.day()), i16::from(day.days_in_month()))
            }
            _ => (day.day_of_year(), day.days_in_year()),
        };
        let (from_start, from_end) = ((at - 1) / 7 + 1, -((of - at) / 7 + 1));
        let counted = matches!(self.frequency, Frequency::Monthly | Frequency::Yearly);
        self.by_day.is_empty()
            || self.by_day.iter().any(|&(which, weekday)| {
                let which = which.filter(|_| counted);
                weekday == day.weekday()
                    && which.is_none_or(|which| which == from_start || which == from_end)
            })
    }

    /// What the rule leaves open is as on the first day.
    fn has_default(&self, day: Date, first: Date) -> bool {
        let names_days = !self.by_day.is_empty()
            || !self.by_month_day.is_empty()
            || !self.by_year_day.is_empty();
        match self.frequency {
            Frequency::Daily => true,
            _ if names_days => true,
            Frequency::Weekly => day.weekday() == first.weekday(),
            _ if !self.by_week.is_empty() => day.weekday() == first.weekday(),
            Frequency::Monthly => day.day() == first.day(),
            Frequency::Yearly => {
                day.day() == first.day()
                    && (!self.by_month.is_empty() || day.month() == first.month())
            }
        }
    }
}

/// Whether a list is empty or names a number, counted from the start or from the end.
fn one_of(list: &[i16], number: i16, of: i16) -> bool {
    list.is_empty()
        || list.iter().any(|&each| each == number || (each < 0 && each + of + 1 == number))
}

fn days_between(first: Date, day: Date) -> i32 {
    i32::try_from(day.duration_since(first).as_hours() / 24).unwrap_or(i32::MAX)
}

fn monday(day: Date) -> Date {
    let back = i64::from(day.weekday().to_monday_zero_offset());
    day.checked_sub(back.days()).unwrap_or(day)
}

// --- Reading ----------------------------------------------------------------------------------

fn rule<'a>(field: impl Fn(usize) -> Option<&'a str>) -> Result<Option<Rule>, String> {
    let frequency = match field(3).map(str::to_ascii_uppercase).as_deref() {
        None => {
            return match (5..=10).find(|&at| field(at).is_some()) {
                Some(_) => Err("without freq there is nothing to repeat".to_owned()),
                None => Ok(None),
            };
        }
        Some("DAILY") => Frequency::Daily,
        Some("WEEKLY") => Frequency::Weekly,
        Some("MONTHLY") => Frequency::Monthly,
        Some("YEARLY") => Frequency::Yearly,
        Some(other) => return Err(format!("{other} is no freq")),
    };
    let interval = field(5).map_or(Ok(1), str::parse).ok().filter(|interval| *interval > 0);
    let list = |at, max| numbers(field(at).unwrap_or_default(), max);
    Ok(Some(Rule {
        frequency,
        interval: interval.ok_or("interval is a number above 0")?,
        by_day: weekdays(field(6).unwrap_or_default())?,
        by_month_day: list(7, 31)?,
        by_year_day: list(8, 366)?,
        by_week: list(9, 53)?,
        by_month: list(10, 12)?,
    }))
}

/// `20250131`, `20250131T083000`, `20250131T083000Z`; whether it is a whole day.
fn date_time(text: &str, zone: &TimeZone) -> Result<(DateTime, bool), String> {
    let wrong = || format!("{text} is no date");
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let (time, utc) = match time.and_then(|time| time.strip_suffix('Z')) {
        Some(time) => (Some(time), true),
        None => (time, false),
    };
    let digits = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(date, 8) || !time.is_none_or(|time| digits(time, 6)) {
        return Err(wrong());
    }
    let number = |text: &str| text.parse::<i16>().map_err(|_| wrong());
    let small = |text: &str| text.parse::<i8>().map_err(|_| wrong());
    let clock = time.unwrap_or("000000");
    let moment = DateTime::new(
        number(&date[..4])?,
        small(&date[4..6])?,
        small(&date[6..])?,
        small(&clock[..2])?,
        small(&clock[2..4])?,
        // A leap second is the one before.
        small(&clock[4..])?.min(59),
        0,
    )
    .map_err(|_| wrong())?;
    if !utc {
        return Ok((moment, time.is_none()));
    }
    let instant = TimeZone::UTC.to_timestamp(moment).map_err(|_| wrong())?;
    Ok((instant.to_zoned(zone.clone()).datetime(), false))
}

/// `P1DT8H`, `PT30M`; the letters P and T may be left out: `8H`.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text} is no duration");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    rest = rest.strip_prefix(['P', 'p']).unwrap_or(rest);
    let mut seconds: i64 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        rest = rest.strip_prefix(['T', 't']).unwrap_or(rest);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest[digits..].chars().next().map(|unit| unit.to_ascii_uppercase()) {
            Some('W') => 7 * 86_400,
            Some('D') => 86_400,
            Some('H') => 3600,
            Some('M') => 60,
            Some('S') => 1,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(unit).ok_or_else(wrong)?;
        seconds = seconds.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
        parts += 1;
    }
    if parts == 0 || seconds == 0 { Err(wrong()) } else { Ok(SignedDuration::from_secs(seconds)) }
}

/// `MO,WE,-1FR`, `MO-FR`.
fn weekdays(text: &str) -> Result<Vec<(Option<i16>, Weekday)>, String> {
    let mut days = Vec::new();
    for item in items(text) {
        let wrong = || format!("{item} is no weekday");
        if let Some((from, to)) = item.split_once('-').filter(|(from, _)| !from.is_empty()) {
            let (from, to) = (weekday(from).ok_or_else(wrong)?, weekday(to).ok_or_else(wrong)?);
            let last = from.cycle_forward().take(7).position(|day| day == to).unwrap_or_default();
            days.extend(from.cycle_forward().take(last + 1).map(|day| (None, day)));
            continue;
        }
        let split = item.len().saturating_sub(2);
        let (which, name) = item.split_at_checked(split).ok_or_else(wrong)?;
        let which = match which {
            "" => None,
            which => {
                let number = which.parse().ok();
                Some(number.filter(|n: &i16| (1..=53).contains(&n.abs())).ok_or_else(wrong)?)
            }
        };
        days.push((which, weekday(name).ok_or_else(wrong)?));
    }
    if days.len() > LIST_MAX { Err("too many weekdays".to_owned()) } else { Ok(days) }
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

/// `1,-1,10-20`: numbers whose magnitude is 1 to `max`.
fn numbers(text: &str, max: i16) -> Result<Vec<i16>, String> {
    let mut numbers = Vec::new();
    for item in items(text) {
        let number = |text: &str| {
            let number = text.parse::<i16>().ok().filter(|n| *n != 0 && n.abs() <= max);
            number.ok_or_else(|| format!("{item} is not within 1 and {max}"))
        };
        match item.split_once('-').filter(|(from, _)| !from.is_empty()) {
            Some((from, to)) => numbers.extend(number(from)?..=number(to)?),
            None => numbers.push(number(item)?),
        }
        if numbers.len() > LIST_MAX {
            return Err("too many numbers".to_owned());
        }
    }
    Ok(numbers)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(recurrence: &str, moments: &[&str]) -> Vec<bool> {
        let text = format!("UTC|{recurrence}");
        let recurrence = Recurrence::parse(&text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let at = |text: &&str| {
            let (moment, _) = date_time(text, &TimeZone::UTC).unwrap();
            TimeZone::UTC.to_timestamp(moment).unwrap()
        };
        moments.iter().map(at).map(|moment| recurrence.contains(moment)).collect()
    }

    fn all(recurrence: &str, moments: &[&str]) {
        assert_eq!(inside(recurrence, moments), vec![true; moments.len()], "{recurrence}");
    }

    fn none(recurrence: &str, moments: &[&str]) {
        assert_eq!(inside(recurrence, moments), vec![false; moments.len()], "{recurrence}");
    }

    /// spec/modules.md §25, `check_time_rec()`: without freq there is one stretch.
    #[test]
    fn a_stretch_that_comes_once() {
        let june = "20250601T080000|20250601T180000";
        all(june, &["20250601T080000", "20250601T175959"]);
        none(june, &["20250601T075959", "20250601T180000", "20250602T100000"]);
        let lasting = "20250601T080000||P1DT2H";
        all(lasting, &["20250602T095959"]);
        none(lasting, &["20250602T100000"]);
        all("20250601T080000", &["20250601T080000", "20990101T000000"]);
        none("20250601T080000", &["20250601T075959"]);
        all("", &["20250601T080000"]);
        none("20250601||||20250610", &["20250611T000000"]);
    }

    #[test]
    fn office_hours() {
        // 2025-06-02 is a Monday.
        let week = "20210104T080000||8H|WEEKLY|||MO,TU,WE,TH,FR";
        all(week, &["20250602T080000", "20250606T155959"]);
        none(week, &["20250602T073000", "20250602T160000", "20250607T100000", "20201231T100000"]);
        all("20210104T080000||8H|WEEKLY|||MO-FR", &["20250602T080000"]);
        none("20210104T080000||8H|WEEKLY|||MO-FR", &["20250608T080000"]);
        // Over midnight: what began on Friday ends on Saturday.
        let night = "20210104T220000||PT8H|WEEKLY|||FR";
        all(night, &["20250606T230000", "20250607T055959"]);
        none(night, &["20250607T060000", "20250607T230000", "20250606T030000"]);
    }

    #[test]
    fn intervals_count_from_the_first_day() {
        let second_day = "20250601T100000||1H|DAILY||2";
        all(second_day, &["20250601T100000", "20250603T105959"]);
        none(second_day, &["20250602T100000", "20250603T110000"]);
        let second_week = "20250602T100000||1H|WEEKLY||2|MO,SU";
        all(second_week, &["20250602T100000", "20250608T100000", "20250616T100000"]);
        none(second_week, &["20250609T100000", "20250615T100000", "20250601T100000"]);
        let third_month = "20250131T100000||1H|MONTHLY||2";
        all(third_month, &["20250131T100000", "20250331T100000"]);
        none(third_month, &["20250228T100000", "20250430T100000"]);
        let leap = "20240229T100000||1H|YEARLY";
        all(leap, &["20240229T100000", "20280229T100000"]);
        none(leap, &["20250228T100000", "20250301T100000"]);
    }

    #[test]
    fn days_are_named_in_many_ways() {
        let last_friday = "20250101T000000||1D|MONTHLY|||-1FR";
        all(last_friday, &["20250627T120000", "20250530T000000"]);
        none(last_friday, &["20250620T120000", "20250626T120000"]);
        let second_monday = "20250101||1D|YEARLY|||2MO||||6";
        all(second_monday, &["20250609T120000"]);
        none(second_monday, &["20250602T120000", "20250714T120000"]);
        let ends = "20250101||1D|MONTHLY||||1,-1";
        all(ends, &["20250601T120000", "20250630T120000", "20250228T000000"]);
        none(ends, &["20250629T120000"]);
        let year_days = "20250101||1D|YEARLY|||||100-102,-1";
        all(year_days, &["20250410T120000", "20250412T120000", "20251231T000000"]);
        none(year_days, &["20250409T120000", "20250413T000000"]);
        let week_20 = "20250101||1D|YEARLY|||MO|||20";
        all(week_20, &["20250512T120000"]);
        none(week_20, &["20250519T120000", "20250513T120000"]);
    }

    /// Without a duration a stretch is as long as what it names.
    #[test]
    fn whole_days_weeks_months_and_years() {
        all("|||WEEKLY|||SA,SU", &["20250607T000000", "20250608T235959"]);
        none("|||WEEKLY|||SA,SU", &["20250606T235959", "20250609T000000"]);
        all("|||YEARLY|||||||7", &["20250701T000000", "20250731T235959"]);
        none("|||YEARLY|||||||7", &["20250630T235959", "20250801T000000"]);
        all("|||DAILY", &["20250607T000000"]);
        all("20250501|||MONTHLY||2", &["20250531T235959", "20250701T000000"]);
        none("20250501|||MONTHLY||2", &["20250601T000000"]);
    }

    #[test]
    fn no_stretch_begins_after_until() {
        let text = "20250601T100000||2H|DAILY|20250603T100000";
        all(text, &["20250602T110000", "20250603T115959"]);
        none(text, &["20250604T100000"]);
        all("20250601T100000||2H|DAILY|20250603", &["20250603T110000"]);
        none("20250601T100000||2H|DAILY|20250603", &["20250604T100000"]);
    }

    #[test]
    fn zones_may_be_named_or_left_out() {
        assert!(Recurrence::parse("20250601T100000||2H|DAILY").is_ok());
        assert!(Recurrence::parse("|20250601T100000||2H|DAILY").is_ok());
        assert!(Recurrence::parse("").is_ok());
        let utc = Recurrence::parse("UTC|20250601T100000Z||2H|DAILY").unwrap();
        assert!(utc.contains("2025-06-05T11:00:00Z".parse().unwrap()));
        let berlin = match Recurrence::parse("Europe/Berlin|20250601T100000||2H|DAILY") {
            Ok(berlin) => berlin,
            // A machine without the tz database knows no zone but its own.
            Err(why) => return assert_eq!(why, "Europe/Berlin is no time zone"),
        };
        assert!(berlin.contains("2025-06-05T08:00:00Z".parse().unwrap()), "10:00 in summer");
        assert!(!berlin.contains("2025-12-05T08:00:00Z".parse().unwrap()), "9:00 in winter");
        assert!(berlin.contains("2025-12-05T09:00:00Z".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "Nowhere/Land|20250601",
            "2025",
            "20251301T000000",
            "20250601T2500",
            "20250602|20250601",
            "20250601||P",
            "20250601||8",
            "20250601||99999999999999999999H",
            "20250601||P1DT0X",
            "20250601||1H|HOURLY",
            "20250601||1H|DAILY||0",
            "20250601||1H|DAILY||x",
            "20250601||1H|WEEKLY|||XX",
            "20250601||1H|WEEKLY|||0MO",
            "20250601||1H|MONTHLY||||32",
            "20250601||1H|MONTHLY||||0",
            "20250601||1H|YEARLY|||||||13",
            "20250601||1H|||||5",
            "20250601||9999D|DAILY",
            "UTC|20250601|||||||||||x",
        ] {
            assert!(Recurrence::parse(bad).is_err(), "{bad}");
        }
    }
}
