//! The change feed: every transition, numbered, as one value (spec dialog.md §14.2).

use crate::record::Record;
use crate::sync::Mutex;
use crate::{DialogId, Dialogs, State};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

/// How many journals a table has at most.
pub const JOURNALS_MAX: usize = 4;

/// One transition: what `E_DLG_STATE_CHANGED` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number over the whole table; rises within a dialog.
    pub number: u64,
    /// The dialog: did and db id.
    pub id: DialogId,
    /// Call-ID.
    pub call_id: Box<[u8]>,
    /// From-tag.
    pub from_tag: Box<[u8]>,
    /// To-tag of the answered or first callee leg; may be empty.
    pub to_tag: Box<[u8]>,
    /// The state before.
    pub old: State,
    /// The state now.
    pub new: State,
}

impl Change {
    pub(crate) fn of(number: u64, id: DialogId, record: &Record, old: State) -> Self {
        Self {
            number,
            id,
            call_id: record.call_id().into(),
            from_tag: record.legs[0].tag().into(),
            to_tag: record.callee().map_or(b"".as_slice(), |leg| leg.tag()).into(),
            old,
            new: record.state,
        }
    }
}

/// A reader of all transitions. It is called by whoever runs the call, without any lock, and must
/// not wait: take the change and go.
pub trait Journal: Send + Sync {
    /// Whether it takes changes now. While it does not, they are not even made. It is asked with a
    /// lock held: it looks at a flag, no more.
    fn wants(&self) -> bool {
        true
    }

    /// Takes one change. Changes of one dialog come in order.
    fn record(&self, change: Change);
}

/// A journal in memory with a bound: when it is full, changes are dropped and counted.
#[derive(Debug)]
pub struct BoundedJournal {
    limit: usize,
    state: Mutex<(VecDeque<Change>, u64)>,
}

impl BoundedJournal {
    /// A journal that keeps at most `limit` changes until they are taken.
    pub fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Takes the oldest change.
    pub fn take(&self) -> Option<Change> {
        self.state.lock().0.pop_front()
    }

    /// How many changes found it full.
    pub fn dropped(&self) -> u64 {
        self.state.lock().1
    }
}

impl Journal for BoundedJournal {
    fn record(&self, change: Change) {
        let mut state = self.state.lock();
        if state.0.len() < self.limit {
            state.0.push_back(change);
        } else {
            state.1 += 1;
        }
    }
}

impl Dialogs {
    /// Adds a journal, for as long as the table lives. False if there are [`JOURNALS_MAX`]
    /// already. Without a journal that wants them, changes cost nothing.
    pub fn add_journal(&self, journal: Arc<dyn Journal>) -> bool {
        let mut journal = Some(journal);
        for place in &self.inner.journals {
            place.get_or_init(|| journal.take().expect("one place is taken at most"));
            if journal.is_none() {
                return true;
            }
        }
        false
    }

    fn journals(&self) -> impl Iterator<Item = &Arc<dyn Journal>> {
        let journals = self.inner.journals.iter().map_while(OnceLock::get);
        journals.filter(|journal| journal.wants())
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.journals().next().is_some()
    }

    pub(crate) fn tell(&self, change: Option<Change>) {
        let mut journals = self.journals().peekable();
        let Some(change) = change else { return };
        while let Some(journal) = journals.next() {
            if journals.peek().is_none() {
                return journal.record(change);
            }
            journal.record(change.clone());
        }
    }
}
