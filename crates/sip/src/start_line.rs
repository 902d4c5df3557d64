//! The first line: a request or a response.

use crate::error::ParseFault;
use crate::grammar::{decimal, is_lws, trim_end};
use crate::{Method, StatusCode};

/// The first line of a message (RFC 3261 §7.1 and §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'b> {
    /// `INVITE sip:bob@biloxi.com SIP/2.0`
    Request {
        /// The method.
        method: Method<'b>,
        /// The request URI, unread: see [`Message::uri`](crate::Message::uri).
        uri: &'b [u8],
    },
    /// `SIP/2.0 180 Ringing`
    Response {
        /// The code.
        status: StatusCode,
        /// The phrase, which may be empty and need not be UTF-8.
        reason: &'b [u8],
    },
}

/// Reads a first line without its line break. The fault beside a line tells that it can serve to
/// answer the sender and for nothing else.
pub(crate) fn read(line: &[u8]) -> Result<(StartLine<'_>, Option<ParseFault>), ParseFault> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return read_status_line(line).map(|line| (line, None));
    }
    read_request_line(line)
}

fn read_status_line(line: &[u8]) -> Result<StartLine<'_>, ParseFault> {
    let rest = match line.split_at_checked(7) {
        Some((version, [b' ', rest @ ..])) if version.eq_ignore_ascii_case(b"SIP/2.0") => rest,
        _ => return Err(ParseFault::StatusLine),
    };
    let (code, reason) = match memchr::memchr(b' ', rest) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        // RFC 3261 §25.1 wants the space even before an empty phrase; peers forget it.
        None => (rest, &rest[rest.len()..]),
    };
    let status = (code.len() == 3)
        .then(|| decimal(code))
        .flatten()
        .and_then(|code| StatusCode::new(u16::try_from(code).ok()?))
        .ok_or(ParseFault::StatusLine)?;
    Ok(StartLine::Response { status, reason })
}

fn read_request_line(line: &[u8]) -> Result<(StartLine<'_>, Option<ParseFault>), ParseFault> {
    let first = memchr::memchr(b' ', line).ok_or(ParseFault::NoStartLine)?;
    let method = Method::parse(&line[..first]).ok_or(ParseFault::NoStartLine)?;
    let trimmed = trim_end(line);
    let last = memchr::memrchr(b' ', trimmed).ok_or(ParseFault::NoStartLine)?;
    let version = &trimmed[last + 1..];
    if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(ParseFault::NoStartLine);
    }
    let uri = line.get(first + 1..last).unwrap_or_default();
    let fault = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(ParseFault::Version)
    } else if uri.is_empty() || uri.iter().any(|&b| is_lws(b)) || trimmed.len() != line.len() {
        // RFC 3261 §7.1: single spaces, and no white space in or after the parts.
        Some(ParseFault::RequestLine)
    } else {
        None
    };
    Ok((StartLine::Request { method, uri }, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let (line, fault) = read(b"INVITE sip:a@b SIP/2.0").unwrap();
        assert_eq!(line, StartLine::Request { method: Method::Invite, uri: b"sip:a@b" });
        assert_eq!(fault, None);
        assert_eq!(read(b"INVITE sip:a@b sip/2.0").unwrap().1, None);
    }

    #[test]
    fn request_lines_good_enough_to_answer() {
        for (line, fault) in [
            ("INVITE  sip:a@b SIP/2.0", ParseFault::RequestLine),
            ("INVITE sip:a@b  SIP/2.0", ParseFault::RequestLine),
            ("INVITE sip:a@b SIP/2.0 ", ParseFault::RequestLine),
            ("INVITE sip:a@b; lr SIP/2.0", ParseFault::RequestLine),
            ("INVITE SIP/2.0", ParseFault::RequestLine),
            ("INVITE sip:a@b SIP/7.0", ParseFault::Version),
        ] {
            assert_eq!(read(line.as_bytes()).unwrap().1, Some(fault), "{line}");
        }
    }

    #[test]
    fn responses() {
        let (line, _) = read(b"SIP/2.0 404 Not  Found").unwrap();
        assert_eq!(
            line,
            StartLine::Response { status: StatusCode::NOT_FOUND, reason: b"Not  Found" }
        );
        assert!(matches!(read(b"SIP/2.0 100 "), Ok((StartLine::Response { reason: b"", .. }, _))));
        assert!(matches!(read(b"SIP/2.0 100"), Ok((StartLine::Response { reason: b"", .. }, _))));
        for bad in ["SIP/2.0 4294967301 x", "SIP/2.0 99 x", "SIP/2.0  200 OK", "SIP/3.0 200 OK"] {
            assert_eq!(read(bad.as_bytes()).unwrap_err(), ParseFault::StatusLine, "{bad}");
        }
    }

    #[test]
    fn garbage() {
        for bad in ["", " ", "INVITE", "GET / HTTP/1.1", "\u{0}\u{0} x SIP/2.0", "a\tb SIP/2.0"] {
            assert_eq!(read(bad.as_bytes()).unwrap_err(), ParseFault::NoStartLine, "{bad:?}");
        }
    }
}
