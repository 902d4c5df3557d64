//! Making the tables.

use crate::{Database, Failure, Names, Schema, dialog, location, rejected, version};

/// The tables that we know, by the names that a script gives them.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The table of dialogs.
    pub dialog: Names,
    /// The table of contacts.
    pub location: Names,
}

impl Default for Tables {
    fn default() -> Self {
        Self { dialog: Names::of(&dialog::SCHEMA), location: Names::of(&location::SCHEMA) }
    }
}

impl Tables {
    /// Those that are listed in `version`.
    pub(crate) fn listed(&self) -> [(&'static Schema, &Names); 2] {
        [(&dialog::SCHEMA, &self.dialog), (&location::SCHEMA, &self.location)]
    }
}

/// Makes the tables that are missing, `version` and the one for rows set aside with them, and tells
/// their names. What is there is left as it is: [`migrate`](crate::migrate()) changes tables.
///
/// # Errors
/// Any [`Failure`].
pub fn create(database: &mut dyn Database, tables: &Tables) -> Result<Vec<String>, Failure> {
    let mut making = Making::of(database)?;
    for (schema, names) in tables.listed() {
        making.table(database, schema, names)?;
    }
    making.table(database, &rejected::SCHEMA, &rejected::names(tables.dialog.table()))?;
    making.make(database)
}

/// Makes one table if it is missing, and `version`, and tells their names.
///
/// # Errors
/// Any [`Failure`].
pub fn create_table(
    database: &mut dyn Database,
    schema: &Schema,
    names: &Names,
) -> Result<Vec<String>, Failure> {
    let mut making = Making::of(database)?;
    making.table(database, schema, names)?;
    making.make(database)
}

/// What is missing, and the statements that make it.
#[derive(Default)]
struct Making {
    names: Vec<String>,
    statements: Vec<String>,
}

impl Making {
    fn of(database: &mut dyn Database) -> Result<Self, Failure> {
        let mut making = Self::default();
        if crate::describe(database, "version")?.is_none() {
            making.statements.push(version::create(database.dialect()));
            making.names.push("version".to_owned());
        }
        Ok(making)
    }

    fn table(
        &mut self,
        database: &mut dyn Database,
        schema: &Schema,
        names: &Names,
    ) -> Result<(), Failure> {
        if crate::describe(database, names.table())?.is_some() {
            return Ok(());
        }
        self.statements.push(database.dialect().create(schema, names));
        if schema.version > 0 {
            self.statements.extend(version::set(names.table(), schema.version));
        }
        self.names.push(names.table().to_owned());
        Ok(())
    }

    fn make(self, database: &mut dyn Database) -> Result<Vec<String>, Failure> {
        if !self.statements.is_empty() {
            database.define(&self.statements)?;
        }
        Ok(self.names)
    }
}
