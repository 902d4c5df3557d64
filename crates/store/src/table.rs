//! A table as it stands in a database: its names, and what its columns can take.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::describe::describe;
use crate::extra::{Extra, ExtraError};
use crate::fit::Fit;
use crate::schema::EXTRA_COLUMN;
use crate::{Database, Failure, FailureKind, Kind, Names, Row, Schema, Value};

/// A table that rows are read from and written to.
#[derive(Clone, Debug)]
pub struct Table {
    name: String,
    columns: Vec<TableColumn>,
    has_extra: bool,
}

/// A column of a table that stands.
#[derive(Clone, Debug)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// What it can take.
    pub fit: Fit,
}

/// A row as it can be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// Its values, for all columns of the table.
    pub row: Row,
    /// How many columns could not take their value, so that others than us see a cut one.
    pub cut: u32,
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The values of the schema's columns, whole again.
    pub row: Row,
    /// What the owner of the row put beside them.
    pub payload: Option<Vec<u8>>,
    /// Whether the columns are as we wrote them: if not, another program wrote them later and they
    /// are newer than the payload.
    pub is_ours: bool,
    /// Why the extra column could not be read; the row is what the other columns say then.
    pub broken: Option<ExtraError>,
}

impl Table {
    /// The table as it is declared, not looked at.
    pub fn declared(schema: &Schema, names: &Names) -> Self {
        let column = |(column, name): (&crate::Column, &str)| TableColumn {
            name: name.to_owned(),
            kind: column.kind,
            fit: Fit { is_binary: column.kind == Kind::Blob, ..Fit::default() },
        };
        let mut columns: Vec<_> = schema.columns.iter().zip(names.columns()).map(column).collect();
        if schema.has_extra {
            let fit = Fit { is_binary: true, ..Fit::default() };
            columns.push(TableColumn { name: EXTRA_COLUMN.to_owned(), kind: Kind::Blob, fit });
        }
        Self { name: names.table().to_owned(), columns, has_extra: schema.has_extra }
    }

    /// Looks at the table in the database.
    ///
    /// # Errors
    /// [`FailureKind::Schema`] names what is missing: the table or columns of `schema`. The extra
    /// column may be missing: what it would hold is lost then.
    pub fn open(
        database: &mut dyn Database,
        schema: &Schema,
        names: &Names,
    ) -> Result<Self, Failure> {
        let mut table = Self::declared(schema, names);
        let Some(facts) = describe(database, names.table())? else {
            let reason = format!("there is no table `{}`", names.table());
            return Err(Failure::new(FailureKind::Schema, reason));
        };
        let mut missing = Vec::new();
        table.columns.retain_mut(|column| {
            let fact = facts.iter().find(|fact| fact.name.eq_ignore_ascii_case(&column.name));
            match fact {
                Some(fact) => column.fit = fact.fit,
                None => missing.push(column.name.clone()),
            }
            fact.is_some()
        });
        table.has_extra &= !missing.iter().any(|name| name == EXTRA_COLUMN);
        missing.retain(|name| name != EXTRA_COLUMN);
        if missing.is_empty() {
            return Ok(table);
        }
        let reason = format!("table `{}` has no column {}", names.table(), missing.join(", "));
        Err(Failure::new(FailureKind::Schema, reason))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns; the first is the key.
    pub fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    /// Whether it has the column that OpenSIPS does not know.
    pub const fn has_extra(&self) -> bool {
        self.has_extra
    }

    pub(crate) fn key(&self) -> &TableColumn {
        &self.columns[0]
    }

    /// The row that can be written for the values of the schema's columns and a payload.
    ///
    /// A value that its column cannot take is cut there and kept whole in the extra column.
    pub fn encode(&self, mut row: Row, payload: Option<&[u8]>) -> Encoded {
        let mut extra = Extra { payload: payload.map(Into::into), ..Extra::default() };
        let mut cut = 0;
        for (place, (value, column)) in row.iter_mut().zip(&self.columns).enumerate() {
            let (Value::Text(bytes) | Value::Blob(bytes)) = value else { continue };
            if let Some(fitting) = column.fit.cut(bytes) {
                cut += 1;
                extra.whole.push((place as u8, std::mem::replace(bytes, fitting)));
            }
        }
        if self.has_extra {
            let is_needed = extra.payload.is_some() || !extra.whole.is_empty();
            extra.seal = self.seal(&row);
            row.push(if is_needed { Value::Blob(extra.encode()) } else { Value::Null });
        }
        Encoded { row, cut }
    }

    /// The payload of a row that is as we wrote it: its columns say nothing else.
    pub fn own_payload(&self, row: &Row) -> Option<Vec<u8>> {
        let (extra, row) = row.split_last().filter(|_| self.has_extra)?;
        let extra = Extra::decode(extra.bytes()?).ok()?;
        extra.payload.filter(|_| self.seal(row) == extra.seal)
    }

    /// The values of the schema's columns and the payload of a row that was read.
    ///
    /// A cut value becomes whole again, unless another program has changed it since.
    pub fn decode(&self, mut row: Row) -> Decoded {
        let extra = if self.has_extra { row.pop() } else { None };
        let stored = match extra.as_ref().and_then(Value::bytes) {
            None => return Decoded { row, payload: None, is_ours: false, broken: None },
            Some(bytes) => Extra::decode(bytes),
        };
        let extra = match stored {
            Ok(extra) => extra,
            Err(error) => {
                return Decoded { row, payload: None, is_ours: false, broken: Some(error) };
            }
        };
        let is_ours = self.seal(&row) == extra.seal;
        for (place, whole) in extra.whole {
            let place = usize::from(place);
            let (Some(value), Some(column)) = (row.get_mut(place), self.columns.get(place)) else {
                continue;
            };
            if let Value::Text(bytes) | Value::Blob(bytes) = value
                && column.fit.cut(&whole).is_none_or(|fitting| fitting == *bytes)
            {
                *bytes = whole;
            }
        }
        Decoded { row, payload: extra.payload, is_ours, broken: None }
    }

    /// A hash of the values, the same before they are written and after they were read, and on
    /// every machine. What databases round or move between time zones is left out.
    fn seal(&self, row: &[Value]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        for (value, column) in row.iter().zip(&self.columns) {
            match (column.kind, value) {
                (Kind::Real | Kind::DateTime, _) => {}
                (Kind::Id, value) => hasher.write_u64(value.as_id().unwrap_or_default().to_le()),
                (Kind::Unsigned | Kind::Integer, value) => {
                    hasher.write_u32(value.as_u32().unwrap_or_default().to_le());
                }
                (_, value) => {
                    let bytes = value.bytes().unwrap_or_default();
                    hasher
                        .write_u64((bytes.len() as u64 + 1).to_le() * u64::from(!value.is_null()));
                    hasher.write(bytes);
                }
            }
        }
        hasher.finish()
    }
}

/// Why a row cannot be read: the column, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The column's name in the schema.
    pub column: &'static str,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {} {}", self.column, self.reason)
    }
}

impl std::error::Error for BadRow {}

/// Takes the values of a row one by one, by their places in a schema.
pub(crate) struct Reader<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) row: Row,
}

impl Reader<'_> {
    /// Any bytes, none if there are none.
    pub(crate) fn optional(&mut self, place: usize) -> Result<Option<Vec<u8>>, BadRow> {
        match self.row.get_mut(place).map(std::mem::take) {
            Some(Value::Text(bytes) | Value::Blob(bytes)) => Ok(Some(bytes)),
            Some(Value::Null) => Ok(None),
            // Columns of SQLite take numbers where texts belong.
            Some(Value::Int(number)) => Ok(Some(number.to_string().into_bytes())),
            _ => Err(self.bad(place, "is no text")),
        }
    }

    /// Bytes that have to be there.
    pub(crate) fn text(&mut self, place: usize) -> Result<Vec<u8>, BadRow> {
        self.optional(place)?.ok_or_else(|| self.bad(place, "is null"))
    }

    /// A number of 32 bits.
    pub(crate) fn number(&self, place: usize) -> Result<u32, BadRow> {
        let number = self.row.get(place).and_then(Value::as_u32);
        number.ok_or_else(|| self.bad(place, "is no number of 32 bits"))
    }

    /// The same, 0 if there is nothing.
    pub(crate) fn number_or_zero(&self, place: usize) -> Result<u32, BadRow> {
        if self.row.get(place).is_none_or(Value::is_null) { Ok(0) } else { self.number(place) }
    }

    /// A number of 64 bits.
    pub(crate) fn id(&self, place: usize) -> Result<u64, BadRow> {
        let id = self.row.get(place).and_then(Value::as_id);
        id.ok_or_else(|| self.bad(place, "is no number of 64 bits"))
    }

    /// A number of 32 bits written as text, 0 if it is empty.
    pub(crate) fn decimal(&mut self, place: usize) -> Result<u32, BadRow> {
        let text = self.text(place)?;
        let text = text.trim_ascii();
        if text.is_empty() {
            return Ok(0);
        }
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.bad(place, "is no number of 32 bits"))
    }

    pub(crate) fn bad(&self, place: usize, reason: &'static str) -> BadRow {
        BadRow { column: self.schema.columns[place].name, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Encoding};

    const SMALL: Schema = Schema {
        table: "small",
        version: 1,
        columns: &[
            Column::new("k", Kind::Id),
            Column::new("t", Kind::Char(4)).or_null(),
            Column::new("n", Kind::Unsigned),
        ],
        has_extra: true,
    };

    fn narrow() -> Table {
        let mut table = Table::declared(&SMALL, &Names::of(&SMALL));
        let encoding = Encoding::Utf8;
        table.columns[1].fit = Fit { bytes_max: Some(4), encoding, ..Fit::default() };
        table
    }

    fn row(text: &[u8]) -> Row {
        vec![Value::Id(u64::MAX), Value::Text(text.into()), Value::Int(4_000_000_000)]
    }

    #[test]
    fn a_value_that_does_not_fit_is_cut_for_others_and_whole_for_us() {
        let table = narrow();
        let encoded = table.encode(row(b"too long\0"), None);
        assert_eq!(encoded.cut, 1);
        assert_eq!(encoded.row[1], Value::Text(b"too ".to_vec()));
        let decoded = table.decode(encoded.row);
        assert_eq!(decoded.row, row(b"too long\0"));
        assert!(decoded.is_ours);
    }

    #[test]
    fn what_another_program_wrote_since_wins() {
        let table = narrow();
        let mut stored = table.encode(row(b"too long"), Some(b"ours")).row;
        stored[1] = Value::Text(b"new".to_vec());
        assert_eq!(table.own_payload(&stored), None);
        let decoded = table.decode(stored);
        assert_eq!(decoded.row[1], Value::Text(b"new".to_vec()));
        assert_eq!(decoded.payload.as_deref(), Some(b"ours".as_slice()));
        assert!(!decoded.is_ours);
    }

    #[test]
    fn the_seal_does_not_mind_how_databases_store_numbers() {
        let table = narrow();
        let mut stored = table.encode(row(b"text"), Some(b"")).row;
        stored[0] = Value::Int(-1);
        stored[2] = Value::Int(-294_967_296);
        assert_eq!(table.own_payload(&stored).as_deref(), Some(b"".as_slice()));
        assert!(table.decode(stored).is_ours);
    }

    #[test]
    fn nothing_extra_is_null_and_a_broken_one_is_told() {
        let table = narrow();
        let mut stored = table.encode(row(b"text"), None).row;
        assert_eq!(stored[3], Value::Null);
        stored[3] = Value::Blob(b"\x09".to_vec());
        let decoded = table.decode(stored);
        assert_eq!(decoded.broken, Some(ExtraError::Version(Some(9))));
        assert_eq!(decoded.row, row(b"text"));
    }
}
