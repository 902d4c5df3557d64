//! A moment in four bytes: to the hundredth of a second, for a year and four months.

use duologue_sip::Tick;
use std::time::Duration;

/// Milliseconds of a stamp's step.
const STEP: u64 = 10;

/// When something was, told by how long ago it is. After 497 days it counts anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp(u32);

impl Stamp {
    pub(crate) const fn at(tick: Tick) -> Self {
        Self((tick.as_millis() / STEP) as u32)
    }

    /// What was this long ago.
    pub(crate) const fn before(now: Tick, age: Duration) -> Self {
        Self(Self::at(now).0.wrapping_sub((age.as_millis() as u64 / STEP) as u32))
    }

    /// How long ago it is.
    pub(crate) const fn age(self, now: Tick) -> Duration {
        let steps = Self::at(now).0.wrapping_sub(self.0);
        Duration::from_millis(steps as u64 * STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_across_the_end_of_the_count() {
        let before = Tick::from_millis((u64::from(u32::MAX) - 5) * STEP);
        let stamp = Stamp::at(before);
        assert_eq!(stamp.age(before), Duration::ZERO);
        assert_eq!(stamp.age(before + Duration::from_secs(90)), Duration::from_secs(90));
    }
}
