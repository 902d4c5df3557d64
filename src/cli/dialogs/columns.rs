//! What can be shown of a dialog.

use serde_json::Value;

use crate::cli::client::dialogs::Dialog;
use crate::cli::printable::one_line;
use crate::cli::span::clock;
use crate::cli::table::Column;

/// A column of the table: a member of the answer, and how people read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) name: &'static str,
    pub(super) column: Column,
    kind: Kind,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Seconds that have passed, or are left.
    Span,
    /// Seconds since 1970.
    Moment,
}

const fn text(name: &'static str, heading: &'static str) -> Shown {
    Shown { name, column: Column { heading, right: false, shrinks: true }, kind: Kind::Plain }
}

const fn whole(name: &'static str, heading: &'static str) -> Shown {
    Shown { name, column: Column { heading, right: false, shrinks: false }, kind: Kind::Plain }
}

const fn span(name: &'static str, heading: &'static str) -> Shown {
    Shown { name, column: Column { heading, right: true, shrinks: false }, kind: Kind::Span }
}

const fn moment(name: &'static str, heading: &'static str) -> Shown {
    Shown { name, column: Column { heading, right: false, shrinks: false }, kind: Kind::Moment }
}

/// All columns.
pub(super) const ALL: [Shown; 20] = [
    whole("id", "ID"),
    whole("db_id", "DB-ID"),
    whole("state", "STATE"),
    text("callid", "CALL-ID"),
    text("from_uri", "FROM"),
    text("to_uri", "TO"),
    text("from_tag", "FROM-TAG"),
    text("to_tag", "TO-TAG"),
    moment("start", "START"),
    span("age", "AGE"),
    span("talking", "TALKING"),
    moment("timeout", "TIMEOUT"),
    span("left", "LEFT"),
    text("caller_contact", "CALLER-CONTACT"),
    text("callee_contact", "CALLEE-CONTACT"),
    text("flags", "FLAGS"),
    text("values", "VALUES"),
    text("profiles", "PROFILES"),
    text("legs", "LEGS"),
    whole("end_reason", "END-REASON"),
];

/// Those that are shown where nobody chooses.
pub(super) const DEFAULT: &str = "id,state,age,callid,from_uri,to_uri";

/// The columns of these names, in this order; names that are none are left out.
pub(super) fn named(names: &[String]) -> Vec<Shown> {
    let find = |name: &String| ALL.iter().find(|shown| shown.name == name).copied();
    names.iter().filter_map(find).collect()
}

impl Shown {
    /// The cell of a dialog.
    pub(super) fn cell(&self, dialog: &Dialog) -> String {
        cell(dialog.get(self.name).unwrap_or(&Value::Null), self.kind)
    }
}

/// A value of an answer in a table; nothing is `-`.
pub(super) fn plain_cell(value: &Value) -> String {
    cell(value, Kind::Plain)
}

fn cell(value: &Value, kind: Kind) -> String {
    let shown = match (value, value.as_u64(), kind) {
        (Value::Null, ..) | (_, Some(0), Kind::Moment) => String::new(),
        (Value::String(text), ..) => one_line(text),
        (_, Some(seconds), Kind::Span) => clock(seconds),
        (_, Some(seconds), Kind::Moment) => local(seconds),
        (Value::Array(items), ..) if items.is_empty() => String::new(),
        (Value::Object(members), ..) if members.is_empty() => String::new(),
        (value, ..) => one_line(&value.to_string()),
    };
    if shown.is_empty() { "-".to_owned() } else { shown }
}

fn local(unix: u64) -> String {
    let moment = i64::try_from(unix).ok().and_then(|unix| jiff::Timestamp::from_second(unix).ok());
    let zone = jiff::tz::TimeZone::system();
    moment.map_or_else(String::new, |moment| {
        moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_what_people_read() {
        assert_eq!(cell(&json!("early"), Kind::Plain), "early");
        assert_eq!(cell(&json!(5025), Kind::Span), "01:23:45");
        assert_eq!(cell(&json!(5025), Kind::Plain), "5025");
        assert_eq!(cell(&json!({ "a": 1 }), Kind::Plain), r#"{"a":1}"#);
        assert_eq!(cell(&json!("a\u{1b}[2J\nb"), Kind::Plain), "a\u{fffd}[2J b");
        assert_eq!(cell(&json!("2026-11-25"), Kind::Moment), "2026-11-25");
        assert_eq!(cell(&json!(1_700_000_000), Kind::Moment).len(), "2023-11-14 22:13:20".len());
        for nothing in [json!(null), json!(""), json!([]), json!({})] {
            assert_eq!(cell(&nothing, Kind::Plain), "-");
        }
        assert_eq!(cell(&json!(0), Kind::Moment), "-");
        assert_eq!(cell(&json!(u64::MAX), Kind::Moment), "-");
    }

    #[test]
    fn the_default_columns_exist() {
        let names: Vec<_> = DEFAULT.split(',').map(str::to_owned).collect();
        assert_eq!(named(&names).len(), names.len());
    }
}
