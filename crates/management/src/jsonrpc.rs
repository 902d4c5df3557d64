//! The JSON-RPC 2.0 envelope (spec/script.md §15.1): bytes in, at most one reply out.

use serde_json::{Map, Value, json};

#[cfg(doc)]
use crate::Listing;
use crate::params::Given;
use crate::{Answer, Caller, CommandError, Registry};

/// What to send back.
#[derive(Debug)]
pub enum Reply {
    /// Nothing: the request was a notification.
    Silence,
    /// One JSON document.
    Whole(Value),
    /// One JSON document in pieces.
    Pieces(Pieces),
    /// A list, a JSON document on each line; see [`Listing::lines`].
    Lines(Pieces),
}

impl Reply {
    /// The whole document, or `None` for a notification. A reply in pieces is always compact.
    pub fn into_text(self, pretty: bool) -> Option<String> {
        match self {
            Self::Silence => None,
            Self::Whole(document) if pretty => Some(format!("{document:#}")),
            Self::Whole(document) => Some(document.to_string()),
            Self::Pieces(pieces) | Self::Lines(pieces) => Some(pieces.collect()),
        }
    }

    /// The same, unless it has more than `limit` bytes: then an error that says `advice`. Of a reply
    /// in pieces no more is made than fits.
    pub(crate) fn into_text_within(
        self,
        limit: usize,
        pretty: bool,
        advice: &str,
    ) -> Option<String> {
        let (text, id) = match self {
            Self::Pieces(mut pieces) | Self::Lines(mut pieces) => {
                let mut text = String::new();
                while text.len() <= limit
                    && let Some(piece) = pieces.next()
                {
                    text.push_str(&piece);
                }
                (text, pieces.id)
            }
            Self::Whole(document) => {
                let id = document.get("id").cloned().unwrap_or_default();
                (Self::Whole(document).into_text(pretty)?, id)
            }
            Self::Silence => return None,
        };
        if text.len() <= limit {
            return Some(text);
        }
        failure(&CommandError::server(advice.to_owned()), id).into_text(pretty)
    }

    /// Whether the request was no JSON.
    pub(crate) fn is_parse_error(&self) -> bool {
        matches!(self, Self::Whole(document) if document["error"]["code"] == PARSE_ERROR)
    }
}

/// The code of a request that is no JSON.
const PARSE_ERROR: i64 = -32700;

/// The pieces of a reply: the opening of the envelope, the slices of the result, its end.
pub struct Pieces {
    opening: Option<String>,
    result: Box<dyn Iterator<Item = String> + Send>,
    closing: Option<String>,
    id: Value,
}

impl Pieces {
    fn of_document(result: Box<dyn Iterator<Item = String> + Send>, id: Value) -> Self {
        Self {
            opening: Some(r#"{"jsonrpc":"2.0","result":"#.into()),
            result,
            closing: Some(format!(",\"id\":{id}}}")),
            id,
        }
    }
}

impl Iterator for Pieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.opening.take().or_else(|| self.result.next()).or_else(|| self.closing.take())
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pieces(..)")
    }
}

/// Whether the command that is asked for waits for what others do.
pub(crate) fn is_waiting(registry: &Registry, bytes: &[u8]) -> bool {
    let Ok(request) = parse(bytes) else { return false };
    registry.find(&request.method).is_ok_and(|command| command.is_waiting())
}

/// Whether it is the answer to a request, not a request.
pub(crate) fn is_reply(bytes: &[u8]) -> bool {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    document.get("method").is_none()
        && (document.get("result").is_some() || document.get("error").is_some())
}

/// How lists are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As the reply that the protocol describes.
    #[default]
    Document,
    /// In lines that can be read one by one.
    Lines,
}

/// Executes the request in `bytes`, which this program makes itself, as [`Registry::call`] does.
/// Never panics, whatever the bytes are and the handler does.
pub fn answer(registry: &Registry, bytes: &[u8]) -> Reply {
    execute(registry, bytes, Form::Document, None)
}

/// As [`answer`], for who came through a door: within its role, and told to the
/// [`audit`](crate::audit). It may have a wish about the form of lists; other answers are as always.
pub fn answer_to(caller: &Caller, registry: &Registry, bytes: &[u8], form: Form) -> Reply {
    execute(registry, bytes, form, Some(caller))
}

fn execute(registry: &Registry, bytes: &[u8], form: Form, caller: Option<&Caller>) -> Reply {
    let request = match parse(bytes) {
        Ok(request) => request,
        Err(refused) => return refused.into_reply(),
    };
    let outcome = registry.run(&request.method, request.params, true, caller);
    let Some(id) = request.id else {
        return Reply::Silence;
    };
    match outcome {
        Ok(Answer::Value(result)) => {
            Reply::Whole(json!({ "jsonrpc": "2.0", "result": result, "id": id }))
        }
        Ok(Answer::Stream(result)) => Reply::Pieces(Pieces::of_document(result, id)),
        Ok(Answer::Listing(list)) if form == Form::Lines => {
            let result = Box::new(list.lines(id.clone()));
            Reply::Lines(Pieces { opening: None, result, closing: None, id })
        }
        Ok(Answer::Listing(list)) => {
            Reply::Pieces(Pieces::of_document(Box::new(list.slices()), id))
        }
        Err(error) => failure(&error, id),
    }
}

#[derive(Debug, PartialEq)]
struct Request {
    method: String,
    params: Given,
    /// Absent in a notification.
    id: Option<Value>,
}

/// Bytes that are not a request.
enum Refused {
    NotJson,
    /// With the id to answer to, null if there is no usable one.
    Invalid(Value),
}

impl Refused {
    fn into_reply(self) -> Reply {
        match self {
            Self::NotJson => failure(&CommandError::new(PARSE_ERROR, "Parse error"), Value::Null),
            Self::Invalid(id) => failure(&CommandError::new(-32600, "Invalid Request"), id),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Request, Refused> {
    let document: Value = serde_json::from_slice(bytes).map_err(|_| Refused::NotJson)?;
    // Batches are not supported, so an array is as wrong as a number.
    let Value::Object(mut members) = document else {
        return Err(Refused::Invalid(Value::Null));
    };
    let id = read_id(&mut members).map_err(|()| Refused::Invalid(Value::Null))?;
    let invalid = || Refused::Invalid(id.clone().unwrap_or_default());
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid());
    }
    let Some(Value::String(method)) = members.remove("method") else {
        return Err(invalid());
    };
    let params = match members.remove("params") {
        None => Given::Positional(Vec::new()),
        Some(Value::Array(values)) => Given::Positional(values),
        Some(Value::Object(values)) => Given::Named(values),
        Some(_) => return Err(invalid()),
    };
    Ok(Request { method, params, id })
}

fn read_id(members: &mut Map<String, Value>) -> Result<Option<Value>, ()> {
    match members.remove("id") {
        None => Ok(None),
        Some(id @ (Value::Null | Value::String(_))) => Ok(Some(id)),
        // Numeric ids are echoed as integers.
        Some(Value::Number(id)) => Ok(Some(match id.as_f64() {
            Some(number) if id.is_f64() => Value::from(number as i64),
            _ => Value::Number(id),
        })),
        Some(_) => Err(()),
    }
}

/// The error document.
fn failure(error: &CommandError, id: Value) -> Reply {
    let mut members = Map::new();
    members.insert("code".into(), error.code.into());
    members.insert("message".into(), error.message.as_ref().into());
    if let Some(data) = &error.data {
        members.insert("data".into(), data.as_ref().into());
    }
    Reply::Whole(json!({ "jsonrpc": "2.0", "error": members, "id": id }))
}
