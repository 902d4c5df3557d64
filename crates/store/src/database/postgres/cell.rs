//! Values on the wire of PostgreSQL.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{Kind, Row, Table, Value};

/// A value in an array of a statement. Its bytes are not looked at: the server does that, and
/// refuses the row.
#[derive(Debug)]
pub(super) enum Cell<'a> {
    Null,
    Int(i64),
    Real(f64),
    Bytes(&'a [u8]),
}

impl<'a> Cell<'a> {
    pub(super) fn id(id: u64) -> Self {
        Self::Int(id.cast_signed())
    }

    fn new(value: &'a Value, kind: Kind) -> Self {
        match value {
            Value::Null => Self::Null,
            // INTEGER has a sign: what is above its range keeps its bits.
            Value::Int(number) if matches!(kind, Kind::Unsigned | Kind::Integer) => Self::Int(
                u32::try_from(*number).map_or(*number, |number| number.cast_signed().into()),
            ),
            Value::Int(number) if kind == Kind::Real => Self::Real(*number as f64),
            Value::Int(number) => Self::Int(*number),
            Value::Id(id) => Self::id(*id),
            Value::Real(number) => Self::Real(*number),
            Value::Text(bytes) | Value::Blob(bytes) => Self::Bytes(bytes),
        }
    }
}

/// The rows turned into one array per column; none if there are no rows.
pub(super) fn by_column<'a>(
    table: &Table,
    rows: impl Iterator<Item = &'a Row>,
) -> Option<Vec<Vec<Cell<'a>>>> {
    let mut columns: Vec<Vec<Cell<'a>>> = table.columns().iter().map(|_| Vec::new()).collect();
    for row in rows {
        for ((value, column), cells) in row.iter().zip(table.columns()).zip(&mut columns) {
            cells.push(Cell::new(value, column.kind));
        }
    }
    columns.first().is_some_and(|keys| !keys.is_empty()).then_some(columns)
}

impl ToSql for Cell<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Int(number) => out.extend_from_slice(&number.to_be_bytes()),
            Self::Real(number) => out.extend_from_slice(&number.to_be_bytes()),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    /// The statements cast their arrays to what is sent here.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value that was received.
pub(super) struct Taken(pub(super) Value);

impl<'a> FromSql<'a> for Taken {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let value = match *ty {
            Type::INT2 => Value::Int(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Value::Int(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Value::Int(i64::from_sql(ty, raw)?),
            Type::BOOL => Value::Int(bool::from_sql(ty, raw)?.into()),
            Type::FLOAT4 => Value::Real(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => Value::Blob(raw.into()),
            Type::TIMESTAMP | Type::TIMESTAMPTZ => Value::Text(timestamp(raw)?.into_bytes()),
            _ => Value::Text(raw.into()),
        };
        Ok(Self(value))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Microseconds since the first of January 2000.
fn timestamp(raw: &[u8]) -> Result<String, Box<dyn Error + Sync + Send>> {
    let micros = i64::from_sql(&Type::INT8, raw)?;
    let start = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);
    let at = start.checked_add(jiff::Span::new().try_microseconds(micros)?)?;
    Ok(at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
