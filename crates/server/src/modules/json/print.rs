//! JSON as text, in the three styles that scripts can choose.

use std::io::{self, Write};

use duologue_script::Text;
use serde_json::Value as Json;

/// How objects and arrays are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `{ "a": 1, "b": [ 2, 3 ] }`
    Spaced,
    /// `{"a":1,"b":[2,3]}`
    Compact,
    /// A line for each value.
    Pretty,
}

/// Appends a value to a text.
pub(super) fn print(value: &Json, style: Style, out: &mut Text) {
    let written = match style {
        Style::Spaced => return spaced(value, out),
        Style::Compact => serde_json::to_writer(Into(out), value),
        Style::Pretty => serde_json::to_writer_pretty(Into(out), value),
    };
    debug_assert!(written.is_ok(), "a text takes whatever is written, or marks its overflow");
}

/// The layout that json-c, and with it OpenSIPS, prints by itself.
fn spaced(value: &Json, out: &mut Text) {
    match value {
        Json::Array(array) => {
            out.push(b"[");
            for (at, element) in array.iter().enumerate() {
                out.push(if at == 0 { b" " } else { b", " });
                spaced(element, out);
            }
            out.push(b" ]");
        }
        Json::Object(object) => {
            out.push(b"{");
            for (at, (key, value)) in object.iter().enumerate() {
                out.push(if at == 0 { b" " } else { b", " });
                out.push(Json::from(key.as_str()).to_string().as_bytes());
                out.push(b": ");
                spaced(value, out);
            }
            out.push(b" }");
        }
        scalar => print(scalar, Style::Compact, out),
    }
}

struct Into<'a>(&'a mut Text);

impl Write for Into<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §7.3: objects and arrays print as JSON text, in several styles.
    #[test]
    fn each_style_has_its_layout() {
        let value = serde_json::json!({"a": 1, "b": [2, "x/\"y"], "c": {}, "d": []});
        let show = |style| {
            let mut text = Text::new(1000);
            print(&value, style, &mut text);
            String::from_utf8(text.as_bytes().to_vec()).unwrap()
        };
        assert_eq!(show(Style::Spaced), r#"{ "a": 1, "b": [ 2, "x/\"y" ], "c": { }, "d": [ ] }"#);
        assert_eq!(show(Style::Compact), r#"{"a":1,"b":[2,"x/\"y"],"c":{},"d":[]}"#);
        let pretty = "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    \"x/\\\"y\"\n  ],\n  \"c\": {},\n  \
                      \"d\": []\n}";
        assert_eq!(show(Style::Pretty), pretty);
        let mut small = Text::new(10);
        print(&value, Style::Compact, &mut small);
        assert!(small.take_overflow());
    }
}
