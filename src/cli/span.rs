//! Lengths of time as people write and read them.

use std::time::Duration;

/// A length of time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(u64);

impl Span {
    pub(super) fn seconds(self) -> u64 {
        self.0
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];

/// Reads `90s`, `5m`, `1h30m`, `2d`; a number alone is in seconds.
///
/// # Errors
/// It is none of these.
pub(super) fn parse(text: &str) -> Result<Span, String> {
    let wrong = || format!("`{text}` is no length of time such as 90s, 5m, 1h30m, 2d");
    if text.is_empty() {
        return Err(wrong());
    }
    let (mut seconds, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let mut unit = rest[digits..].chars();
        let factor = match unit.next() {
            None if digits == text.len() => 1,
            Some(letter) => UNITS
                .iter()
                .find(|(known, _)| letter.eq_ignore_ascii_case(known))
                .map(|(_, factor)| *factor)
                .ok_or_else(wrong)?,
            None => return Err(wrong()),
        };
        seconds = number
            .checked_mul(factor)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(wrong)?;
        rest = unit.as_str();
    }
    Ok(Span(seconds))
}

/// The same, longer than nothing.
///
/// # Errors
/// It is none of these, or nothing.
pub(super) fn parse_positive(text: &str) -> Result<Span, String> {
    match parse(text)? {
        Span(0) => Err("it must be at least a second".to_owned()),
        span => Ok(span),
    }
}

/// `00:01:30`, `02:00:05`, `3d 04:05:06`.
pub(super) fn clock(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => time,
        days => format!("{days}d {time}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_lengths_of_time_in_many_ways() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("5m", 300),
            ("2H", 7200),
            ("1h30m", 5400),
            ("2d", 172_800),
            ("1w", 604_800),
        ] {
            assert_eq!(parse(text), Ok(Span(seconds)), "{text}");
        }
        for wrong in [
            "",
            "m",
            "5x",
            "1h30",
            "-5",
            "1.5h",
            "5 m",
            "99999999999999999999",
            "é",
            "9999999999999999w",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse_positive("0s").is_err());
    }

    #[test]
    fn clocks_grow_days() {
        assert_eq!(clock(0), "00:00:00");
        assert_eq!(clock(5025), "01:23:45");
        assert_eq!(clock(273_906), "3d 04:05:06");
    }
}
