//! Where a request within a dialog goes (RFC 3261 §12.2.1.1; spec dialog.md §6.4, §8).

use duologue_sip::Uri;

/// Where a request within a dialog goes, and what it says there (RFC 3261 §12.2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Request-URI.
    pub request_uri: Vec<u8>,
    /// Route values, joined by commas; may be empty.
    pub routes: Vec<u8>,
    /// The URI that says where to send it: the first route's, loose or strict, else the
    /// Request-URI.
    pub next_hop: Vec<u8>,
}

impl Target {
    // RFC 3261 §12.2.1.1: a loose first route keeps the target in the Request-URI; a strict one
    // takes its place, and the target becomes the last Route.
    pub(crate) fn of(contact: &[u8], routes: &[u8]) -> Self {
        let first_end = first_value_end(routes);
        let first = uri_of(&routes[..first_end]);
        if first.is_empty() {
            return Self {
                request_uri: contact.into(),
                routes: routes.into(),
                next_hop: contact.into(),
            };
        }
        if is_loose(first) {
            return Self {
                request_uri: contact.into(),
                routes: routes.into(),
                next_hop: first.into(),
            };
        }
        let mut rest = routes.get(first_end + 1..).unwrap_or_default().to_vec();
        if !rest.is_empty() {
            rest.push(b',');
        }
        rest.push(b'<');
        rest.extend_from_slice(contact);
        rest.push(b'>');
        Self { request_uri: first.into(), routes: rest, next_hop: first.into() }
    }
}

/// The URIs of comma-joined route values, in order.
pub(crate) fn route_uris(mut values: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if values.is_empty() {
            return None;
        }
        let end = first_value_end(values);
        let uri = uri_of(&values[..end]);
        values = values.get(end + 1..).unwrap_or_default();
        Some(uri)
    })
}

/// Whether two URIs mean the same (RFC 3261 §19.1.4). What is no URI equals only itself.
pub(crate) fn same_uri(one: &[u8], other: &[u8]) -> bool {
    one == other
        || matches!((Uri::parse(one), Uri::parse(other)), (Ok(one), Ok(other)) if one == other)
}

/// The end of the first of several comma-joined values.
fn first_value_end(values: &[u8]) -> usize {
    let (mut bracketed, mut quoted, mut escaped) = (false, false, false);
    for (at, &byte) in values.iter().enumerate() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => return at,
            _ => {}
        }
    }
    values.len()
}

/// What stands between the angle brackets of one value, or the value itself.
fn uri_of(value: &[u8]) -> &[u8] {
    let open = value.iter().rposition(|&b| b == b'<').map_or(0, |at| at + 1);
    let close = value[open..].iter().position(|&b| b == b'>').map_or(value.len(), |at| open + at);
    value[open..close].trim_ascii()
}

fn is_loose(uri: &[u8]) -> bool {
    let parameters = uri.split(|&b| b == b'?').next().unwrap_or_default();
    parameters.split(|&b| b == b';').skip(1).any(|parameter| {
        let name = parameter.split(|&b| b == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"lr")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3261 §12.2.1.1; dialog.md §6.4
    #[test]
    fn targets_behind_loose_and_strict_routers() {
        let contact = b"sip:bob@1.1.1.1";
        let of = |routes: &[u8]| {
            let target = Target::of(contact, routes);
            [target.request_uri, target.routes, target.next_hop]
                .map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(of(b""), ["sip:bob@1.1.1.1", "", "sip:bob@1.1.1.1"]);
        assert_eq!(
            of(b"\"a, b\" <sip:p1;lr>,<sip:p2>"),
            ["sip:bob@1.1.1.1", "\"a, b\" <sip:p1;lr>,<sip:p2>", "sip:p1;lr"]
        );
        assert_eq!(
            of(b"<sip:p1;x=lr>,<sip:p2;lr>"),
            ["sip:p1;x=lr", "<sip:p2;lr>,<sip:bob@1.1.1.1>", "sip:p1;x=lr"]
        );
        assert_eq!(of(b"<sip:p1>"), ["sip:p1", "<sip:bob@1.1.1.1>", "sip:p1"]);
    }

    #[test]
    fn route_values_are_told_apart_and_compared_by_their_uris() {
        let uris: Vec<_> = route_uris(b"\"a, b\" <sip:p1;lr>;x=y,<sip:p2,q>,sip:p3").collect();
        assert_eq!(uris, [&b"sip:p1;lr"[..], b"sip:p2,q", b"sip:p3"]);
        assert_eq!(route_uris(b"").count(), 0);
        assert!(same_uri(b"sip:bob@Example.com", b"sip:bob@example.COM;x=y"));
        assert!(!same_uri(b"sip:bob@example.com", b"sip:bob@example.com:5060"));
        assert!(same_uri(b"?", b"?"));
        assert!(!same_uri(b"?", b"??"));
    }
}
