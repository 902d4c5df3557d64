//! The connection of who keeps dialogs.

use duologue_store::{
    Database, DatabaseUrl, DialogTable, Failure, Options, RejectedTable, create_table, dialog,
};

use super::Storage;
use super::link::{Linked, Place};

/// An open database with the tables of dialogs.
pub(super) struct Connection {
    pub(super) database: Box<dyn Database>,
    pub(super) table: DialogTable,
    pub(super) rejected: RejectedTable,
}

impl Linked for Storage {
    type Connection = Connection;

    fn place(&self) -> Place<'_> {
        let Self { url, counts, state_changed, .. } = self;
        Place { what: "dialogs", goes_on: "calls go on", url, counts, state_changed }
    }

    /// SQLite needs no set-up: tables that are missing are made.
    fn open(&self) -> Result<Connection, Failure> {
        let options = Options { durable: self.settings.durable, ..Options::default() };
        let mut database = duologue_store::connect(&self.url, &options)?;
        let names = &self.settings.names;
        if matches!(self.url, DatabaseUrl::Sqlite(_)) {
            create_table(&mut *database, &dialog::SCHEMA, names)?;
        }
        let table = DialogTable::open(&mut *database, names)?;
        table.writable()?;
        let rejected = RejectedTable::open(&mut *database, names.table())?;
        Ok(Connection { database, table, rejected })
    }
}
