//! The table `location`: who is registered where (spec modules.md §13, §31), version 1013.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::Kind::{Char, DateTime as Time, Id, Integer, Real, Text, Unsigned};
use crate::table::Reader;
use crate::{
    BadRow, Column, Database, Encoded, Failure, FailureKind, Kind, Names, Row, Schema, Table,
    Value, version,
};

/// How wide we make columns for URIs and Call-IDs. OpenSIPS's have 255 characters.
const WIDE: Kind = Char(1024);

/// How wide we make columns for users, domains and sockets. OpenSIPS's have 64 characters.
const SHORT: Kind = Char(255);

/// Version 1013, of OpenSIPS 3.1 and later, and our column.
pub const SCHEMA: Schema = Schema {
    table: "location",
    version: 1013,
    columns: &[
        Column::new("contact_id", Id).named_by("contact_id_column"),
        Column::new("username", SHORT).or("''").named_by("user_column"),
        Column::new("domain", SHORT).or_null().named_by("domain_column"),
        Column::new("contact", Text).named_by("contact_column"),
        Column::new("received", WIDE).or_null().named_by("received_column"),
        Column::new("path", WIDE).or_null().named_by("path_column"),
        Column::new("expires", Unsigned).named_by("expires_column"),
        Column::new("q", Real).or("1.0").named_by("q_column"),
        Column::new("callid", WIDE).or("'Default-Call-ID'").named_by("callid_column"),
        Column::new("cseq", Integer).or("13").named_by("cseq_column"),
        Column::new("last_modified", Time)
            .or("'1900-01-01 00:00:01'")
            .named_by("last_modified_column"),
        Column::new("flags", Integer).or("0").named_by("flags_column"),
        Column::new("cflags", WIDE).or_null().named_by("cflags_column"),
        Column::new("user_agent", WIDE).or("''").named_by("user_agent_column"),
        Column::new("socket", SHORT).or_null().named_by("socket_column"),
        Column::new("methods", Integer).or_null().named_by("methods_column"),
        Column::new("sip_instance", WIDE).or_null().named_by("sip_instance_column"),
        Column::new("kv_store", Text).or_null().named_by("kv_store_column"),
        Column::new("attr", WIDE).or_null().named_by("attr_column"),
    ],
    has_extra: true,
};

/// A contact as OpenSIPS's columns hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationRow {
    /// The number of the contact.
    pub contact_id: u64,
    /// The user.
    pub username: Vec<u8>,
    /// The domain, where users of several have their own contacts.
    pub domain: Option<Vec<u8>>,
    /// The contact's URI.
    pub contact: Vec<u8>,
    /// The address that the registration came from, if the phone is behind a NAT.
    pub received: Option<Vec<u8>>,
    /// The Path values, with commas between them.
    pub path: Option<Vec<u8>>,
    /// When it expires, in seconds since 1970; 0 is never.
    pub expires: u32,
    /// The q value in hundredths, none if the phone gave none. The column has two decimals; a number
    /// below zero is none.
    pub q_hundredths: Option<u8>,
    /// The Call-ID of the registration.
    pub call_id: Vec<u8>,
    /// Its CSeq.
    pub cseq: u32,
    /// When it was last changed, in seconds since 1970. The column has local time.
    pub last_modified: i64,
    /// The message flags of the registration.
    pub flags: u32,
    /// Its branch flags, by name.
    pub branch_flags: Option<Vec<u8>>,
    /// The `User-Agent`.
    pub user_agent: Vec<u8>,
    /// The socket that it came in by: `proto:ip:port`.
    pub socket: Option<Vec<u8>>,
    /// The methods that the phone understands, a bit each.
    pub methods: Option<u32>,
    /// The instance of the phone (RFC 5626 §4.1).
    pub sip_instance: Option<Vec<u8>>,
    /// Keys and values of scripts.
    pub kv_store: Option<Vec<u8>>,
    /// What a script wanted to keep with it.
    pub attributes: Option<Vec<u8>>,
}

/// The table `location` as it stands in a database.
#[derive(Clone, Debug)]
pub struct LocationTable {
    table: Arc<Table>,
    zone: TimeZone,
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLocation {
    /// What OpenSIPS's columns say, cut values made whole.
    pub contact: LocationRow,
    /// What we had put beside them.
    pub payload: Option<Vec<u8>>,
    /// Whether nobody changed the columns since.
    pub is_ours: bool,
}

impl LocationTable {
    /// Looks at the table. Dates are in the machine's time zone, as OpenSIPS writes them.
    ///
    /// # Errors
    /// [`FailureKind::Schema`] if it is missing, lacks a column, or has another version than 1013.
    pub fn open(database: &mut dyn Database, names: &Names) -> Result<Self, Failure> {
        let found = version::of(database, names.table())?;
        if let Some(other) = found.filter(|version| *version != SCHEMA.version) {
            let (name, known) = (names.table(), SCHEMA.version);
            let reason = format!("table `{name}` has version {other}; {known} is known");
            return Err(Failure::new(FailureKind::Schema, reason));
        }
        let table = Arc::new(Table::open(database, &SCHEMA, names)?);
        Ok(Self { table, zone: TimeZone::system() })
    }

    /// The table to read, and that a [`Batch`](crate::Batch) changes.
    pub const fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The row to write for a contact, with what the columns of OpenSIPS cannot hold.
    pub fn encode(&self, contact: &LocationRow, payload: Option<&[u8]>) -> Encoded {
        self.table.encode(contact.to_values(&self.zone), payload)
    }

    /// The contact of a row that was read.
    ///
    /// # Errors
    /// [`BadRow`] names the column that is not as it has to be.
    pub fn decode(&self, row: Row) -> Result<ReadLocation, BadRow> {
        let decoded = self.table.decode(row);
        let contact = LocationRow::from_values(decoded.row, &self.zone)?;
        Ok(ReadLocation { contact, payload: decoded.payload, is_ours: decoded.is_ours })
    }
}

impl LocationRow {
    /// The values in the order of the schema.
    pub fn to_values(&self, zone: &TimeZone) -> Row {
        let text = |bytes: &[u8]| Value::Text(bytes.into());
        let optional = |bytes: &Option<Vec<u8>>| Value::text_or_null(bytes.as_deref());
        // These columns have a sign: what is above their range keeps its bits.
        let signed = |number: u32| Value::Int(number.cast_signed().into());
        let q = self.q_hundredths.map_or(-1.0, |q| f64::from(q) / 100.0);
        let mut row = Row::with_capacity(SCHEMA.columns.len() + 1);
        row.extend([
            Value::Id(self.contact_id),
            text(&self.username),
            optional(&self.domain),
            text(&self.contact),
            optional(&self.received),
            optional(&self.path),
            Value::Int(self.expires.into()),
            Value::Real(q),
            text(&self.call_id),
            signed(self.cseq),
            Value::Text(local_time(self.last_modified, zone).into_bytes()),
            signed(self.flags),
            optional(&self.branch_flags),
            text(&self.user_agent),
            optional(&self.socket),
            self.methods.map_or(Value::Null, signed),
            optional(&self.sip_instance),
            optional(&self.kv_store),
            optional(&self.attributes),
        ]);
        row
    }

    /// Reads the values in the order of the schema.
    ///
    /// # Errors
    /// [`BadRow`] names the first column that is not as it has to be.
    pub fn from_values(row: Row, zone: &TimeZone) -> Result<Self, BadRow> {
        let mut from = Reader { schema: &SCHEMA, row };
        let q = from.row.get(7).and_then(Value::as_real).unwrap_or(-1.0);
        let modified = from.optional(10)?.unwrap_or_default();
        let methods = from.row.get(15).is_some_and(|value| !value.is_null());
        Ok(Self {
            contact_id: from.id(0)?,
            username: from.text(1)?,
            domain: from.optional(2)?,
            contact: from.text(3)?,
            received: from.optional(4)?,
            path: from.optional(5)?,
            expires: from.number(6)?,
            q_hundredths: (0.0..=1.0).contains(&q).then(|| (q * 100.0).round() as u8),
            call_id: from.text(8)?,
            cseq: from.number(9)?,
            // A date that cannot be read is only how contacts are sorted.
            last_modified: unix_time(&modified, zone).unwrap_or_default(),
            flags: from.number_or_zero(11)?,
            branch_flags: from.optional(12)?,
            user_agent: from.optional(13)?.unwrap_or_default(),
            socket: from.optional(14)?,
            methods: if methods { Some(from.number(15)?) } else { None },
            sip_instance: from.optional(16)?,
            kv_store: from.optional(17)?,
            attributes: from.optional(18)?,
        })
    }
}

const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

fn local_time(unix: i64, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_second(unix).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone.to_datetime(at).strftime(TIME_FORMAT).to_string()
}

fn unix_time(text: &[u8], zone: &TimeZone) -> Option<i64> {
    // A fraction of a second may follow.
    let text = std::str::from_utf8(text.get(..19)?).ok()?;
    let local = DateTime::strptime(TIME_FORMAT, text).ok()?;
    Some(zone.to_timestamp(local).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..12)
    }

    prop_compose! {
        fn any_row()(
            contact_id: u64,
            texts in proptest::collection::vec(bytes(), 4),
            optionals in proptest::collection::vec(proptest::option::of(bytes()), 8),
            numbers in proptest::collection::vec(any::<u32>(), 3),
            q_hundredths in proptest::option::of(0..=100u8),
            last_modified in 0..4_000_000_000i64,
            methods in proptest::option::of(any::<u32>()),
        ) -> LocationRow {
            let text = |place: usize| texts[place].clone();
            let optional = |place: usize| optionals[place].clone();
            LocationRow {
                contact_id,
                username: text(0),
                domain: optional(0),
                contact: text(1),
                received: optional(1),
                path: optional(2),
                expires: numbers[0],
                q_hundredths,
                call_id: text(2),
                cseq: numbers[1],
                last_modified,
                flags: numbers[2],
                branch_flags: optional(3),
                user_agent: text(3),
                socket: optional(4),
                methods,
                sip_instance: optional(5),
                kv_store: optional(6),
                attributes: optional(7),
            }
        }
    }

    proptest! {
        #[test]
        fn written_and_read_is_the_same(row in any_row()) {
            let zone = TimeZone::UTC;
            prop_assert_eq!(LocationRow::from_values(row.to_values(&zone), &zone), Ok(row));
        }

        #[test]
        fn no_value_panics(place in 0..19usize, kind in 0..5u8, number: i64, text in bytes()) {
            let zone = TimeZone::UTC;
            let mut values = LocationRow::default().to_values(&zone);
            values[place] = match kind {
                0 => Value::Null,
                1 => Value::Int(number),
                2 => Value::Real(number as f64),
                3 => Value::Text(text),
                _ => Value::Blob(text),
            };
            let _ = LocationRow::from_values(values, &zone);
        }
    }

    // modules.md §13: the parameters that name columns are those of the columns
    #[test]
    fn every_column_can_be_named() {
        assert!(SCHEMA.columns.iter().all(|column| column.parameter.is_some()));
    }

    #[test]
    fn dates_are_local() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(local_time(0, &zone), "1970-01-01 02:00:00");
        assert_eq!(unix_time(b"1970-01-01 02:00:01.250000", &zone), Some(1));
        assert_eq!(unix_time(b"yesterday", &zone), None);
    }
}
