//! SIP as text, the plain way: a message is a start line, a list of headers and a body.
//!
//! The agents deliberately do not use the parser of `duologue-sip`: a test that reads with the very
//! code under test would agree with its mistakes.

use std::fmt;

/// A SIP message, split into lines and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The first line, without its line end.
    pub start: String,
    /// Header names (compact forms written out) and values, in order.
    pub headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: Vec<u8>,
}

/// Why bytes are no SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Message {
    /// A request without headers.
    pub fn request(method: &str, uri: &str) -> Self {
        Self { start: format!("{method} {uri} SIP/2.0"), headers: Vec::new(), body: Vec::new() }
    }

    /// A response without headers.
    pub fn response(status: u16) -> Self {
        let start = format!("SIP/2.0 {status} {}", reason_of(status));
        Self { start, headers: Vec::new(), body: Vec::new() }
    }

    /// Splits a datagram.
    ///
    /// # Errors
    /// When it has no empty line, no SIP start line, or a header line without a colon.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |what: &str| Malformed(what.to_owned());
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .ok_or_else(|| malformed("no empty line after the headers"))?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| malformed("not UTF-8"))?;
        let body = bytes[end + 4..].to_vec();
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        if !start.starts_with("SIP/2.0 ") && !start.ends_with(" SIP/2.0") {
            return Err(Malformed(format!("no SIP start line: {start:?}")));
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                // RFC 3261 §7.3.1: a folded line continues the one before it.
                let (_, value) = headers.last_mut().ok_or_else(|| malformed("fold first"))?;
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line
                    .split_once(':')
                    .ok_or_else(|| Malformed(format!("header without colon: {line:?}")))?;
                headers.push((long_name(name.trim()).to_owned(), value.trim().to_owned()));
            }
        }
        Ok(Self { start, headers, body })
    }

    /// The bytes of the message, with a `Content-Length` that fits the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("Content-Length") {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Appends a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&str> {
        if self.is_response() { None } else { self.start.split(' ').next() }
    }

    /// The Request-URI of a request.
    pub fn uri(&self) -> Option<&str> {
        if self.is_response() { None } else { self.start.split(' ').nth(1) }
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// Whether it is a response.
    pub fn is_response(&self) -> bool {
        self.start.starts_with("SIP/2.0 ")
    }

    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The values of all headers of that name, comma-joined ones taken apart (RFC 3261 §7.3.1).
    pub fn list(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        lines.flat_map(|(_, value)| split_commas(value)).collect()
    }

    /// Number and method of `CSeq`; zero and nothing if it is missing or broken.
    pub fn cseq(&self) -> (u32, &str) {
        let mut words = self.header("CSeq").unwrap_or_default().split_ascii_whitespace();
        let number = words.next().and_then(|number| number.parse().ok());
        (number.unwrap_or(0), words.next().unwrap_or_default())
    }

    /// The `Call-ID`, empty if missing.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// The tag of `From`, empty if there is none.
    pub fn from_tag(&self) -> &str {
        param(self.header("From").unwrap_or_default(), "tag").unwrap_or_default()
    }

    /// The tag of `To`, empty if there is none.
    pub fn to_tag(&self) -> &str {
        param(self.header("To").unwrap_or_default(), "tag").unwrap_or_default()
    }

    /// The branch of the topmost `Via`, empty if there is none.
    pub fn branch(&self) -> &str {
        let top = self.list("Via").first().copied().unwrap_or_default();
        param(top, "branch").unwrap_or_default()
    }

    /// What identifies the message to a person: `INVITE`, or `200 OK (INVITE)`.
    pub fn title(&self) -> String {
        match self.method() {
            Some("INVITE") if !self.to_tag().is_empty() => "INVITE (re)".to_owned(),
            Some(method) => method.to_owned(),
            None => {
                let words = self.start.strip_prefix("SIP/2.0 ").unwrap_or(&self.start);
                format!("{words} ({})", self.cseq().1)
            }
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

/// The URI of a `name-addr` or `addr-spec` (RFC 3261 §20.10): what stands between the angle
/// brackets, or everything before the first parameter.
pub fn uri_of(address: &str) -> &str {
    match (address.find('<'), address.rfind('>')) {
        (Some(open), Some(close)) if open < close => &address[open + 1..close],
        _ => address.split(';').next().unwrap_or_default().trim(),
    }
}

/// A header parameter, looked for behind the angle brackets if there are any. A parameter without
/// a value has the empty value.
pub fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = value.rfind('>').map_or(value, |close| &value[close + 1..]);
    uri_param(after, name)
}

/// A parameter of a URI without angle brackets.
pub fn uri_param<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    uri.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The host and the port, 5060 if not given, of a URI or a `sent-by`, if the host is an IP address.
pub fn socket_of(uri: &str) -> Option<std::net::SocketAddr> {
    let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:")).unwrap_or(uri);
    let rest = rest.split([';', '?', '>']).next()?;
    let host_port = rest.rsplit_once('@').map_or(rest, |(_, host_port)| host_port).trim();
    host_port.parse().ok().or_else(|| {
        let host = host_port.trim_start_matches('[').trim_end_matches(']');
        Some(std::net::SocketAddr::new(host.parse().ok()?, 5060))
    })
}

/// The customary reason phrase of a status code (RFC 3261 §21).
pub fn reason_of(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Because",
    }
}

fn split_commas(value: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut angled, mut escaped) = (false, false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => angled = true,
            b'>' if !quoted => angled = false,
            b',' if !quoted && !angled => {
                parts.push(value[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

fn long_name(name: &str) -> &str {
    // RFC 3261 §7.3.3 and the events, refer and session-timer extensions.
    match name.to_ascii_lowercase().as_str() {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "l" => "Content-Length",
        "c" => "Content-Type",
        "e" => "Content-Encoding",
        "s" => "Subject",
        "k" => "Supported",
        "o" => "Event",
        "r" => "Refer-To",
        "u" => "Allow-Events",
        "x" => "Session-Expires",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_own_bytes() {
        let mut message = Message::request("INVITE", "sip:bob@10.0.0.2")
            .with("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1")
            .with("CSeq", "1 INVITE");
        message.body = b"v=0\r\n".to_vec();
        let read = Message::parse(&message.to_bytes()).unwrap();
        assert_eq!(read.header("Content-Length"), Some("5"));
        assert_eq!(read.to_bytes(), message.to_bytes());
        assert_eq!((read.cseq(), read.branch()), ((1, "INVITE"), "z9hG4bK1"));
    }

    #[test]
    fn lists_fold_and_join_as_the_rfc_allows() {
        let text = "OPTIONS sip:a SIP/2.0\r\nv: one;x=\"a,b\", two\r\nVia: three\r\n  ;q=1\r\n\r\n";
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.list("via"), ["one;x=\"a,b\"", "two", "three ;q=1"]);
        assert_eq!(split_commas("<sip:a,b@c>, d"), ["<sip:a,b@c>", "d"]);
    }

    #[test]
    fn addresses_come_apart() {
        let to = "\"Bob\" <sip:bob@10.0.0.2:5070;lr>;tag=abc";
        assert_eq!(uri_of(to), "sip:bob@10.0.0.2:5070;lr");
        assert_eq!(param(to, "tag"), Some("abc"));
        assert_eq!(uri_param(uri_of(to), "lr"), Some(""));
        assert_eq!(uri_of("sip:bob@x;tag=1"), "sip:bob@x");
        assert_eq!(socket_of(uri_of(to)), "10.0.0.2:5070".parse().ok());
        assert_eq!(socket_of("sip:10.0.0.2"), "10.0.0.2:5060".parse().ok());
        assert_eq!(socket_of("sip:a@[::1];lr"), "[::1]:5060".parse().ok());
        assert_eq!(socket_of("sip:a@example.com"), None);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in
            ["", "hello\r\n\r\n", "OPTIONS sip:a SIP/2.0\r\nVia", "X y SIP/2.0\r\nZ\r\n\r\n"]
        {
            assert!(Message::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
