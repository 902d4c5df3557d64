//! Time as an argument: floors 0 to 2 never ask a clock, they are told.

use std::time::Duration;

/// A point on the process's monotonic time line, in milliseconds since an origin that the shell
/// picked. `std`'s instant cannot be made up; this one can, which is what makes a call replayable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The origin of the time line.
    pub const ZERO: Self = Self(0);

    /// The tick `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Tick {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Now, on both clocks: the monotonic one that timers obey and the wall clock that people,
/// databases and CDRs read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic time.
    pub tick: Tick,
    /// Seconds since 1970-01-01 UTC.
    pub unix: u64,
}
