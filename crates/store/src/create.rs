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
    let dialect = database.dialect();
    let mut statements = Vec::new();
    let mut made = Vec::new();
    if crate::describe(database, "version")?.is_none() {
        statements.push(version::create(dialect));
        made.push("version".to_owned());
    }
    for (schema, names) in tables.listed() {
        if crate::describe(database, names.table())?.is_none() {
            statements.push(dialect.create(schema, names));
            statements.extend(version::set(names.table(), schema.version));
            made.push(names.table().to_owned());
        }
    }
    let aside = rejected::names(tables.dialog.table());
    if crate::describe(database, aside.table())?.is_none() {
        statements.push(dialect.create(&rejected::SCHEMA, &aside));
        made.push(aside.table().to_owned());
    }
    if !statements.is_empty() {
        database.define(&statements)?;
    }
    Ok(made)
}
