//! URIs: sip, sips and tel in their parts, all others whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::grammar::{decimal, hex_digit};
use crate::limits::URI_OCTETS_MAX;
use crate::{Params, UriError};

/// A URI's scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme<'b> {
    /// `sip:`, RFC 3261 §19.1.
    Sip,
    /// `sips:`, RFC 3261 §19.1.
    Sips,
    /// `tel:`, RFC 3966.
    Tel,
    /// Any other, kept whole: see [`Uri::opaque`].
    Other(&'b [u8]),
}

/// A URI over borrowed bytes (RFC 3261 §19.1).
///
/// Nothing is unescaped: every part is a slice of the input, and so can be turned into a place in
/// the message by [`Message::span_of`](crate::Message::span_of). To change a part, see
/// [`Uri::rewrite`](crate::Uri::rewrite).
#[derive(Clone, Copy, Debug)]
pub struct Uri<'b> {
    bytes: &'b [u8],
    scheme: Scheme<'b>,
    user: Option<&'b [u8]>,
    password: Option<&'b [u8]>,
    host: &'b [u8],
    port: Option<&'b [u8]>,
    params: &'b [u8],
    headers: &'b [u8],
}

impl<'b> Uri<'b> {
    /// Reads a URI that fills `bytes` to the last octet.
    ///
    /// # Errors
    /// The rule that is broken; its [`status`](UriError::status) is the answer to a request whose
    /// own URI this was. An unknown scheme is no error here: a proxy that must look into such a
    /// URI answers 416 itself.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, UriError> {
        if bytes.len() > URI_OCTETS_MAX {
            return Err(UriError::TooLong);
        }
        let colon = memchr::memchr(b':', bytes).ok_or(UriError::Scheme)?;
        let scheme = match &bytes[..colon] {
            name if name.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            name if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            name if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            name if is_scheme(name) => Scheme::Other(name),
            _ => return Err(UriError::Scheme),
        };
        check_characters(bytes)?;
        let rest = &bytes[colon + 1..];
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(bytes, scheme, rest),
            Scheme::Tel => Self::parse_tel(bytes, rest),
            Scheme::Other(_) => Ok(Self::empty(bytes, scheme, rest)),
        }
    }

    /// The whole URI.
    pub const fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme<'b> {
        self.scheme
    }

    /// The scheme as written.
    pub fn scheme_bytes(&self) -> &'b [u8] {
        memchr::memchr(b':', self.bytes).map_or(&[], |colon| &self.bytes[..colon])
    }

    /// The user, still escaped; for `tel:` the number. None if there is no `@`.
    pub const fn user(&self) -> Option<&'b [u8]> {
        self.user
    }

    /// The password, still escaped.
    pub const fn password(&self) -> Option<&'b [u8]> {
        self.password
    }

    /// The host as written, an IPv6 address with its brackets; empty for `tel:` and others.
    pub const fn host(&self) -> &'b [u8] {
        self.host
    }

    /// The host as an address, if it is one.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port.and_then(port_number)
    }

    /// The port as written.
    pub const fn port_bytes(&self) -> Option<&'b [u8]> {
        self.port
    }

    /// The port to connect to: the one written, else 5060, or 5061 for `sips:` and TLS
    /// (RFC 3261 §19.1.2).
    pub fn port_or_default(&self) -> u16 {
        self.port().unwrap_or_else(|| {
            let tls = self.transport().is_some_and(|t| t.eq_ignore_ascii_case(b"tls"));
            if tls || self.scheme == Scheme::Sips { 5061 } else { 5060 }
        })
    }

    /// The parameters.
    pub const fn params(&self) -> Params<'b> {
        Params::of_uri(self.params)
    }

    /// The headers after the question mark.
    pub fn headers(&self) -> Params<'b> {
        Params::of_uri_headers(self.headers.get(1..).unwrap_or_default())
    }

    /// The headers with their question mark, or nothing.
    pub(crate) const fn header_part(&self) -> &'b [u8] {
        self.headers
    }

    /// What follows the scheme of a URI whose inside this crate does not know.
    pub fn opaque(&self) -> Option<&'b [u8]> {
        matches!(self.scheme, Scheme::Other(_)).then_some(self.host)
    }

    /// Whether the `lr` parameter is there: the hop understands loose routing (RFC 3261 §16.12).
    pub fn is_loose(&self) -> bool {
        self.params().has(b"lr")
    }

    /// The value of `transport`.
    pub fn transport(&self) -> Option<&'b [u8]> {
        self.params().get(b"transport")
    }

    /// The value of `maddr`.
    pub fn maddr(&self) -> Option<&'b [u8]> {
        self.params().get(b"maddr")
    }

    /// The value of `r2`, by which two Record-Routes of one proxy know each other; empty if the
    /// parameter has no value.
    pub fn r2(&self) -> Option<&'b [u8]> {
        self.params().param(b"r2").map(|param| param.value.unwrap_or_default())
    }

    fn empty(bytes: &'b [u8], scheme: Scheme<'b>, host: &'b [u8]) -> Self {
        let end = &bytes[bytes.len()..];
        Self {
            bytes,
            scheme,
            user: None,
            password: None,
            host,
            port: None,
            params: end,
            headers: end,
        }
    }

    fn parse_sip(bytes: &'b [u8], scheme: Scheme<'b>, rest: &'b [u8]) -> Result<Self, UriError> {
        let mut uri = Self::empty(bytes, scheme, &[]);
        let mut rest = rest;
        // RFC 3261 §25.1: the user may hold `;?/:`, while no other part may hold an unescaped `@`.
        if let Some(at) = memchr::memchr(b'@', rest) {
            let info = &rest[..at];
            let colon = memchr::memchr(b':', info);
            let user = &info[..colon.unwrap_or(info.len())];
            if user.is_empty() {
                return Err(UriError::User);
            }
            uri.user = Some(user);
            uri.password = colon.map(|colon| &info[colon + 1..]);
            rest = &rest[at + 1..];
        }
        let host_end = host_length(rest).ok_or(UriError::Host)?;
        uri.host = &rest[..host_end];
        rest = &rest[host_end..];
        if let [b':', tail @ ..] = rest {
            let end = memchr::memchr2(b';', b'?', tail).unwrap_or(tail.len());
            port_number(&tail[..end]).ok_or(UriError::Port)?;
            uri.port = Some(&tail[..end]);
            rest = &tail[end..];
        }
        if !matches!(rest.first(), None | Some(b';' | b'?')) {
            return Err(UriError::Host);
        }
        let question = memchr::memchr(b'?', rest).unwrap_or(rest.len());
        (uri.params, uri.headers) = rest.split_at(question);
        Ok(uri)
    }

    fn parse_tel(bytes: &'b [u8], rest: &'b [u8]) -> Result<Self, UriError> {
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        // RFC 3966 §3: digits with visual separators; a local number may hold hex digits, * and #.
        let number = &rest[..end];
        let digits = number.strip_prefix(b"+").unwrap_or(number);
        let fits =
            |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'-' | b'.' | b'(' | b')' | b'*' | b'#');
        if digits.is_empty() || !digits.iter().all(fits) {
            return Err(UriError::User);
        }
        let mut uri = Self::empty(bytes, Scheme::Tel, &rest[end..end]);
        uri.user = Some(number);
        uri.params = &rest[end..];
        Ok(uri)
    }
}

/// The address that a host spells: dotted IPv4, or IPv6 with or without brackets.
pub fn host_ip(host: &[u8]) -> Option<IpAddr> {
    match host {
        [b'[', inner @ .., b']'] => ipv6(inner).map(IpAddr::V6),
        [first, ..] if first.is_ascii_digit() && memchr::memchr(b':', host).is_none() => {
            ipv4(host).map(IpAddr::V4)
        }
        _ if memchr::memchr(b':', host).is_some() => ipv6(host).map(IpAddr::V6),
        _ => None,
    }
}

/// How many octets of `bytes` are a host, from the start; none if it begins with no host.
pub(crate) fn host_length(bytes: &[u8]) -> Option<usize> {
    if bytes.first() == Some(&b'[') {
        let end = memchr::memchr(b']', bytes)?;
        ipv6(&bytes[1..end])?;
        return Some(end + 1);
    }
    // Underscores are no part of RFC 3261's host, but of names that networks really have.
    let end = bytes
        .iter()
        .position(|&b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')))
        .unwrap_or(bytes.len());
    (end > 0).then_some(end)
}

/// The port that `bytes` spells.
pub(crate) fn port_number(bytes: &[u8]) -> Option<u16> {
    u16::try_from(decimal(bytes)?).ok()
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// RFC 3986 §3.1: a letter, then letters, digits, `+`, `-` and `.`.
fn is_scheme(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// No white space, control or delimiter may stand in a URI, and `%` begins an escape.
fn check_characters(bytes: &[u8]) -> Result<(), UriError> {
    let mut escapes = false;
    for &b in bytes {
        if b <= b' ' || b == 0x7f || matches!(b, b'<' | b'>' | b'"') {
            return Err(UriError::Character);
        }
        escapes |= b == b'%';
    }
    if !escapes {
        return Ok(());
    }
    let whole = memchr::memchr_iter(b'%', bytes).all(|at| {
        let digit = |i: usize| bytes.get(i).copied().and_then(hex_digit).is_some();
        digit(at + 1) && digit(at + 2)
    });
    if whole { Ok(()) } else { Err(UriError::Character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_uri_with_everything() {
        let uri = uri("sip:alice:se%63ret@[2001:db8::9]:5070;transport=tcp;lr?subject=a%20b&to=c");
        assert_eq!(uri.scheme(), Scheme::Sip);
        assert_eq!(uri.scheme_bytes(), b"sip");
        assert_eq!(text(uri.user().unwrap()), "alice");
        assert_eq!(text(uri.password().unwrap()), "se%63ret");
        assert_eq!(text(uri.host()), "[2001:db8::9]");
        assert_eq!(uri.host_ip(), Some("2001:db8::9".parse().unwrap()));
        assert_eq!(uri.port(), Some(5070));
        assert_eq!(uri.transport(), Some(&b"tcp"[..]));
        assert!(uri.is_loose());
        assert_eq!(uri.headers().get(b"to"), Some(&b"c"[..]));
        assert_eq!(uri.headers().len(), 2);
    }

    #[test]
    fn the_least_there_can_be() {
        let uri = uri("sip:h");
        assert_eq!((uri.user(), uri.password(), uri.port()), (None, None, None));
        assert_eq!(uri.host(), b"h");
        assert!(uri.params().is_empty() && uri.headers().is_empty());
        assert_eq!(uri.port_or_default(), 5060);
        assert_eq!(self::uri("sips:h").port_or_default(), 5061);
        assert_eq!(self::uri("sip:h;transport=TLS").port_or_default(), 5061);
    }

    #[test]
    fn tel_and_strangers() {
        let tel = uri("tel:+1-201-555-0123;phone-context=example.com");
        assert_eq!(text(tel.user().unwrap()), "+1-201-555-0123");
        assert_eq!(tel.params().get(b"phone-context"), Some(&b"example.com"[..]));
        assert_eq!(tel.host(), b"");
        let other = uri("nobodyKnowsThisScheme:totallyopaquecontent");
        assert_eq!(other.opaque(), Some(&b"totallyopaquecontent"[..]));
        assert_eq!(Uri::parse(b"tel:").unwrap_err(), UriError::User);
        assert_eq!(uri("urn:service:sos").opaque(), Some(&b"service:sos"[..]));
    }

    #[test]
    fn a_user_may_look_like_parameters() {
        // RFC 4475 §3.1.1.9: the semicolon before the `@` belongs to the user.
        let uri = uri("sip:user;par=u%40example.net@example.com");
        assert_eq!(text(uri.user().unwrap()), "user;par=u%40example.net");
        assert_eq!(text(uri.host()), "example.com");
        assert!(uri.params().is_empty());
    }

    #[test]
    fn what_is_no_uri() {
        for (bad, error) in [
            ("", UriError::Scheme),
            ("sip", UriError::Scheme),
            (":x", UriError::Scheme),
            ("1a:x", UriError::Scheme),
            ("sip:", UriError::Host),
            ("sip:@h", UriError::User),
            ("sip:a@", UriError::Host),
            ("sip:a@b@c", UriError::Host),
            ("sip:h:", UriError::Port),
            ("sip:h:65536", UriError::Port),
            ("sip:h:5o60", UriError::Port),
            ("sip:h/x", UriError::Host),
            ("sip:[::1", UriError::Host),
            ("sip:[xyz]", UriError::Host),
            ("sip:[::1]x", UriError::Host),
            ("sip:2001:db8::10", UriError::Port),
            ("sip:a b@h", UriError::Character),
            ("sip:a%4@h", UriError::Character),
            ("<sip:h>", UriError::Scheme),
            ("sip:h;x=\"y\"", UriError::Character),
        ] {
            assert_eq!(Uri::parse(bad.as_bytes()).unwrap_err(), error, "{bad}");
        }
        let long = format!("sip:{}@h", "a".repeat(URI_OCTETS_MAX));
        assert_eq!(Uri::parse(long.as_bytes()).unwrap_err(), UriError::TooLong);
    }

    #[test]
    fn hosts_as_addresses() {
        assert_eq!(host_ip(b"192.0.2.1"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(host_ip(b"2001:db8::1"), Some("2001:db8::1".parse().unwrap()));
        for name in ["example.com", "192.0.2", "192.0.2.256", "1.example", "[]", ""] {
            assert_eq!(host_ip(name.as_bytes()), None, "{name}");
        }
    }
}
