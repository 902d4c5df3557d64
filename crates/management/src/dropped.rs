//! What came in and could not be used, or went out and could not be delivered: counted, and told
//! without filling the log.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter that its door and the door's tasks share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped(Arc<AtomicU64>);

impl Dropped {
    /// Counts one. The log hears of the 1st, 2nd, 4th, 8th … of them.
    pub(crate) fn note(&self, door: &'static str, why: impl Display) {
        let count = self.0.fetch_add(1, Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(count, "{door}: {why}");
        }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
