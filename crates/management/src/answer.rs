//! What a command gives back: a value, a stream of slices, or an error.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::Listing;

/// The result of a command.
pub enum Answer {
    /// The whole result.
    Value(Value),
    /// The result as pieces of compact JSON text, which together are exactly one JSON value.
    ///
    /// The iterator is run outside the handler, on a thread that may block.
    Stream(Box<dyn Iterator<Item = String> + Send>),
    /// The result as a list, which is made as it is read.
    Listing(Listing),
}

impl Answer {
    /// The answer of a command that has no data: the string `OK` (spec/script.md §15.1).
    pub fn ok() -> Self {
        Self::Value(Value::from("OK"))
    }

    /// An object with `members`, then `name` as an array of `items`.
    pub fn listing<I>(members: Map<String, Value>, name: &str, items: I) -> Self
    where
        I: Iterator<Item = Value> + Send + 'static,
    {
        Self::Listing(Listing::new(members, name, items))
    }

    /// An array of `items`.
    pub fn array<I>(items: I) -> Self
    where
        I: Iterator<Item = Value> + Send + 'static,
    {
        Self::Listing(Listing::array(items))
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
            Self::Listing(_) => f.write_str("Listing(..)"),
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
