//! The values of a header that may hold several: over lines, and over the commas in a line.

use crate::grammar::{find_bare, trim};
use crate::scan::Line;
use crate::{HeaderRef, Message};

/// One of possibly many values of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'b> {
    /// The value without white space around it; never empty.
    pub bytes: &'b [u8],
    /// Which header line of the message it stands in, counted from zero.
    pub line: usize,
}

/// Walks the values of all headers of one name; made by [`Message::values`].
#[derive(Clone, Debug)]
pub struct Values<'m, 'b> {
    message: &'m Message<'b>,
    name: HeaderRef<'m>,
    /// The line that `rest` belongs to.
    line: usize,
    next_line: usize,
    rest: &'b [u8],
}

impl<'m, 'b> Values<'m, 'b> {
    pub(crate) fn new(message: &'m Message<'b>, name: HeaderRef<'m>) -> Self {
        let first = match name {
            HeaderRef::Known(name) => message.first_line(name).unwrap_or(message.lines().len()),
            HeaderRef::Other(_) => 0,
        };
        Self { message, name, line: 0, next_line: first, rest: &[] }
    }

    /// The values of one line alone.
    pub(crate) fn of_line(message: &'m Message<'b>, line: usize) -> Self {
        let rest = message.lines().get(line).map_or(&[][..], |at| line_value(message, at));
        let next_line = message.lines().len();
        Self { message, name: HeaderRef::Other(b""), line, next_line, rest }
    }
}

impl<'b> Iterator for Values<'_, 'b> {
    type Item = Value<'b>;

    fn next(&mut self) -> Option<Value<'b>> {
        loop {
            while self.rest.is_empty() {
                let line = self.message.lines().get(self.next_line)?;
                if self.message.is_named(line, self.name) {
                    self.rest = line_value(self.message, line);
                    self.line = self.next_line;
                }
                self.next_line += 1;
            }
            let end = find_bare(self.rest, b',').unwrap_or(self.rest.len());
            let bytes = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !bytes.is_empty() {
                return Some(Value { bytes, line: self.line });
            }
        }
    }
}

fn line_value<'b>(message: &Message<'b>, line: &Line) -> &'b [u8] {
    &message.as_bytes()[line.value_start.into()..line.value_end.into()]
}

#[cfg(test)]
mod tests {
    use crate::{HeaderName, Message};

    #[test]
    fn lines_and_commas_make_one_list() {
        let bytes = b"OPTIONS sip:h SIP/2.0\r\n\
            Route: <sip:a,b;lr>, \"x, y\" <sip:c> ,\r\n <sip:d>\r\n\
            X: 1\r\nRoute:\r\nroute: <sip:e>,,<sip:f>\r\n\r\n";
        let message = Message::parse(bytes).unwrap();
        let values: Vec<_> = message.values(HeaderName::Route).collect();
        let texts: Vec<_> = values.iter().map(|v| std::str::from_utf8(v.bytes).unwrap()).collect();
        assert_eq!(texts, ["<sip:a,b;lr>", "\"x, y\" <sip:c>", "<sip:d>", "<sip:e>", "<sip:f>"]);
        assert_eq!(values.iter().map(|v| v.line).collect::<Vec<_>>(), [0, 0, 0, 3, 3]);
        let span = message.span_of(values[2].bytes).unwrap();
        assert_eq!(&bytes[span.range()], b"<sip:d>");
        assert_eq!(message.values("x").count(), 1);
        assert_eq!(message.values(HeaderName::Path).count(), 0);
    }
}
