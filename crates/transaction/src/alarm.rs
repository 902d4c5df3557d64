//! A deadline that may be off, in eight bytes.

use duologue_sip::Tick;

/// When to wake, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm(u64);

impl Alarm {
    pub(crate) const OFF: Self = Self(u64::MAX);

    /// Goes off `millis` after `now`.
    pub(crate) const fn after(now: Tick, millis: u32) -> Self {
        Self(now.as_millis().saturating_add(millis as u64))
    }

    pub(crate) const fn is_due(self, now: Tick) -> bool {
        self.0 <= now.as_millis()
    }

    pub(crate) fn tick(self) -> Option<Tick> {
        (self != Self::OFF).then(|| Tick::from_millis(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_is_never_due_and_the_due_millisecond_counts() {
        let alarm = Alarm::after(Tick::from_millis(10), 5);
        assert!(!alarm.is_due(Tick::from_millis(14)));
        assert!(alarm.is_due(Tick::from_millis(15)));
        assert!(alarm < Alarm::OFF && Alarm::OFF.tick().is_none());
    }
}
