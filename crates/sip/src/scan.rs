//! The one pass over the bytes: start line and header lines as offsets.

use smallvec::SmallVec;

use crate::error::ParseFault;
use crate::grammar::{is_token, trim_end};
use crate::start_line::{self, StartLine};
use crate::{HeaderName, Limits, ParseError};

/// Lines kept without allocating. A message with more costs one allocation.
pub(crate) const INLINE_LINES: usize = 32;

/// Says in the table of first lines that there is none.
pub(crate) const NO_LINE: u8 = u8::MAX;

const _: () = assert!(crate::limits::HEADER_LINES_MAX <= NO_LINE as usize);
const _: () = assert!(crate::limits::MESSAGE_OCTETS_MAX <= u16::MAX as usize);

/// One header line, folds included, as offsets into the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) start: u16,
    pub(crate) name_end: u16,
    pub(crate) value_start: u16,
    pub(crate) value_end: u16,
    /// After the line break.
    pub(crate) end: u16,
    pub(crate) name: Option<HeaderName>,
}

/// What the scan found.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'b> {
    pub(crate) start_line: StartLine<'b>,
    pub(crate) lines: SmallVec<[Line; INLINE_LINES]>,
    pub(crate) first: [u8; HeaderName::COUNT],
    /// Where the blank line begins.
    pub(crate) head_end: u16,
    /// Where the body begins.
    pub(crate) body_start: u16,
}

/// Reads the head of a message. With `salvage` every fault after the first line is stepped over,
/// so that the sender can be told.
pub(crate) fn scan<'b>(
    bytes: &'b [u8],
    limits: &Limits,
    salvage: bool,
) -> Result<Scan<'b>, ParseError> {
    let whole = bytes;
    let too_large = bytes.len() > limits.message_octets.min(crate::limits::MESSAGE_OCTETS_MAX);
    let bytes = &bytes[..bytes.len().min(crate::limits::MESSAGE_OCTETS_MAX)];

    // RFC 3261 §7.5: line breaks before the start line are ignored.
    let begin = bytes.iter().take_while(|&&b| matches!(b, b'\r' | b'\n')).count();
    let fail = |fault, at: usize, request| {
        Err(ParseError { fault, at: u32::try_from(at).unwrap_or(u32::MAX), request })
    };
    if begin == bytes.len() {
        return fail(ParseFault::KeepAlive, begin, false);
    }
    let Some(line_end) = memchr::memchr(b'\n', &bytes[begin..]).map(|at| begin + at) else {
        return fail(ParseFault::NoStartLine, begin, false);
    };
    let (start_line, fault) = match start_line::read(without_cr(&bytes[begin..line_end])) {
        Ok(read) => read,
        Err(fault) => return fail(fault, begin, false),
    };
    let request = matches!(start_line, StartLine::Request { .. });
    if !salvage {
        if too_large {
            return fail(ParseFault::MessageTooLarge, whole.len(), request);
        }
        if let Some(fault) = fault {
            return fail(fault, begin, request);
        }
        if let StartLine::Request { uri, .. } = start_line
            && uri.len() > limits.uri_octets.min(crate::limits::URI_OCTETS_MAX)
        {
            return fail(ParseFault::UriTooLong, begin, request);
        }
    }

    let lines_max = limits.header_lines.min(crate::limits::HEADER_LINES_MAX);
    let octets_max = limits.header_octets.min(crate::limits::HEADER_OCTETS_MAX);
    let mut lines = SmallVec::new();
    let mut first = [NO_LINE; HeaderName::COUNT];
    let mut at = line_end + 1;
    let body_start = loop {
        match &bytes[at..] {
            [b'\r', b'\n', ..] => break at + 2,
            [b'\n', ..] => break at + 1,
            _ => {}
        }
        let Some((end, whole)) = line_end_after(bytes, at) else {
            // A half line at the end is none: who sent it must not have it taken for a header.
            if salvage {
                break bytes.len();
            }
            return fail(ParseFault::NoBlankLine, bytes.len(), request);
        };
        let fault = if end - at > octets_max {
            Some(ParseFault::HeaderTooLong)
        } else if lines.len() >= lines_max {
            Some(ParseFault::TooManyHeaders)
        } else {
            match read_line(bytes, at, end) {
                Some(line) => {
                    if let Some(name) = line.name {
                        let slot = &mut first[name as usize];
                        if *slot == NO_LINE {
                            *slot = lines.len() as u8;
                        }
                    }
                    lines.push(line);
                    None
                }
                None => Some(ParseFault::HeaderLine),
            }
        };
        if let Some(fault) = fault
            && !salvage
        {
            return fail(fault, at, request);
        }
        at = end;
        if !whole {
            if salvage {
                break at;
            }
            return fail(ParseFault::NoBlankLine, at, request);
        }
    };
    let head_end = if at > body_start { body_start } else { at };
    Ok(Scan { start_line, lines, first, head_end: head_end as u16, body_start: body_start as u16 })
}

/// The end of the header line at `at`, with its folds and line break, and whether anything follows
/// that could be the next line; none if no line break is left.
fn line_end_after(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let mut end = at + memchr::memchr(b'\n', &bytes[at..])? + 1;
    // RFC 3261 §7.3.1: a line that starts with white space continues the one before.
    while let Some(b' ' | b'\t') = bytes.get(end) {
        end += memchr::memchr(b'\n', &bytes[end..])? + 1;
    }
    Some((end, end < bytes.len()))
}

fn read_line(bytes: &[u8], start: usize, end: usize) -> Option<Line> {
    let line = &bytes[start..end];
    let name_len = line.iter().position(|&b| !is_token(b))?;
    let mut colon = name_len;
    while let Some(b' ' | b'\t') = line.get(colon) {
        colon += 1;
    }
    if name_len == 0 || line.get(colon) != Some(&b':') {
        return None;
    }
    let after = &line[colon + 1..];
    let value = trim_end(after);
    let lead = value.iter().take_while(|&&b| crate::grammar::is_lws(b)).count();
    let value_start = start + colon + 1 + lead;
    Some(Line {
        name: HeaderName::parse(&line[..name_len]),
        start: start as u16,
        name_end: (start + name_len) as u16,
        value_start: value_start as u16,
        value_end: (start + colon + 1 + value.len()) as u16,
        end: end as u16,
    })
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, StatusCode};

    const REQUEST: &str = "OPTIONS sip:h SIP/2.0\r\n";

    fn fault(text: &str) -> (ParseFault, Option<StatusCode>) {
        let error = Message::parse(text.as_bytes()).unwrap_err();
        (error.fault(), error.status())
    }

    #[test]
    fn lines_folds_and_compact_names() {
        let text =
            format!("\r\n\r\n{REQUEST}v:a\r\nSUBJECT \t: x\r\n y\r\n\tz \r\nX-Y:\r\n\r\nbody");
        let message = Message::parse(text.as_bytes()).unwrap();
        let lines: Vec<_> = message.headers().map(|h| (h.known(), h.value())).collect();
        assert_eq!(
            lines,
            [
                (Some(HeaderName::Via), &b"a"[..]),
                (Some(HeaderName::Subject), b"x\r\n y\r\n\tz"),
                (None, b""),
            ]
        );
        assert_eq!(message.header("subject").unwrap().unfolded(), &b"x y z"[..]);
        assert_eq!(message.body(), b"body");
        assert_eq!(message.count("x-y"), 1);
    }

    #[test]
    fn bare_line_feeds_are_line_breaks() {
        let message = Message::parse(b"OPTIONS sip:h SIP/2.0\nVia: a\n b\n\nbody").unwrap();
        assert_eq!(message.value(HeaderName::Via), Some(&b"a\n b"[..]));
        assert_eq!(message.body(), b"body");
    }

    #[test]
    fn first_last_nth_and_count() {
        let text = format!("{REQUEST}a: 1\r\nX: 2\r\nx: 3\r\nVia: 4\r\nX: 5\r\nv: 6\r\n\r\n");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.value("X"), Some(&b"2"[..]));
        assert_eq!(message.last("X").unwrap().value(), b"5");
        assert_eq!(message.nth("x", 1).unwrap().value(), b"3");
        assert!(message.nth("x", 3).is_none());
        assert_eq!(message.count(HeaderName::Via), 2);
        assert_eq!(message.last("via").unwrap().value(), b"6");
    }

    #[test]
    fn requests_that_cannot_be_read_are_answered() {
        let bad = Some(StatusCode::BAD_REQUEST);
        assert_eq!(fault(&format!("{REQUEST}no colon\r\n\r\n")), (ParseFault::HeaderLine, bad));
        assert_eq!(fault(&format!("{REQUEST}: x\r\n\r\n")), (ParseFault::HeaderLine, bad));
        assert_eq!(fault(&format!("{REQUEST} folded\r\n\r\n")), (ParseFault::HeaderLine, bad));
        assert_eq!(fault(&format!("{REQUEST}a: b\r\n")), (ParseFault::NoBlankLine, bad));
        assert_eq!(fault(&format!("{REQUEST}a: b")), (ParseFault::NoBlankLine, bad));
        assert_eq!(fault(REQUEST), (ParseFault::NoBlankLine, bad));
        let long = REQUEST.replace("sip:h", &format!("sip:{}", "h".repeat(1100)));
        assert_eq!(
            fault(&format!("{long}\r\n")),
            (ParseFault::UriTooLong, Some(StatusCode::REQUEST_URI_TOO_LONG))
        );
    }

    #[test]
    fn garbage_and_responses_are_dropped() {
        assert_eq!(fault("\r\n\r\n"), (ParseFault::KeepAlive, None));
        assert_eq!(fault(""), (ParseFault::KeepAlive, None));
        assert_eq!(fault("garbage\r\n\r\n"), (ParseFault::NoStartLine, None));
        assert_eq!(fault("OPTIONS sip:h SIP/2.0"), (ParseFault::NoStartLine, None));
        assert_eq!(fault("SIP/2.0 200 OK\r\nx\r\n\r\n"), (ParseFault::HeaderLine, None));
    }

    #[test]
    fn the_limits_hold_on_both_sides_of_the_edge() {
        let with = |lines: usize| format!("{REQUEST}{}\r\n", "a: b\r\n".repeat(lines));
        assert_eq!(Message::parse(with(255).as_bytes()).unwrap().headers().len(), 255);
        assert_eq!(fault(&with(256)).0, ParseFault::TooManyHeaders);

        let head = with(1);
        let fill = |size: usize| format!("{head}{}", "x".repeat(size - head.len()));
        assert!(Message::parse(fill(65_535).as_bytes()).is_ok());
        assert_eq!(
            fault(&fill(65_536)),
            (ParseFault::MessageTooLarge, Some(StatusCode::MESSAGE_TOO_LARGE))
        );

        let limits = Limits { header_lines: 2, header_octets: 10, ..Limits::default() };
        let parse = |text: &str| Message::parse_within(text.as_bytes(), &limits).map(|_| ());
        assert!(parse(&with(2)).is_ok());
        assert_eq!(parse(&with(3)).unwrap_err().fault(), ParseFault::TooManyHeaders);
        assert!(parse(&format!("{REQUEST}a: 23456\r\n\r\n")).is_ok());
        let long = parse(&format!("{REQUEST}a: 234567\r\n\r\n"));
        assert_eq!(long.unwrap_err().fault(), ParseFault::HeaderTooLong);
    }
}
