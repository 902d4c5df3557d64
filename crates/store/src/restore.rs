//! The dialogs of a table come back (spec dialog.md §11.3): row by row as they arrive, whatever one
//! of them is like.

use std::ops::ControlFlow;

use duologue_dialog::{Dialog, Dialogs, RestoreError, Stored};
use duologue_sip::Moment;

use crate::cleanup::Cleanup;
use crate::record::{self, Dictionary, Unreadable};
use crate::{BadRow, Database, DialogTable, Failure, RejectedTable, Row};

/// How many rows are read at a time.
const SLICE: usize = 500;

/// What came of the rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Dialogs, or contacts, that are there again.
    pub loaded: u64,
    /// Those that were in memory already: what their rows had and memory had not was taken over
    /// ([`Dialogs::merge`]).
    pub known: u64,
    /// Rows of calls that had ended, and of contacts whose time was over: removed.
    pub ended: u64,
    /// Rows set aside.
    pub rejected: u64,
    /// Rows that stay where they are, for the next start: their socket is none of ours now, there is
    /// no room for them in memory, or more were bad than one start sets aside.
    pub left: u64,
}

impl Restored {
    /// How many rows there were.
    pub const fn rows(&self) -> u64 {
        self.loaded + self.known + self.ended + self.rejected + self.left
    }
}

/// Reads the whole table into memory. A row that cannot come back goes to `rejected` with the reason,
/// or is [left](Restored::left) where another start may take it. `owner` gives the shell's word for
/// a call of this Call-ID; `each` hears of every dialog that is there again (LOADED is told there)
/// and of how far it got.
///
/// # Errors
/// Any [`Failure`] while the rows are read. What was read by then is there. That rows cannot be set
/// aside or removed fails nothing: they are found again.
pub fn restore(
    database: &mut dyn Database,
    (table, rejected): (&DialogTable, &RejectedTable),
    (dialogs, words): (&Dialogs, &dyn Dictionary),
    now: Moment,
    owner: &dyn Fn(&[u8]) -> u64,
    each: &mut dyn FnMut(&Dialog, &Restored),
) -> Result<Restored, Failure> {
    let mut restored = Restored::default();
    let mut cleanup = Cleanup::new(table.table(), rejected, now);
    database.stream(table.table(), SLICE, &mut |rows| {
        for row in rows {
            match revive((table, &row), (dialogs, words), now, owner) {
                Revived::There(dialog) => {
                    restored.loaded += 1;
                    each(&dialog, &restored);
                }
                Revived::Known => restored.known += 1,
                Revived::Left => restored.left += 1,
                Revived::Ended | Revived::Bad(_) if cleanup.is_full() => restored.left += 1,
                Revived::Ended => {
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

enum Revived {
    There(Dialog),
    Known,
    Ended,
    Bad(String),
    Left,
}

fn revive(
    (table, row): (&DialogTable, &Row),
    (dialogs, words): (&Dialogs, &dyn Dictionary),
    now: Moment,
    owner: &dyn Fn(&[u8]) -> u64,
) -> Revived {
    let stored = match stored_in(table, row, words) {
        Ok(stored) => stored,
        // The next script may have it again.
        Err(Bad::Dialog(Unreadable::Socket(_))) => return Revived::Left,
        Err(Bad::Dialog(why)) => return Revived::Bad(why.to_string()),
        Err(Bad::Row(why)) => return Revived::Bad(why.to_string()),
    };
    if stored.state.is_ended() {
        return Revived::Ended;
    }
    match dialogs.restore(now, owner(&stored.call_id), &stored) {
        Ok(dialog) => Revived::There(dialog),
        Err(RestoreError::Known) => {
            dialogs.merge(now, &stored);
            Revived::Known
        }
        Err(RestoreError::Ended) => Revived::Known,
        Err(RestoreError::Full) => Revived::Left,
        Err(error) => Revived::Bad(error.to_string()),
    }
}

enum Bad {
    Row(BadRow),
    Dialog(Unreadable),
}

/// The dialog of a row. Nearly every row is as we wrote it: its payload says all, and its columns need
/// not even be taken apart.
fn stored_in(table: &DialogTable, row: &Row, words: &dyn Dictionary) -> Result<Stored, Bad> {
    let ours = table.table().own_payload(row);
    match ours.map(|payload| record::read_payload(&payload, words)) {
        Some(Ok(stored)) => Ok(stored),
        Some(Err(why @ Unreadable::Socket(_))) => Err(Bad::Dialog(why)),
        Some(Err(_)) | None => {
            let row = table.decode(row.clone()).map_err(Bad::Row)?;
            record::read(&row, words).map_err(Bad::Dialog)
        }
    }
}
