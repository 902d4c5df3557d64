//! Messages that took longer than `exec_msg_threshold`: told in the log, in `slow_messages` and by
//! `E_CORE_THRESHOLD` (spec/script.md §2.3, §16).

use std::time::{Duration, Instant};

use crate::events::Publisher;
use crate::statistics::SLOW_MESSAGES;
use crate::turn::Turn;

/// The event.
pub(crate) const THRESHOLD: &str = "E_CORE_THRESHOLD";

/// How long handling a message may take before it is told.
#[derive(Debug)]
pub(crate) struct SlowMessages {
    pub(crate) limit: Duration,
    pub(crate) event: Publisher,
}

impl SlowMessages {
    /// Handles a message and looks at the clock.
    pub(crate) fn watch(&self, turn: &mut Turn<'_>, handle: impl FnOnce(&mut Turn<'_>)) {
        let begun = Instant::now();
        handle(turn);
        let took = begun.elapsed();
        if took <= self.limit {
            return;
        }
        turn.count(SLOW_MESSAGES);
        let micros = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        let limit = self.limit.as_micros();
        tracing::warn!(call_id = %turn.call_id(), "a message took {micros} us, more than {limit}");
        self.event.raise_at(turn.now, |params| {
            let call_id = turn.call.key().call_id();
            params.text("source", "msg processing").int("time", micros).text("extra", call_id);
        });
    }
}
