//! JSON, written while it is read: a list of a million dialogs passes through a few kilobytes.

use std::fmt;
use std::io::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::cli::printable::{is_obeyed, printable};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Layout {
    /// Without white space.
    Compact,
    /// A line for each member and item.
    Pretty,
}

/// Writes the value that it is given as a seed. A value that is only a text is written as it is.
pub(in crate::cli) struct Printer<W> {
    out: W,
    layout: Layout,
    /// Why writing ended; an error of the reading side tells only that it did.
    failed: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    pub(in crate::cli) fn new(out: W, layout: Layout) -> Self {
        Self { out, layout, failed: None }
    }

    /// What the output said, if it ended the printing.
    pub(in crate::cli) fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    fn write<E: Error>(&mut self, text: &str) -> Result<(), E> {
        self.out.write_all(text.as_bytes()).map_err(|error| {
            self.failed = Some(error);
            E::custom("the output ended")
        })
    }

    fn line<E: Error>(&mut self, depth: usize) -> Result<(), E> {
        match self.layout {
            Layout::Compact => Ok(()),
            Layout::Pretty => self.write(&format!("\n{:1$}", "", 2 * depth)),
        }
    }
}

/// A whole answer, and the end of its last line.
impl<'de, W: Write> DeserializeSeed<'de> for &mut Printer<W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(Node { printer: &mut *self, depth: 0 })?;
        self.write("\n")
    }
}

/// A value within the answer.
struct Node<'a, W> {
    printer: &'a mut Printer<W>,
    depth: usize,
}

impl<'de, W: Write> DeserializeSeed<'de> for Node<'_, W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de, W: Write> Visitor<'de> for Node<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.printer.write("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.printer.write(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.printer.write(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.printer.write(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.printer.write(&serde_json::Value::from(value).to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.depth {
            0 => self.printer.write(&printable(text)),
            _ => self.printer.write(&quoted(text)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { printer, depth } = self;
        printer.write("[")?;
        let mut first = true;
        loop {
            let item = Item { printer: &mut *printer, depth: depth + 1, first };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
            first = false;
        }
        if !first {
            printer.line(depth)?;
        }
        printer.write("]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { printer, depth } = self;
        printer.write("{")?;
        let mut first = true;
        while let Some(name) = members.next_key::<String>()? {
            if !first {
                printer.write(",")?;
            }
            first = false;
            printer.line(depth + 1)?;
            printer.write(&quoted(&name))?;
            printer.write(if printer.layout == Layout::Pretty { ": " } else { ":" })?;
            members.next_value_seed(Node { printer: &mut *printer, depth: depth + 1 })?;
        }
        if !first {
            printer.line(depth)?;
        }
        printer.write("}")
    }
}

/// A value in an array: what stands before it is written once it is known to be there.
struct Item<'a, W> {
    printer: &'a mut Printer<W>,
    depth: usize,
    first: bool,
}

impl<'de, W: Write> DeserializeSeed<'de> for Item<'_, W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        if !self.first {
            self.printer.write(",")?;
        }
        self.printer.line(self.depth)?;
        value.deserialize_any(Node { printer: self.printer, depth: self.depth })
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    escaped(serde_json::Value::from(text).to_string())
}

/// JSON in which what terminals obey is escaped: it stands in strings only.
pub(in crate::cli) fn escaped(json: String) -> String {
    if !json.chars().any(is_obeyed) {
        return json;
    }
    let escaped = json.chars().map(|character| match is_obeyed(character) {
        true => format!("\\u{:04x}", u32::from(character)),
        false => character.to_string(),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(json: &str, layout: Layout) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, layout);
        let mut reader = serde_json::Deserializer::from_str(json);
        printer.deserialize(&mut reader).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn both_layouts_are_those_of_serde_json() {
        let json =
            r#"{"a":[1,-2,1.5,true,null,{"b":"x\"\n"},[],{}],"c":{"d":18446744073709551615}}"#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(printed(json, Layout::Compact), format!("{value}\n"));
        assert_eq!(printed(json, Layout::Pretty), format!("{value:#}\n"));
        assert_eq!(printed("[]", Layout::Pretty), "[]\n");
    }

    #[test]
    fn a_text_alone_is_written_raw() {
        assert_eq!(printed(r#""O\"K""#, Layout::Pretty), "O\"K\n");
        assert_eq!(printed(r#"["OK"]"#, Layout::Compact), "[\"OK\"]\n");
    }

    #[test]
    fn terminals_are_not_told_what_to_do() {
        // CSI, as one character of Unicode and as two of ASCII.
        assert_eq!(
            printed("[\"\u{9b}2J\\u001b[2J\"]", Layout::Compact),
            "[\"\\u009b2J\\u001b[2J\"]\n"
        );
        assert_eq!(printed(r#""\u001b[2J""#, Layout::Compact), "\u{fffd}[2J\n");
    }

    #[test]
    fn an_output_that_ends_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = Printer::new(Full, Layout::Compact);
        let mut reader = serde_json::Deserializer::from_str("[1]");
        assert!(printer.deserialize(&mut reader).is_err());
        assert_eq!(printer.failure().unwrap().kind(), io::ErrorKind::BrokenPipe);
    }
}
