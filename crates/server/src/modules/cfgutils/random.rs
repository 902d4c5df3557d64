//! Chance: `rand_event()` and its probability, `$RANDOM`, weighted picks.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// Numbers that are no secret, for all workers at once (SplitMix64).
#[derive(Debug, Default)]
pub(super) struct Random(AtomicU64);

impl Random {
    /// Begins anew: the same seed gives the same numbers.
    pub(super) fn seed(&self, seed: u64) {
        self.0.store(seed, Relaxed);
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&self, bound: u64) -> u64 {
        // The upper half of the product: no division, and as even as 64 bits allow.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 to 2³¹ − 1.
    pub(super) fn number(&self) -> i32 {
        i32::try_from(self.below(1 << 31)).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub(super) fn happens(&self, percent: i32) -> bool {
        i64::try_from(self.below(100)).unwrap_or_default() < i64::from(percent)
    }

    /// The index of one of the weights, each as often as its share of their sum; those below 1
    /// never.
    pub(super) fn pick(&self, weights: &[i32]) -> Option<usize> {
        let weight = |weight: &i32| u64::from((*weight).max(0).unsigned_abs());
        let sum: u64 = weights.iter().map(weight).sum();
        let mut left = (sum > 0).then(|| self.below(sum))?;
        weights.iter().position(|each| match left.checked_sub(weight(each)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }

    /// Another order (Fisher and Yates).
    pub(super) fn shuffle<T>(&self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            list.swap(last, other);
        }
    }
}

/// The probability of `rand_event()` in percent: what it began with, what it is now.
#[derive(Debug)]
pub struct Probability {
    initial: i32,
    current: AtomicI32,
}

impl Probability {
    /// A probability; `None` if it is not 0 to 100.
    pub(super) fn new(percent: i32) -> Option<Self> {
        let initial = Some(percent).filter(|percent| (0..=100).contains(percent))?;
        Some(Self { initial, current: AtomicI32::new(initial) })
    }

    /// What it is now.
    pub fn get(&self) -> i32 {
        self.current.load(Relaxed)
    }

    /// Changes it; false if the number is not 0 to 100.
    pub fn set(&self, percent: i32) -> bool {
        let fits = (0..=100).contains(&percent);
        if fits {
            self.current.store(percent, Relaxed);
        }
        fits
    }

    /// Brings the `initial_probability` back.
    pub fn reset(&self) {
        self.current.store(self.initial, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_as_given() {
        let random = Random::default();
        random.seed(7);
        let of_1000 = |percent| (0..1000).filter(|_| random.happens(percent)).count();
        assert_eq!(of_1000(0), 0);
        assert_eq!(of_1000(100), 1000);
        assert!((250..350).contains(&of_1000(30)));
        assert!((0..1000).all(|_| random.number() >= 0));
        random.seed(7);
        let first = random.number();
        random.seed(7);
        assert_eq!(random.number(), first, "the same seed, the same number");
    }

    /// spec/modules.md §25, `set_select_weight()`.
    #[test]
    fn picks_go_by_weight() {
        let random = Random::default();
        let mut picked = [0; 4];
        for _ in 0..1000 {
            picked[random.pick(&[10, 0, 30, -5]).unwrap()] += 1;
        }
        assert_eq!((picked[1], picked[3]), (0, 0));
        assert!((200..300).contains(&picked[0]), "{picked:?}");
        assert_eq!(random.pick(&[]), None);
        assert_eq!(random.pick(&[0, -1]), None);
    }

    #[test]
    fn another_order_has_the_same_members() {
        let random = Random::default();
        let mut list: Vec<i32> = (0..50).collect();
        random.shuffle(&mut list);
        assert_ne!(list, (0..50).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
        random.shuffle(&mut Vec::<i32>::new());
    }

    /// spec/modules.md §25, `rand_set_prob()`, `rand_reset_prob()`.
    #[test]
    fn the_probability_is_a_percentage() {
        assert!(Probability::new(101).is_none());
        assert!(Probability::new(-1).is_none());
        let probability = Probability::new(10).unwrap();
        assert!(probability.set(100));
        assert!(!probability.set(101));
        assert_eq!(probability.get(), 100);
        probability.reset();
        assert_eq!(probability.get(), 10);
    }
}
