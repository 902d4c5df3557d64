//! The table `version`, in which OpenSIPS looks up what the other tables are (spec modules.md §31).

use crate::{Database, Dialect, Failure, FailureKind, Value};

/// The version of a table; none if the table `version` is missing or does not list it.
///
/// # Errors
/// Any [`Failure`] but a missing table.
pub fn of(database: &mut dyn Database, table: &str) -> Result<Option<u32>, Failure> {
    // The whole table: it has a line per table, and no name has to get into SQL.
    match database.query("SELECT table_name, table_version FROM version") {
        Ok(rows) => {
            let line = rows.iter().find(|row| {
                let name = row.first().and_then(Value::bytes).unwrap_or_default();
                name.trim_ascii_end() == table.as_bytes()
            });
            Ok(line.and_then(|row| row.get(1)).and_then(Value::as_u32))
        }
        Err(failure) if failure.kind == FailureKind::Schema => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Makes the table.
pub(crate) fn create(dialect: Dialect) -> String {
    let (text, number, rest) = match dialect {
        Dialect::Sqlite => ("CHAR(32)", "INTEGER", ""),
        Dialect::Postgres => ("VARCHAR(32)", "INTEGER", ""),
        Dialect::MySql => ("CHAR(32)", "INT UNSIGNED", " ENGINE=InnoDB"),
    };
    format!(
        "CREATE TABLE IF NOT EXISTS version (table_name {text} NOT NULL, \
         table_version {number} DEFAULT 0 NOT NULL, \
         CONSTRAINT t_name_idx UNIQUE (table_name)){rest}"
    )
}

/// Lists a table. Names are plain identifiers, and so need no quotes but those around them.
pub(crate) fn set(table: &str, version: u32) -> [String; 2] {
    [
        format!("DELETE FROM version WHERE table_name = '{table}'"),
        format!("INSERT INTO version (table_name, table_version) VALUES ('{table}', {version})"),
    ]
}
