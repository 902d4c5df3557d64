//! A part of a table under one lock: some users, and when their contacts end.

use std::collections::BTreeMap;
use std::sync::Arc;

use duologue_sip::Tick;
use parking_lot::Mutex;

use crate::location::Growth;
use crate::record::{Record, Step};
use crate::stale::Marked;
use crate::{Contact, ContactId, Entry, Expires};

/// A shard and who tells the journal of its changes.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) shard: Mutex<Shard>,
    /// Held while changes are told; never together with the other by the same thread's waiting.
    pub(crate) teller: Mutex<()>,
}

/// Some users. Trees, not hash tables: a listing can go on behind the last name it saw, and nobody
/// can choose names that are slow.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pub(crate) records: BTreeMap<Arc<[u8]>, Record>,
    deadlines: BTreeMap<(Tick, ContactId), Arc<[u8]>>,
    /// Changes that the journal was not told of yet.
    pub(crate) untold: Vec<Entry>,
    pub(crate) marked: Marked,
}

impl Shard {
    /// Moves the deadlines of a user's contacts along.
    pub(crate) fn follow(&mut self, aor: &Arc<[u8]>, step: &Step) {
        match step {
            Step::Inserted(is) => self.arm(aor, is),
            Step::Updated { was, is } => {
                self.disarm(was);
                self.arm(aor, is);
            }
            Step::Deleted(was, _) => self.disarm(was),
        }
    }

    /// How many contacts will end by themselves.
    pub(crate) fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    fn arm(&mut self, aor: &Arc<[u8]>, contact: &Contact) {
        if let Expires::At(at) = contact.expires {
            self.deadlines.insert((at, contact.id), Arc::clone(aor));
        }
    }

    fn disarm(&mut self, contact: &Contact) {
        if let Expires::At(at) = contact.expires {
            self.deadlines.remove(&(at, contact.id));
        }
    }

    /// The user whose contact ends first, if that is due.
    pub(crate) fn due(&self, now: Tick) -> Option<Arc<[u8]>> {
        let ((at, _), aor) = self.deadlines.first_key_value()?;
        (*at <= now).then(|| Arc::clone(aor))
    }
}

impl Step {
    /// How much more or less there is after it.
    pub(crate) fn growth(&self) -> Growth {
        let octets = |contact: &Contact| contact.octets().cast_signed();
        match self {
            Self::Inserted(is) => Growth { contacts: 1, octets: octets(is) },
            Self::Updated { was, is } => Growth { contacts: 0, octets: octets(is) - octets(was) },
            Self::Deleted(was, _) => Growth { contacts: -1, octets: -octets(was) },
        }
    }
}

impl std::iter::Sum for Growth {
    fn sum<I: Iterator<Item = Self>>(growths: I) -> Self {
        growths.fold(Self::default(), |sum, growth| Self {
            contacts: sum.contacts + growth.contacts,
            octets: sum.octets + growth.octets,
        })
    }
}
