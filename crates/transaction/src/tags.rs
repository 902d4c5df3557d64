//! Which To-tags went upstream with a 2xx.

use smallvec::SmallVec;

/// How many different answers of one INVITE are remembered; a later one is relayed all the same, but
/// never recognised as a retransmission. A call forked to more answering phones than this is odd.
pub(crate) const MAX_ANSWERS: usize = 16;

/// A small set of To-tags, as hashes: a collision has the one consequence that an answer is called a
/// retransmission, and only a callee could bring it about, for its own answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToTags(SmallVec<[u32; 4]>);

impl ToTags {
    pub(crate) fn contains(&self, tag: &[u8]) -> bool {
        self.0.contains(&hash(tag))
    }

    /// Adds the tag; true if it was there before.
    pub(crate) fn insert(&mut self, tag: &[u8]) -> bool {
        let known = self.contains(tag);
        if !known && self.0.len() < MAX_ANSWERS {
            self.0.push(hash(tag));
        }
        known
    }

    pub(crate) fn heap(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * size_of::<u32>() } else { 0 }
    }
}

/// FNV-1a over the tag.
fn hash(tag: &[u8]) -> u32 {
    tag.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_a_bounded_number_of_answers() {
        let mut tags = ToTags::default();
        for n in 0..100_u8 {
            assert!(!tags.insert(&[b't', n]));
        }
        assert!(tags.insert(b"t\x00") && tags.insert(&[b't', 15]));
        assert_eq!(tags.0.len(), MAX_ANSWERS);
    }
}
