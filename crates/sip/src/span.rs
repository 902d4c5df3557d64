//! Where in a message something stands.

use std::ops::Range;

/// A range of octets of a message: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first octet's offset.
    pub start: u32,
    /// The offset after the last octet.
    pub end: u32,
}

impl Span {
    /// The span from `start` up to, not including, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start: saturate(start), end: saturate(end) }
    }

    /// Where `part` lies in `whole`, if it is a part of it. A view hands out plain slices; this
    /// turns one back into a place, by its address.
    pub fn of(part: &[u8], whole: &[u8]) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
        let end = start.checked_add(part.len())?;
        (end <= whole.len()).then(|| Self::new(start, end))
    }

    /// As a range for indexing.
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many octets.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether nothing lies in it.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

const fn saturate(offset: usize) -> u32 {
    if offset > u32::MAX as usize { u32::MAX } else { offset as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_by_its_address_and_a_stranger_is_not() {
        let whole = *b"abcdef";
        assert_eq!(Span::of(&whole[2..4], &whole), Some(Span::new(2, 4)));
        assert_eq!(Span::of(&whole[6..], &whole), Some(Span::new(6, 6)));
        let small = &whole[1..3];
        assert_eq!(Span::of(&whole, small), None);
        assert_eq!(Span::of(&whole[2..5], small), None);
    }
}
