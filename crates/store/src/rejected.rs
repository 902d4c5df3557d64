//! Rows set aside: a row that cannot be read or written never stops a start or a batch.

use std::hash::Hasher as _;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use siphasher::sip::SipHasher13;

use crate::Kind::{Char, Id, Text, Unsigned};
use crate::{Batch, Column, Database, Failure, Names, Row, Schema, Table, Value};

/// The table of the rows set aside. It is ours alone and not listed in `version`.
pub const SCHEMA: Schema = Schema {
    table: "dialog_rejected",
    version: 0,
    columns: &[
        Column::new("id", Id),
        Column::new("source", Char(64)),
        Column::new("rejected_at", Unsigned),
        Column::new("reason", Char(1024)),
        Column::new("contents", Text),
    ],
    has_extra: true,
};

/// The longest text of a value that is written in full; longer ones are cut.
const TEXT_MAX: usize = 4096;

/// The table of the rows set aside, as it stands in a database.
#[derive(Clone, Debug)]
pub struct RejectedTable(Arc<Table>);

/// The names of the table that takes what is set aside from `table`.
///
/// # Panics
/// Never: a suffix makes no plain name another, and one that gets too long is cut.
pub fn names(table: &str) -> Names {
    let mut names = Names::of(&SCHEMA);
    let stem: String = table.chars().take(54).collect();
    names.set_table(&format!("{stem}_rejected")).expect("the suffix is plain as well");
    names
}

impl RejectedTable {
    /// Looks at the table that takes what is set aside from `table`, and makes it if it is missing.
    ///
    /// # Errors
    /// Any [`Failure`]; without the table, what is bad is told and left where it is.
    pub fn open(database: &mut dyn Database, table: &str) -> Result<Self, Failure> {
        let names = names(table);
        let found = Table::open(database, &SCHEMA, &names);
        let table = match found {
            Err(failure) if failure.kind == crate::FailureKind::Schema => {
                let create = database.dialect().create(&SCHEMA, &names);
                database.define(&[create])?;
                Table::open(database, &SCHEMA, &names)?
            }
            found => found?,
        };
        Ok(Self(Arc::new(table)))
    }

    /// The table.
    pub const fn table(&self) -> &Arc<Table> {
        &self.0
    }

    /// Sets a row aside in a batch: what it was, of which table, why, and when in seconds since 1970.
    ///
    /// The same row set aside for the same reason again is written once: its number is a hash.
    pub fn set_aside(&self, batch: &mut Batch, source: &Table, row: &Row, reason: &str, now: u32) {
        let contents = contents(source, row);
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        hasher.write(source.name().as_bytes());
        hasher.write(reason.as_bytes());
        hasher.write(contents.as_bytes());
        let values = vec![
            Value::Id(hasher.finish()),
            Value::Text(source.name().into()),
            Value::Int(now.into()),
            Value::Text(reason.into()),
            Value::Text(contents.into_bytes()),
        ];
        batch.upsert(&self.0, self.0.encode(values, None).row);
    }
}

/// The row as a JSON object: texts as texts, bytes that are none as `{"hex": "…"}`.
fn contents(table: &Table, row: &Row) -> String {
    let member =
        |(column, value): (&crate::TableColumn, &Value)| (column.name.clone(), json(value));
    Json::Object(table.columns().iter().zip(row).map(member).collect()).to_string()
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => (*number).into(),
        Value::Id(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(bytes) | Value::Blob(bytes) => {
            let bytes = &bytes[..bytes.len().min(TEXT_MAX)];
            match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => text.into(),
                _ => {
                    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                    Json::Object(Map::from_iter([("hex".to_owned(), hex.into())]))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_in_json_whatever_it_holds() {
        let table = Table::declared(&SCHEMA, &names("dialog"));
        let row = vec![
            Value::Id(u64::MAX),
            Value::Text(b"\xff\0".to_vec()),
            Value::Null,
            Value::Text("ä\"".into()),
        ];
        assert_eq!(
            contents(&table, &row),
            r#"{"id":18446744073709551615,"source":{"hex":"ff00"},"rejected_at":null,"reason":"ä\""}"#
        );
    }

    #[test]
    fn its_table_is_named_after_the_other() {
        assert_eq!(names("dialog").table(), "dialog_rejected");
        assert_eq!(names(&"d".repeat(63)).table().len(), 63);
    }
}
