//! Recurrences joined by `&` (and), `/` (or), `!` (not) and parentheses.

use jiff::Timestamp;

use super::recurrence::Recurrence;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 32;

/// An expression over recurrences.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    One(Box<Recurrence>),
    Not(Box<Self>),
    /// All of them.
    And(Vec<Self>),
    /// One of them at least.
    Or(Vec<Self>),
}

impl Expression {
    /// Reads an expression; `&` binds tighter than `/`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let expression = parser.or(0)?;
        if parser.rest.is_empty() {
            Ok(expression)
        } else {
            Err(format!("{} is too much", parser.rest))
        }
    }

    /// Whether a moment is inside.
    pub(super) fn contains(&self, moment: Timestamp) -> bool {
        match self {
            Self::One(recurrence) => recurrence.contains(moment),
            Self::Not(inner) => !inner.contains(moment),
            Self::And(all) => all.iter().all(|each| each.contains(moment)),
            Self::Or(any) => any.iter().any(|each| each.contains(moment)),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn or(&mut self, depth: usize) -> Result<Expression, String> {
        let mut any = vec![self.and(depth)?];
        while self.take('/') {
            any.push(self.and(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expression::Or(any) })
    }

    fn and(&mut self, depth: usize) -> Result<Expression, String> {
        let mut all = vec![self.not(depth)?];
        while self.take('&') {
            all.push(self.not(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::And(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err("too many parentheses inside each other".to_owned());
        }
        if self.take('!') {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take('(') {
            let inner = self.or(depth + 1)?;
            return if self.take(')') { Ok(inner) } else { Err("a ) is missing".to_owned()) };
        }
        let (one, rest) = self.rest.split_at(recurrence_len(self.rest));
        self.rest = rest;
        Recurrence::parse(one.trim()).map(|one| Expression::One(Box::new(one)))
    }
}

/// How long the recurrence is that the text begins with. In the name of a zone, `Europe/Oslo`, a
/// slash does not join.
fn recurrence_len(text: &str) -> usize {
    let zone = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let zone_end = if zone { text.find('|').unwrap_or(0) } else { 0 };
    let joins = |(at, sign): (usize, char)| match sign {
        '/' => at >= zone_end,
        '&' | '!' | '(' | ')' => true,
        _ => false,
    };
    text.char_indices().find(|&found| joins(found)).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: &str = "UTC|20250101T080000||10H|DAILY";
    const WEEKEND: &str = "UTC|20250101T000000||1D|WEEKLY|||SA,SU";

    fn inside(text: &str, moment: &str) -> bool {
        let expression = Expression::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        expression.contains(moment.parse().unwrap())
    }

    /// spec/modules.md §25: combined with `& / !` and parentheses.
    #[test]
    fn recurrences_are_combined() {
        let (friday, saturday) = ("2025-06-06T10:00:00Z", "2025-06-07T10:00:00Z");
        let night = "2025-06-06T20:00:00Z";
        assert!(inside(DAY, friday));
        assert!(inside(&format!("{DAY} & {WEEKEND}"), saturday));
        assert!(!inside(&format!("{DAY}&{WEEKEND}"), friday));
        assert!(inside(&format!("{DAY} / {WEEKEND}"), friday));
        assert!(!inside(&format!("{DAY}/{WEEKEND}"), night));
        assert!(inside(&format!("{DAY} & !{WEEKEND}"), friday));
        assert!(!inside(&format!("!({DAY} / {WEEKEND})"), saturday));
        assert!(inside(&format!("({WEEKEND} / !{DAY}) & !!({DAY} / !{DAY})"), night));
        // `&` before `/`.
        assert!(inside(&format!("{DAY} / {DAY} & {WEEKEND}"), friday));
    }

    #[test]
    fn a_slash_in_a_zone_does_not_join() {
        assert_eq!(recurrence_len("Europe/Oslo|20250101 / x"), 21);
        assert_eq!(recurrence_len("20250101||1H|DAILY/20250101"), 18);
        assert_eq!(recurrence_len("UTC|a&b"), 5);
    }

    #[test]
    fn broken_expressions_are_refused() {
        for bad in [
            format!("({DAY}"),
            format!("{DAY})"),
            format!("{DAY} & X"),
            format!("{}{DAY}", "(".repeat(100)),
            format!("{}{DAY}", "!".repeat(100_000)),
        ] {
            assert!(Expression::parse(&bad).is_err(), "{bad:.80}");
        }
    }
}
