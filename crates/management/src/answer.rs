//! What a command gives back: a value, a stream of slices, or an error.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

/// About how many bytes [`Answer::listing`] gathers before it hands out a slice.
pub const SLICE_BYTES: usize = 32 * 1024;

/// The result of a command.
pub enum Answer {
    /// The whole result.
    Value(Value),
    /// The result as pieces of compact JSON text, which together are exactly one JSON value.
    ///
    /// The iterator is run outside the handler, on a thread that may block.
    Stream(Box<dyn Iterator<Item = String> + Send>),
}

impl Answer {
    /// The answer of a command that has no data: the string `OK` (spec/script.md §15.1).
    pub fn ok() -> Self {
        Self::Value(Value::from("OK"))
    }

    /// An object with `members`, then `name` as an array of `items`, made slice by slice.
    ///
    /// `items` is pulled only as far as the next slice of about [`SLICE_BYTES`] needs.
    pub fn listing<I>(members: Map<String, Value>, name: &str, items: I) -> Self
    where
        I: Iterator<Item = Value> + Send + 'static,
    {
        let mut head = Value::Object(members).to_string();
        head.pop();
        if head.len() > 1 {
            head.push(',');
        }
        head.push_str(&Value::from(name).to_string());
        head.push_str(":[");
        Self::Stream(Box::new(Listing { pending: Some(head), items, first: true, end: "]}" }))
    }

    /// An array of `items`, made slice by slice as a [`listing`](Self::listing) is.
    pub fn array<I>(items: I) -> Self
    where
        I: Iterator<Item = Value> + Send + 'static,
    {
        let pending = Some("[".to_owned());
        Self::Stream(Box::new(Listing { pending, items, first: true, end: "]" }))
    }
}

impl<T: Into<Value>> From<T> for Answer {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => f.debug_tuple("Value").field(value).finish(),
            Self::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

/// Why a command failed: the `error` member of the reply (spec/script.md §15.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// A JSON-RPC code (−32602 …) or one of the command's own in the style of 404.
    pub code: i64,
    /// What the code means.
    pub message: Cow<'static, str>,
    /// Details, if there are any to tell.
    pub data: Option<Cow<'static, str>>,
}

impl CommandError {
    /// An error of the command's own, for example `(404, "No such dialog")`.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with details.
    pub fn with_data(mut self, data: impl Into<Cow<'static, str>>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// −32602 `Invalid params` with the reason as data.
    pub fn invalid_params(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32602, "Invalid params").with_data(reason)
    }

    /// −32602: parameter `name` has the wrong type.
    pub fn bad_type(name: &str) -> Self {
        Self::invalid_params(format!("Bad type for parameter '{name}'"))
    }

    /// −32000 `Server error`: our own fault.
    pub fn server(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(-32000, "Server error").with_data(details)
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.message)?;
        match &self.data {
            Some(data) => write!(f, ": {data}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CommandError {}

struct Listing<I> {
    /// The opening text until it was handed out; `None` once the end was handed out.
    pending: Option<String>,
    items: I,
    first: bool,
    end: &'static str,
}

impl<I: Iterator<Item = Value>> Iterator for Listing<I> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut slice = self.pending.take()?;
        while slice.len() < SLICE_BYTES {
            let Some(item) = self.items.next() else {
                slice.push_str(self.end);
                return Some(slice);
            };
            if !std::mem::take(&mut self.first) {
                slice.push(',');
            }
            slice.push_str(&item.to_string());
        }
        self.pending = Some(String::new());
        Some(slice)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn slices(answer: Answer) -> Vec<String> {
        match answer {
            Answer::Stream(slices) => slices.collect(),
            Answer::Value(_) => panic!("a listing is streamed"),
        }
    }

    #[test]
    fn a_listing_is_one_json_object_in_several_slices() {
        let mut members = Map::new();
        members.insert("count".into(), json!(3000));
        let items = (0..3000).map(|n| json!({ "ID": n, "callid": "0123456789abcdef" }));
        let slices = slices(Answer::listing(members, "Dialogs", items));
        assert!(slices.len() > 2);
        assert!(slices.iter().all(|slice| slice.len() < 2 * SLICE_BYTES));
        let whole: Value = serde_json::from_str(&slices.concat()).unwrap();
        assert_eq!(whole["count"], 3000);
        assert_eq!(whole["Dialogs"].as_array().unwrap().len(), 3000);
    }

    #[test]
    fn an_empty_listing_is_an_empty_array() {
        let slices = slices(Answer::listing(Map::new(), "Dialogs", std::iter::empty()));
        assert_eq!(slices, [r#"{"Dialogs":[]}"#]);
    }

    #[test]
    fn an_array_is_made_in_slices_too() {
        let slices = slices(Answer::array((0..20_000).map(Value::from)));
        assert!(slices.len() > 2);
        let whole: Vec<u32> = serde_json::from_str(&slices.concat()).unwrap();
        assert!(whole.into_iter().eq(0..20_000));
    }
}
