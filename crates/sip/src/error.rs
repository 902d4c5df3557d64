//! What can be wrong with a message, whose fault it is, and how to answer.

use std::fmt;

use crate::{HeaderName, StatusCode};

/// Why bytes are no message.
///
/// [`ParseError::status`] tells what to do: a status is an answer that the sender should get, if
/// [`Message::salvage`](crate::Message::salvage) can read enough to address it; none means drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub(crate) fault: ParseFault,
    pub(crate) request: bool,
    pub(crate) at: u32,
}

/// The rule that the bytes broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseFault {
    /// Nothing but line breaks: a keep-alive (RFC 5626 §3.5.1), to be dropped in silence.
    KeepAlive,
    /// The first line is neither a request line nor a status line: no SIP at all.
    NoStartLine,
    /// A request line with white space where none may be, or a URI missing.
    RequestLine,
    /// A status line whose code is no number from 100 to 699.
    StatusLine,
    /// A request of another SIP version.
    Version,
    /// More octets than [`Limits::message_octets`](crate::Limits::message_octets).
    MessageTooLarge,
    /// A request URI longer than [`Limits::uri_octets`](crate::Limits::uri_octets).
    UriTooLong,
    /// More lines than [`Limits::header_lines`](crate::Limits::header_lines).
    TooManyHeaders,
    /// A line longer than [`Limits::header_octets`](crate::Limits::header_octets).
    HeaderTooLong,
    /// A header line without a colon, or whose name is no token.
    HeaderLine,
    /// The bytes end before the blank line that closes the headers.
    NoBlankLine,
}

impl ParseError {
    /// The rule that was broken.
    pub const fn fault(self) -> ParseFault {
        self.fault
    }

    /// The offset of the octet at which it was noticed.
    pub const fn at(self) -> usize {
        self.at as usize
    }

    /// Whether the first line was good enough to know that this wants to be a request. Such a
    /// message may be answered; anything else is dropped.
    pub const fn is_request(self) -> bool {
        self.request
    }

    /// The status to answer with, or none if the bytes are to be dropped: garbage, a keep-alive,
    /// or a response, which nobody answers.
    pub const fn status(self) -> Option<StatusCode> {
        if !self.request {
            return None;
        }
        Some(match self.fault {
            ParseFault::Version => StatusCode::VERSION_NOT_SUPPORTED,
            ParseFault::MessageTooLarge => StatusCode::MESSAGE_TOO_LARGE,
            ParseFault::UriTooLong => StatusCode::REQUEST_URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        })
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            ParseFault::KeepAlive => "nothing but line breaks",
            ParseFault::NoStartLine => "the first line is not SIP",
            ParseFault::RequestLine => "malformed request line",
            ParseFault::StatusLine => "malformed status line",
            ParseFault::Version => "another SIP version",
            ParseFault::MessageTooLarge => "message too large",
            ParseFault::UriTooLong => "request URI too long",
            ParseFault::TooManyHeaders => "too many header lines",
            ParseFault::HeaderTooLong => "header line too long",
            ParseFault::HeaderLine => "malformed header line",
            ParseFault::NoBlankLine => "no blank line after the headers",
        };
        write!(f, "{what} (octet {})", self.at)
    }
}

impl std::error::Error for ParseError {}

/// Why a header's typed view could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderError {
    /// The message has no such header.
    Missing(HeaderName),
    /// The header is there and does not follow its grammar.
    Malformed(HeaderName),
    /// The header is there more often than its rules allow.
    Repeated(HeaderName),
}

impl HeaderError {
    /// The header in question.
    pub const fn header(self) -> HeaderName {
        match self {
            Self::Missing(name) | Self::Malformed(name) | Self::Repeated(name) => name,
        }
    }

    /// The answer to a request with this fault.
    pub const fn status(self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "no {name} header"),
            Self::Malformed(name) => write!(f, "malformed {name} header"),
            Self::Repeated(name) => write!(f, "more than one {name} header"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// Why a URI could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UriError {
    /// No scheme and colon at its start.
    Scheme,
    /// An octet that no URI may contain, or an escape without two hexadecimal digits.
    Character,
    /// An empty user part.
    User,
    /// An empty or malformed host.
    Host,
    /// A port that is no number up to 65535.
    Port,
    /// Headers in a request URI, where none may be (RFC 3261 §19.1.1); found by
    /// [`Message::check`](crate::Message::check), not by reading the URI.
    Headers,
    /// More octets than [`URI_OCTETS_MAX`](crate::URI_OCTETS_MAX).
    TooLong,
}

impl UriError {
    /// The answer to a request whose URI has this fault.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::REQUEST_URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "URI without a scheme",
            Self::Character => "URI with an octet that must not be there",
            Self::User => "URI with an empty user",
            Self::Host => "URI with a malformed host",
            Self::Port => "URI with a malformed port",
            Self::Headers => "request URI with headers",
            Self::TooLong => "URI too long",
        })
    }
}

impl std::error::Error for UriError {}
