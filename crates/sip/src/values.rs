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

/// Walks the values of one list, as a header line has it (RFC 3261 §7.3.1): commas in quotes and
/// angle brackets belong to their value, empty values are passed over.
///
/// ```
/// let routes = duologue_sip::ListValues::new(b"<sip:a,b;lr>, \"x, y\" <sip:c>");
/// assert_eq!(routes.collect::<Vec<_>>(), [&b"<sip:a,b;lr>"[..], b"\"x, y\" <sip:c>"]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ListValues<'b> {
    rest: &'b [u8],
}

impl<'b> ListValues<'b> {
    /// The values in these bytes.
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'b> Iterator for ListValues<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        while !self.rest.is_empty() {
            let end = find_bare(self.rest, b',').unwrap_or(self.rest.len());
            let value = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

/// Walks the values of all headers of one name; made by [`Message::values`].
#[derive(Clone, Debug)]
pub struct Values<'m, 'b> {
    message: &'m Message<'b>,
    name: HeaderRef<'m>,
    /// The line that `list` belongs to.
    line: usize,
    next_line: usize,
    list: ListValues<'b>,
}

impl<'m, 'b> Values<'m, 'b> {
    pub(crate) fn new(message: &'m Message<'b>, name: HeaderRef<'m>) -> Self {
        let first = match name {
            HeaderRef::Known(name) => message.first_line(name).unwrap_or(message.lines().len()),
            HeaderRef::Other(_) => 0,
        };
        Self { message, name, line: 0, next_line: first, list: ListValues::default() }
    }

    /// The values of one line alone.
    pub(crate) fn of_line(message: &'m Message<'b>, line: usize) -> Self {
        let list = message.lines().get(line).map(|at| line_values(message, at)).unwrap_or_default();
        let next_line = message.lines().len();
        Self { message, name: HeaderRef::Other(b""), line, next_line, list }
    }
}

impl<'b> Iterator for Values<'_, 'b> {
    type Item = Value<'b>;

    fn next(&mut self) -> Option<Value<'b>> {
        loop {
            if let Some(bytes) = self.list.next() {
                return Some(Value { bytes, line: self.line });
            }
            let line = self.message.lines().get(self.next_line)?;
            if self.message.is_named(line, self.name) {
                self.list = line_values(self.message, line);
                self.line = self.next_line;
            }
            self.next_line += 1;
        }
    }
}

fn line_values<'b>(message: &Message<'b>, line: &Line) -> ListValues<'b> {
    ListValues::new(&message.as_bytes()[line.value_start.into()..line.value_end.into()])
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
