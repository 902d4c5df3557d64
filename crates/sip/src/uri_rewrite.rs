//! A URI with some of its parts exchanged.

use crate::{Scheme, Uri};

/// A URI to be written anew: made by [`Uri::rewrite`]. What is not set stays bit for bit.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is written before `write`"]
pub struct UriRewrite<'u> {
    scheme: &'u [u8],
    user: Option<&'u [u8]>,
    password: Option<&'u [u8]>,
    host: &'u [u8],
    port: Option<&'u [u8]>,
    params: &'u [u8],
    added: &'u [u8],
    without: &'u [u8],
    headers: &'u [u8],
}

impl<'b> Uri<'b> {
    /// This URI with parts exchanged. A `tel:` URI has no host until one is set; other schemes
    /// keep what follows the colon as their host.
    pub fn rewrite(&self) -> UriRewrite<'b> {
        UriRewrite {
            scheme: self.scheme_bytes(),
            user: self.user(),
            password: self.password(),
            host: self.host(),
            port: self.port_bytes(),
            params: self.params().as_bytes(),
            added: b"",
            without: b"",
            headers: self.header_part(),
        }
    }
}

impl<'u> UriRewrite<'u> {
    /// Another scheme, without the colon.
    pub const fn scheme(mut self, scheme: &'u [u8]) -> Self {
        self.scheme = scheme;
        self
    }

    /// Another user, escaped where it must be; none or nothing drops user and password.
    pub fn user(mut self, user: Option<&'u [u8]>) -> Self {
        self.user = user.filter(|user| !user.is_empty());
        self
    }

    /// Another password; none drops it.
    pub const fn password(mut self, password: Option<&'u [u8]>) -> Self {
        self.password = password;
        self
    }

    /// Another host, an IPv6 address in brackets.
    pub const fn host(mut self, host: &'u [u8]) -> Self {
        self.host = host;
        self
    }

    /// Another port; none or nothing drops it.
    pub fn port(mut self, port: Option<&'u [u8]>) -> Self {
        self.port = port.filter(|port| !port.is_empty());
        self
    }

    /// Other parameters altogether, with their leading semicolon; empty drops them.
    pub const fn params(mut self, params: &'u [u8]) -> Self {
        self.params = params;
        self
    }

    /// Leaves out the parameters of that name.
    pub const fn without_param(mut self, name: &'u [u8]) -> Self {
        self.without = name;
        self
    }

    /// Adds parameters after the others, with their leading semicolon.
    pub const fn add_params(mut self, params: &'u [u8]) -> Self {
        self.added = params;
        self
    }

    /// Other headers, with their leading question mark; empty drops them.
    pub const fn headers(mut self, headers: &'u [u8]) -> Self {
        self.headers = headers;
        self
    }

    /// Appends the URI to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme);
        out.push(b':');
        if let Some(user) = self.user {
            out.extend_from_slice(user);
            if let Some(password) = self.password {
                out.push(b':');
                out.extend_from_slice(password);
            }
            if !self.host.is_empty() {
                out.push(b'@');
            }
        }
        out.extend_from_slice(self.host);
        if let Some(port) = self.port {
            out.push(b':');
            out.extend_from_slice(port);
        }
        if self.without.is_empty() {
            out.extend_from_slice(self.params);
        } else {
            let stay = crate::Params::of_uri(self.params)
                .filter(|param| !param.name.eq_ignore_ascii_case(self.without));
            for param in stay {
                out.push(b';');
                out.extend_from_slice(param.bytes);
            }
        }
        out.extend_from_slice(self.added);
        out.extend_from_slice(self.headers);
    }

    /// The URI in a buffer of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

impl Scheme<'_> {
    /// Whether it is `sip` or `sips`.
    pub const fn is_sip(self) -> bool {
        matches!(self, Self::Sip | Self::Sips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten<'u>(
        text: &'u str,
        change: impl FnOnce(UriRewrite<'u>) -> UriRewrite<'u>,
    ) -> String {
        let uri = Uri::parse(text.as_bytes()).unwrap();
        String::from_utf8(change(uri.rewrite()).to_vec()).unwrap()
    }

    const FULL: &str = "sip:alice:pw@h.example:5070;lr;x=1;transport=tcp?subject=hi";

    #[test]
    fn nothing_set_nothing_changed() {
        for uri in [FULL, "sip:h", "sips:[::1]:5061", "tel:+1-2;x=y", "urn:a:b"] {
            assert_eq!(rewritten(uri, |r| r), uri);
        }
    }

    #[test]
    fn each_part() {
        let same = FULL;
        assert_eq!(rewritten(same, |r| r.user(Some(b"bob"))), same.replace("alice", "bob"));
        assert_eq!(rewritten(same, |r| r.user(None)), same.replace("alice:pw@", ""));
        assert_eq!(rewritten(same, |r| r.password(None)), same.replace(":pw", ""));
        assert_eq!(rewritten(same, |r| r.host(b"[::1]")), same.replace("h.example", "[::1]"));
        assert_eq!(rewritten(same, |r| r.port(None)), same.replace(":5070", ""));
        assert_eq!(rewritten(same, |r| r.without_param(b"X")), same.replace(";x=1", ""));
        assert_eq!(rewritten(same, |r| r.add_params(b";y")), same.replace("?", ";y?"));
        assert_eq!(rewritten(same, |r| r.params(b"").headers(b"")), "sip:alice:pw@h.example:5070");
        assert_eq!(rewritten("sip:h", |r| r.user(Some(b"a")).port(Some(b"1"))), "sip:a@h:1");
        assert_eq!(rewritten("tel:+12", |r| r.scheme(b"sip").host(b"g")), "sip:+12@g");
    }
}
