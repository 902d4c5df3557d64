//! What a restore takes out of a table: rows that are over, and those that cannot come back.

use std::sync::Arc;

use duologue_sip::Moment;

use crate::{Batch, Database, RejectedTable, Row, Table, apply_setting_aside};

/// How many rows one restore takes out at most.
const CLEANUP_MAX: usize = 5_000;

/// Rows to be taken out, once the table was read.
pub(crate) struct Cleanup<'a> {
    table: &'a Arc<Table>,
    rejected: &'a RejectedTable,
    batch: Batch,
    at: u32,
}

impl<'a> Cleanup<'a> {
    pub(crate) fn new(table: &'a Arc<Table>, rejected: &'a RejectedTable, now: Moment) -> Self {
        let at = u32::try_from(now.unix).unwrap_or(u32::MAX);
        Self { table, rejected, batch: Batch::new(), at }
    }

    /// Whether there is no room for more: the next restore finds them again.
    pub(crate) fn is_full(&self) -> bool {
        self.batch.len() >= CLEANUP_MAX
    }

    /// This row is over.
    pub(crate) fn remove(&mut self, row: &Row) {
        // A row without a number cannot be named, and so stays.
        if let Some(key) = row.first().and_then(|value| value.as_id()) {
            self.batch.delete(self.table, key);
        }
    }

    /// This row cannot come back, and why.
    pub(crate) fn set_aside(&mut self, row: &Row, reason: &str) {
        self.rejected.set_aside(&mut self.batch, self.table, row, reason, self.at);
        self.remove(row);
    }

    /// Takes them out. What fails is tried by the next restore: it keeps nothing from coming back.
    pub(crate) fn carry_out(self, database: &mut dyn Database) {
        if !self.batch.is_empty() {
            let _ = apply_setting_aside(database, self.batch);
        }
    }
}
