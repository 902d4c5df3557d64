//! Our own Via branches: they say where a reply belongs, and prove that we said it.

use std::hash::Hasher;

use siphasher::{sip::SipHasher13, sip128};

use crate::{BranchIndex, TransactionId};

/// RFC 3261 §8.1.1.7: every branch made by this RFC starts with it.
const COOKIE: &[u8] = b"z9hG4bK";
/// The tag: 64 bits in hexadecimal.
const TAG_LEN: usize = 16;

/// The secret behind our branches and keys: 128 bits, drawn once when the process starts.
#[derive(Clone)]
pub struct BranchKey {
    k0: u64,
    k1: u64,
}

/// Where a reply belongs, within the call that its scope names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchId {
    /// The transaction.
    pub transaction: TransactionId,
    /// Its branch.
    pub branch: BranchIndex,
}

impl BranchKey {
    /// A key from 128 random bits.
    pub const fn new(k0: u64, k1: u64) -> Self {
        Self { k0, k1 }
    }

    /// Appends the branch parameter's value for `id`: `z9hG4bK`, transaction and branch in
    /// hexadecimal, and a tag over them and `scope`, which is whatever tells one call from another
    /// (the Call-ID as sent, or the call's slot and generation). At most 36 bytes.
    pub fn encode(&self, scope: &[u8], id: BranchId, out: &mut Vec<u8>) {
        out.extend_from_slice(COOKIE);
        write_hex(out, u64::from(id.transaction.0), 1);
        out.push(b'.');
        write_hex(out, u64::from(id.branch.0), 1);
        out.push(b'.');
        write_hex(out, self.tag(scope, id), TAG_LEN);
    }

    /// Reads a branch back; `None` unless this key wrote it for this scope. Forged branches, and
    /// those of another call or an earlier process, stop here (RFC 3261 §17.1.3 matches by branch
    /// alone, so a guessed branch would reach a stranger's transaction).
    pub fn decode(&self, scope: &[u8], branch: &[u8]) -> Option<BranchId> {
        let mut parts = branch.strip_prefix(COOKIE)?.split(|&byte| byte == b'.');
        let (transaction, index, tag) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || tag.len() != TAG_LEN {
            return None;
        }
        let id = BranchId {
            transaction: TransactionId(u32::try_from(read_hex(transaction)?).ok()?),
            branch: BranchIndex(u8::try_from(read_hex(index)?).ok()?),
        };
        (read_hex(tag)? == self.tag(scope, id)).then_some(id)
    }

    /// Appends a branch that follows from what identifies the request alone, so that a statelessly
    /// forwarded retransmission leaves with the same one (RFC 3261 §16.11). `parts` is the received
    /// top Via branch, or, without magic cookie, Request-URI, tags, Call-ID, CSeq number and top
    /// Via; add the next hop's address when the same ACK may fork.
    pub fn stateless(&self, parts: &[&[u8]], out: &mut Vec<u8>) {
        let mut hasher = self.hasher();
        hasher.write_u8(b's');
        parts.iter().for_each(|part| write_part(&mut hasher, part));
        out.extend_from_slice(COOKIE);
        // No dots: `decode` cannot take it for a stateful one.
        out.push(b's');
        write_hex(out, hasher.finish(), TAG_LEN);
    }

    pub(crate) fn hasher128(&self) -> sip128::SipHasher13 {
        sip128::SipHasher13::new_with_keys(self.k0, self.k1)
    }

    fn hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.k0, self.k1)
    }

    fn tag(&self, scope: &[u8], id: BranchId) -> u64 {
        let mut hasher = self.hasher();
        hasher.write_u8(b'b');
        write_part(&mut hasher, scope);
        hasher.write_u32(id.transaction.0);
        hasher.write_u8(id.branch.0);
        hasher.finish()
    }
}

impl std::fmt::Debug for BranchKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BranchKey(secret)")
    }
}

/// Hashes a part with its length, so that parts cannot flow into each other.
pub(crate) fn write_part(hasher: &mut impl Hasher, part: &[u8]) {
    hasher.write_usize(part.len());
    hasher.write(part);
}

/// Lower-case hexadecimal with at least `width` digits.
fn write_hex(out: &mut Vec<u8>, number: u64, width: usize) {
    let digits = (16 - number.leading_zeros() as usize / 4).max(width);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (digit * 4)) as usize & 0xf]);
    }
}

/// Reads what [`write_hex`] wrote: up to 16 lower-case digits.
fn read_hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: BranchKey = BranchKey::new(7, 11);

    fn encoded(scope: &[u8], transaction: u32, branch: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let id = BranchId { transaction: TransactionId(transaction), branch: BranchIndex(branch) };
        KEY.encode(scope, id, &mut out);
        out
    }

    #[test]
    fn a_branch_of_another_call_key_or_index_is_refused() {
        let branch = encoded(b"call-a", 3, 1);
        assert!(branch.len() <= 36 && branch.starts_with(b"z9hG4bK3.1."));
        assert!(KEY.decode(b"call-a", &branch).is_some());
        assert!(KEY.decode(b"call-b", &branch).is_none());
        assert!(BranchKey::new(7, 12).decode(b"call-a", &branch).is_none());
        let mut forged = branch;
        forged[9] = b'2';
        assert!(KEY.decode(b"call-a", &forged).is_none());
    }

    /// RFC 3261 §16.11: the same request gets the same branch each time.
    #[test]
    fn a_stateless_branch_depends_on_the_received_one_alone() {
        let stateless = |parts: &[&[u8]]| {
            let mut out = Vec::new();
            KEY.stateless(parts, &mut out);
            out
        };
        assert_eq!(stateless(&[b"z9hG4bKx"]), stateless(&[b"z9hG4bKx"]));
        assert_ne!(stateless(&[b"z9hG4bKx"]), stateless(&[b"z9hG4bKy"]));
        assert!(KEY.decode(b"", &stateless(&[b"z9hG4bKx"])).is_none());
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(scope: Vec<u8>, transaction: u32, branch: u8) {
            let id = BranchId { transaction: TransactionId(transaction), branch: BranchIndex(branch) };
            prop_assert_eq!(KEY.decode(&scope, &encoded(&scope, transaction, branch)), Some(id));
        }

        #[test]
        fn nothing_else_is(text in "(z9hG4bK)?[0-9a-f.]{0,40}", bytes: Vec<u8>) {
            prop_assert_eq!(KEY.decode(b"scope", text.as_bytes()), None);
            prop_assert_eq!(KEY.decode(b"scope", &bytes), None);
        }
    }
}
