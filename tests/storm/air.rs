//! What is on its way: datagrams to the proxy, and the word that time has passed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Something for a receiver to do.
pub(crate) enum Work {
    /// A datagram, and who sent it.
    Datagram(SocketAddr, Vec<u8>),
    /// Look whose time has come.
    Wake,
}

/// A queue that knows when nothing is under way any more.
#[derive(Default)]
pub(crate) struct Air {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    in_hand: usize,
    closed: bool,
}

impl Air {
    /// Sends.
    pub(crate) fn put(&self, work: impl IntoIterator<Item = Work>) {
        self.state().waiting.extend(work);
        self.changed.notify_all();
    }

    /// The next thing to do, of which the taker says when it is [`done`](Self::done); waits for it.
    /// `None` once nothing more will come.
    pub(crate) fn take(&self) -> Option<Work> {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let mut state = self.changed.wait_while(self.state(), idle).unwrap();
        let work = state.waiting.pop_front()?;
        state.in_hand += 1;
        Some(work)
    }

    /// What was taken has been done, and what came of it was put.
    pub(crate) fn done(&self) {
        let mut state = self.state();
        state.in_hand -= 1;
        if state.in_hand == 0 && state.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    /// Waits until nothing is under way.
    pub(crate) fn settle(&self) {
        let busy =
            |state: &mut State| !state.closed && (state.in_hand > 0 || !state.waiting.is_empty());
        drop(self.changed.wait_while(self.state(), busy).unwrap());
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// How many things wait and how many are in hand.
    pub(crate) fn under_way(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting.len(), state.in_hand)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}
