//! What the writer of dialogs is asked for.

use duologue_dialog::{DialogKey, Stale};

use super::inbox::{Answer, Work};

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

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct ToDo {
    /// Dialogs that were asked for their values, and how they are to be written.
    pub(super) taken: Vec<(DialogKey, Option<Stale>)>,
    /// Dialogs whose answer waits for their row.
    pub(super) awaited: Vec<DialogKey>,
    /// What operators ask for.
    pub(super) orders: Vec<Order>,
}

impl Work for ToDo {
    fn is_urgent(&self) -> bool {
        let Self { taken, awaited, orders } = self;
        !(taken.is_empty() && awaited.is_empty() && orders.is_empty())
    }
}
