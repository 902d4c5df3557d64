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
    while matches!(line[colon], b' ' | b'\t') {
        colon += 1;
    }
    if name_len == 0 || line[colon] != b':' {
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
