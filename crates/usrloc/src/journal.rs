//! The change feed: what happened to whom, numbered, as one value. Persistence, replication and
//! events are its readers; the store knows none of them.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Contact, KeyValue};

/// One change of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number over the whole location; rises within a user.
    pub number: u64,
    /// The table.
    pub table: Arc<str>,
    /// The address of record.
    pub aor: Arc<[u8]>,
    /// What happened.
    pub event: Event,
}

/// What happened. An [`AorInserted`](Self::AorInserted) comes before the first contact of a user, an
/// [`AorDeleted`](Self::AorDeleted) after the last one is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A user got the first contact.
    AorInserted,
    /// A user has none any more; the keys are gone as well.
    AorDeleted,
    /// A contact is new.
    Inserted(Arc<Contact>),
    /// A contact was refreshed: this is how it stands now.
    Updated(Arc<Contact>),
    /// A contact is gone: this is how it stood last.
    Deleted(Arc<Contact>, Gone),
    /// A contact answered a ping: this is how it stands now. The binding is what it was.
    Measured(Arc<Contact>),
    /// A script changed the keys of a user: these are all, sorted.
    Keys(Arc<[KeyValue]>),
}

/// Why a contact is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Its time was over.
    Expired,
    /// Somebody removed it: the phone, a script, an operator.
    Removed,
    /// It was the oldest of a user and had to make room.
    Displaced,
}

/// A reader of all changes. It is called by whoever made the change, without any lock, and must not
/// wait: take the entry and go. It may call the store.
pub trait Journal: Send + Sync {
    /// Takes one change. Changes of one user come in order.
    fn record(&self, entry: Entry);
}

/// A journal in memory with a bound: when it is full, changes are dropped and counted.
#[derive(Debug)]
pub struct BoundedJournal {
    limit: usize,
    state: Mutex<(VecDeque<Entry>, u64)>,
}

impl BoundedJournal {
    /// A journal that keeps at most `limit` changes until they are taken.
    pub fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Takes the oldest change.
    pub fn take(&self) -> Option<Entry> {
        self.state.lock().0.pop_front()
    }

    /// How many changes found it full.
    pub fn dropped(&self) -> u64 {
        self.state.lock().1
    }
}

impl Journal for BoundedJournal {
    fn record(&self, entry: Entry) {
        let mut state = self.state.lock();
        if state.0.len() < self.limit {
            state.0.push_back(entry);
        } else {
            state.1 += 1;
        }
    }
}
