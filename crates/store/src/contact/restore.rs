//! The contacts of a table come back: row by row as they arrive, whatever one of them is like.

use std::collections::HashSet;
use std::ops::ControlFlow;

use duologue_sip::Moment;
use duologue_usrloc::{Contact, ContactId, NoRoom, Restored as InMemory, Table};

use super::{ContactWords, StoredContact, read_contact};
use crate::cleanup::Cleanup;
use crate::{Database, Failure, LocationTable, RejectedTable, Restored, Row};

/// How many rows are read at a time.
const SLICE: usize = 500;

/// Reads the whole table into memory. Rows whose contact is over or has been replaced are removed; one
/// that cannot come back goes to `rejected` with the reason, unless memory is full: that row stays
/// where it is. `each` hears of every contact that is there again, and of how far it got.
///
/// # Errors
/// As [`restore`](crate::restore()).
pub fn restore_contacts(
    database: &mut dyn Database,
    (rows, rejected): (&LocationTable, &RejectedTable),
    (users, words): (&Table, &dyn ContactWords),
    now: Moment,
    each: &mut dyn FnMut(&[u8], &Contact, &Restored),
) -> Result<Restored, Failure> {
    let reading = Reading { rows, rejected, users, words, now, only: None };
    reading.read(database, &mut |_| {}, each)
}

/// Reads the table, or the rows of one user, and removes the contacts that have no row any more
/// (`ul_sync`): what is in memory is what the table says, but for what is still to be written.
///
/// # Errors
/// As [`restore_contacts`]; nothing is removed then.
pub fn sync_contacts(
    database: &mut dyn Database,
    (rows, rejected): (&LocationTable, &RejectedTable),
    (users, words): (&Table, &dyn ContactWords),
    now: Moment,
    only: Option<&[u8]>,
    each: &mut dyn FnMut(&[u8], &Contact, &Restored),
) -> Result<Restored, Failure> {
    let mut seen = HashSet::new();
    let reading = Reading { rows, rejected, users, words, now, only };
    let restored = reading.read(database, &mut |id| _ = seen.insert(id), each)?;
    users.remove_rowless(only, |id| seen.contains(&id));
    Ok(restored)
}

struct Reading<'a> {
    rows: &'a LocationTable,
    rejected: &'a RejectedTable,
    users: &'a Table,
    words: &'a dyn ContactWords,
    now: Moment,
    only: Option<&'a [u8]>,
}

enum Revived {
    There(StoredContact),
    Known,
    /// Its time is over, or a newer one is in its place.
    Over,
    Bad(String),
    NoRoom,
    NotAsked,
}

impl Reading<'_> {
    fn read(
        &self,
        database: &mut dyn Database,
        seen: &mut dyn FnMut(ContactId),
        each: &mut dyn FnMut(&[u8], &Contact, &Restored),
    ) -> Result<Restored, Failure> {
        let mut restored = Restored::default();
        let table = self.rows.table();
        let mut cleanup = Cleanup::new(table, self.rejected, self.now);
        database.stream(table, SLICE, &mut |rows| {
            for row in rows {
                let key = row.first().and_then(|value| value.as_id());
                let revived = self.revive(row.clone());
                if let (Revived::There(_) | Revived::Known, Some(key)) = (&revived, key) {
                    seen(ContactId(key));
                }
                match revived {
                    Revived::There(stored) => {
                        restored.loaded += 1;
                        each(&stored.aor, &stored.contact, &restored);
                    }
                    Revived::Known => restored.known += 1,
                    Revived::NoRoom => restored.left += 1,
                    Revived::NotAsked => {}
                    Revived::Over | Revived::Bad(_) if cleanup.is_full() => restored.left += 1,
                    Revived::Over => {
                        restored.ended += 1;
                        cleanup.remove(&row);
                    }
                    Revived::Bad(reason) => {
                        restored.rejected += 1;
                        cleanup.set_aside(&row, &reason);
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        cleanup.carry_out(database);
        Ok(restored)
    }

    fn revive(&self, row: Row) -> Revived {
        let read = match self.rows.decode(row) {
            Ok(read) => read,
            Err(bad) => return Revived::Bad(bad.to_string()),
        };
        let stored = match read_contact(read, self.now, self.words) {
            Ok(stored) => stored,
            Err(why) => return Revived::Bad(why.to_string()),
        };
        let StoredContact { aor, contact, keys } = &stored;
        if self.only.is_some_and(|only| only != aor) {
            return Revived::NotAsked;
        }
        if !contact.is_bound(self.now.tick) {
            return Revived::Over;
        }
        match self.users.restore(aor, contact.clone(), keys) {
            Ok(InMemory::There) => Revived::There(stored),
            Ok(InMemory::Known) => Revived::Known,
            Ok(InMemory::Outdated) => Revived::Over,
            Err(NoRoom) => Revived::NoRoom,
        }
    }
}
