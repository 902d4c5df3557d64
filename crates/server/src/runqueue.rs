//! Where whole calls wait for an idle worker.
//!
//! A receiver runs its batch to completion by itself; only when its socket has a backlog does it
//! hand calls over, so an unloaded proxy pays no wake-ups. Management and resumed runs come this
//! way too: their threads own no worker.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::call::Call;

/// Calls whose token is held by the queue: each has a job and waits for somebody to run it.
#[derive(Debug, Default)]
pub struct RunQueue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    calls: VecDeque<Arc<Call>>,
    idle: usize,
    stopped: bool,
}

impl RunQueue {
    /// Hands a call over; its token must be held by the caller and passes to the worker.
    pub(crate) fn push(&self, call: Arc<Call>) {
        let mut state = self.state.lock();
        state.calls.push_back(call);
        if state.idle > 0 {
            self.ready.notify_one();
        }
    }

    /// Waits for a call to run; `None` once the queue has stopped and is empty.
    pub(crate) fn pop(&self) -> Option<Arc<Call>> {
        let mut state = self.state.lock();
        loop {
            if let Some(call) = state.calls.pop_front() {
                return Some(call);
            }
            if state.stopped {
                return None;
            }
            state.idle += 1;
            self.ready.wait(&mut state);
            state.idle -= 1;
        }
    }

    /// A call to run if one waits right now.
    pub(crate) fn try_pop(&self) -> Option<Arc<Call>> {
        self.state.lock().calls.pop_front()
    }

    /// How many calls wait, for the overload guard.
    pub fn len(&self) -> usize {
        self.state.lock().calls.len()
    }

    /// Whether no call waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a worker sits idle, so that handing over is worth its wake-up.
    pub(crate) fn has_idle_worker(&self) -> bool {
        let state = self.state.lock();
        state.idle > state.calls.len()
    }

    /// Lets the helpers end once nothing waits any more.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.ready.notify_all();
    }
}
