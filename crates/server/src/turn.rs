//! A turn: the time in which one worker runs one call.

use std::sync::Arc;

use duologue_sip::Moment;

use crate::call::{Body, Call};
use crate::node::Node;
use crate::statistics::{Counter, Shard};
use crate::worker::Worker;

/// What the holder of a call's token has in hand.
#[derive(Debug)]
pub struct Turn<'t> {
    /// The proxy.
    pub node: &'t Node,
    /// The worker that runs the call: its outbox and its reusable buffers.
    pub worker: &'t mut Worker,
    /// The call.
    pub call: &'t Arc<Call>,
    /// What the call owns.
    pub body: &'t mut Body,
    /// Now.
    pub now: Moment,
}

impl Turn<'_> {
    /// The same turn for a shorter time.
    pub fn reborrow(&mut self) -> Turn<'_> {
        Turn {
            node: self.node,
            worker: &mut *self.worker,
            call: self.call,
            body: &mut *self.body,
            now: self.now,
        }
    }

    /// The worker's counters.
    pub fn statistics(&self) -> &Shard {
        self.node.statistics.shard(self.worker.index)
    }

    /// Counts one more.
    pub fn count(&self, counter: Counter) {
        self.statistics().bump(counter);
    }

    /// The Call-ID for a log line.
    pub fn call_id(&self) -> impl std::fmt::Display + '_ {
        String::from_utf8_lossy(self.call.key().call_id())
    }
}
