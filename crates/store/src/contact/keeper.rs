//! Which rows of contacts are to be written or removed, and what to tell once that is done. Like the
//! [`Keeper`](crate::Keeper) of dialogs it owns no thread and no connection, gathers no more than
//! [`PENDING_MAX`](crate::PENDING_MAX) rows, and leaves the rest as marks where they are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use duologue_sip::Moment;
use duologue_usrloc::{ContactId, Location, Stale, Table};

use super::{ContactWords, read_contact, write_contact};
use crate::pending::Pending;
use crate::{Batch, Database, Failure, LocationTable, Refused, RejectedTable};

/// How many contacts are taken at a time: a registration waits for no more than these.
const TAKEN_AT_A_TIME: usize = 32;

/// Gathers and writes what differs from its rows.
#[derive(Debug, Default)]
pub struct ContactKeeper {
    pending: Pending,
    /// By their table: what memory is told once it is written.
    written: HashMap<Arc<str>, Taken>,
    /// Tables in which rows without a contact may be.
    lost: BTreeSet<Arc<str>>,
}

/// Contacts that are on their way, each with whose it is.
type Taken = HashSet<(Arc<[u8]>, ContactId)>;

/// What was written.
#[derive(Debug, Default)]
pub struct WrittenContacts {
    /// How many rows were written or removed.
    pub rows: usize,
    /// Rows that the database refused; they were set aside.
    pub refused: Vec<Refused>,
}

/// The rows of contacts, by the name of their table in memory: where they are, and where those go
/// that are refused.
pub type ContactTables = HashMap<Arc<str>, (LocationTable, RejectedTable)>;

impl ContactKeeper {
    /// The next [`write`](Self::write) also removes rows of this table whose contact is not in memory.
    pub fn compare_next(&mut self, table: &Arc<str>) {
        self.lost.insert(Arc::clone(table));
    }

    /// How many rows wait to be written or removed.
    pub fn pending(&self) -> usize {
        self.pending.batch.len()
    }

    /// Takes what differs from its rows, of the tables that are open; true if there is more, once
    /// this is written. The location has to be [followed](Location::follow).
    pub fn gather(
        &mut self,
        now: Moment,
        users: &Location,
        tables: &ContactTables,
        words: &dyn ContactWords,
    ) -> bool {
        users.taking();
        let mut stale = Vec::new();
        for users in users.tables() {
            let Some((rows, _)) = tables.get(users.name()) else { continue };
            let mut next = Some(0);
            while let Some(from) = next {
                if self.pending.is_full(0) {
                    return true;
                }
                next = users.take_stale(from, TAKEN_AT_A_TIME, &mut stale);
                for stale in stale.drain(..) {
                    self.add(users.name(), stale, rows, now, words);
                }
            }
        }
        false
    }

    fn add(
        &mut self,
        name: &Arc<str>,
        stale: Stale,
        rows: &LocationTable,
        now: Moment,
        words: &dyn ContactWords,
    ) {
        match stale {
            Stale::Changed { aor, contact, keys } => {
                let (row, beside) = write_contact((&aor, &contact, &keys), now, words);
                self.pending.batch.upsert(rows.table(), rows.encode(&row, Some(&beside)).row);
                self.written.entry(Arc::clone(name)).or_default().insert((aor, contact.id));
            }
            Stale::Gone(id) => self.pending.batch.delete(rows.table(), id.0),
            Stale::Lost => _ = self.lost.insert(Arc::clone(name)),
        }
    }

    /// Writes what was gathered, in one transaction if the database takes it, and tells memory so.
    /// Rows that it refuses are set aside.
    ///
    /// # Errors
    /// Any [`Failure`] that is not a row's: what is still to be written stays gathered.
    pub fn write(
        &mut self,
        now: Moment,
        database: &mut dyn Database,
        users: &Location,
        tables: &ContactTables,
        words: &dyn ContactWords,
    ) -> Result<WrittenContacts, Failure> {
        while let Some(name) = self.lost.first().cloned() {
            if let (Some((rows, _)), Some(users)) = (tables.get(&name), users.table(&name)) {
                compare(database, users, rows, now, words)?;
            }
            self.lost.remove(&name);
        }
        let rows = self.pending();
        let aside = |table: &crate::Table| {
            let of = |(rows, _): &&(LocationTable, _)| rows.table().name() == table.name();
            tables.values().find(of).map(|(_, rejected)| rejected)
        };
        let refused = self.pending.write(now, database, &aside)?;
        let id = |it: &Refused| Some((it.table.name().to_owned(), it.row.first()?.as_id()?));
        let bad: HashSet<_> = refused.iter().filter_map(id).collect();
        for (name, written) in std::mem::take(&mut self.written) {
            let (Some((rows, _)), Some(users)) = (tables.get(&name), users.table(&name)) else {
                continue;
            };
            for (aor, id) in written {
                if bad.is_empty() || !bad.contains(&(rows.table().name().to_owned(), id.0)) {
                    users.saved(&aor, id);
                }
            }
        }
        Ok(WrittenContacts { rows, refused })
    }
}

/// Rows whose contact went without being remembered are removed.
fn compare(
    database: &mut dyn Database,
    users: &Table,
    rows: &LocationTable,
    now: Moment,
    words: &dyn ContactWords,
) -> Result<(), Failure> {
    let mut gone = HashSet::new();
    database.stream(rows.table(), 500, &mut |read| {
        for row in read {
            let Some(id) = row.first().and_then(|value| value.as_id()) else { continue };
            let read = rows.decode(row).ok().and_then(|it| read_contact(it, now, words).ok());
            // What cannot be read is for the next start to set aside.
            if read.is_some_and(|it| !users.has_contact(&it.aor, ContactId(id))) {
                gone.insert(id);
            }
        }
        ControlFlow::Continue(())
    })?;
    // At once, and so before a row that takes one of these numbers.
    let mut cleanup = Batch::new();
    gone.into_iter().for_each(|id| cleanup.delete(rows.table(), id));
    database.apply(&cleanup)
}
