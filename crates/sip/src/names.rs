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
        if bytes.is_empty() {
            return None;
        }
        let (name, spelling) = SPELLINGS.get(usize::from(SLOTS[slot(bytes, SEED)]))?;
        let spelling = spelling.as_bytes();
        // Most senders write names as the RFCs do, and comparing octets as they are is cheaper.
        (spelling == bytes || spelling.eq_ignore_ascii_case(bytes)).then_some(*name)
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

/// How many slots the table of names has: a power of two, several times the number of names.
const SLOT_COUNT: usize = 512;

/// Says that a slot is empty: an index beyond the names.
const EMPTY: u8 = u8::MAX;

/// A multiplier under which no two names share a slot; found by the compiler.
const SEED: u32 = {
    let mut seed = 0x9e37_79b1_u32;
    while slots(seed).is_none() {
        seed = seed.wrapping_add(0x6d2b_79f6);
    }
    seed
};

/// For each slot the index into `SPELLINGS` of the one name that may be there.
static SLOTS: [u8; SLOT_COUNT] = slots(SEED).expect("the seed was tried");

/// The slot of a name that is not empty: by its length, first, middle and last octet, whatever
/// their case.
const fn slot(name: &[u8], seed: u32) -> usize {
    let (first, middle, last) = (name[0], name[name.len() / 2], name[name.len() - 1]);
    let key = u32::from_le_bytes([first | 0x20, middle | 0x20, last | 0x20, name.len() as u8]);
    (key.wrapping_mul(seed) >> (u32::BITS - SLOT_COUNT.ilog2())) as usize
}

const fn slots(seed: u32) -> Option<[u8; SLOT_COUNT]> {
    let mut slots = [EMPTY; SLOT_COUNT];
    let mut i = 0;
    while i < SPELLINGS.len() {
        assert!(SPELLINGS[i].0 as usize == i, "SPELLINGS follows the order of the enum");
        let at = slot(SPELLINGS[i].1.as_bytes(), seed);
        if slots[at] != EMPTY {
            return None;
        }
        slots[at] = i as u8;
        i += 1;
    }
    Some(slots)
}

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
