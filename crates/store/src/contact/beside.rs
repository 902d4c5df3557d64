//! What OpenSIPS's columns cannot hold of a contact: one byte of version, then the record in postcard.
//! Fields are never moved or taken away; what is to be added makes version 2, which still reads this.

use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct Beside {
    /// In thousandths; −1 if there was none.
    pub(super) q: i16,
    pub(super) latency_us: u32,
    /// All names of the socket, with blanks between them.
    pub(super) sockets: String,
    /// Byte by byte, as scripts stored them.
    pub(super) keys: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Beside {
    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("memory takes what is written")
    }

    /// `None` if it cannot be read: the columns say enough.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let record = bytes.strip_prefix(&[VERSION])?;
        postcard::from_bytes(record).ok()
    }
}
