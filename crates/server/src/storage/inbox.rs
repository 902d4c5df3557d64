//! What a writer is to do next.

use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Who waits for an order: how many rows it was about, or a text for people.
pub type Answer = Sender<Result<u64, String>>;

/// What a writer has to do, gathered until it has time.
pub(super) trait Work: Default {
    /// Whether somebody waits for it.
    fn is_urgent(&self) -> bool;
}

/// What there is to do now.
#[derive(Debug)]
pub(super) struct Round<W> {
    pub(super) work: W,
    /// The program ends: this round is the last one.
    pub(super) last: bool,
}

/// The door of a writer.
#[derive(Debug)]
pub(super) struct Inbox<W> {
    /// Whether what differs is written as soon as it does.
    eager: bool,
    state: Mutex<State<W>>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State<W> {
    /// Something differs from its row.
    marked: bool,
    /// The program ends.
    ending: bool,
    next: W,
}

impl<W: Work> Inbox<W> {
    pub(super) fn new(eager: bool) -> Self {
        Self { eager, state: Mutex::default(), ready: Condvar::new() }
    }

    /// Something differs from its row.
    pub(super) fn mark(&self) {
        self.state.lock().marked = true;
        if self.eager {
            self.ready.notify_one();
        }
    }

    /// There is something more to do.
    pub(super) fn add(&self, put: impl FnOnce(&mut W)) {
        put(&mut self.state.lock().next);
        self.ready.notify_one();
    }

    /// Asks for something, and waits until it is done.
    pub(super) fn ask(&self, put: impl FnOnce(&mut W, Answer)) -> Result<u64, String> {
        let (answer, answered) = mpsc::channel();
        {
            let mut state = self.state.lock();
            if state.ending {
                return Err(ENDING.to_owned());
            }
            put(&mut state.next, answer);
        }
        self.ready.notify_one();
        answered.recv().unwrap_or_else(|_| Err(ENDING.to_owned()))
    }

    /// The next round is the last one.
    pub(super) fn stop(&self) {
        self.state.lock().ending = true;
        self.ready.notify_one();
    }

    /// What there is to do by now.
    pub(super) fn take(&self) -> Round<W> {
        self.state.lock().take()
    }

    /// Waits for something to do, at most until `until`. What only differs from its row does not
    /// come before `marks_from`, so that more comes together.
    pub(super) fn wait(&self, marks_from: Instant, until: Option<Instant>) -> Round<W> {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let marked = self.eager && state.marked;
            let due = until.is_some_and(|until| until <= now);
            if state.ending || state.next.is_urgent() || due || (marked && marks_from <= now) {
                return state.take();
            }
            let until = until.into_iter().chain(marked.then_some(marks_from)).min();
            match until {
                Some(until) => {
                    self.ready.wait_until(&mut state, until);
                }
                None => self.ready.wait(&mut state),
            }
        }
    }
}

impl<W: Work> State<W> {
    fn take(&mut self) -> Round<W> {
        self.marked = false;
        Round { work: std::mem::take(&mut self.next), last: self.ending }
    }
}

const ENDING: &str = "the program is ending";
