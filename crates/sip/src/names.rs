//! Header names: the known ones as small numbers.

use std::fmt;

/// A header name that this crate knows. Unknown ones stay bytes; see [`HeaderRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant is the header of that name")]
pub enum HeaderName {
    Accept,
    AcceptContact,
    AcceptEncoding,
    AcceptLanguage,
    AlertInfo,
    Allow,
    AllowEvents,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    ErrorInfo,
    Event,
    Expires,
    From,
    HistoryInfo,
    Identity,
    InReplyTo,
    MaxForwards,
    MimeVersion,
    MinExpires,
    MinSe,
    Organization,
    PAssertedIdentity,
    PPreferredIdentity,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    ReferTo,
    ReferredBy,
    RejectContact,
    RemotePartyId,
    Replaces,
    ReplyTo,
    RequestDisposition,
    Require,
    RetryAfter,
    Route,
    Server,
    ServiceRoute,
    SessionExpires,
    SipEtag,
    SipIfMatch,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
}

use HeaderName as H;

/// Every known name in the order of the enum, as we write it.
const SPELLINGS: [(HeaderName, &str); HeaderName::COUNT] = [
    (H::Accept, "Accept"),
    (H::AcceptContact, "Accept-Contact"),
    (H::AcceptEncoding, "Accept-Encoding"),
    (H::AcceptLanguage, "Accept-Language"),
    (H::AlertInfo, "Alert-Info"),
    (H::Allow, "Allow"),
    (H::AllowEvents, "Allow-Events"),
    (H::AuthenticationInfo, "Authentication-Info"),
    (H::Authorization, "Authorization"),
    (H::CallId, "Call-ID"),
    (H::CallInfo, "Call-Info"),
    (H::Contact, "Contact"),
    (H::ContentDisposition, "Content-Disposition"),
    (H::ContentEncoding, "Content-Encoding"),
    (H::ContentLanguage, "Content-Language"),
    (H::ContentLength, "Content-Length"),
    (H::ContentType, "Content-Type"),
    (H::CSeq, "CSeq"),
    (H::Date, "Date"),
    (H::Diversion, "Diversion"),
    (H::ErrorInfo, "Error-Info"),
    (H::Event, "Event"),
    (H::Expires, "Expires"),
    (H::From, "From"),
    (H::HistoryInfo, "History-Info"),
    (H::Identity, "Identity"),
    (H::InReplyTo, "In-Reply-To"),
    (H::MaxForwards, "Max-Forwards"),
    (H::MimeVersion, "MIME-Version"),
    (H::MinExpires, "Min-Expires"),
    (H::MinSe, "Min-SE"),
    (H::Organization, "Organization"),
    (H::PAssertedIdentity, "P-Asserted-Identity"),
    (H::PPreferredIdentity, "P-Preferred-Identity"),
    (H::Path, "Path"),
    (H::Priority, "Priority"),
    (H::Privacy, "Privacy"),
    (H::ProxyAuthenticate, "Proxy-Authenticate"),
    (H::ProxyAuthorization, "Proxy-Authorization"),
    (H::ProxyRequire, "Proxy-Require"),
    (H::RAck, "RAck"),
    (H::RSeq, "RSeq"),
    (H::Reason, "Reason"),
    (H::RecordRoute, "Record-Route"),
    (H::ReferTo, "Refer-To"),
    (H::ReferredBy, "Referred-By"),
    (H::RejectContact, "Reject-Contact"),
    (H::RemotePartyId, "Remote-Party-ID"),
    (H::Replaces, "Replaces"),
    (H::ReplyTo, "Reply-To"),
    (H::RequestDisposition, "Request-Disposition"),
    (H::Require, "Require"),
    (H::RetryAfter, "Retry-After"),
    (H::Route, "Route"),
    (H::Server, "Server"),
    (H::ServiceRoute, "Service-Route"),
    (H::SessionExpires, "Session-Expires"),
    (H::SipEtag, "SIP-ETag"),
    (H::SipIfMatch, "SIP-If-Match"),
    (H::Subject, "Subject"),
    (H::SubscriptionState, "Subscription-State"),
    (H::Supported, "Supported"),
    (H::Timestamp, "Timestamp"),
    (H::To, "To"),
    (H::Unsupported, "Unsupported"),
    (H::UserAgent, "User-Agent"),
    (H::Via, "Via"),
    (H::Warning, "Warning"),
    (H::WwwAuthenticate, "WWW-Authenticate"),
];

impl HeaderName {
    /// How many names are known.
    pub const COUNT: usize = Self::WwwAuthenticate as usize + 1;

    /// The known name that `bytes` spells, long or compact (RFC 3261 §7.3.3), in any case.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let [letter] = bytes {
            return Self::compact(letter.to_ascii_lowercase());
        }
        let first = bytes.first()?.to_ascii_lowercase();
        let bucket = BUCKETS.get(bytes.len())?.get(usize::from(first.checked_sub(b'a')?))?;
        if let Some(&name) = SPELLINGS.get(usize::from(bucket.0)) {
            let last = usize::from(bucket.1);
            if name.1.as_bytes().eq_ignore_ascii_case(bytes) {
                return Some(name.0);
            }
            // Names of one length and first letter stand between the bucket's two ends.
            return SPELLINGS[usize::from(bucket.0)..=last]
                .iter()
                .find(|(_, spelling)| spelling.as_bytes().eq_ignore_ascii_case(bytes))
                .map(|&(name, _)| name);
        }
        None
    }

    /// The name as we write it.
    pub const fn as_str(self) -> &'static str {
        SPELLINGS[self as usize].1
    }

    /// The name of a compact form: RFC 3261 §7.3.3 and the registry's later letters.
    const fn compact(letter: u8) -> Option<Self> {
        Some(match letter {
            b'a' => Self::AcceptContact,
            b'b' => Self::ReferredBy,
            b'c' => Self::ContentType,
            b'd' => Self::RequestDisposition,
            b'e' => Self::ContentEncoding,
            b'f' => Self::From,
            b'i' => Self::CallId,
            b'j' => Self::RejectContact,
            b'k' => Self::Supported,
            b'l' => Self::ContentLength,
            b'm' => Self::Contact,
            b'o' => Self::Event,
            b'r' => Self::ReferTo,
            b's' => Self::Subject,
            b't' => Self::To,
            b'u' => Self::AllowEvents,
            b'v' => Self::Via,
            b'x' => Self::SessionExpires,
            b'y' => Self::Identity,
            _ => return None,
        })
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A header name to look for: a known one, or the spelling of another.
///
/// Make it once, when a script is loaded, and the look-up later compares numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderRef<'n> {
    /// One of the known names.
    Known(HeaderName),
    /// Any other spelling, compared without regard to case.
    Other(&'n [u8]),
}

impl<'n> HeaderRef<'n> {
    /// The name as it is written into a new header line.
    pub const fn as_bytes(self) -> &'n [u8] {
        match self {
            Self::Known(name) => name.as_str().as_bytes(),
            Self::Other(spelling) => spelling,
        }
    }
}

impl From<HeaderName> for HeaderRef<'_> {
    fn from(name: HeaderName) -> Self {
        Self::Known(name)
    }
}

impl<'n> From<&'n [u8]> for HeaderRef<'n> {
    fn from(spelling: &'n [u8]) -> Self {
        HeaderName::parse(spelling).map_or(Self::Other(spelling), Self::Known)
    }
}

impl<'n> From<&'n str> for HeaderRef<'n> {
    fn from(spelling: &'n str) -> Self {
        Self::from(spelling.as_bytes())
    }
}

/// The longest known name, in octets.
const LONGEST: usize = 20;

/// For each length and first letter, the first and last index into `SPELLINGS` that fit; an index
/// beyond the table where none does.
static BUCKETS: [[(u8, u8); 26]; LONGEST + 1] = {
    let mut buckets = [[(u8::MAX, 0); 26]; LONGEST + 1];
    let mut i = 0;
    while i < SPELLINGS.len() {
        let bytes = SPELLINGS[i].1.as_bytes();
        let bucket = &mut buckets[bytes.len()][(bytes[0].to_ascii_lowercase() - b'a') as usize];
        if bucket.0 == u8::MAX {
            bucket.0 = i as u8;
        }
        bucket.1 = i as u8;
        assert!(SPELLINGS[i].0 as usize == i, "SPELLINGS follows the order of the enum");
        i += 1;
    }
    buckets
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (name, spelling) in SPELLINGS {
            assert_eq!(HeaderName::parse(spelling.as_bytes()), Some(name));
            assert_eq!(HeaderName::parse(spelling.to_uppercase().as_bytes()), Some(name));
            assert_eq!(HeaderName::parse(spelling.to_lowercase().as_bytes()), Some(name));
            assert_eq!(name.as_str(), spelling);
        }
    }

    #[test]
    fn strangers_are_not() {
        for spelling in ["", "Vib", "z", "-", "From-", "X-Custom", "\u{e9}", "Contents"] {
            assert_eq!(HeaderName::parse(spelling.as_bytes()), None, "{spelling}");
        }
        assert_eq!(HeaderName::parse(&[b'a'; 300]), None);
    }

    #[test]
    fn compact_forms_are_the_registrys() {
        for (letter, name) in [("v", H::Via), ("F", H::From), ("t", H::To), ("I", H::CallId)]
            .into_iter()
            .chain([("l", H::ContentLength), ("m", H::Contact), ("k", H::Supported)])
        {
            assert_eq!(HeaderName::parse(letter.as_bytes()), Some(name));
        }
    }
}
