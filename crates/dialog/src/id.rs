//! Who a dialog is: its number pair, the did text and the database id.
//!
//! Spec dialog.md §4.1–4.2. The pair (entry, id) names a dialog on the wire, in databases and in
//! commands; it is a *label*: no bucket of memory depends on it.

use std::fmt;

/// The largest number of bytes a did text can have: eight digits, a dot, eight digits.
pub const DID_LEN_MAX: usize = 17;

/// The public name of a dialog (§4.1): `entry` is a hash of the Call-ID, `id` is unique beside it.
///
/// Printed it is the *did*, each half in hexadecimal with the least significant digit first:
///
/// ```
/// use duologue_dialog::DialogId;
///
/// let id = DialogId { entry: 1443, id: 1950294441 };
/// assert_eq!(id.to_string(), "3a5.9a12f347");
/// assert_eq!(id.db_id(), 6199588102569);
/// assert_eq!(DialogId::parse_did(b"3A5.9a12f347"), Ok(id));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// `h_entry`: [`entry_of`] the Call-ID.
    pub entry: u32,
    /// `h_id`: counts up within the entry, from a start that differs at each process start.
    pub id: u32,
}

/// The text is not of the form `<entry>.<id>` (§4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedDid;

impl fmt::Display for MalformedDid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a dialog id: expected two hexadecimal numbers joined by a dot")
    }
}

impl std::error::Error for MalformedDid {}

impl DialogId {
    /// The database's and the events' form: `entry * 2^32 + id`.
    pub const fn db_id(self) -> u64 {
        ((self.entry as u64) << 32) | self.id as u64
    }

    /// The pair behind a database id.
    pub const fn from_db_id(db_id: u64) -> Self {
        Self { entry: (db_id >> 32) as u32, id: db_id as u32 }
    }

    /// Reads a did text, upper or lower case.
    ///
    /// # Errors
    /// [`MalformedDid`] for a missing dot, an empty half, a half beyond 32 bits, or other bytes.
    pub fn parse_did(text: &[u8]) -> Result<Self, MalformedDid> {
        let dot = text.iter().position(|&b| b == b'.').ok_or(MalformedDid)?;
        Ok(Self { entry: number(&text[..dot])?, id: number(&text[dot + 1..])? })
    }

    /// The did text without an allocation.
    pub fn did(self) -> Did {
        let mut did = Did { bytes: [0; DID_LEN_MAX], len: 0 };
        did.put(self.entry);
        did.bytes[did.len as usize] = b'.';
        did.len += 1;
        did.put(self.id);
        did
    }
}

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.did().as_str())
    }
}

/// A did text on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Did {
    bytes: [u8; DID_LEN_MAX],
    len: u8,
}

impl Did {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("a did is written with ASCII digits only")
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }

    fn put(&mut self, mut number: u32) {
        loop {
            self.bytes[self.len as usize] = b"0123456789abcdef"[(number & 15) as usize];
            self.len += 1;
            number >>= 4;
            if number == 0 {
                break;
            }
        }
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One half of a did: least significant digit first.
fn number(digits: &[u8]) -> Result<u32, MalformedDid> {
    if digits.is_empty() || digits.len() > 8 {
        return Err(MalformedDid);
    }
    digits.iter().rev().try_fold(0u32, |sum, &byte| {
        let digit = (byte as char).to_digit(16).ok_or(MalformedDid)?;
        Ok(sum << 4 | digit)
    })
}

/// The 32-bit hash of a Call-ID that OpenSIPS databases and clusters agree on (§4.2).
///
/// It is not keyed: whoever picks Call-IDs can make them collide. Tables here use a keyed hash.
pub fn call_id_hash(call_id: &[u8]) -> u32 {
    let mut sum = 0u32;
    let mut words = call_id.chunks_exact(4);
    for word in &mut words {
        accumulate(&mut sum, word);
    }
    accumulate(&mut sum, words.remainder());
    sum.wrapping_add(sum >> 11).wrapping_add(sum >> 13).wrapping_add(sum >> 23)
}

/// `h_entry` of a Call-ID in a table of `hash_size` entries, which is a power of two (§4.2).
pub fn entry_of(call_id: &[u8], hash_size: u32) -> u32 {
    call_id_hash(call_id) & (hash_size - 1)
}

/// Adds up to four bytes as one big-endian word; the bytes are signed, as on x86 (§4.2).
fn accumulate(sum: &mut u32, bytes: &[u8]) {
    let word = bytes.iter().fold(0u32, |w, &b| (w << 8).wrapping_add(b as i8 as u32));
    *sum = sum.wrapping_add(word ^ (word >> 3));
}

#[cfg(test)]
mod tests {
    use super::*;

    // dialog.md §19: did <-> numbers
    #[test]
    fn did_vectors() {
        for (text, entry, id, db_id) in [
            ("3a5.9a12f347", 1443, 1950294441, 6199588102569),
            ("01d.1e634cf3", 3344, 1069823713, 14363440461537),
            ("0.0", 0, 0, 0),
        ] {
            let dialog = DialogId { entry, id };
            assert_eq!(dialog.did().as_str(), text);
            assert_eq!(dialog.db_id(), db_id);
            assert_eq!(DialogId::from_db_id(db_id), dialog);
            assert_eq!(DialogId::parse_did(text.as_bytes()), Ok(dialog));
            assert_eq!(DialogId::parse_did(text.to_uppercase().as_bytes()), Ok(dialog));
        }
    }

    // dialog.md §4.1: anything else, or a missing dot, is malformed
    #[test]
    fn malformed_dids() {
        for text in ["", ".", "3a5", "3a5.", ".9a12f347", "3g5.1", "1.2.3", "123456789.1", "-1.2"] {
            assert_eq!(DialogId::parse_did(text.as_bytes()), Err(MalformedDid), "{text}");
        }
        let widest = DialogId { entry: u32::MAX, id: u32::MAX };
        assert_eq!(widest.to_string().len(), DID_LEN_MAX);
        assert_eq!(DialogId::parse_did(widest.to_string().as_bytes()), Ok(widest));
    }

    // dialog.md §4.2, §19: hash vectors
    #[test]
    fn hash_vectors() {
        for (call_id, hash, entry) in [
            ("04ad4175-0e5c-123a-29ad-42010a146403", 238669126, 3398),
            ("532afb7b-6ea1-123c-78bc-b675e135ca39", 3112998362, 1498),
            ("abc", 7167810, 3906),
            ("1234", 924651761, 241),
            ("a84b4c76e66710@pc33.atlanta.com", 2175018094, 1134),
        ] {
            assert_eq!(call_id_hash(call_id.as_bytes()), hash, "{call_id}");
            assert_eq!(entry_of(call_id.as_bytes(), 4096), entry, "{call_id}");
        }
        let published = [("64d.029dbfd4", 14595607222560), ("ad5.74a6b0c4", 6435136825927)];
        for (did, db_id) in published {
            assert_eq!(DialogId::parse_did(did.as_bytes()).unwrap().db_id(), db_id);
        }
    }
}
