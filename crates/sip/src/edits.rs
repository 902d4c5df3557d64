//! Changes to a message, recorded now and applied while it is written out.

use smallvec::SmallVec;

use crate::{Draft, Message, Span};

/// The most changes one layer keeps. A script that asks for more has run wild; see
/// [`Edits::is_full`].
pub const EDITS_MAX: usize = 1024;

/// Changes that stay inline; more cost an allocation that [`Edits::clear`] keeps.
const INLINE_OPS: usize = 16;

/// Changes against the bytes of a received message.
///
/// Nothing is changed until [`render`] writes the message out, and every change names a place of
/// the message as it came in: an insertion does not move what is recorded later. One value is
/// reused for many messages, see [`Edits::clear`].
#[derive(Clone, Debug, Default)]
pub struct Edits {
    ops: SmallVec<[Op; INLINE_OPS]>,
    text: Vec<u8>,
    full: bool,
}

/// Removes `start..end` (nothing, for an insertion) and writes a text in its place.
#[derive(Clone, Copy, Debug)]
struct Op {
    start: u32,
    end: u32,
    text_start: u32,
    text_end: u32,
}

impl Edits {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all changes and keeps the memory.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.text.clear();
        self.full = false;
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether changes were refused because there are [`EDITS_MAX`] already.
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Writes `parts` before the octet at `at`. Insertions at one place keep their order.
    pub fn insert(&mut self, at: usize, parts: &[&[u8]]) {
        self.record(Span::new(at, at), parts);
    }

    /// Removes a range. Ranges may overlap.
    pub fn delete(&mut self, span: Span) {
        if !span.is_empty() {
            self.record(span, &[]);
        }
    }

    /// Writes `parts` in place of a range. Of several for the same range the last one holds.
    pub fn replace(&mut self, span: Span, parts: &[&[u8]]) {
        self.record(span, parts);
    }

    /// The changes that people speak of (push a Via, remove a header …) for `message`.
    pub fn draft<'e, 'm, 'b>(&'e mut self, message: &'m Message<'b>) -> Draft<'e, 'm, 'b> {
        Draft::new(self, message)
    }

    /// Whether one recorded change removes all of `span`.
    pub(crate) fn removes(&self, span: Span) -> bool {
        self.ops
            .iter()
            .any(|op| op.start <= span.start && span.end <= op.end && op.text_start == op.text_end)
    }

    fn record(&mut self, span: Span, parts: &[&[u8]]) {
        if self.ops.len() >= EDITS_MAX {
            self.full = true;
            return;
        }
        let text_start = self.text.len();
        for part in parts {
            self.text.extend_from_slice(part);
        }
        let text = Span::new(text_start, self.text.len());
        self.ops.push(Op {
            start: span.start,
            end: span.end.max(span.start),
            text_start: text.start,
            text_end: text.end,
        });
    }
}

/// Appends `message` to `out` with the changes of all `layers` in one pass over it; what no change
/// names is copied bit for bit.
///
/// - At one place, insertions stand in the order of the layers, and within one as recorded.
/// - Removed ranges may overlap. Text that was put strictly inside a range that something else
///   removes goes with it: an edited header that is then removed leaves nothing behind.
/// - Of several replacements of the same range the last one holds (last layer, last recorded).
///
/// Places beyond the end of the message count as its end.
pub fn render(message: &[u8], layers: &[&Edits], out: &mut Vec<u8>) {
    let mut ops: SmallVec<[(Op, &[u8]); 32]> = SmallVec::new();
    let clamp = |at: u32| at.min(u32::try_from(message.len()).unwrap_or(u32::MAX));
    for layer in layers {
        for op in &layer.ops {
            let text = &layer.text[op.text_start as usize..op.text_end as usize];
            ops.push((Op { start: clamp(op.start), end: clamp(op.end), ..*op }, text));
        }
    }
    // By place; insertions first, then the widest range. The sort is stable: equals keep the
    // order of layers and recording.
    ops.sort_by_key(|(op, _)| (op.start, op.start != op.end, u32::MAX - op.end));

    out.reserve(message.len() + layers.iter().map(|layer| layer.text.len()).sum::<usize>());
    let mut copied = 0;
    // Where the removal reaches that began before the current change.
    let mut removed = 0_u32;
    for (i, &(op, text)) in ops.iter().enumerate() {
        let overtaken = ops.get(i + 1).is_some_and(|(next, _)| {
            op.end > op.start && (next.start, next.end) == (op.start, op.end)
        });
        // Strictly inside for an insertion; for a removal a wider one may share the start.
        let inside = op.end <= removed && op.start < removed;
        if inside || overtaken {
            continue;
        }
        if op.start as usize > copied {
            out.extend_from_slice(&message[copied..op.start as usize]);
            copied = op.start as usize;
        }
        out.extend_from_slice(text);
        removed = removed.max(if op.end > op.start { op.end } else { 0 });
        copied = copied.max(op.end as usize);
    }
    out.extend_from_slice(&message[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"0123456789";

    fn rendered(layers: &[&Edits]) -> String {
        let mut out = b"> ".to_vec();
        render(TEXT, layers, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn edits(record: impl FnOnce(&mut Edits)) -> Edits {
        let mut edits = Edits::new();
        record(&mut edits);
        edits
    }

    #[test]
    fn nothing_recorded_nothing_changed() {
        assert_eq!(rendered(&[]), "> 0123456789");
        assert_eq!(rendered(&[&Edits::new(), &Edits::new()]), "> 0123456789");
    }

    #[test]
    fn insertions_keep_their_order() {
        let first = edits(|e| {
            e.insert(5, &[b"a", b"b"]);
            e.insert(0, &[b"^"]);
            e.insert(5, &[b"c"]);
        });
        let second = edits(|e| e.insert(5, &[b"d"]));
        assert_eq!(rendered(&[&first, &second]), "> ^01234abcd56789");
        assert_eq!(rendered(&[&second, &first]), "> ^01234dabc56789");
        assert_eq!(rendered(&[&edits(|e| e.insert(99, &[b"$"]))]), "> 0123456789$");
    }

    #[test]
    fn removals_may_overlap() {
        let a = edits(|e| {
            e.delete(Span::new(2, 6));
            e.delete(Span::new(4, 8));
            e.delete(Span::new(3, 5));
        });
        assert_eq!(rendered(&[&a]), "> 0189");
        let b = edits(|e| e.delete(Span::new(8, 99)));
        assert_eq!(rendered(&[&a, &b]), "> 01");
    }

    #[test]
    fn text_inside_a_removed_range_goes_with_it() {
        let e = edits(|e| {
            e.replace(Span::new(4, 5), &[b"x"]);
            e.insert(3, &[b"y"]);
            e.insert(2, &[b"before"]);
            e.insert(7, &[b"after"]);
            e.delete(Span::new(2, 7));
        });
        assert_eq!(rendered(&[&e]), "> 01beforeafter789");
        let same_start = edits(|e| {
            e.replace(Span::new(2, 4), &[b"x"]);
            e.delete(Span::new(2, 7));
        });
        assert_eq!(rendered(&[&same_start]), "> 01789");
    }

    #[test]
    fn the_last_replacement_holds() {
        let first = edits(|e| {
            e.replace(Span::new(2, 4), &[b"a"]);
            e.replace(Span::new(2, 4), &[b"b"]);
        });
        assert_eq!(rendered(&[&first]), "> 01b456789");
        let second = edits(|e| e.replace(Span::new(2, 4), &[b"c"]));
        assert_eq!(rendered(&[&first, &second]), "> 01c456789");
    }

    #[test]
    fn the_number_of_changes_is_bounded() {
        let mut many = Edits::new();
        for _ in 0..=EDITS_MAX {
            many.insert(0, &[b"x"]);
        }
        assert!(many.is_full());
        assert_eq!(rendered(&[&many]).len(), 2 + EDITS_MAX + TEXT.len());
        many.clear();
        assert!(many.is_empty() && !many.is_full());
    }
}
