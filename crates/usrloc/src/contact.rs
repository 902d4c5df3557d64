//! A contact: one place where a user can be reached.

use duologue_sip::Tick;

use crate::Methods;

/// The number of a contact: the same through all its refreshes, never given out twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactId(pub u64);

/// Until when a contact is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// Until this moment, which does not belong to it.
    At(Tick),
    /// Until somebody removes it: an operator put it there.
    Never,
}

/// A binding: a contact of a user and what was known when it was registered.
///
/// Empty texts mean that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its number; given by the table.
    pub id: ContactId,
    /// The contact's URI, without its brackets.
    pub uri: Box<[u8]>,
    /// Until when it is bound.
    pub expires: Expires,
    /// The q value in thousandths; −1 if there was none.
    pub q: i16,
    /// The Call-ID of the registration that set it last.
    pub call_id: Box<[u8]>,
    /// And its CSeq.
    pub cseq: u32,
    /// When that was.
    pub modified: Tick,
    /// The `User-Agent`.
    pub user_agent: Box<[u8]>,
    /// The URI of the address that the registration came from, if the phone is behind a NAT.
    pub received: Box<[u8]>,
    /// The Path header values, joined by commas (RFC 3327).
    pub path: Box<[u8]>,
    /// The socket by which it can be reached, a place in the proxy's table of sockets.
    pub socket: Option<u16>,
    /// The message flags of the registration.
    pub flags: u32,
    /// Its branch flags.
    pub branch_flags: u32,
    /// The methods that it understands.
    pub methods: Methods,
    /// The `+sip.instance` parameter, brackets included, quotes not (RFC 5626 §4.1).
    pub instance: Box<[u8]>,
    /// What a script wanted to keep with it.
    pub attributes: Box<[u8]>,
    /// The round trip of the last ping, in microseconds; 0 if none was measured.
    pub latency_us: u32,
    /// Whether it is never to be written to a database.
    pub memory_only: bool,
}

impl Contact {
    /// A contact of which only the URI and the registration are known, for ever.
    pub fn new(uri: &[u8], call_id: &[u8], cseq: u32) -> Self {
        Self {
            id: ContactId::default(),
            uri: uri.into(),
            expires: Expires::Never,
            q: -1,
            call_id: call_id.into(),
            cseq,
            modified: Tick::ZERO,
            user_agent: Box::default(),
            received: Box::default(),
            path: Box::default(),
            socket: None,
            flags: 0,
            branch_flags: 0,
            methods: Methods::ALL,
            instance: Box::default(),
            attributes: Box::default(),
            latency_us: 0,
            memory_only: false,
        }
    }

    /// Whether it is bound at `now`.
    pub fn is_bound(&self, now: Tick) -> bool {
        match self.expires {
            Expires::At(at) => at > now,
            Expires::Never => true,
        }
    }

    /// For how many seconds it is bound still, rounded up: 0 if it is not. None if for ever.
    pub fn seconds_left(&self, now: Tick) -> Option<u64> {
        match self.expires {
            Expires::At(at) => Some(at.as_millis().saturating_sub(now.as_millis()).div_ceil(1000)),
            Expires::Never => None,
        }
    }

    /// How many octets it is counted as: its texts and what every contact takes.
    pub fn octets(&self) -> usize {
        let texts = [
            &self.uri,
            &self.call_id,
            &self.user_agent,
            &self.received,
            &self.path,
            &self.instance,
            &self.attributes,
        ];
        CONTACT_OVERHEAD + texts.iter().map(|text| text.len()).sum::<usize>()
    }
}

/// What a contact takes beside its texts: the struct, its place in the record and among the
/// deadlines, and the allocator's share of eight allocations.
pub(crate) const CONTACT_OVERHEAD: usize = size_of::<Contact>() + 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_bound_until_its_moment_and_not_at_it() {
        let at = |ms| Contact {
            expires: Expires::At(Tick::from_millis(ms)),
            ..Contact::new(b"sip:a@h", b"c", 1)
        };
        assert!(at(1000).is_bound(Tick::from_millis(999)));
        assert!(!at(1000).is_bound(Tick::from_millis(1000)));
        assert_eq!(at(1500).seconds_left(Tick::from_millis(0)), Some(2));
        assert_eq!(at(1500).seconds_left(Tick::from_millis(1500)), Some(0));
        assert_eq!(Contact::new(b"sip:a@h", b"c", 1).seconds_left(Tick::ZERO), None);
    }
}
