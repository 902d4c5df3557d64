//! Where a request within a dialog goes (RFC 3261 §12.2.1.1; spec dialog.md §6.4, §8).

use duologue_sip::{ListValues, NameAddr, Uri};
use std::borrow::Cow;

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
        let mut values = ListValues::new(routes);
        let strict = match values.next().map(uri_of) {
            Some(first) if is_strict(first) => first,
            first => {
                let request_uri = as_request_uri(contact).into_owned();
                let next_hop = first.map_or_else(|| request_uri.clone(), Into::into);
                return Self { request_uri, routes: routes.into(), next_hop };
            }
        };
        let target = [b"<", contact, b">"].concat();
        let others = values.chain([&target[..]]).collect::<Vec<_>>().join(&b","[..]);
        Self { request_uri: strict.into(), routes: others, next_hop: strict.into() }
    }
}

/// The URIs of comma-joined route values, in order.
pub(crate) fn route_uris(values: &[u8]) -> impl Iterator<Item = &[u8]> {
    ListValues::new(values).map(uri_of)
}

/// A Contact as a Request-URI (RFC 3261 §19.1.1): the method and the headers that it may ask for
/// have no place there.
pub(crate) fn as_request_uri(contact: &[u8]) -> Cow<'_, [u8]> {
    match Uri::parse(contact) {
        Ok(uri) if uri.params().get(b"method").is_some() || uri.headers().next().is_some() => {
            Cow::Owned(uri.rewrite().without_param(b"method").headers(b"").to_vec())
        }
        _ => Cow::Borrowed(contact),
    }
}

/// Whether two URIs mean the same (RFC 3261 §19.1.4). What is no URI equals only itself.
pub(crate) fn same_uri(one: &[u8], other: &[u8]) -> bool {
    one == other
        || matches!((Uri::parse(one), Uri::parse(other)), (Ok(one), Ok(other)) if one == other)
}

/// The URI of a route value. What is no value is taken for a URI.
fn uri_of(value: &[u8]) -> &[u8] {
    NameAddr::parse(value).map_or(value, |address| address.uri_bytes())
}

/// RFC 3261 §19.1.1: without `lr`. What is no URI cannot be asked for, so it stays a Route.
fn is_strict(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| !uri.is_loose())
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

    // RFC 3261 §19.1.1
    #[test]
    fn what_a_contact_asks_for_does_not_stand_in_a_request_uri() {
        let of = |contact| String::from_utf8(as_request_uri(contact).into()).unwrap();
        assert_eq!(of(b"sip:bob@h;method=INVITE;x=y?Subject=a"), "sip:bob@h;x=y");
        assert_eq!(of(b"sip:bob@h;ob"), "sip:bob@h;ob");
        assert_eq!(of(b"?"), "?");
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
