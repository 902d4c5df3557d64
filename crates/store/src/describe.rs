//! What a table looks like in a database.

use crate::fit::{Encoding, Fit};
use crate::{Database, Dialect, Failure, Row, Value};

/// A column of a table as the database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type, as the database calls it, in lower case.
    pub type_name: String,
    /// Whether it may hold nothing.
    pub nullable: bool,
    /// Whether no two rows may have the same value in it.
    pub is_unique: bool,
    /// What it can take.
    pub fit: Fit,
}

/// Describes a table; none if there is no such table.
///
/// # Errors
/// Those of [`Database::query`].
///
/// # Panics
/// Never for a name that [`Names`](crate::Names) takes.
pub fn describe(
    database: &mut dyn Database,
    table: &str,
) -> Result<Option<Vec<ColumnFacts>>, Failure> {
    let plain = table.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    assert!(plain, "names of tables are checked before they get into SQL");
    let dialect = database.dialect();
    let rows = database.query(&match dialect {
        Dialect::Sqlite => sqlite(table),
        Dialect::Postgres => postgres(&dialect.quote(table)),
        Dialect::MySql => mysql(table),
    })?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(rows.iter().map(|row| facts(dialect, row)).collect()))
}

/// Name, type, 1 if nullable, 1 if unique, length in characters, character set, 1 if bytes.
fn sqlite(table: &str) -> String {
    format!(
        "SELECT name, type, \"notnull\" = 0 AND pk = 0, \
           (pk = 1 AND (SELECT max(pk) = 1 FROM pragma_table_info('{table}'))) OR EXISTS ( \
             SELECT 1 FROM pragma_index_list('{table}') AS l WHERE l.\"unique\" AND NOT l.partial \
             AND (SELECT count(*) = 1 AND max(i.name) = t.name FROM pragma_index_info(l.name) AS i)), \
           NULL, NULL, type LIKE '%BLOB%' \
         FROM pragma_table_info('{table}') AS t"
    )
}

fn postgres(quoted: &str) -> String {
    format!(
        "SELECT a.attname::text, format_type(a.atttypid, NULL), (NOT a.attnotnull)::int, \
           EXISTS (SELECT 1 FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique \
             AND i.indpred IS NULL AND i.indkey::text = a.attnum::text)::int, \
           CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 \
             THEN a.atttypmod - 4 END, \
           current_setting('server_encoding'), (a.atttypid = 'bytea'::regtype)::int \
         FROM pg_attribute AS a WHERE a.attrelid = to_regclass('{quoted}') \
           AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )
}

fn mysql(table: &str) -> String {
    format!(
        "SELECT column_name, data_type, is_nullable = 'YES', \
           EXISTS (SELECT 1 FROM information_schema.statistics AS s \
             WHERE s.table_schema = c.table_schema AND s.table_name = c.table_name \
             AND s.non_unique = 0 GROUP BY s.index_name \
             HAVING count(*) = 1 AND max(s.column_name) = c.column_name), \
           character_maximum_length, character_set_name, \
           data_type LIKE '%blob%' OR data_type LIKE '%binary%' \
         FROM information_schema.columns AS c \
         WHERE table_schema = database() AND table_name = '{table}' ORDER BY ordinal_position"
    )
}

fn facts(dialect: Dialect, row: &Row) -> ColumnFacts {
    let text = |place: usize| {
        let bytes = row.get(place).and_then(Value::bytes).unwrap_or_default();
        String::from_utf8_lossy(bytes).to_ascii_lowercase()
    };
    let flag = |place: usize| row.get(place).and_then(Value::as_u32) == Some(1);
    let type_name = text(1);
    let is_binary = flag(6);
    let encoding = match (dialect, text(5).as_str()) {
        // SQLite takes and gives any bytes as text.
        (Dialect::Sqlite, _) => Encoding::Any,
        _ if is_binary => Encoding::Any,
        (_, "utf8" | "utf8mb4") if dialect == Dialect::Postgres || text(5) == "utf8mb4" => {
            Encoding::Utf8
        }
        _ => Encoding::Ascii,
    };
    let fit = Fit {
        bytes_max: row.get(4).and_then(Value::as_id).and_then(|length| length.try_into().ok()),
        encoding,
        drops_blanks: dialect != Dialect::Sqlite && matches!(&*type_name, "char" | "character"),
        is_binary,
    };
    ColumnFacts { name: text_as_is(row), type_name, nullable: flag(2), is_unique: flag(3), fit }
}

fn text_as_is(row: &Row) -> String {
    String::from_utf8_lossy(row.first().and_then(Value::bytes).unwrap_or_default()).into_owned()
}
