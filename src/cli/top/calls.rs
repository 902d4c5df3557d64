//! The calls that are held, and their order.

use std::cmp::Ordering;

use serde_json::Value;

use crate::cli::client::dialogs::Dialog;
use crate::cli::printable::one_line;

/// What is asked for of each call.
pub(super) const COLUMNS: [&str; 6] = ["id", "state", "age", "callid", "from_uri", "to_uri"];

/// A call as it is shown; its texts are safe on a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) state: String,
    /// Seconds.
    pub(super) age: u64,
    pub(super) callid: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl Call {
    pub(super) fn of(dialog: &Dialog) -> Self {
        let text =
            |name: &str| dialog.get(name).and_then(Value::as_str).map(one_line).unwrap_or_default();
        Self {
            id: text("id"),
            state: text("state"),
            age: dialog.get("age").and_then(Value::as_u64).unwrap_or(0),
            callid: text("callid"),
            from: text("from_uri"),
            to: text("to_uri"),
        }
    }

    /// Whether a text stands in it, in large or small letters.
    pub(super) fn contains(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        [&self.state, &self.callid, &self.from, &self.to]
            .into_iter()
            .any(|field| field.to_lowercase().contains(&text))
    }
}

/// What calls are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    State,
    Age,
    CallId,
    From,
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) key: Key,
    pub(super) descending: bool,
}

impl Order {
    /// The one to begin with for a key: the oldest calls first, texts from A to Z.
    pub(super) fn by(key: Key) -> Self {
        Self { key, descending: key == Key::Age }
    }

    pub(super) fn sort(self, calls: &mut [Call]) {
        calls.sort_by(|one, other| self.compare(one, other));
    }

    fn compare(self, one: &Call, other: &Call) -> Ordering {
        let by_key = match self.key {
            Key::State => one.state.cmp(&other.state),
            Key::Age => one.age.cmp(&other.age),
            Key::CallId => one.callid.cmp(&other.callid),
            Key::From => one.from.cmp(&other.from),
        };
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        // Rows stand still where the key says nothing.
        by_key.then_with(|| one.id.cmp(&other.id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: &str, state: &str, age: u64, callid: &str) -> Call {
        let dialog = json!({
            "id": id, "state": state, "age": age, "callid": callid, "from_uri": "sip:Ada@a",
            "to_uri": null,
        });
        Call::of(dialog.as_object().unwrap())
    }

    #[test]
    fn calls_are_sorted_by_a_key_and_then_by_their_ids() {
        let mut calls = [
            call("3", "early", 5, "b"),
            call("1", "early", 500, "c"),
            call("2", "confirmed", 5, "a"),
        ];
        let mut ids = |order: Order| {
            order.sort(&mut calls);
            calls.iter().map(|call| call.id.as_str()).collect::<String>()
        };
        assert_eq!(ids(Order::by(Key::Age)), "123");
        assert_eq!(ids(Order { key: Key::Age, descending: false }), "231");
        assert_eq!(ids(Order::by(Key::State)), "213");
        assert_eq!(ids(Order::by(Key::CallId)), "231");
        assert_eq!(ids(Order::by(Key::From)), "123");
    }

    #[test]
    fn texts_are_looked_for_in_what_is_shown() {
        let call = call("1.2", "early", 5, "x\u{1b}@y");
        assert_eq!(call.callid, "x\u{fffd}@y");
        assert_eq!(call.to, "");
        assert!(call.contains("ADA@"));
        assert!(call.contains("earl"));
        assert!(!call.contains("bob"));
    }
}
