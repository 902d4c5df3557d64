//! What time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use duologue_sip::{Moment, Tick};

/// The only clock of the proxy: monotonic since its start, and the wall clock for people.
///
/// A tick's milliseconds within its second are the wall clock's, so that the two together tell the
/// time finer than seconds (`$Tsm`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// How far into its second the wall clock was at the origin.
    phase: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), phase: Duration::from_micros(wall.subsec_micros().into()) }
    }

    pub(crate) fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        moment(millis(self.origin.elapsed() + self.phase), millis(wall))
    }
}

/// The moment of a tick and a wall clock: in the second that brings the tick's milliseconds nearest
/// to the wall clock, for the two never show the same instant exactly.
fn moment(tick_millis: u64, wall_millis: u64) -> Moment {
    let unix = (wall_millis + 500).saturating_sub(tick_millis % 1000) / 1000;
    Moment { tick: Tick::from_millis(tick_millis), unix }
}

#[cfg(test)]
mod tests {
    use super::moment;

    /// spec/script.md §8, `$Ts` and `$Tsm`: together they never go back, whichever of the two
    /// clocks turns its second first.
    #[test]
    fn seconds_and_milliseconds_belong_together() {
        let shown = |tick, wall| {
            let moment = moment(tick, wall);
            (moment.unix, moment.tick.as_millis() % 1000)
        };
        assert_eq!(shown(4_250, 1_700_000_000_250), (1_700_000_000, 250));
        assert_eq!(shown(4_999, 1_700_000_001_000), (1_700_000_000, 999));
        assert_eq!(shown(5_000, 1_700_000_000_999), (1_700_000_001, 0));
        assert_eq!(shown(0, 0), (0, 0));
    }
}
