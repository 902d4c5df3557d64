//! When a contact that comes is one that is there.

use duologue_sip::Uri;

use crate::Contact;

/// What makes two contacts of a user the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// Their URIs, compared as RFC 3261 §19.1.4 says.
    #[default]
    Uri,
    /// And the Call-ID of their registrations: a phone that restarts is a new one.
    UriAndCallId,
    /// The value of this parameter of their URIs alone; without it, they are compared as
    /// [`Matching::Uri`] does.
    Param(Box<[u8]>),
    /// The values of all these parameters, where both have some of them; else as
    /// [`Matching::Uri`]. So a phone is known wherever it is (RFC 8599).
    Params(Box<[Box<[u8]>]>),
}

impl Matching {
    /// Whether `known` is the contact with this URI, of a registration with this Call-ID.
    pub(crate) fn is_same(&self, known: &Contact, uri: &[u8], call_id: &[u8]) -> bool {
        match self {
            Self::Uri => same_uri(&known.uri, uri),
            Self::UriAndCallId => *known.call_id == *call_id && same_uri(&known.uri, uri),
            Self::Param(name) => {
                let value = |uri| Uri::parse(uri).ok().and_then(|uri| uri.params().get(name));
                match (value(&known.uri), value(uri)) {
                    (Some(mine), Some(theirs)) => mine == theirs,
                    (None, None) => same_uri(&known.uri, uri),
                    _ => false,
                }
            }
            Self::Params(names) => {
                let values = |uri| -> Vec<Option<&[u8]>> {
                    let uri = Uri::parse(uri).ok();
                    names.iter().map(|name| uri.as_ref()?.params().get(name)).collect()
                };
                let (mine, theirs) = (values(&known.uri), values(uri));
                let has = |values: &[Option<&[u8]>]| values.iter().any(Option::is_some);
                match has(&mine) && has(&theirs) {
                    true => mine == theirs,
                    false => same_uri(&known.uri, uri),
                }
            }
        }
    }
}

/// Equality of RFC 3261 §19.1.4; the usual case, the same octets, is not parsed.
pub(crate) fn same_uri(a: &[u8], b: &[u8]) -> bool {
    a == b || matches!((Uri::parse(a), Uri::parse(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §13, `matching_mode`.
    #[test]
    fn the_three_modes() {
        let known = Contact::new(b"sip:Ann@EXAMPLE.com:5060;rinstance=7", b"call-1", 1);
        let is_same = |mode: &Matching, uri: &[u8], call: &[u8]| mode.is_same(&known, uri, call);

        assert!(is_same(&Matching::Uri, b"sip:Ann@example.com:5060", b"other"));
        assert!(!is_same(&Matching::Uri, b"sip:ann@example.com:5060", b"call-1"));
        assert!(is_same(&Matching::UriAndCallId, b"sip:Ann@example.com:5060", b"call-1"));
        assert!(!is_same(&Matching::UriAndCallId, b"sip:Ann@example.com:5060", b"other"));

        let param = Matching::Param(b"rinstance"[..].into());
        assert!(is_same(&param, b"sip:elsewhere.net;rinstance=7", b"other"));
        assert!(!is_same(&param, b"sip:Ann@example.com:5060;rinstance=8", b"call-1"));
        assert!(!is_same(&param, b"sip:Ann@example.com:5060", b"call-1"));

        let params = Matching::Params([b"rinstance"[..].into(), b"x"[..].into()].into());
        assert!(is_same(&params, b"sip:elsewhere.net;rinstance=7", b"other"));
        assert!(!is_same(&params, b"sip:Ann@example.com:5060;rinstance=7;x=1", b"call-1"));
        assert!(!is_same(&params, b"sip:Ann@example.com:5060;rinstance=8", b"call-1"));
    }
}
