//! Messages made from scratch.

use std::io::Write;

use crate::{HeaderName, HeaderRef, Message, Method, StatusCode};

/// Appends a message to a caller's buffer: a first line, then headers, then the end.
///
/// Values are written as given. Who writes text of a stranger keeps line breaks out of it first.
#[derive(Debug)]
#[must_use = "a message without its end is none: call `finish` or `body`"]
pub struct Builder<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Builder<'o> {
    /// Begins a request.
    pub fn request(out: &'o mut Vec<u8>, method: Method<'_>, uri: &[u8]) -> Self {
        for part in [method.as_bytes(), b" ", uri, b" SIP/2.0\r\n"] {
            out.extend_from_slice(part);
        }
        Self { out }
    }

    /// Begins a response; an empty `reason` stands for the code's own phrase.
    pub fn response(out: &'o mut Vec<u8>, status: StatusCode, reason: &[u8]) -> Self {
        let reason = if reason.is_empty() { status.reason().as_bytes() } else { reason };
        out.extend_from_slice(b"SIP/2.0 ");
        append_number(out, status.code().into());
        for part in [b" ", reason, b"\r\n"] {
            out.extend_from_slice(part);
        }
        Self { out }
    }

    /// Adds a header; `parts` make up its value.
    pub fn header<'n>(self, name: impl Into<HeaderRef<'n>>, parts: &[&[u8]]) -> Self {
        self.out.extend_from_slice(name.into().as_bytes());
        self.out.extend_from_slice(b": ");
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a header whose value is a number.
    pub fn number<'n>(self, name: impl Into<HeaderRef<'n>>, number: u32) -> Self {
        self.out.extend_from_slice(name.into().as_bytes());
        self.out.extend_from_slice(b": ");
        append_number(self.out, number);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds CSeq.
    pub fn cseq(self, number: u32, method: Method<'_>) -> Self {
        self.out.extend_from_slice(b"CSeq: ");
        append_number(self.out, number);
        for part in [b" ", method.as_bytes(), b"\r\n"] {
            self.out.extend_from_slice(part);
        }
        self
    }

    /// Copies all header lines of that name from `message`, as they are.
    pub fn copy(self, message: &Message<'_>, name: HeaderName) -> Self {
        for header in message.all(name) {
            self.out.extend_from_slice(header.line());
        }
        self
    }

    /// Adds whole header lines, each with its line break.
    pub fn lines(self, lines: &[u8]) -> Self {
        self.out.extend_from_slice(lines);
        self
    }

    /// Ends the message without a body.
    pub fn finish(self) {
        self.out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// Ends the message with a body of that type; an empty body has no type.
    pub fn body(self, content_type: &[u8], body: &[u8]) {
        let typed = if body.is_empty() || content_type.is_empty() {
            self
        } else {
            self.header(HeaderName::ContentType, &[content_type])
        };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let out = typed.number(HeaderName::ContentLength, length).out;
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }

    pub(crate) const fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }
}

fn append_number(out: &mut Vec<u8>, number: u32) {
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request() {
        let mut out = Vec::new();
        Builder::request(&mut out, Method::Options, b"sip:h")
            .header(HeaderName::Via, &[b"SIP/2.0/UDP ", b"p"])
            .cseq(7, Method::Options)
            .number(HeaderName::MaxForwards, 70)
            .lines(b"X: y\r\n")
            .body(b"text/plain", b"hi");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP p\r\nCSeq: 7 OPTIONS\r\nMax-Forwards: 70\r\n\
             X: y\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
        );
    }

    #[test]
    fn a_response() {
        let mut out = b"kept".to_vec();
        Builder::response(&mut out, StatusCode::BUSY_HERE, b"").finish();
        assert_eq!(out, b"keptSIP/2.0 486 Busy Here\r\nContent-Length: 0\r\n\r\n");
    }
}
