//! Series: what was told during the last seconds, as a sum, an average or a percentage
//! (spec/modules.md §24, `stat_series_profile`).

use std::sync::Arc;

use duologue_sip::Moment;
use parking_lot::Mutex;

/// How a family of series is reckoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in scripts.
    pub name: String,
    /// What is made of the values.
    pub algorithm: Algorithm,
    /// How far back a series looks.
    pub window_seconds: u32,
    /// Into how many pieces the window is cut: it moves on by a piece at a time.
    pub slots: u32,
    /// The group in which the series show.
    pub group: String,
    /// What all positive values and no other would show.
    pub percentage_factor: u32,
}

/// What a series makes of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Their sum.
    Accumulate,
    /// Their mean.
    Average,
    /// How much of their total is positive: +1 for a success and −1 for a failure give the share
    /// of successes.
    Percentage,
}

/// The values of one key.
#[derive(Debug)]
pub(super) struct Series {
    profile: Arc<Profile>,
    slots: Mutex<Box<[Slot]>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The number of this piece of time; what an older round left counts no more.
    number: u64,
    sum: i64,
    count: u64,
    positive: u64,
    total: u64,
}

impl Series {
    pub(super) fn new(profile: &Arc<Profile>) -> Self {
        let slots = vec![Slot::default(); profile.slots.max(1) as usize].into_boxed_slice();
        Self { profile: Arc::clone(profile), slots: Mutex::new(slots) }
    }

    /// The number of the piece of time that `now` is in; the first is 1, so that 0 is none.
    fn number(&self, now: Moment) -> u64 {
        let window = u64::from(self.profile.window_seconds.max(1)) * 1000;
        let slots = u64::from(self.profile.slots.max(1));
        now.tick.as_millis().saturating_mul(slots) / window + 1
    }

    pub(super) fn add(&self, value: i32, now: Moment) {
        let number = self.number(now);
        let mut slots = self.slots.lock();
        let at = (number % slots.len() as u64) as usize;
        let slot = &mut slots[at];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot.sum = slot.sum.saturating_add(value.into());
        slot.count += 1;
        slot.positive += u64::from(value.max(0).unsigned_abs());
        slot.total += u64::from(value.unsigned_abs());
    }

    /// The figure of the window that ends now; below zero there is none.
    pub(super) fn read(&self, now: Moment) -> u64 {
        let number = self.number(now);
        let mut all = Slot::default();
        {
            let slots = self.slots.lock();
            let oldest = (number + 1).saturating_sub(slots.len() as u64).max(1);
            for slot in slots.iter().filter(|slot| (oldest..=number).contains(&slot.number)) {
                all.sum = all.sum.saturating_add(slot.sum);
                all.count += slot.count;
                all.positive += slot.positive;
                all.total += slot.total;
            }
        }
        let figure = match self.profile.algorithm {
            Algorithm::Accumulate => Some(all.sum),
            Algorithm::Average => all.sum.checked_div(i64::try_from(all.count).unwrap_or(i64::MAX)),
            Algorithm::Percentage => {
                let whole = u128::from(all.positive) * u128::from(self.profile.percentage_factor);
                let share = whole.checked_div(all.total.into());
                share.and_then(|share| i64::try_from(share).ok())
            }
        };
        figure.and_then(|figure| u64::try_from(figure).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duologue_sip::Tick;

    fn at(seconds: u64) -> Moment {
        Moment { tick: Tick::from_millis(seconds * 1000), unix: seconds }
    }

    fn series(algorithm: Algorithm, window_seconds: u32, slots: u32) -> Series {
        Series::new(&Arc::new(Profile {
            name: "p".to_owned(),
            algorithm,
            window_seconds,
            slots,
            group: "g".to_owned(),
            percentage_factor: 100,
        }))
    }

    /// spec/modules.md §24: the window moves.
    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let sum = series(Algorithm::Accumulate, 60, 6);
        sum.add(5, at(100));
        sum.add(7, at(130));
        assert_eq!(sum.read(at(130)), 12);
        assert_eq!(sum.read(at(149)), 12);
        assert_eq!(sum.read(at(160)), 7, "the first one's ten seconds have passed out");
        assert_eq!(sum.read(at(190)), 0);
        sum.add(1, at(10_000));
        assert_eq!(sum.read(at(10_000)), 1);
    }

    #[test]
    fn averages_and_percentages() {
        let average = series(Algorithm::Average, 10, 10);
        assert_eq!(average.read(at(1)), 0, "of nothing");
        for value in [10, 20, 60] {
            average.add(value, at(1));
        }
        assert_eq!(average.read(at(1)), 30);
        let share = series(Algorithm::Percentage, 10, 1);
        assert_eq!(share.read(at(1)), 0, "of nothing");
        for value in [1, 1, 1, -1] {
            share.add(value, at(1));
        }
        assert_eq!(share.read(at(1)), 75);
        let sum = series(Algorithm::Accumulate, 10, 10);
        sum.add(-4, at(1));
        assert_eq!(sum.read(at(1)), 0, "nothing shows below zero");
    }
}
