//! The statements we send, in each dialect.

use std::fmt::Write as _;

use crate::schema::EXTRA_COLUMN;
use crate::{Dialect, Kind, Names, Schema, Table};

impl Dialect {
    /// A name as SQL. PostgreSQL folds plain names to lower case, as it does for OpenSIPS.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!("\"{name}\""),
            Self::Postgres => format!("\"{}\"", name.to_ascii_lowercase()),
            Self::MySql => format!("`{name}`"),
        }
    }

    fn quote_all(self, table: &Table) -> Vec<String> {
        table.columns().iter().map(|column| self.quote(&column.name)).collect()
    }

    /// Makes the table unless it is there.
    pub(crate) fn create(self, schema: &Schema, names: &Names) -> String {
        let mut sql = format!("CREATE TABLE IF NOT EXISTS {} (", self.quote(names.table()));
        for (place, (column, name)) in schema.columns.iter().zip(names.columns()).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}{} {}", self.quote(name), column.kind.sql(self));
            if place == 0 {
                sql.push_str(" PRIMARY KEY");
            }
            match column.default {
                Some(default) => {
                    let _ = write!(sql, " DEFAULT {default}");
                }
                // MySQL's TEXT takes no default, and needs none to hold nothing.
                None if column.nullable && column.kind != Kind::Text => {
                    sql.push_str(" DEFAULT NULL");
                }
                None => {}
            }
            if !column.nullable {
                sql.push_str(" NOT NULL");
            }
        }
        if schema.has_extra {
            let _ = write!(sql, ", {} {}", self.quote(EXTRA_COLUMN), Kind::Blob.sql(self));
        }
        sql.push(')');
        if self == Self::MySql {
            sql.push_str(" ENGINE=InnoDB DEFAULT CHARSET=utf8mb4");
        }
        sql
    }

    /// Adds the column that OpenSIPS does not know.
    pub(crate) fn add_extra(self, table: &str) -> String {
        let (table, column) = (self.quote(table), self.quote(EXTRA_COLUMN));
        format!("ALTER TABLE {table} ADD COLUMN {column} {}", Kind::Blob.sql(self))
    }

    /// Puts one table in the place of another, which is kept under a third name.
    pub(crate) fn replace(self, old: &str, kept: &str, new: &str) -> Vec<String> {
        let [old, kept, new] = [old, kept, new].map(|name| self.quote(name));
        match self {
            // One statement, since MySQL commits after each.
            Self::MySql => vec![format!("RENAME TABLE {old} TO {kept}, {new} TO {old}")],
            Self::Sqlite | Self::Postgres => vec![
                format!("ALTER TABLE {old} RENAME TO {kept}"),
                format!("ALTER TABLE {new} RENAME TO {old}"),
            ],
        }
    }

    /// Reads all rows.
    pub(crate) fn select(self, table: &Table) -> String {
        format!("SELECT {} FROM {}", self.quote_all(table).join(", "), self.quote(table.name()))
    }

    /// Empties the table. No TRUNCATE, which some databases commit at once.
    pub(crate) fn clear(self, table: &Table) -> String {
        format!("DELETE FROM {}", self.quote(table.name()))
    }

    /// Deletes `count` rows by their keys; one array of keys on PostgreSQL.
    pub(crate) fn delete(self, table: &Table, count: usize) -> String {
        let (name, key) = (self.quote(table.name()), self.quote(&table.key().name));
        match self {
            Self::Postgres => format!("DELETE FROM {name} WHERE {key} = ANY($1::int8[])"),
            Self::Sqlite | Self::MySql => {
                format!("DELETE FROM {name} WHERE {key} IN ({})", list("?", count))
            }
        }
    }

    /// Writes `count` rows, over those that are there; one array per column on PostgreSQL, whose
    /// first parameter has the number `first`.
    pub(crate) fn upsert(self, table: &Table, count: usize, first: usize) -> String {
        let columns = self.quote_all(table);
        let (name, all) = (self.quote(table.name()), columns.join(", "));
        let rows = match self {
            Self::Postgres => unnest(table, first),
            Self::Sqlite | Self::MySql => {
                let row = format!("({})", list("?", columns.len()));
                format!("VALUES {}", list(&row, count))
            }
        };
        let then = match self {
            Self::MySql => "ON DUPLICATE KEY UPDATE ".to_owned(),
            Self::Sqlite | Self::Postgres => format!("ON CONFLICT ({}) DO UPDATE SET ", columns[0]),
        };
        // All of a row is written, its key too where there is nothing else.
        let changed = if columns.len() > 1 { &columns[1..] } else { &columns[..] };
        let set = changed.iter().map(|column| match self {
            Self::MySql => format!("{column} = VALUES({column})"),
            Self::Sqlite | Self::Postgres => format!("{column} = excluded.{column}"),
        });
        let set = set.collect::<Vec<_>>().join(", ");
        format!("INSERT INTO {name} ({all}) {rows} {then}{set}")
    }

    /// Deletes rows and writes others, in one statement and so in one transaction and one round
    /// trip. None where that does not exist.
    pub(crate) fn delete_and_upsert(self, table: &Table) -> Option<String> {
        (self == Self::Postgres).then(|| {
            format!("WITH gone AS ({}) {}", self.delete(table, 1), self.upsert(table, 1, 2))
        })
    }
}

/// `SELECT … FROM unnest($1::int8[], …)`: the statement is the same for any number of rows.
fn unnest(table: &Table, first: usize) -> String {
    let mut chosen = Vec::new();
    let mut arrays = Vec::new();
    for (place, column) in table.columns().iter().enumerate() {
        let (array, cast) = match column.kind {
            Kind::Id | Kind::Unsigned | Kind::Integer => ("int8[]", ""),
            Kind::Real => ("float8[]", ""),
            Kind::DateTime => ("text[]", "::timestamp"),
            _ if column.fit.is_binary => ("bytea[]", ""),
            _ => ("text[]", ""),
        };
        chosen.push(format!("c{place}{cast}"));
        arrays.push(format!("${}::{array}", first + place));
    }
    let names: Vec<_> = (0..arrays.len()).map(|place| format!("c{place}")).collect();
    let (chosen, arrays, names) = (chosen.join(", "), arrays.join(", "), names.join(", "));
    format!("SELECT {chosen} FROM unnest({arrays}) AS u ({names})")
}

fn list(item: &str, count: usize) -> String {
    let mut list = String::with_capacity(count * (item.len() + 1));
    for place in 0..count {
        if place > 0 {
            list.push(',');
        }
        list.push_str(item);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    const SMALL: Schema = Schema {
        table: "Small",
        version: 1,
        columns: &[
            Column::new("k", Kind::Id),
            Column::new("t", Kind::Char(9)),
            Column::new("at", Kind::DateTime).or_null(),
        ],
        has_extra: true,
    };

    fn small() -> Table {
        Table::declared(&SMALL, &Names::of(&SMALL))
    }

    #[test]
    fn tables_are_made_in_each_flavour() {
        let made = |dialect: Dialect| dialect.create(&SMALL, &Names::of(&SMALL));
        assert_eq!(
            made(Dialect::Sqlite),
            "CREATE TABLE IF NOT EXISTS \"Small\" (\"k\" INTEGER PRIMARY KEY NOT NULL, \
             \"t\" CHAR(9) NOT NULL, \"at\" DATETIME DEFAULT NULL, \"duologue\" BLOB)"
        );
        assert_eq!(
            made(Dialect::Postgres),
            "CREATE TABLE IF NOT EXISTS \"small\" (\"k\" BIGINT PRIMARY KEY NOT NULL, \
             \"t\" VARCHAR(9) NOT NULL, \"at\" TIMESTAMP DEFAULT NULL, \"duologue\" BYTEA)"
        );
        assert_eq!(
            made(Dialect::MySql),
            "CREATE TABLE IF NOT EXISTS `Small` (`k` BIGINT UNSIGNED PRIMARY KEY NOT NULL, \
             `t` VARCHAR(9) NOT NULL, `at` DATETIME DEFAULT NULL, `duologue` MEDIUMBLOB) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        );
    }

    #[test]
    fn rows_are_written_in_each_dialect() {
        assert_eq!(
            Dialect::MySql.upsert(&small(), 2, 1),
            "INSERT INTO `Small` (`k`, `t`, `at`, `duologue`) VALUES (?,?,?,?),(?,?,?,?) \
             ON DUPLICATE KEY UPDATE `t` = VALUES(`t`), `at` = VALUES(`at`), \
             `duologue` = VALUES(`duologue`)"
        );
        assert_eq!(
            Dialect::Postgres.delete_and_upsert(&small()).unwrap(),
            "WITH gone AS (DELETE FROM \"small\" WHERE \"k\" = ANY($1::int8[])) \
             INSERT INTO \"small\" (\"k\", \"t\", \"at\", \"duologue\") \
             SELECT c0, c1, c2::timestamp, c3 \
             FROM unnest($2::int8[], $3::text[], $4::text[], $5::bytea[]) AS u (c0, c1, c2, c3) \
             ON CONFLICT (\"k\") DO UPDATE SET \"t\" = excluded.\"t\", \"at\" = excluded.\"at\", \
             \"duologue\" = excluded.\"duologue\""
        );
    }
}
