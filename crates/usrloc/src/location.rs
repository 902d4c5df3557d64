//! All tables, and what they share: numbers, limits, the journal.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use duologue_sip::Tick;
use parking_lot::Mutex;

use crate::limits::TABLES_MAX;
use crate::stale::Follower;
use crate::{ContactId, Journal, Limits, Matching, Table};

/// The rules of a [`Location`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What makes two contacts of a user the same.
    pub matching: Matching,
    /// How long after a registration one with the same CSeq counts as the same come again.
    pub cseq_delay: Duration,
    /// Whether, among contacts of the same q, those refreshed last are tried first.
    pub newest_first: bool,
    /// Users are spread over 2 to the power of this many shards.
    pub hash_bits: u32,
    /// How much there may be.
    pub limits: Limits,
}

impl Default for Settings {
    /// spec/modules.md §13.
    fn default() -> Self {
        Self {
            matching: Matching::Uri,
            cseq_delay: Duration::from_secs(20),
            newest_first: false,
            hash_bits: 9,
            limits: Limits::default(),
        }
    }
}

/// Where all users are.
#[derive(Debug)]
pub struct Location {
    /// Those that are open stand in front. A table stays for ever, so that it can be lent out.
    tables: [OnceLock<Table>; TABLES_MAX],
    pub(crate) shared: Arc<Shared>,
}

impl Location {
    /// A location with these tables, all empty, by name; what is beyond [`TABLES_MAX`] is left out.
    /// `key` must be unknown to the outside: it decides which users share a lock. The first contact
    /// gets the number `first_id`, which should be above those of earlier runs.
    pub fn new(
        settings: Settings,
        key: (u64, u64),
        first_id: u64,
        tables: impl IntoIterator<Item = String>,
    ) -> Self {
        let shared = Arc::new(Shared {
            settings,
            key,
            room: Room::default(),
            next_id: AtomicU64::new(first_id),
            next_number: AtomicU64::new(1),
            ahead: Mutex::default(),
            journal: OnceLock::new(),
            follower: OnceLock::new(),
        });
        let mut names: Vec<String> = tables.into_iter().collect();
        names.sort();
        names.dedup();
        let location = Self { tables: [const { OnceLock::new() }; TABLES_MAX], shared };
        for name in &names {
            location.open(name);
        }
        location
    }

    /// The table of this name, opened now if there is none; `None` if there are [`TABLES_MAX`] others.
    pub fn open(&self, name: &str) -> Option<&Table> {
        self.tables
            .iter()
            .map(|place| place.get_or_init(|| Table::new(name, Arc::clone(&self.shared))))
            .find(|table| &**table.name() == name)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables().find(|table| &**table.name() == name)
    }

    /// All tables that are open.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().map_while(OnceLock::get)
    }

    /// How many users are registered, over all tables.
    pub fn users(&self) -> usize {
        self.tables().map(|table| table.statistics().users).sum()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.users() == 0
    }

    /// How many updates and keys found the location full.
    pub fn refused(&self) -> u64 {
        self.shared.room.refused.load(Relaxed)
    }

    /// How much there is, as it is counted.
    pub(crate) fn room(&self) -> Growth {
        let room = &self.shared.room;
        Growth {
            contacts: room.contacts.load(Relaxed).cast_signed(),
            octets: room.octets.load(Relaxed).cast_signed(),
        }
    }

    /// The rules.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Removes contacts whose time is over, `most` at a time; true if there are more.
    ///
    /// Nobody sees them meanwhile: reading leaves them out by itself.
    pub fn expire(&self, now: Tick, most: usize) -> bool {
        let mut left = most;
        for table in self.tables() {
            left -= table.expire(now, left);
            if left == 0 {
                return true;
            }
        }
        false
    }

    /// Sets the one journal, once, before the first registration. False if there is one. Without a
    /// journal, changes cost nothing.
    pub fn set_journal(&self, journal: Arc<dyn Journal>) -> bool {
        self.shared.journal.set(journal).is_ok()
    }
}

/// What the tables share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) key: (u64, u64),
    pub(crate) room: Room,
    next_id: AtomicU64,
    next_number: AtomicU64,
    /// Numbers that earlier processes gave out and we have still to come to.
    ahead: Mutex<BTreeSet<u64>>,
    pub(crate) journal: OnceLock<Arc<dyn Journal>>,
    pub(crate) follower: OnceLock<Follower>,
}

impl Shared {
    pub(crate) fn next_id(&self) -> ContactId {
        loop {
            let id = self.next_id.fetch_add(1, Relaxed);
            let mut ahead = self.ahead.lock();
            if ahead.is_empty() || !ahead.remove(&id) {
                return ContactId(id);
            }
        }
    }

    /// A number is not to be given out: a contact of an earlier process has it.
    pub(crate) fn reserve(&self, id: ContactId) {
        if id.0 >= self.next_id.load(Relaxed) {
            self.ahead.lock().insert(id.0);
        }
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Relaxed)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How much there is, against how much there may be.
#[derive(Debug, Default)]
pub(crate) struct Room {
    contacts: AtomicUsize,
    octets: AtomicUsize,
    refused: AtomicU64,
}

/// A change of what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) contacts: isize,
    pub(crate) octets: isize,
}

impl Room {
    /// Takes note of a change; false, and counted, if it goes beyond the limits. What shrinks always
    /// fits.
    pub(crate) fn take(&self, growth: Growth, limits: &Limits) -> bool {
        let fits = grow(&self.contacts, growth.contacts, limits.contacts);
        if fits && grow(&self.octets, growth.octets, limits.octets) {
            return true;
        }
        if fits {
            // The contacts were taken note of already.
            grow(&self.contacts, -growth.contacts, usize::MAX);
        }
        self.refused.fetch_add(1, Relaxed);
        false
    }
}

fn grow(counter: &AtomicUsize, by: isize, max: usize) -> bool {
    let grown = |now: usize| {
        let then = now.saturating_add_signed(by);
        (by <= 0 || then <= max).then_some(then)
    };
    counter.fetch_update(Relaxed, Relaxed, grown).is_ok()
}
