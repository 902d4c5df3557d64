//! Counters that scripts name: made while the proxy runs, never removed, bounded in number.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use duologue_sip::Moment;
use parking_lot::RwLock;
use smallvec::SmallVec;

use super::series::{Profile, Series};

/// How many counters scripts may make.
pub const DYNAMIC_MAX: usize = 10_000;
/// How many of them may be series: each keeps the slots of its window.
pub const SERIES_MAX: usize = 2_000;
/// The longest `group:name` in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// The group of counters that name none.
pub const DEFAULT_GROUP: &str = "dynamic";

/// The counters that scripts named, by name and in the order in which they were made.
#[derive(Debug)]
pub struct Dynamic {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Groups in which counters may be made.
    groups: Vec<Box<str>>,
    statistics: Vec<Statistic>,
    series: usize,
    /// `group:name` in lower case.
    by_full_name: HashMap<Key, usize>,
    /// The name alone in lower case; where several groups have it, the one made first.
    by_name: HashMap<Key, usize>,
}

/// Short enough names are looked up without an allocation.
type Key = SmallVec<[u8; 64]>;

#[derive(Debug)]
struct Statistic {
    group: Box<str>,
    name: Box<str>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Counter { value: AtomicU64, resettable: bool },
    Series(Series),
}

impl Source {
    fn read(&self, now: Moment) -> u64 {
        match self {
            Self::Counter { value, .. } => value.load(Relaxed),
            Self::Series(series) => series.read(now),
        }
    }

    fn resettable(&self) -> bool {
        matches!(self, Self::Counter { resettable: true, .. })
    }
}

/// Why a counter was not made or not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name is empty, too long, or no text.
    BadName,
    /// The group was not declared.
    UnknownGroup,
    /// There are as many as there may be.
    Full,
    /// The name belongs to something that changes in another way.
    OtherKind,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadName => "the name of a statistic is too long, empty, or no text",
            Self::UnknownGroup => "the group of the statistic is not declared by stat_groups",
            Self::Full => "there are too many statistics",
            Self::OtherKind => "the name belongs to a statistic that changes in another way",
        })
    }
}

impl std::error::Error for Refused {}

impl Default for Dynamic {
    fn default() -> Self {
        let groups = vec![DEFAULT_GROUP.into()];
        Self { table: RwLock::new(Table { groups, ..Table::default() }) }
    }
}

impl Dynamic {
    /// Allows counters in a group.
    pub fn declare_group(&self, group: &str) {
        let mut table = self.table.write();
        if !table.has_group(group) {
            table.groups.push(group.into());
        }
    }

    /// Makes a counter, `name` or `group:name`, unless there is one; its group comes into being.
    ///
    /// # Errors
    /// [`Refused::BadName`], [`Refused::Full`].
    pub fn declare(&self, name: &str, resettable: bool) -> Result<(), Refused> {
        let (group, name) = split(name).ok_or(Refused::BadName)?;
        self.declare_group(group);
        let source = Source::Counter { value: AtomicU64::new(0), resettable };
        self.table.write().enter(group, name, source).map(|_| ())
    }

    /// Whether a name is known.
    pub fn contains(&self, name: &[u8]) -> bool {
        text(name).is_some_and(|name| self.table.read().find(name).is_some())
    }

    /// Adds to a counter, or makes it. It never falls below zero, and stops at its end.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn update(&self, name: &[u8], delta: i32) -> Result<(), Refused> {
        let name = text(name).ok_or(Refused::BadName)?;
        let add = |statistic: &Statistic| match &statistic.source {
            Source::Counter { value, .. } => {
                let sum = |value: u64| Some(value.saturating_add_signed(delta.into()));
                // The closure always gives a value, so that this cannot fail.
                let _ = value.fetch_update(Relaxed, Relaxed, sum);
                Ok(())
            }
            Source::Series(_) => Err(Refused::OtherKind),
        };
        {
            let table = self.table.read();
            if let Some(statistic) = table.find(name) {
                return add(statistic);
            }
        }
        let (group, name) = split(name).ok_or(Refused::BadName)?;
        let mut table = self.table.write();
        if !table.has_group(group) {
            return Err(Refused::UnknownGroup);
        }
        let source = Source::Counter { value: AtomicU64::new(0), resettable: true };
        let at = table.enter(group, name, source)?;
        add(&table.statistics[at])
    }

    /// Adds a value to a series of a profile, or makes the series.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn update_series(
        &self,
        profile: &Arc<Profile>,
        key: &[u8],
        value: i32,
        now: Moment,
    ) -> Result<(), Refused> {
        let name = text(key).filter(|key| !key.is_empty()).ok_or(Refused::BadName)?;
        let add = |statistic: &Statistic| match &statistic.source {
            Source::Series(series) => {
                series.add(value, now);
                Ok(())
            }
            Source::Counter { .. } => Err(Refused::OtherKind),
        };
        {
            let table = self.table.read();
            if let Some(statistic) = table.find_in(&profile.group, name) {
                return add(statistic);
            }
        }
        let mut table = self.table.write();
        let at = table.enter(&profile.group, name, Source::Series(Series::new(profile)))?;
        add(&table.statistics[at])
    }

    /// The value of `name` or `group:name`.
    pub fn read(&self, name: &[u8], now: Moment) -> Option<u64> {
        let table = self.table.read();
        table.find(text(name)?).map(|statistic| statistic.source.read(now))
    }

    /// Sets a counter to zero; one that may not be stays as it is. False if there is none.
    pub fn reset(&self, name: &[u8]) -> bool {
        let table = self.table.read();
        let Some(statistic) = text(name).and_then(|name| table.find(name)) else { return false };
        if let Source::Counter { value, resettable: true } = &statistic.source {
            value.store(0, Relaxed);
        }
        true
    }

    /// Shows all: group, name, value, whether it can be reset. Nothing else may be done with the
    /// counters meanwhile.
    pub fn visit(&self, now: Moment, visit: &mut dyn FnMut(&str, &str, u64, bool)) {
        for Statistic { group, name, source } in &self.table.read().statistics {
            visit(group, name, source.read(now), source.resettable());
        }
    }
}

impl Table {
    fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|known| known.eq_ignore_ascii_case(group))
    }

    fn find(&self, name: &str) -> Option<&Statistic> {
        let table = if name.contains(':') { &self.by_full_name } else { &self.by_name };
        table.get(&lower(&[name])).map(|&at| &self.statistics[at])
    }

    fn find_in(&self, group: &str, name: &str) -> Option<&Statistic> {
        let at = self.by_full_name.get(&lower(&[group, ":", name]))?;
        self.statistics.get(*at)
    }

    /// The place of a new statistic, or of the one that has its name already.
    fn enter(&mut self, group: &str, name: &str, source: Source) -> Result<usize, Refused> {
        if name.is_empty() || group.len() + 1 + name.len() > NAME_BYTES_MAX {
            return Err(Refused::BadName);
        }
        let full_name = lower(&[group, ":", name]);
        if let Some(&at) = self.by_full_name.get(&full_name) {
            return Ok(at);
        }
        let is_series = matches!(source, Source::Series(_));
        if self.statistics.len() >= DYNAMIC_MAX || (is_series && self.series >= SERIES_MAX) {
            return Err(Refused::Full);
        }
        self.series += usize::from(is_series);
        let at = self.statistics.len();
        self.statistics.push(Statistic { group: group.into(), name: name.into(), source });
        self.by_full_name.insert(full_name, at);
        self.by_name.entry(lower(&[name])).or_insert(at);
        Ok(at)
    }
}

fn text(name: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(name).ok()?;
    (text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)).then_some(text)
}

/// Group and name of `name` or `group:name`.
fn split(name: &str) -> Option<(&str, &str)> {
    let (group, name) = name.split_once(':').unwrap_or((DEFAULT_GROUP, name));
    (!group.is_empty() && !name.is_empty()).then_some((group, name))
}

fn lower(parts: &[&str]) -> Key {
    parts.iter().flat_map(|part| part.bytes()).map(|byte| byte.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::series::Algorithm;
    use super::*;

    const NOW: Moment = Moment { tick: duologue_sip::Tick::from_millis(5_000), unix: 5 };

    fn read(counters: &Dynamic, name: &str) -> Option<u64> {
        counters.read(name.as_bytes(), NOW)
    }

    /// spec/script.md §14: look-up by bare name or `group:name`, whatever the case.
    #[test]
    fn counters_are_found_by_both_names() {
        let counters = Dynamic::default();
        counters.declare_group("calls");
        counters.update(b"calls:Answered", 2).unwrap();
        counters.update(b"tries", 1).unwrap();
        for name in ["Answered", "answered", "calls:answered", "CALLS:ANSWERED"] {
            assert_eq!(read(&counters, name), Some(2), "{name}");
        }
        assert_eq!(read(&counters, "dynamic:tries"), Some(1));
        for name in ["other", "dynamic:answered", "calls:", ":answered", ""] {
            assert_eq!(read(&counters, name), None, "{name}");
        }
        // The bare name stays with the one that was first.
        counters.update(b"dynamic:answered", 7).unwrap();
        assert_eq!(read(&counters, "answered"), Some(2));
        assert_eq!(read(&counters, "dynamic:answered"), Some(7));
    }

    #[test]
    fn counters_stay_between_their_ends() {
        let counters = Dynamic::default();
        counters.update(b"n", -5).unwrap();
        assert_eq!(read(&counters, "n"), Some(0));
        counters.update(b"n", 3).unwrap();
        counters.update(b"n", -1).unwrap();
        assert_eq!(read(&counters, "n"), Some(2));
    }

    /// spec/modules.md §24: `no_reset`, and groups of `stat_groups` only.
    #[test]
    fn some_are_not_reset_and_groups_are_declared() {
        let counters = Dynamic::default();
        counters.declare("kept", false).unwrap();
        counters.declare("mine:free", true).unwrap();
        counters.update(b"kept", 4).unwrap();
        counters.update(b"free", 4).unwrap();
        assert!(counters.reset(b"kept"));
        assert!(counters.reset(b"mine:free"));
        assert!(!counters.reset(b"unknown"));
        assert_eq!(read(&counters, "kept"), Some(4));
        assert_eq!(read(&counters, "free"), Some(0));
        assert_eq!(counters.update(b"other:x", 1), Err(Refused::UnknownGroup));
        assert_eq!(counters.update(b"mine:x", 1), Ok(()));
        let mut seen = Vec::new();
        counters.visit(NOW, &mut |group, name, value, resettable| {
            seen.push(format!("{group}:{name}={value} {resettable}"));
        });
        assert_eq!(seen, ["dynamic:kept=4 false", "mine:free=0 true", "mine:x=1 true"]);
    }

    #[test]
    fn names_and_numbers_are_bounded() {
        let counters = Dynamic::default();
        let long = "x".repeat(NAME_BYTES_MAX);
        for bad in ["", ":", "a:", ":a", "a\nb", long.as_str()] {
            assert_eq!(counters.update(bad.as_bytes(), 1), Err(Refused::BadName), "{bad}");
        }
        assert_eq!(counters.update(b"\xff", 1), Err(Refused::BadName));
        for n in 0..DYNAMIC_MAX {
            counters.update(format!("c{n}").as_bytes(), 1).unwrap();
        }
        assert_eq!(counters.update(b"one-more", 1), Err(Refused::Full));
        assert_eq!(counters.update(b"c0", 1), Ok(()));
    }

    #[test]
    fn a_name_is_a_counter_or_a_series() {
        let counters = Dynamic::default();
        let profile = Arc::new(Profile {
            name: "p".to_owned(),
            algorithm: Algorithm::Accumulate,
            window_seconds: 10,
            slots: 10,
            group: "dynamic".to_owned(),
            percentage_factor: 100,
        });
        counters.update_series(&profile, b"rate", 3, NOW).unwrap();
        counters.update_series(&profile, b"Rate", 4, NOW).unwrap();
        assert_eq!(read(&counters, "dynamic:rate"), Some(7));
        assert_eq!(counters.update(b"rate", 1), Err(Refused::OtherKind));
        counters.update(b"n", 1).unwrap();
        assert_eq!(counters.update_series(&profile, b"n", 1, NOW), Err(Refused::OtherKind));
        assert!(counters.reset(b"rate"), "known, but not to be reset");
        assert_eq!(read(&counters, "rate"), Some(7));
    }
}
