//! A message as JSON.

use duologue_script::{Args, Called, Value};
use duologue_sip::Message;
use serde_json::{Map, Value as Json, json};

use super::yes_or_no;
use crate::context::Context;

/// The message as received: its first line, its headers by name (in full), its body.
pub(super) fn sip_to_json(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = to_json(ctx.message).to_string();
    yes_or_no(args.store(ctx, 0, Value::Str(text.as_bytes())).is_ok())
}

fn to_json(message: &Message<'_>) -> Json {
    let mut headers: Map<String, Json> = Map::new();
    for header in message.headers() {
        let name = header.known().map_or(header.name(), |name| name.as_str().as_bytes());
        let values = headers.entry(text(name)).or_insert_with(|| json!([]));
        if let Json::Array(values) = values {
            values.push(text(&header.unfolded()).into());
        }
    }
    let bytes = message.as_bytes();
    let start = message.headers_span().start as usize;
    json!({
        "first_line": text(bytes[..start].trim_ascii()),
        "headers": headers,
        "body": text(message.body()),
    })
}

/// JSON is UTF-8; a message need not be.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §6, `sip_to_json`.
    #[test]
    fn a_message_as_json() {
        let text = "\r\nINFO sip:h SIP/2.0\r\nv: a\r\nX-\u{e4}: \r\nVia: b\r\n c\r\nl: 2\r\n\r\n\"\u{1}more";
        let text = text.replace("X-\u{e4}", "x-A");
        let message = Message::parse(text.as_bytes()).unwrap();
        let wanted = r#"{"first_line":"INFO sip:h SIP/2.0","headers":{"Via":["a","b c"],"x-A":[""],"Content-Length":["2"]},"body":"\"\u0001"}"#;
        assert_eq!(to_json(&message).to_string(), wanted);
        let reply = Message::parse(b"SIP/2.0 200 \xff\r\nl: 0\r\n\r\n").unwrap();
        assert_eq!(to_json(&reply)["first_line"], "SIP/2.0 200 \u{fffd}");
    }
}
