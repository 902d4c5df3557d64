//! How long operations took: many of them, of which the slowest matter.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Times of operations.
#[derive(Default)]
pub(crate) struct Latency(Vec<u32>);

impl Latency {
    /// Does it and notes how long it took.
    pub(crate) fn of<R>(&mut self, operation: impl FnOnce() -> R) -> R {
        let begun = Instant::now();
        let result = operation();
        self.note(begun.elapsed());
        result
    }

    pub(crate) fn note(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Median, 99 % and 99.9 %, the worst, in µs.
    pub(crate) fn figures(mut self) -> Value {
        self.0.sort_unstable();
        let at = |share: f64| {
            let place = (self.0.len() as f64 * share) as usize;
            let nanos = self.0.get(place.min(self.0.len().saturating_sub(1)));
            f64::from(nanos.copied().unwrap_or(0)) / 1000.0
        };
        json!({
            "count": self.0.len(),
            "p50": at(0.5),
            "p99": at(0.99),
            "p99_9": at(0.999),
            "max": at(1.0),
        })
    }
}
