//! Changes to a message, recorded now and applied while it is written out.

use smallvec::SmallVec;

use crate::body::Plan;
use crate::{Draft, HeaderName, Message, Span};

/// The most changes one layer keeps. A script that asks for more has run wild; see
/// [`Edits::is_full`].
pub const EDITS_MAX: usize = 1024;

/// The most octets of text one layer keeps: four times what the largest message has.
pub const EDIT_OCTETS_MAX: usize = 262_144;

const _: () = assert!(EDIT_OCTETS_MAX >= crate::MESSAGE_OCTETS_MAX);

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
    /// Set once the body changes.
    framing: Option<Framing>,
    /// The parts of the body, once there are to be others.
    pub(crate) plan: Option<Box<Plan>>,
}

/// Removes `start..end` (nothing, for an insertion) and writes a text in its place.
#[derive(Clone, Copy, Debug)]
struct Op {
    start: u32,
    end: u32,
    text_start: u32,
    text_end: u32,
}

/// Where Content-Length stands, which has to follow the body.
#[derive(Clone, Copy, Debug)]
struct Framing {
    /// Where the body begins.
    body: u32,
    /// The value of the header; the place for a new one if there is none.
    length: Span,
    /// Whether there is one.
    has_header: bool,
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
        self.framing = None;
        self.plan = None;
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.plan.is_none()
    }

    /// Whether the body changes, as far as it was changed through a [`Draft`].
    pub const fn changes_body(&self) -> bool {
        self.framing.is_some()
    }

    /// Whether changes were refused because there are [`EDITS_MAX`] already, or
    /// [`EDIT_OCTETS_MAX`] octets of text.
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Whether there is room for so many more changes with so many octets of text in all.
    pub fn has_room(&self, changes: usize, octets: usize) -> bool {
        changes <= EDITS_MAX - self.ops.len() && octets <= EDIT_OCTETS_MAX - self.text.len()
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

    /// Writes `parts` in place of a range, as [`Edits::replace`], and forgets what was recorded for
    /// the very same range before: for texts that are written anew again and again.
    pub(crate) fn rewrite(&mut self, span: Span, parts: &[&[u8]]) {
        self.ops.retain(|op| span.is_empty() || (op.start, op.end) != (span.start, span.end));
        let used = self.ops.iter().map(|op| op.text_end).max().unwrap_or_default();
        self.text.truncate(used as usize);
        self.record(span, parts);
    }

    /// Takes the parts that another layer wants the body to have, if this one has no plan of its
    /// own. Of several layers only the last plan counts, so each starts from the one before it.
    pub fn inherit_parts(&mut self, earlier: &Self) {
        if self.plan.is_none() {
            self.plan.clone_from(&earlier.plan);
        }
    }

    /// Notes that the body changes: Content-Length follows when the message is written out.
    pub(crate) fn body_changes(&mut self, message: &Message<'_>) {
        let header = message.header(HeaderName::ContentLength);
        let end = message.head_end();
        self.framing = Some(Framing {
            body: Span::new(message.body_start(), 0).start,
            length: header.map_or(Span::new(end, end), |header| header.value_span()),
            has_header: header.is_some(),
        });
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
        let octets: usize = parts.iter().map(|part| part.len()).sum();
        if self.ops.len() >= EDITS_MAX || self.text.len() + octets > EDIT_OCTETS_MAX {
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
/// - If the body changed through a [`Draft`], Content-Length tells its new length; a message that
///   has none gets one.
///
/// Places beyond the end of the message count as its end.
pub fn render(message: &[u8], layers: &[&Edits], out: &mut Vec<u8>) {
    let mut digits = [0; LENGTH_OCTETS];
    let line: Vec<u8>;
    let mut changes = Changes::of(message, layers);
    if let Some(framing) = layers.iter().find_map(|layer| layer.framing) {
        let mut octets = 0;
        changes.write(message, framing.body as usize, |piece| octets += piece.len());
        let value = decimal(octets, &mut digits);
        line = [&b"Content-Length: "[..], value, b"\r\n"].concat();
        changes.add(framing.length, if framing.has_header { value } else { &line });
    }
    out.reserve(message.len() + layers.iter().map(|layer| layer.text.len()).sum::<usize>());
    changes.write(message, 0, |piece| out.extend_from_slice(piece));
}

/// Appends what the body of `message` becomes with the changes of all `layers`.
pub fn render_body(message: &Message<'_>, layers: &[&Edits], out: &mut Vec<u8>) {
    let framed = message.framed();
    let changes = Changes::of(framed, layers);
    changes.write(framed, message.body_start(), |piece| out.extend_from_slice(piece));
}

/// Appends what a piece of `message` becomes with the changes inside it; nothing if it is removed
/// together with what is around it. What was put right before or behind it is not its matter, nor
/// what the body's parts become.
pub fn render_span(message: &Message<'_>, layers: &[&Edits], span: Span, out: &mut Vec<u8>) {
    let edge = |op: &Op| op.start == op.end && (op.start == span.start || op.end == span.end);
    render_inside(message, layers, span, |op| !edge(op), out);
}

/// As [`render_span`], with what was put right before or behind it.
pub(crate) fn render_with_edges(
    message: &Message<'_>,
    layers: &[&Edits],
    span: Span,
    out: &mut Vec<u8>,
) {
    render_inside(message, layers, span, |_| true, out);
}

fn render_inside(
    message: &Message<'_>,
    layers: &[&Edits],
    span: Span,
    counts: impl Fn(&Op) -> bool,
    out: &mut Vec<u8>,
) {
    if layers.iter().any(|layer| layer.removes_around(span)) {
        return;
    }
    let whole = message.as_bytes();
    let whole = &whole[..whole.len().min(span.end as usize)];
    let mut changes = Changes(SmallVec::new());
    for layer in layers {
        let inside = layer.ops.iter().filter(|op| op.start >= span.start && op.end <= span.end);
        let inside = inside.filter(|op| counts(op));
        changes.0.extend(inside.map(|op| (*op, layer.text_of(op))));
    }
    changes.sort();
    changes.write(whole, span.start as usize, |piece| out.extend_from_slice(piece));
}

impl Edits {
    /// Whether a change removes `span` and more.
    pub(crate) fn removes_around(&self, span: Span) -> bool {
        self.ops.iter().any(|op| {
            op.start <= span.start
                && span.end <= op.end
                && (op.start, op.end) != (span.start, span.end)
        })
    }

    /// What was last recorded in place of exactly this range.
    pub(crate) fn replacement(&self, span: Span) -> Option<&[u8]> {
        let op = self.ops.iter().rfind(|op| (op.start, op.end) == (span.start, span.end))?;
        Some(self.text_of(op))
    }

    fn text_of(&self, op: &Op) -> &[u8] {
        &self.text[op.text_start as usize..op.text_end as usize]
    }
}

/// The changes of all layers with their texts, by place.
struct Changes<'l>(SmallVec<[(Op, &'l [u8]); 32]>);

impl<'l> Changes<'l> {
    fn of(message: &[u8], layers: &[&'l Edits]) -> Self {
        let mut changes = Self(SmallVec::new());
        let end = Span::new(message.len(), 0).start;
        let plan = layers.iter().rev().find_map(|layer| layer.plan.as_deref());
        if let Some(plan) = plan {
            changes.extend(&plan.opening, end, |_| true);
        }
        for layer in layers {
            // What was changed in a part that is gone is gone.
            changes.extend(layer, end, |op| {
                plan.is_none_or(|plan| !plan.drops(Span { start: op.start, end: op.end }))
            });
        }
        if let Some(plan) = plan {
            changes.extend(&plan.closing, end, |_| true);
        }
        changes.sort();
        changes
    }

    fn extend(&mut self, layer: &'l Edits, end: u32, counts: impl Fn(&Op) -> bool) {
        let ops = layer.ops.iter().filter(|op| counts(op));
        self.0.extend(ops.map(|op| {
            (Op { start: op.start.min(end), end: op.end.min(end), ..*op }, layer.text_of(op))
        }));
    }

    /// By place; insertions first, then the widest range. The sort is stable: equals keep the
    /// order of layers and recording.
    fn sort(&mut self) {
        self.0.sort_by_key(|(op, _)| Self::key(op));
    }

    const fn key(op: &Op) -> (u32, bool, u32) {
        (op.start, op.start != op.end, u32::MAX - op.end)
    }

    /// One more change, which counts as the last recorded.
    fn add(&mut self, span: Span, text: &'l [u8]) {
        let op = Op { start: span.start, end: span.end, text_start: 0, text_end: 0 };
        let at = self.0.partition_point(|(other, _)| Self::key(other) <= Self::key(&op));
        self.0.insert(at, (op, text));
    }

    /// Gives out what `message` becomes from the octet at `from` on, piece by piece.
    fn write(&self, message: &[u8], from: usize, mut emit: impl FnMut(&[u8])) {
        let first = self.0.partition_point(|(op, _)| (op.start as usize) < from);
        // Where the removal reaches that began before the current change.
        let mut removed = self.0[..first].iter().map(|(op, _)| op.end).max().unwrap_or_default();
        let mut copied = from.max(removed as usize);
        for (i, &(op, text)) in self.0.iter().enumerate().skip(first) {
            let overtaken = self.0.get(i + 1).is_some_and(|(next, _)| {
                op.end > op.start && (next.start, next.end) == (op.start, op.end)
            });
            // Strictly inside for an insertion; for a removal a wider one may share the start.
            let inside = op.end <= removed && op.start < removed;
            if inside || overtaken {
                continue;
            }
            if op.start as usize > copied {
                emit(&message[copied..op.start as usize]);
                copied = op.start as usize;
            }
            emit(text);
            removed = removed.max(if op.end > op.start { op.end } else { 0 });
            copied = copied.max(op.end as usize);
        }
        emit(&message[copied.min(message.len())..]);
    }
}

/// Room for the digits of any length.
const LENGTH_OCTETS: usize = 20;

fn decimal(number: usize, digits: &mut [u8; LENGTH_OCTETS]) -> &[u8] {
    let (mut rest, mut at) = (number, LENGTH_OCTETS);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &digits[at..];
        }
    }
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
        let long = vec![b'x'; EDIT_OCTETS_MAX];
        many.insert(0, &[&long]);
        assert!(!many.is_full());
        many.insert(0, &[b"x"]);
        assert!(many.is_full());
    }

    #[test]
    fn what_is_written_anew_takes_no_room() {
        let mut edits = Edits::new();
        let text = vec![b'x'; EDIT_OCTETS_MAX / 2];
        for _ in 0..10 {
            edits.rewrite(Span::new(2, 5), &[&text]);
        }
        edits.rewrite(Span::new(2, 5), &[b"y"]);
        assert!(!edits.is_full());
        assert_eq!(rendered(&[&edits]), "> 01y56789");
    }
}
