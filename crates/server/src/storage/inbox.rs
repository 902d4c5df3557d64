//! What the writer is to do next.

use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use duologue_dialog::{DialogKey, Stale};
use parking_lot::{Condvar, Mutex};

/// Who waits for an order: how many rows it was about, or a text for people.
pub type Answer = Sender<Result<u64, String>>;

/// What an operator asks for.
#[derive(Debug)]
pub enum Order {
    /// Read the table into memory (`dialog:db_sync`).
    Read(Answer),
    /// Write the table anew (`dialog:restore_db`).
    Rewrite(Answer),
}

impl Order {
    pub(super) fn answer(self, with: Result<u64, String>) {
        let (Self::Read(to) | Self::Rewrite(to)) = self;
        // Who asked may have gone.
        let _ = to.send(with);
    }
}

/// What there is to do now.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Dialogs that were asked for their values, and how they are to be written.
    pub(super) taken: Vec<(DialogKey, Option<Stale>)>,
    /// Dialogs whose answer waits for their row.
    pub(super) awaited: Vec<DialogKey>,
    /// What operators ask for.
    pub(super) orders: Vec<Order>,
    /// The program ends: this round is the last one.
    pub(super) last: bool,
}

/// The door of the writer.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Whether what differs is written as soon as it does.
    eager: bool,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Something differs from its row.
    marked: bool,
    next: Round,
}

impl Inbox {
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

    pub(super) fn taken(&self, key: DialogKey, stale: Option<Stale>) {
        self.state.lock().next.taken.push((key, stale));
        self.ready.notify_one();
    }

    pub(super) fn await_commit(&self, key: DialogKey) {
        self.state.lock().next.awaited.push(key);
        self.ready.notify_one();
    }

    pub(super) fn ask(&self, order: fn(Answer) -> Order) -> Result<u64, String> {
        let (answer, answered) = mpsc::channel();
        {
            let mut state = self.state.lock();
            if state.next.last {
                return Err(ENDING.to_owned());
            }
            state.next.orders.push(order(answer));
        }
        self.ready.notify_one();
        answered.recv().unwrap_or_else(|_| Err(ENDING.to_owned()))
    }

    /// The next round is the last one.
    pub(super) fn stop(&self) {
        self.state.lock().next.last = true;
        self.ready.notify_one();
    }

    /// What there is to do by now.
    pub(super) fn take(&self) -> Round {
        let mut state = self.state.lock();
        state.take()
    }

    /// Waits for something to do, at most until `until`. What only differs from its row does not
    /// come before `marks_from`, so that more comes together.
    pub(super) fn wait(&self, marks_from: Instant, until: Option<Instant>) -> Round {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let Round { taken, awaited, orders, last } = &state.next;
            let urgent = *last || !(taken.is_empty() && awaited.is_empty() && orders.is_empty());
            let marked = self.eager && state.marked;
            let due = until.is_some_and(|until| until <= now);
            if urgent || due || (marked && marks_from <= now) {
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

impl State {
    fn take(&mut self) -> Round {
        self.marked = false;
        // The end is not taken back.
        let last = Round { last: self.next.last, ..Round::default() };
        std::mem::replace(&mut self.next, last)
    }
}

const ENDING: &str = "the program is ending";
