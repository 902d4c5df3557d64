//! Addresses with a name: From, To, Contact, Route and their kin.

use std::borrow::Cow;

use crate::grammar::{after_quoted, decimal, trim, trim_start};
use crate::params::unquote;
use crate::{Params, Uri, UriError};

/// `"Bob" <sip:bob@biloxi.com>;tag=a6c85cf` or `sip:bob@biloxi.com;tag=a6c85cf`
/// (RFC 3261 §20.10, §25.1: name-addr and addr-spec).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'b> {
    bytes: &'b [u8],
    display: &'b [u8],
    uri: &'b [u8],
    params: &'b [u8],
    bracketed: bool,
}

impl<'b> NameAddr<'b> {
    /// Reads an address that fills `bytes`; none if it follows neither form. The URI inside is
    /// not read yet.
    pub fn parse(bytes: &'b [u8]) -> Option<Self> {
        let bytes = trim(bytes);
        let display_end = match bytes.first()? {
            b'"' => {
                let end = after_quoted(bytes, 0)?;
                end + (bytes[end..].len() - trim_start(&bytes[end..]).len())
            }
            _ => {
                let end = memchr::memchr2(b'<', b';', bytes).unwrap_or(bytes.len());
                if bytes.get(end) != Some(&b'<') {
                    // RFC 3261 §20.10: without brackets, all after the semicolon is the header's.
                    let uri = trim(&bytes[..end]);
                    let params = &bytes[end..];
                    let bare = !uri.is_empty() && !uri.iter().any(|b| matches!(b, b'"' | b'>'));
                    let display = &bytes[..0];
                    return bare.then_some(Self { bytes, display, uri, params, bracketed: false });
                }
                end
            }
        };
        let inside = bytes[display_end..].strip_prefix(b"<")?;
        let close = memchr::memchr(b'>', inside)?;
        let uri = trim(&inside[..close]);
        let params = trim_start(&inside[close + 1..]);
        if uri.is_empty() || !matches!(params.first(), None | Some(b';')) {
            return None;
        }
        Some(Self { bytes, display: trim(&bytes[..display_end]), uri, params, bracketed: true })
    }

    /// The whole value.
    pub const fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The display name as written, quotes included; empty if there is none.
    pub const fn display(&self) -> &'b [u8] {
        self.display
    }

    /// The display name without its quotes.
    pub fn display_unquoted(&self) -> Cow<'b, [u8]> {
        unquote(self.display)
    }

    /// The URI as written, without the brackets.
    pub const fn uri_bytes(&self) -> &'b [u8] {
        self.uri
    }

    /// The URI.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn uri(&self) -> Result<Uri<'b>, UriError> {
        Uri::parse(self.uri)
    }

    /// Whether the URI stands in angle brackets.
    pub const fn is_bracketed(&self) -> bool {
        self.bracketed
    }

    /// The parameters of the header, not of the URI.
    pub const fn params(&self) -> Params<'b> {
        Params::of_header(self.params)
    }

    /// The `tag` parameter; none if it is missing or empty.
    pub fn tag(&self) -> Option<&'b [u8]> {
        self.params().get(b"tag").filter(|tag| !tag.is_empty())
    }
}

/// One value of a Contact header (RFC 3261 §20.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact<'b> {
    /// `*`: all registrations (RFC 3261 §10.2.2).
    Star,
    /// An address.
    Addr(NameAddr<'b>),
}

impl<'b> Contact<'b> {
    /// Reads one value.
    pub fn parse(bytes: &'b [u8]) -> Option<Self> {
        match trim(bytes) {
            b"*" => Some(Self::Star),
            value => NameAddr::parse(value).map(Self::Addr),
        }
    }

    /// The address, if it is no star.
    pub const fn address(self) -> Option<NameAddr<'b>> {
        match self {
            Self::Star => None,
            Self::Addr(address) => Some(address),
        }
    }

    /// The `q` parameter in thousandths, 0 to 1000; none if missing or malformed.
    pub fn q(self) -> Option<u16> {
        thousandths(self.address()?.params().get(b"q")?)
    }

    /// The `expires` parameter in seconds; none if missing or malformed.
    pub fn expires(self) -> Option<u32> {
        decimal(self.address()?.params().get(b"expires")?)
    }
}

/// RFC 3261 §25.1, qvalue: `0` with up to three decimals, or `1` with up to three zeros.
fn thousandths(q: &[u8]) -> Option<u16> {
    let (whole, decimals) = match q {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut value = u16::from(whole - b'0');
    for i in 0..3 {
        let digit = decimals.get(i).map_or(Some(0), |b| b.is_ascii_digit().then(|| b - b'0'))?;
        value = value * 10 + u16::from(digit);
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let full = NameAddr::parse(b"\"A. \\\"G\\\" <x>\" <sip:a@b;lr>;tag=1;x").unwrap();
        assert_eq!(full.display(), b"\"A. \\\"G\\\" <x>\"");
        assert_eq!(full.display_unquoted(), &b"A. \"G\" <x>"[..]);
        assert_eq!(full.uri_bytes(), b"sip:a@b;lr");
        assert_eq!(full.tag(), Some(&b"1"[..]));
        assert!(full.params().has(b"x") && full.is_bracketed());

        let bare = NameAddr::parse(b" sip:a@b ;   tag    = 19 ").unwrap();
        assert_eq!((bare.display(), bare.uri_bytes()), (&b""[..], &b"sip:a@b"[..]));
        assert_eq!(bare.tag(), Some(&b"19"[..]));
        assert!(!bare.is_bracketed());
    }

    #[test]
    fn white_space_is_free_and_names_may_be_tokens() {
        let close = NameAddr::parse(b"caller<sip:a@b>;tag=3").unwrap();
        assert_eq!(close.display(), b"caller");
        let many = NameAddr::parse(b"Bell, Alexander <sip:a@b>").unwrap();
        assert_eq!(many.display(), b"Bell, Alexander");
        assert_eq!(
            NameAddr::parse(b"\"x\"\r\n  <sip:a@b>\r\n ;tag=1").unwrap().tag(),
            Some(&b"1"[..])
        );
        assert_eq!(NameAddr::parse(b"< sip:a@b >").unwrap().uri_bytes(), b"sip:a@b");
    }

    #[test]
    fn what_is_no_address() {
        for bad in ["", "<>", "<sip:a@b", "\"x <sip:a@b>", "\"x\" sip:a@b", "<sip:a@b> x", ";tag=1"]
        {
            assert_eq!(NameAddr::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn contacts() {
        assert_eq!(Contact::parse(b" * "), Some(Contact::Star));
        let contact = Contact::parse(b"<sip:a@b>;q=0.33;expires=60").unwrap();
        assert_eq!((contact.q(), contact.expires()), (Some(330), Some(60)));
        for (q, thousandths) in [("1", Some(1000)), ("1.000", Some(1000)), ("0.", Some(0))] {
            assert_eq!(super::thousandths(q.as_bytes()), thousandths);
        }
        for q in ["1.1", "2", "0.1234", ".5", "0.x", ""] {
            assert_eq!(super::thousandths(q.as_bytes()), None, "{q}");
        }
    }
}
