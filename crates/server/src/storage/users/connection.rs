//! The connection of who keeps users: each table of memory has one in the database.

use std::collections::HashSet;
use std::sync::Arc;

use duologue_store::{
    ContactTables, Database, DatabaseUrl, Failure, FailureKind, LocationTable, Options,
    RejectedTable, create_table, location,
};
use duologue_usrloc::Location;

use super::UserStorage;
use crate::storage::link::{Linked, Place};

/// An open database with the tables of users.
pub(in crate::storage) struct Connection {
    pub(super) database: Box<dyn Database>,
    pub(super) tables: ContactTables,
    /// Tables that the database does not have as they should be: that was told.
    missing: HashSet<Arc<str>>,
}

impl Linked for UserStorage {
    type Connection = Connection;

    fn place(&self) -> Place<'_> {
        let Self { url, counts, state_changed, .. } = self;
        Place { what: "users", goes_on: "registrations go on", url, counts, state_changed }
    }

    fn open(&self) -> Result<Connection, Failure> {
        // A phone registers again in any case: the last moments before the power went may be lost.
        let options = Options { durable: false, ..Options::default() };
        let database = duologue_store::connect(&self.url, &options)?;
        Ok(Connection { database, tables: ContactTables::new(), missing: HashSet::new() })
    }
}

impl Connection {
    /// Opens the tables that memory has and that are not open yet. SQLite needs no set-up: those that
    /// are missing are made.
    pub(super) fn open_tables(
        &mut self,
        storage: &UserStorage,
        location: &Location,
    ) -> Result<(), Failure> {
        for table in location.tables() {
            let name = table.name();
            if self.tables.contains_key(name) || self.missing.contains(name) {
                continue;
            }
            let opened = self.open_table(storage, name).inspect_err(|failure| {
                if failure.kind == FailureKind::Schema {
                    self.missing.insert(Arc::clone(name));
                }
            })?;
            self.tables.insert(Arc::clone(name), opened);
        }
        Ok(())
    }

    fn open_table(
        &mut self,
        storage: &UserStorage,
        name: &str,
    ) -> Result<(LocationTable, RejectedTable), Failure> {
        let names = storage.names_of(name).map_err(|bad| Failure::new(FailureKind::Schema, bad))?;
        let database = &mut *self.database;
        if matches!(storage.url, DatabaseUrl::Sqlite(_)) {
            create_table(database, &location::SCHEMA, &names)?;
        }
        let table = LocationTable::open(database, &names)?;
        Ok((table, RejectedTable::open(database, names.table())?))
    }
}
