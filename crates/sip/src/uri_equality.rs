//! When two URIs mean the same (RFC 3261 §19.1.4).

use crate::grammar::hex_digit;
use crate::{Params, Scheme, Uri};

/// Parameters that make a difference even if only one of the URIs has them.
/// RFC 3261 §19.1.4 names user, ttl, method and maddr; its examples add transport.
const NEVER_IGNORED: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];

impl PartialEq for Uri<'_> {
    /// Equality as RFC 3261 §19.1.4 defines it. It is not transitive (an unknown parameter is
    /// compared only where both have it), so a URI is no key of a map.
    fn eq(&self, other: &Self) -> bool {
        match (self.scheme(), other.scheme()) {
            (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => {
                // The user is case-sensitive, the host is not; an absent port is not 5060.
                same_option(self.user(), other.user())
                    && same_option(self.password(), other.password())
                    && same_host(self, other)
                    && self.port() == other.port()
                    && same_params(self, other)
                    && same_headers(self.headers(), other.headers())
            }
            (Scheme::Tel, Scheme::Tel) => same_number(self, other),
            (Scheme::Other(a), Scheme::Other(b)) => {
                a.eq_ignore_ascii_case(b) && self.opaque() == other.opaque()
            }
            _ => false,
        }
    }
}

fn same_host(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.host().eq_ignore_ascii_case(b.host())
        // One IPv6 address has many spellings (RFC 5954 §4.2).
        || a.host_ip().is_some_and(|ip| b.host_ip() == Some(ip))
}

fn same_params(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.params().all(|mine| match b.params().param(mine.name) {
        Some(theirs) => same_value(mine.value, theirs.value),
        None => !NEVER_IGNORED.iter().any(|name| mine.name.eq_ignore_ascii_case(name)),
    }) && NEVER_IGNORED.iter().all(|name| a.params().has(name) == b.params().has(name))
}

fn same_value(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same_text(a, b, true),
        (None, None) => true,
        _ => false,
    }
}

/// Headers are never ignored: each must be in both, in whatever order.
fn same_headers(a: Params<'_>, b: Params<'_>) -> bool {
    let holds = |many: Params<'_>, one: crate::Param<'_>| {
        let mut many = many;
        many.any(|other| {
            same_text(one.name, other.name, true)
                && same_text(one.value.unwrap_or_default(), other.value.unwrap_or_default(), false)
        })
    };
    let (mut mine, mut theirs) = (a, b);
    a.len() == b.len() && mine.all(|one| holds(b, one)) && theirs.all(|one| holds(a, one))
}

/// RFC 3966 §5: visual separators do not count, parameters do, in any order.
fn same_number(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let digits = |uri: &Uri<'_>| {
        let number = uri.user().unwrap_or_default().to_ascii_lowercase();
        number.into_iter().filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')')).collect::<Vec<_>>()
    };
    a.params().len() == b.params().len()
        && a.params().all(|mine| {
            b.params().param(mine.name).is_some_and(|t| same_value(mine.value, t.value))
        })
        && digits(a) == digits(b)
}

fn same_option(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same_text(a, b, false),
        (None, None) => true,
        _ => false,
    }
}

/// Octet by octet, where an escape equals the octet it stands for, unless that is reserved.
fn same_text(a: &[u8], b: &[u8], any_case: bool) -> bool {
    let (mut a, mut b) = (Octets(a), Octets(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some((x, _)), Some((y, _))) if any_case && x.eq_ignore_ascii_case(&y) => {}
            (Some((x, escaped)), Some((y, other)))
                if x == y && (escaped == other || !is_reserved(x)) => {}
            _ => return false,
        }
    }
}

/// The octets of a text with its escapes resolved, and whether each was one.
struct Octets<'a>(&'a [u8]);

impl Iterator for Octets<'_> {
    type Item = (u8, bool);

    fn next(&mut self) -> Option<(u8, bool)> {
        let (&first, rest) = self.0.split_first()?;
        if first == b'%'
            && let [high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            self.0 = tail;
            return Some((high << 4 | low, true));
        }
        self.0 = rest;
        Some((first, false))
    }
}

/// RFC 3261 §25.1, `reserved`.
const fn is_reserved(b: u8) -> bool {
    matches!(b, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let (a, b) = (Uri::parse(a.as_bytes()).unwrap(), Uri::parse(b.as_bytes()).unwrap());
        let (forth, back) = (a == b, b == a);
        assert_eq!(forth, back, "equality is symmetric");
        forth
    }

    #[test]
    fn the_equal_ones_of_rfc_3261_19_1_4() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ] {
            assert!(same(a, b), "{a} is {b}");
        }
    }

    #[test]
    fn the_different_ones_of_rfc_3261_19_1_4() {
        for (a, b) in [
            // Different users.
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            // Can resolve to different ports.
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            // Can resolve to different transports.
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            // Can resolve to different ports and transports.
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            // Different header components.
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            // The same host by another name is another host.
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            // Not transitive: both equal sip:carol@chicago.com above.
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ] {
            assert!(!same(a, b), "{a} is not {b}");
        }
    }

    #[test]
    fn what_else_the_rules_say() {
        assert!(!same("sip:a@h", "sips:a@h"));
        assert!(!same("sip:a@h;maddr=192.0.2.1", "sip:a@h"));
        assert!(!same("sip:a@h;user=ip", "sip:a@h"));
        assert!(!same("sip:a:b@h", "sip:a@h"));
        assert!(!same("sip:h", "sip:a@h"));
        assert!(!same("sip:a%3Bb@h", "sip:a;b@h"), "a reserved octet differs from its escape");
        assert!(same("sip:a%2db@h", "sip:a-b@h"));
        assert!(same("sip:[2001:db8::1]", "sip:[2001:DB8:0::1]"));
        assert!(same("tel:+1-201-555-0123", "tel:+1(201)5550123"));
        assert!(!same("tel:+12015550123", "tel:12015550123"));
        assert!(same("URN:service:sos", "urn:service:sos"));
    }
}
