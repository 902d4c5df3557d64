//! Challenges and credentials.

use crate::grammar::{is_lws, is_token_text, trim, trim_start};
use crate::{HeaderName, Message, Params};

/// `Digest realm="biloxi.com", nonce="…"`: the value of Authorization, Proxy-Authorization,
/// WWW-Authenticate or Proxy-Authenticate (RFC 3261 §20.7, §20.27, §20.28, §20.44).
///
/// Each header line holds one of them; the commas stand between its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'b> {
    /// The scheme as written; compare without regard to case.
    pub scheme: &'b [u8],
    params: &'b [u8],
}

impl<'b> Auth<'b> {
    /// Reads a header value.
    pub fn parse(value: &'b [u8]) -> Option<Self> {
        let value = trim(value);
        let end = value.iter().position(|&b| is_lws(b))?;
        let scheme = &value[..end];
        is_token_text(scheme).then(|| Self { scheme, params: trim_start(&value[end..]) })
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// The parameters. Most values are quoted: see [`Param::unquoted`](crate::Param::unquoted).
    pub const fn params(&self) -> Params<'b> {
        Params::of_auth(self.params)
    }
}

impl<'b> Message<'b> {
    /// The challenges or credentials in the headers of that name, one for each line that can be
    /// read.
    pub fn auths(&self, name: HeaderName) -> impl Iterator<Item = Auth<'b>> + '_ {
        self.all(name).filter_map(|header| Auth::parse(header.value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        let auth = Auth::parse(
            b"digest username=\"bob\", realm=\"a, b\",\r\n nonce=\"8452c\", qop=auth, nc=00000001",
        )
        .unwrap();
        assert!(auth.is_digest());
        assert_eq!(auth.params().param(b"Realm").unwrap().unquoted(), &b"a, b"[..]);
        assert_eq!(auth.params().get(b"nc"), Some(&b"00000001"[..]));
        assert_eq!(auth.params().len(), 5);
        assert_eq!(Auth::parse(b"Digest"), None);
        assert_eq!(Auth::parse(b"a=b, c=d"), None);
    }

    #[test]
    fn each_line_is_one_challenge() {
        let message = Message::parse(
            b"SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n\
              WWW-Authenticate: Basic realm=\"b\"\r\n\r\n",
        )
        .unwrap();
        let realms: Vec<_> = message
            .auths(HeaderName::WwwAuthenticate)
            .map(|auth| auth.params().get(b"realm").unwrap())
            .collect();
        assert_eq!(realms, [b"\"a\"", b"\"b\""]);
    }
}
