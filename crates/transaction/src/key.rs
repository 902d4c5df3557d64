//! Which requests belong to a server transaction: RFC 3261 §17.2.3.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{BranchKey, via::write_part};

/// The methods that transactions tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// INVITE.
    Invite,
    /// ACK: belongs to the INVITE whose negative reply it acknowledges.
    Ack,
    /// CANCEL: a transaction of its own that speaks of the INVITE.
    Cancel,
    /// Everything else.
    Other,
}

impl RequestKind {
    /// The kind of a method name as it stands in the request (RFC 3261 §7.1: case counts).
    pub fn of(method: &[u8]) -> Self {
        match method {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"CANCEL" => Self::Cancel,
            _ => Self::Other,
        }
    }
}

/// The identity of a received request among transactions: top Via branch, its sent-by, and the
/// method, as a keyed 128-bit digest. Peers choose all three; they can neither make it grow nor
/// make two of them collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKey {
    digest: (u64, u64),
    kind: RequestKind,
}

/// How a request relates to a transaction that it matches. A CANCEL that came again matches two, its
/// own (if one was made) and its INVITE's: `Retransmission` goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The same request again: call [`retransmission`](crate::Transaction::retransmission).
    Retransmission,
    /// The hop-by-hop ACK of our negative reply: call [`receive_ack`](crate::Transaction::receive_ack).
    AckOfFailure,
    /// An ACK that has its INVITE's branch although that was answered with 2xx: it is end to end,
    /// forward it (RFC 6026 §7.1).
    AckOfSuccess,
    /// A CANCEL of this INVITE: call [`receive_cancel`](crate::Transaction::receive_cancel).
    Cancel,
}

impl ServerKey {
    /// The key of a request whose top Via branch has the magic cookie `z9hG4bK`. `sent_by` is the
    /// Via's host and port as written (host names are compared without case).
    pub fn new(secret: &BranchKey, branch: &[u8], sent_by: &[u8], method: &[u8]) -> Self {
        let mut hasher = secret.hasher128();
        write_part(&mut hasher, branch);
        hasher.write_usize(sent_by.len());
        sent_by.iter().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
        Self::finish(hasher, method)
    }

    /// The key of a request from an RFC 2543 client, without the magic cookie: Request-URI, From
    /// tag, Call-ID, CSeq number and the whole top Via, each as written. The To-tag stays out, so
    /// that the ACK, which has one, matches its INVITE, which has none.
    pub fn without_cookie(secret: &BranchKey, parts: &[&[u8]], method: &[u8]) -> Self {
        let mut hasher = secret.hasher128();
        parts.iter().for_each(|part| write_part(&mut hasher, part));
        Self::finish(hasher, method)
    }

    /// The method's kind.
    pub const fn kind(&self) -> RequestKind {
        self.kind
    }

    /// Same branch and sent-by, whatever the kind says.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    fn finish(mut hasher: SipHasher13, method: &[u8]) -> Self {
        let kind = RequestKind::of(method);
        // RFC 3261 §17.2.3: the method must match, except that an ACK matches its INVITE; §9.2: a
        // CANCEL finds what it cancels as if its method were that one's.
        if kind == RequestKind::Other {
            write_part(&mut hasher, method);
        }
        let digest = hasher.finish128();
        Self { digest: (digest.h1, digest.h2), kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_sent_by_and_method_all_count() {
        let secret = BranchKey::new(1, 2);
        let key =
            |branch: &[u8], by: &[u8], method: &[u8]| ServerKey::new(&secret, branch, by, method);
        let invite = key(b"z9hG4bKa", b"h.example:5060", b"INVITE");
        assert_eq!(invite, key(b"z9hG4bKa", b"H.EXAMPLE:5060", b"INVITE"));
        for other in [
            key(b"z9hG4bKb", b"h.example:5060", b"INVITE"),
            key(b"z9hG4bKa", b"h.example:5061", b"INVITE"),
            key(b"z9hG4bKah", b".example:5060", b"INVITE"),
            key(b"z9hG4bKa", b"h.example:5060", b"BYE"),
        ] {
            assert!(!invite.same_place(&other));
        }
        for own in [&b"ACK"[..], b"CANCEL"] {
            assert!(invite.same_place(&key(b"z9hG4bKa", b"h.example:5060", own)));
        }
        assert!(!key(b"z9hG4bKa", b"h", b"BYE").same_place(&key(b"z9hG4bKa", b"h", b"INFO")));
    }
}
