//! Who changed what: one line of the log for each command that changes something, whether it was run
//! or refused.
//!
//! The line has the target `audit` and says which command, through which door and from where, in
//! which role, with which parameters, and what came of it: `ok` or the code of the error. What a peer
//! sends cannot make a second line of it, nor a long one, and secrets are left out.

use std::fmt::Write as _;
use std::io;

use serde_json::{Map, Value};

use crate::{Answer, Caller, CommandError, Params};

/// The target of these lines.
pub const TARGET: &str = "audit";

/// How many bytes of parameters a line tells.
pub const PARAMS_BYTES_MAX: usize = 1024;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// Header fields that carry credentials (RFC 3261 §20.7, §20.28).
const CREDENTIALS: [&str; 2] = ["authorization", "proxy-authorization"];

/// Writes the line. Without parameters they did not fit the command.
pub(crate) fn tell(
    command: &str,
    caller: &Caller,
    params: Option<(&Params, &[&str])>,
    outcome: &Result<Answer, CommandError>,
) {
    let params = params.map_or_else(|| "-".to_owned(), |(params, secret)| told(params, secret));
    let result = match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code.to_string(),
    };
    tracing::info!(
        target: TARGET,
        door = %caller.door,
        peer = %harmless(&caller.peer),
        role = %caller.role,
        params = %params,
        result = %result,
        "{command}",
    );
}

/// The parameters as a JSON object, cut off where it gets long.
fn told(params: &Params, secret: &[&str]) -> String {
    let shown = params.bound().iter().map(|(name, value)| {
        let value = match value {
            _ if secret.contains(name) => HIDDEN.into(),
            value => without_credentials(value),
        };
        ((*name).to_owned(), value)
    });
    let mut beginning = Beginning::default();
    // It fails where the beginning is full.
    let whole = serde_json::to_writer(&mut beginning, &shown.collect::<Map<_, _>>()).is_ok();
    let text = String::from_utf8_lossy(&beginning.0);
    let mut text = harmless(text.trim_end_matches(char::REPLACEMENT_CHARACTER));
    if !whole {
        text.push('…');
    }
    text
}

/// Takes as much as a line may have.
#[derive(Default)]
struct Beginning(Vec<u8>);

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PARAMS_BYTES_MAX - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value whose texts are without the credentials that header lines in them carry, however deep.
fn without_credentials(value: &Value) -> Value {
    match value {
        Value::String(text) => masked(text).into(),
        Value::Array(values) => values.iter().map(without_credentials).collect(),
        Value::Object(values) => {
            let shown = values.iter().map(|(name, value)| {
                let value = match carries_credentials(name) {
                    true => HIDDEN.into(),
                    false => without_credentials(value),
                };
                (name.clone(), value)
            });
            Value::Object(shown.collect())
        }
        value => value.clone(),
    }
}

/// Header lines whose credentials are left out, or any other text as it is.
fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut hides = false;
    for line in text.split_inclusive('\n') {
        // RFC 3261 §7.3.1: a line that begins with a blank belongs to the header before it.
        if hides && line.starts_with([' ', '\t']) {
            continue;
        }
        let name = line.split_once(':').map(|(name, _)| name);
        let name = name.filter(|name| carries_credentials(name));
        hides = name.is_some();
        match name {
            Some(name) => {
                let end = &line[line.trim_end_matches(['\r', '\n']).len()..];
                shown.extend([name, ": ", HIDDEN, end]);
            }
            None => shown.push_str(line),
        }
    }
    shown
}

fn carries_credentials(header: &str) -> bool {
    CREDENTIALS.iter().any(|one| header.trim().eq_ignore_ascii_case(one))
}

/// The same text with everything escaped that would not stay on its line, or that a terminal obeys.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        let obeyed = character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if obeyed {
            let _ = write!(harmless, "\\u{:04x}", u32::from(character));
        } else {
            harmless.push(character);
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::params::Given;

    fn told_of(value: Value) -> String {
        let params = Params::bind(Given::Positional(vec![value]), &[&["x"]], false).unwrap();
        told(&params, &[])
    }

    #[test]
    fn parameters_stay_on_one_line() {
        let shown = told_of(json!("a\r\nNOTICE: forged\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{202e}é"));
        assert_eq!(
            shown,
            "{\"x\":\"a\\r\\nNOTICE: forged\\u001b[2J\\u007f\\u009b\\u2028\\u202eé\"}"
        );
    }

    #[test]
    fn parameters_are_cut_off() {
        for odd in ["", "x"] {
            let shown = told_of(json!(format!("{odd}{}", "ä".repeat(1_000_000))));
            assert!(shown.ends_with("ä…"), "{shown}");
            assert!(shown.len() <= PARAMS_BYTES_MAX + '…'.len_utf8());
        }
        let exact = "x".repeat(PARAMS_BYTES_MAX - r#"{"x":""}"#.len());
        assert!(told_of(json!(exact)).ends_with("x\"}"));
    }

    #[test]
    fn secrets_are_not_told() {
        let given = Given::Positional(vec![json!("key"), json!("s3cret")]);
        let params = Params::bind(given, &[&["attr", "value"]], false).unwrap();
        assert_eq!(told(&params, &["value"]), r#"{"attr":"key","value":"***"}"#);
        let headers = "X-A: 1\r\nproxy-Authorization: Digest response=\"ab\"\r\nX-B: 2";
        assert_eq!(
            told_of(json!(headers)),
            r#"{"x":"X-A: 1\r\nproxy-Authorization: ***\r\nX-B: 2"}"#
        );
        assert_eq!(told_of(json!("Authorization:x")), r#"{"x":"Authorization: ***"}"#);
        // RFC 3261 §7.3.1: on several lines, and with more headers behind.
        let folded =
            "Authorization: Digest\r\n response=\"ab\",\r\n\tnonce=\"cd\"\r\nX-B: 2\r\n more";
        assert_eq!(told_of(json!(folded)), r#"{"x":"Authorization: ***\r\nX-B: 2\r\n more"}"#);
        let nested = json!([["Proxy-Authorization: x"], { "headers": { "authorization": ["y"] } }]);
        assert_eq!(
            told_of(nested),
            r#"{"x":[["Proxy-Authorization: ***"],{"headers":{"authorization":"***"}}]}"#
        );
    }
}
