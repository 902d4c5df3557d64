//! A subscriber that keeps events until somebody takes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{EventSink, NoRoom, Raised};

/// A queue of events with a bound, for modules that do more with an event than may be done while it
/// is raised: subscribe one end, read the other on a thread of your own.
///
/// ```
/// use duologue_server::events::{EventQueue, Events};
///
/// let events = Events::default();
/// let queue = EventQueue::new(1000);
/// events.subscribe("E_X", "module:reader", queue.clone())?;
/// events.publish("E_X")?.raise(|params| drop(params.int("n", 1)));
/// let raised = queue.take().expect("it was raised");
/// assert_eq!(raised.json(), r#"{"jsonrpc":"2.0","method":"E_X","params":{"n":1}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    waiting: Mutex<VecDeque<Arc<Raised>>>,
    arrived: Condvar,
}

impl EventQueue {
    /// A queue that keeps at most `limit` events; what comes when it is full is dropped and counted
    /// by the bus.
    pub fn new(limit: usize) -> Self {
        let shared = Shared { limit, waiting: Mutex::default(), arrived: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// The oldest event, if one waits.
    pub fn take(&self) -> Option<Arc<Raised>> {
        self.shared.waiting.lock().pop_front()
    }

    /// The oldest event; waits for one no longer than `limit`.
    pub fn wait(&self, limit: Duration) -> Option<Arc<Raised>> {
        let mut waiting = self.shared.waiting.lock();
        let empty = |waiting: &mut VecDeque<_>| waiting.is_empty();
        self.shared.arrived.wait_while_for(&mut waiting, empty, limit);
        waiting.pop_front()
    }
}

impl EventSink for EventQueue {
    fn take(&self, raised: &Arc<Raised>) -> Result<(), NoRoom> {
        let mut waiting = self.shared.waiting.lock();
        if waiting.len() >= self.shared.limit {
            return Err(NoRoom);
        }
        waiting.push_back(Arc::clone(raised));
        drop(waiting);
        self.shared.arrived.notify_one();
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.shared.waiting.lock().len()
    }
}
