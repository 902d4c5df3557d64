//! Deadlines of a shard: a hashed wheel of one-second buckets with lists through slot numbers.
//!
//! Arming and disarming are O(1) and cost 10 bytes per slot; a deadline further away than one turn
//! is looked at once per turn. Nothing is left behind when a call ends early.

/// Buckets of one second; a turn takes about seventeen minutes.
const BUCKETS: usize = 1024;
const NONE: u32 = u32::MAX;
const UNARMED: u16 = u16::MAX;

#[derive(Clone, Copy)]
struct Link {
    prev: u32,
    next: u32,
    bucket: u16,
}

pub(crate) struct Wheel {
    heads: Box<[u32]>,
    links: Vec<Link>,
    /// The last second that was looked at.
    last: u64,
    armed: usize,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { heads: vec![NONE; BUCKETS].into(), links: Vec::new(), last: 0, armed: 0 }
    }

    /// Arms a slot for a second, instead of whatever it was armed for.
    pub(crate) fn arm(&mut self, slot: u32, second: u64) {
        self.disarm(slot);
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Link { prev: NONE, next: NONE, bucket: UNARMED });
        }
        let bucket = (second.max(self.last + 1) % BUCKETS as u64) as usize;
        let next = std::mem::replace(&mut self.heads[bucket], slot);
        if next != NONE {
            self.links[next as usize].prev = slot;
        }
        self.links[index] = Link { prev: NONE, next, bucket: bucket as u16 };
        self.armed += 1;
    }

    pub(crate) fn disarm(&mut self, slot: u32) {
        let Some(&Link { prev, next, bucket }) = self.links.get(slot as usize) else { return };
        if bucket == UNARMED {
            return;
        }
        match prev {
            NONE => self.heads[bucket as usize] = next,
            prev => self.links[prev as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].prev = prev;
        }
        self.links[slot as usize].bucket = UNARMED;
        self.armed -= 1;
    }

    /// The slots in the buckets up to this second: each may be due, or belong to a later turn.
    pub(crate) fn turn(&mut self, second: u64, candidates: &mut Vec<u32>) {
        let from = self.last.max(second.saturating_sub(BUCKETS as u64));
        self.last = self.last.max(second);
        if self.armed == 0 {
            return;
        }
        for second in from + 1..=second {
            let mut slot = self.heads[(second % BUCKETS as u64) as usize];
            while slot != NONE {
                candidates.push(slot);
                slot = self.links[slot as usize].next;
            }
        }
    }

    /// The next second whose bucket is not empty.
    pub(crate) fn next_second(&self) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        (self.last + 1..=self.last + BUCKETS as u64)
            .find(|second| self.heads[(second % BUCKETS as u64) as usize] != NONE)
    }

    pub(crate) const fn armed(&self) -> usize {
        self.armed
    }

    pub(crate) fn memory(&self) -> usize {
        self.links.capacity() * size_of::<Link>() + BUCKETS * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_up_in_their_second_and_can_be_taken_out() {
        let mut wheel = Wheel::new();
        wheel.arm(0, 5);
        wheel.arm(1, 5);
        wheel.arm(2, 5 + BUCKETS as u64);
        wheel.arm(3, 7);
        wheel.disarm(1);
        assert_eq!(wheel.next_second(), Some(5));
        let mut up = Vec::new();
        wheel.turn(4, &mut up);
        assert!(up.is_empty());
        wheel.turn(6, &mut up);
        up.sort_unstable();
        assert_eq!(up, [0, 2], "the later turn shares the bucket");
        wheel.disarm(0);
        wheel.disarm(3);
        assert_eq!(wheel.next_second(), Some(5 + BUCKETS as u64));
        wheel.disarm(2);
        assert_eq!((wheel.next_second(), wheel.armed()), (None, 0));
    }
}
