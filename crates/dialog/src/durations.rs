//! How long calls took to be answered, rang and lasted: histograms that cost an addition under the
//! lock that a transition holds anyway, to the hundredth of a second, added up over the shards when
//! somebody reads.

use crate::record::Record;
use crate::stamp::Stamp;
use crate::{Dialogs, State};
use duologue_sip::Tick;
use std::time::Duration;

/// How many bounds a histogram has.
const BOUNDS: usize = 14;

/// Bounds for times in which people wait, in milliseconds.
const WAITING: [u64; BOUNDS] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 120_000,
    180_000,
];

/// Bounds for times in which people talk, in milliseconds.
const TALKING: [u64; BOUNDS] = [
    1_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000,
    3_600_000, 7_200_000, 14_400_000, 28_800_000,
];

/// Durations, sorted into classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [u64; BOUNDS],
    /// How many were at most their bound and above the one before; the last has no bound.
    counts: [u64; BOUNDS + 1],
    millis: u64,
}

impl Histogram {
    const fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Self { bounds, counts: [0; BOUNDS + 1], millis: 0 }
    }

    fn add(&mut self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.counts[self.bounds.partition_point(|bound| *bound < millis)] += 1;
        self.millis = self.millis.saturating_add(millis);
    }

    fn absorb(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        self.millis = self.millis.saturating_add(other.millis);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// Each bound, and how many were at most as long.
    pub fn cumulated(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let mut below = 0;
        self.bounds.iter().zip(self.counts).map(move |(bound, count)| {
            below += count;
            (Duration::from_millis(*bound), below)
        })
    }
}

/// The durations of the calls of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// From the creation of the dialog, at its INVITE, to the answer.
    pub setup: Histogram,
    /// From the first provisional reply that made the dialog early to the answer.
    pub ringing: Histogram,
    /// From the answer to the end.
    pub talking: Histogram,
}

impl Durations {
    pub(crate) const fn new() -> Self {
        let (waiting, talking) = (Histogram::new(&WAITING), Histogram::new(&TALKING));
        Self { setup: waiting, ringing: waiting, talking }
    }

    /// A dialog went from `old` to the state that it has now.
    pub(crate) fn moved(&mut self, record: &mut Record, old: State, now: Tick) {
        use State::{Confirmed, ConfirmedNa, Deleted, Early, Unconfirmed};
        match (old, record.state) {
            (Unconfirmed, Early) => record.phase_at = Stamp::at(now),
            (Unconfirmed | Early, ConfirmedNa | Confirmed) => {
                self.setup.add(record.created_at.age(now));
                if old == Early {
                    self.ringing.add(record.phase_at.age(now));
                }
                record.phase_at = Stamp::at(now);
            }
            (ConfirmedNa | Confirmed, Deleted) => self.talking.add(record.phase_at.age(now)),
            _ => {}
        }
    }
}

impl Dialogs {
    /// How long calls took since the start, read shard by shard.
    pub fn durations(&self) -> Durations {
        let mut sum = Durations::new();
        for shard in &self.inner.shards {
            let durations = shard.lock().durations;
            sum.setup.absorb(&durations.setup);
            sum.ringing.absorb(&durations.ringing);
            sum.talking.absorb(&durations.talking);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_class() {
        let mut histogram = Histogram::new(&WAITING);
        for millis in [0, 100, 101, 180_000, 180_001] {
            histogram.add(Duration::from_millis(millis));
        }
        let cumulated: Vec<u64> = histogram.cumulated().map(|(_, count)| count).collect();
        assert_eq!(cumulated, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!((histogram.count(), histogram.sum().as_millis()), (5, 360_202));
    }
}
