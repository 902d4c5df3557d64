//! What an event tells: an ordered list of parameters (spec/script.md §16).

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use duologue_script::Value;

use super::event::Event;

/// How many parameters an event may have.
pub const EVENT_PARAMS_MAX: usize = 256;

/// How many bytes names and values of an event may have together; about what a datagram holds.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventValue {
    /// A number.
    Int(i64),
    /// A text, of any bytes.
    Text(Box<[u8]>),
}

impl From<i64> for EventValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&[u8]> for EventValue {
    fn from(text: &[u8]) -> Self {
        Self::Text(text.into())
    }
}

impl EventValue {
    /// As a script reads it from `$param`; a number beyond its integers is a text of digits, which is
    /// written to `digits`.
    pub(crate) fn for_script<'a>(&'a self, digits: &'a mut String) -> Value<'a> {
        match self {
            Self::Text(text) => Value::Str(text),
            Self::Int(number) => match i32::try_from(*number) {
                Ok(number) => Value::Int(number),
                Err(_) => {
                    digits.clear();
                    // Writing to a String cannot fail.
                    let _ = write!(digits, "{number}");
                    Value::Str(digits.as_bytes())
                }
            },
        }
    }
}

/// The parameters of an event, in order; each with or without a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventParams {
    list: Vec<(Option<Box<[u8]>>, EventValue)>,
    bytes: usize,
    too_large: bool,
}

impl EventParams {
    /// Adds a named number.
    pub fn int(&mut self, name: &str, value: i64) -> &mut Self {
        self.push(Some(name.as_bytes()), EventValue::Int(value))
    }

    /// Adds a named text.
    pub fn text(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.push(Some(name.as_bytes()), EventValue::Text(value.as_ref().into()))
    }

    /// Adds a parameter. An event with more than [`EVENT_PARAMS_MAX`] of them, or more than
    /// [`EVENT_BYTES_MAX`], is dropped and counted.
    pub fn push(&mut self, name: Option<&[u8]>, value: EventValue) -> &mut Self {
        let size = match &value {
            EventValue::Int(_) => size_of::<i64>(),
            EventValue::Text(text) => text.len(),
        };
        self.bytes += size + name.map_or(0, <[u8]>::len);
        if self.list.len() >= EVENT_PARAMS_MAX || self.bytes > EVENT_BYTES_MAX {
            self.too_large = true;
        } else {
            self.list.push((name.map(Box::from), value));
        }
        self
    }

    /// The value of the first parameter of this name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&EventValue> {
        let name = name.as_ref();
        self.iter().find(|(known, _)| *known == Some(name)).map(|(_, value)| value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&[u8]>, &EventValue)> {
        self.list.iter().map(|(name, value)| (name.as_deref(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether something did not fit: such an event is dropped and counted.
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }
}

/// One event as it was raised, shared by all who are told of it.
#[derive(Debug)]
pub struct Raised {
    event: Arc<Event>,
    params: EventParams,
    json: OnceLock<Box<str>>,
}

impl Raised {
    pub(super) fn new(event: Arc<Event>, params: EventParams) -> Self {
        Self { event, params, json: OnceLock::new() }
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        &self.event.name
    }

    /// What it tells.
    pub fn params(&self) -> &EventParams {
        &self.params
    }

    /// The JSON-RPC notification that datagram and stream subscribers get: parameters with names are
    /// an object, without names an array, none are left out. It is written once, for all of them.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| notification(self.name(), &self.params).into())
    }
}

fn notification(name: &str, params: &EventParams) -> String {
    let mut out = String::from(r#"{"jsonrpc":"2.0","method":"#);
    put_text(&mut out, name.as_bytes());
    let named = params.iter().all(|(name, _)| name.is_some());
    let (open, close) = if named { ('{', '}') } else { ('[', ']') };
    for (at, (name, value)) in params.iter().enumerate() {
        match at {
            0 => {
                out.push_str(r#","params":"#);
                out.push(open);
            }
            _ => out.push(','),
        }
        if let Some(name) = name.filter(|_| named) {
            put_text(&mut out, name);
            out.push(':');
        }
        match value {
            EventValue::Text(text) => put_text(&mut out, text),
            // Writing to a String cannot fail.
            EventValue::Int(number) => drop(write!(out, "{number}")),
        }
    }
    if !params.is_empty() {
        out.push(close);
    }
    out.push('}');
    out
}

/// A text as JSON writes it; what is no UTF-8 becomes U+FFFD.
fn put_text(out: &mut String, text: &[u8]) {
    let text = serde_json::Value::from(String::from_utf8_lossy(text));
    // Writing to a String cannot fail.
    let _ = write!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(params: &[(Option<&str>, EventValue)]) -> String {
        let mut made = EventParams::default();
        for (name, value) in params {
            made.push(name.map(str::as_bytes), value.clone());
        }
        notification("E_X", &made)
    }

    fn text(text: &str) -> EventValue {
        text.as_bytes().into()
    }

    // spec/script.md §16 (payload), spec/modules.md §27.
    #[test]
    fn an_event_is_a_json_rpc_notification() {
        assert_eq!(
            json(&[(Some("a"), 1.into()), (Some("b"), text("x"))]),
            r#"{"jsonrpc":"2.0","method":"E_X","params":{"a":1,"b":"x"}}"#
        );
        assert_eq!(
            json(&[(None, text("x")), (None, (-2).into())]),
            r#"{"jsonrpc":"2.0","method":"E_X","params":["x",-2]}"#
        );
        assert_eq!(json(&[]), r#"{"jsonrpc":"2.0","method":"E_X"}"#);
        // One without a name, and they can only be told by their places.
        assert_eq!(
            json(&[(Some("a"), 1.into()), (None, 2.into())]),
            r#"{"jsonrpc":"2.0","method":"E_X","params":[1,2]}"#
        );
    }

    #[test]
    fn texts_of_peers_cannot_break_the_document() {
        let bad = EventValue::from(&b"a\"b\\c\r\n\x01\xff"[..]);
        let document = json(&[(Some("k\""), bad)]);
        assert_eq!(
            document,
            "{\"jsonrpc\":\"2.0\",\"method\":\"E_X\",\"params\":{\"k\\\"\":\"a\\\"b\\\\c\\r\\n\\u0001\u{fffd}\"}}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&document).is_ok());
    }

    #[test]
    fn numbers_beyond_those_of_scripts_are_texts() {
        let mut digits = String::new();
        assert_eq!(EventValue::Int(-7).for_script(&mut digits), Value::Int(-7));
        assert_eq!(
            EventValue::Int(4_294_967_295).for_script(&mut digits),
            Value::Str(b"4294967295")
        );
        assert_eq!(text("5").for_script(&mut digits), Value::Str(b"5"));
    }

    #[test]
    fn parameters_are_bounded_in_number_and_size() {
        let mut params = EventParams::default();
        for _ in 0..EVENT_PARAMS_MAX {
            params.push(None, 1.into());
        }
        assert!(!params.is_too_large());
        params.push(None, 1.into());
        assert!(params.is_too_large());
        let mut params = EventParams::default();
        params.text("t", vec![b'x'; EVENT_BYTES_MAX - 1]);
        assert!(!params.is_too_large());
        assert_eq!(params.get("t").map(|_| params.len()), Some(1));
        params.int("n", 1);
        assert!(params.is_too_large());
    }
}
