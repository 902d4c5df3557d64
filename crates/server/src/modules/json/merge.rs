//! `json_merge()`: a document changed by another one (RFC 7396).

use duologue_script::{Args, Called, Value};
use serde_json::{Map, Value as Json};

use crate::context::Context;

/// `json_merge(document, patch, result)`: texts go in, a compact text comes out.
pub(super) fn merge(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let parsed = |position| args.str(position).and_then(|it| serde_json::from_slice(it).ok());
    let (Some(document), Some(patch)) = (parsed(0), parsed(1)) else { return Called::Value(-1) };
    let merged = merged(document, patch).to_string();
    let stored = args.store(ctx, 2, Value::Str(merged.as_bytes())).is_ok();
    Called::Value(if stored { 1 } else { -1 })
}

/// RFC 7396 §2: members of the patch take the place of those that are there, `null` removes them,
/// objects are merged; whatever else replaces the whole.
fn merged(document: Json, patch: Json) -> Json {
    let Json::Object(changes) = patch else { return patch };
    let mut members = match document {
        Json::Object(members) => members,
        _ => Map::new(),
    };
    for (key, change) in changes {
        if change.is_null() {
            members.shift_remove(&key);
        } else {
            let member = members.entry(key).or_insert(Json::Null);
            *member = merged(member.take(), change);
        }
    }
    Json::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7396, appendix A.
    #[test]
    fn the_examples_of_the_rfc() {
        for (document, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let json = |text: &str| serde_json::from_str(text).unwrap();
            assert_eq!(merged(json(document), json(patch)).to_string(), result, "{patch}");
        }
    }
}
