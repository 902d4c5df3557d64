//! The text format that Prometheus reads: families of samples, each family with its kind and a
//! sentence of help.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Display, Write as _};
use std::time::Duration;

/// How many samples a page has at most.
pub(super) const SAMPLES_MAX: usize = 10_000;

/// What the values of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rises until the program ends or it is reset.
    Counter,
    /// As it is now.
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Durations sorted into classes, as a family shows them.
pub(super) struct Durations<Bounds> {
    /// Each bound, and how many were at most as long.
    pub(super) cumulated: Bounds,
    pub(super) count: u64,
    pub(super) sum: Duration,
}

/// The families of a page in the making. What would be shown twice, or is too much, is left out and
/// counted.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: BTreeMap<String, Family>,
    samples: usize,
    left_out: usize,
    is_ending: bool,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: String,
    lines: String,
    /// The labels that are there.
    seen: HashSet<String>,
}

impl Families {
    /// Adds a counter or a gauge.
    pub(super) fn add(
        &mut self,
        (name, kind, help): (&str, Kind, &str),
        labels: &[(&str, &str)],
        value: impl Display,
    ) {
        let labels = rendered(labels);
        if let Some(lines) = self.room(name, kind, help, &labels, 1) {
            push(lines, name, &labels, value);
        }
    }

    /// Adds a histogram.
    pub(super) fn add_histogram(
        &mut self,
        (name, help): (&str, &str),
        labels: &[(&str, &str)],
        durations: Durations<impl Iterator<Item = (Duration, u64)>>,
    ) {
        let labels = rendered(labels);
        let classes: Vec<_> = durations.cumulated.collect();
        let lines = self.room(name, Kind::Histogram, help, &labels, classes.len() + 3);
        let Some(lines) = lines else { return };
        let (bucket, comma) = (format!("{name}_bucket"), if labels.is_empty() { "" } else { "," });
        let bounds = classes.iter().map(|(bound, count)| (bound.as_secs_f64().to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), durations.count)]) {
            push(lines, &bucket, &format!("{labels}{comma}le=\"{bound}\""), count);
        }
        push(lines, &format!("{name}_sum"), &labels, durations.sum.as_secs_f64());
        push(lines, &format!("{name}_count"), &labels, durations.count);
    }

    /// Nothing but what was left out is added from now on.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
    }

    /// Counts samples that the caller left out.
    pub(super) fn leave_out(&mut self, count: usize) {
        self.left_out += count;
    }

    /// How many samples were left out so far.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Where `count` lines of a family go; `None` if they are there already, there is no room, or the
    /// family is of another kind.
    fn room(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &str,
        count: usize,
    ) -> Option<&mut String> {
        // one place is kept for who says what was left out
        if self.samples + count > SAMPLES_MAX - usize::from(!self.is_ending) {
            self.left_out += count;
            return None;
        }
        let family = self.by_name.entry(name.to_owned()).or_insert_with(|| Family {
            kind,
            help: help.to_owned(),
            lines: String::new(),
            seen: HashSet::new(),
        });
        if family.kind != kind || !family.seen.insert(labels.to_owned()) {
            self.left_out += count;
            return None;
        }
        self.samples += count;
        Some(&mut family.lines)
    }

    /// The page.
    pub(super) fn render(self) -> String {
        let mut page = String::new();
        for (name, family) in self.by_name {
            let help = family.help.replace('\\', r"\\").replace('\n', r"\n");
            page.push_str(&format!("# HELP {name} {help}\n"));
            page.push_str(&format!("# TYPE {name} {}\n", family.kind.name()));
            page.push_str(&family.lines);
        }
        page
    }
}

/// One line. Writing to a text cannot fail.
fn push(lines: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = match labels {
        "" => writeln!(lines, "{name} {value}"),
        labels => writeln!(lines, "{name}{{{labels}}} {value}"),
    };
}

fn rendered(labels: &[(&str, &str)]) -> String {
    let escaped =
        |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    labels.join(",")
}

/// `text` as a part of a name: small letters, digits and `_`.
pub(super) fn name_of(text: &str) -> String {
    let part = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    };
    text.chars().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut families = Families::default();
        let calls = ("calls", Kind::Gauge, "Calls,\nby \\ state.");
        families.add(calls, &[("state", "a\"\\\n")], 3);
        families.add(calls, &[("state", "other")], 4);
        families.add(("a_total", Kind::Counter, "A."), &[], 1);
        let cumulated = [(Duration::from_millis(500), 1), (Duration::from_secs(30), 2)];
        let durations = Durations {
            cumulated: cumulated.into_iter(),
            count: 3,
            sum: Duration::from_millis(90_250),
        };
        families.add_histogram(("took_seconds", "How long."), &[("class", "x")], durations);
        assert_eq!(
            families.render(),
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n\
             # HELP calls Calls,\\nby \\\\ state.\n# TYPE calls gauge\n\
             calls{state=\"a\\\"\\\\\\n\"} 3\ncalls{state=\"other\"} 4\n\
             # HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
             took_seconds_bucket{class=\"x\",le=\"0.5\"} 1\n\
             took_seconds_bucket{class=\"x\",le=\"30\"} 2\n\
             took_seconds_bucket{class=\"x\",le=\"+Inf\"} 3\n\
             took_seconds_sum{class=\"x\"} 90.25\ntook_seconds_count{class=\"x\"} 3\n"
        );
    }

    #[test]
    fn what_is_there_twice_or_too_much_is_counted() {
        let mut families = Families::default();
        families.add(("a", Kind::Gauge, "A."), &[], 1);
        families.add(("a", Kind::Gauge, "A."), &[], 2);
        families.add(("a", Kind::Counter, "A."), &[("x", "y")], 3);
        assert_eq!(families.left_out(), 2);
        for n in 0..SAMPLES_MAX {
            families.add(("b", Kind::Gauge, "B."), &[("n", &n.to_string())], n);
        }
        assert_eq!(families.left_out(), 4);
        families.end();
        families.add(("left_out", Kind::Gauge, "What is not shown."), &[], 4);
        assert_eq!(families.left_out(), 4, "there is a place for that");
        assert_eq!(families.render().lines().count(), SAMPLES_MAX + 6);
    }

    #[test]
    fn names_are_made_of_letters_that_may_stand_there() {
        assert_eq!(name_of("bad_URIs_rcvd"), "bad_uris_rcvd");
        assert_eq!(name_of("location-users é"), "location_users__");
    }
}
