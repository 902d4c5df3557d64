//! How dialogs get their `h_id`: a counter, with the node in its high bits (spec dialog.md §1.1,
//! decision D29).

/// How many high bits of an `h_id` name the node, where it has a
/// [`node_id`](crate::Settings::node_id). The rest counts: 16 million calls per entry.
pub const NODE_BITS: u32 = u8::BITS;

/// The ids of one node, which no other node's counter reaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbering {
    node: Option<u8>,
}

impl Numbering {
    pub(crate) const fn new(node: Option<u8>) -> Self {
        Self { node }
    }

    /// The id for this turn of the counter.
    pub(crate) const fn id(self, count: u32) -> u32 {
        match self.node {
            None => count,
            Some(node) => {
                (node as u32) << (u32::BITS - NODE_BITS) | count << NODE_BITS >> NODE_BITS
            }
        }
    }

    /// Where an id stands beside another of the same entry: below zero if it was given before.
    /// Counters may wrap.
    pub(crate) const fn order(self, id: u32, beside: u32) -> i32 {
        let bits = if self.node.is_some() { NODE_BITS } else { 0 };
        (id.wrapping_sub(beside) << bits) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    // D29, lessons 9: two nodes never make the same h_id, wherever their counters stand
    #[test]
    fn nodes_have_ids_of_their_own() {
        let counts = [0, 1, 0x00FF_FFFF, 0x0100_0000, 0x1234_5678, u32::MAX];
        let mut seen = HashSet::new();
        for node in 0..=u8::MAX {
            let ids: HashSet<_> = counts.map(|n| Numbering::new(Some(node)).id(n)).into();
            assert!(ids.iter().all(|id| id >> 24 == node.into() && seen.insert(*id)));
        }
        assert_eq!(Numbering::new(None).id(0x1234_5678), 0x1234_5678, "one node has them all");
    }

    // §1.1: +1 for each dialog; creation order survives the turn of the counter
    #[test]
    fn older_is_older_across_the_turn() {
        for node in [None, Some(0), Some(7), Some(255)] {
            let numbering = Numbering::new(node);
            for start in [5, 0x00FF_FFFE, u32::MAX - 1] {
                let ids = [0, 1, 2, 3].map(|n: u32| numbering.id(start.wrapping_add(n)));
                assert!(ids.is_sorted_by(|&a, &b| numbering.order(a, b) < 0), "{node:?} {start}");
            }
        }
    }
}
