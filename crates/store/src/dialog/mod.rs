//! The table `dialog` (spec dialog.md §11.1): versions 11 and 12 are read, 12 is written.

mod row;
mod schema;

pub use row::{DialogRow, ReadRow, ScriptFlags};
pub use schema::{SCHEMA, SCHEMA_11, place};

use crate::{Database, Encoded, Failure, FailureKind, Names, Row, Table, version};
use std::sync::Arc;

/// The table `dialog` as it stands in a database.
#[derive(Clone, Debug)]
pub struct DialogTable {
    table: Arc<Table>,
    version: u32,
}

impl DialogTable {
    /// Looks at the table.
    ///
    /// # Errors
    /// [`FailureKind::Schema`] if it is missing, lacks a column, or has a version that is neither 11
    /// nor 12.
    pub fn open(database: &mut dyn Database, names: &Names) -> Result<Self, Failure> {
        let version = version::of(database, names.table())?.unwrap_or(SCHEMA.version);
        let schema = match version {
            12 => &SCHEMA,
            11 => &SCHEMA_11,
            other => {
                let name = names.table();
                let reason = format!("table `{name}` has version {other}; 11 and 12 are known");
                return Err(Failure::new(FailureKind::Schema, reason));
            }
        };
        let table = Arc::new(Table::open(database, schema, names)?);
        Ok(Self { table, version })
    }

    /// The table that a [`Batch`](crate::Batch) changes.
    ///
    /// # Errors
    /// [`FailureKind::Schema`] if it has version 11: rows are written as version 12 alone.
    pub fn writable(&self) -> Result<&Arc<Table>, Failure> {
        if self.version == SCHEMA.version {
            return Ok(&self.table);
        }
        let reason = format!(
            "table `{}` has version {}, {} is written: run duologue db migrate",
            self.table.name(),
            self.version,
            SCHEMA.version
        );
        Err(Failure::new(FailureKind::Schema, reason))
    }

    /// The table to read.
    pub const fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Its version: 11 or 12.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The row to write for a dialog, with what the columns of OpenSIPS cannot hold.
    pub fn encode(&self, dialog: &DialogRow, payload: Option<&[u8]>) -> Encoded {
        self.table.encode(dialog.to_values(), payload)
    }

    /// The dialog of a row that was read.
    ///
    /// # Errors
    /// [`BadRow`](crate::BadRow) names the column that is not as it has to be.
    pub fn decode(&self, row: Row) -> Result<ReadRow, crate::BadRow> {
        let decoded = self.table.decode(row);
        let (dialog, unread) = DialogRow::from_values(decoded.row, self.version)?;
        let (payload, is_ours, broken) = (decoded.payload, decoded.is_ours, decoded.broken);
        Ok(ReadRow { dialog, payload, is_ours, broken, unread })
    }
}
