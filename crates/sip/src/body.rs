//! Changes to a body: pieces of it, and its parts as a whole.
//!
//! Pieces are changed like anything else in a message. Parts that come or go change what is around
//! them too (delimiters, Content-Type), and each call may turn one part into several or back. So
//! they are kept as a plan, what goes and what comes, and the changes that the plan amounts to are
//! worked out anew whenever it changes.

use std::hash::{DefaultHasher, Hasher};

use memchr::memmem;
use smallvec::SmallVec;

use crate::edits::render_with_edges;
use crate::parts::{PARTS_MAX, Part, Parts, describing_lines};
use crate::{Draft, Edits, HeaderName, MESSAGE_OCTETS_MAX, Message, Span, is_media_type, unquote};

const _: () = assert!(PARTS_MAX <= u32::BITS as usize);

/// Headers that describe the content and go with it.
const DESCRIBING: [HeaderName; 3] =
    [HeaderName::ContentDisposition, HeaderName::ContentEncoding, HeaderName::ContentLanguage];

/// A part of a body that was not received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddedPart {
    /// Its Content-Type.
    pub content_type: Vec<u8>,
    /// Further header lines, each with its line break; perhaps none.
    pub headers: Vec<u8>,
    /// Its content.
    pub body: Vec<u8>,
}

impl AddedPart {
    fn octets(&self) -> usize {
        self.content_type.len() + self.headers.len() + self.body.len()
    }
}

/// Which parts a body is to have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The received ones that go, a bit for each.
    removed: u32,
    added: Vec<AddedPart>,
    /// What that amounts to: what stands before all other changes at its place, and behind them.
    pub(crate) opening: Edits,
    pub(crate) closing: Edits,
    /// The contents of the parts that go.
    gone: SmallVec<[Span; 2]>,
}

impl Edits {
    /// Whether parts of the body come or go.
    pub const fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// Whether something else was written in place of exactly this range.
    pub fn replaces(&self, span: Span) -> bool {
        !span.is_empty() && self.replacement(span).is_some()
    }

    /// The parts that were added, in order.
    pub fn added_parts(&self) -> &[AddedPart] {
        self.plan.as_ref().map_or(&[], |plan| &plan.added)
    }

    /// Whether the received part at `index` is to go.
    pub fn removes_part(&self, index: usize) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.removes(index))
    }

    /// Whether a change removes all of `span`, or writes something else in place of it and more.
    pub fn removes_span(&self, span: Span) -> bool {
        !span.is_empty() && (self.removes(span) || self.removes_around(span))
    }
}

impl Draft<'_, '_, '_> {
    /// Writes `parts` in place of any piece of the message, or before the octet where an empty one
    /// stands. If the piece lies in the body, Content-Length follows.
    pub fn change(&mut self, span: Span, parts: &[&[u8]]) {
        self.edits().replace(span, parts);
        self.follow(span);
    }

    /// As [`Draft::change`], and what was written in place of the very same piece before is
    /// forgotten.
    pub fn change_again(&mut self, span: Span, parts: &[&[u8]]) {
        self.edits().rewrite(span, parts);
        self.follow(span);
    }

    /// Adds a part to the body: it becomes the body if there is none, and that becomes a multipart
    /// if it is not yet one. False and no change if there are too many already, if they are more
    /// than a message can hold, or if the part would be taken for several.
    pub fn add_part(&mut self, part: AddedPart) -> bool {
        let delimited = self.would_be_taken_apart(&part.body);
        let plan = self.plan();
        let fits = plan.added.len() < PARTS_MAX
            && plan.octets() + part.octets() <= MESSAGE_OCTETS_MAX
            && !delimited;
        if fits {
            plan.added.push(part);
        }
        self.work_out();
        fits
    }

    /// Writes another content into a part that was added. False without such a part, and for the
    /// reasons of [`Draft::add_part`].
    pub fn change_added(&mut self, index: usize, body: &[u8]) -> bool {
        if index >= self.edits().added_parts().len() || self.would_be_taken_apart(body) {
            return false;
        }
        let plan = self.plan();
        let octets = plan.octets() - plan.added[index].body.len() + body.len();
        let fits = octets <= MESSAGE_OCTETS_MAX;
        if fits {
            plan.added[index].body = body.to_vec();
        }
        self.work_out();
        fits
    }

    /// Removes the parts whose Content-Type `goes` picks, those that were added as those received;
    /// tells how many. A multipart with one part left becomes that part.
    pub fn remove_parts(&mut self, mut goes: impl FnMut(Option<&[u8]>) -> bool) -> usize {
        let parts = self.message().parts();
        let plan = self.plan();
        let mut removed = 0;
        for (index, part) in parts.iter().enumerate() {
            if !plan.removes(index) && goes(part.content_type) {
                plan.removed |= 1 << index;
                removed += 1;
            }
        }
        let before = plan.added.len();
        plan.added.retain(|part| !goes(Some(&part.content_type)));
        removed += before - plan.added.len();
        self.work_out();
        removed
    }

    fn follow(&mut self, span: Span) {
        let message = self.message();
        let body = message.body_start();
        if span.end as usize > body || span.start as usize == body {
            self.edits().body_changes(message);
        }
    }

    /// Whether a delimiter of the multipart that it would be put into stands in `body`.
    fn would_be_taken_apart(&self, body: &[u8]) -> bool {
        self.message().parts().boundary.is_some_and(|boundary| {
            memmem::find(body, &[b"--", &*unquote(boundary)].concat()).is_some()
        })
    }

    fn plan(&mut self) -> &mut Plan {
        self.edits().plan.get_or_insert_default()
    }

    /// Works out what the plan amounts to.
    fn work_out(&mut self) {
        let message = self.message();
        let Some(mut plan) = self.edits().plan.take() else { return };
        plan.work_out(message);
        if plan.removed != 0 || !plan.added.is_empty() {
            self.edits().plan = Some(plan);
            self.edits().body_changes(message);
        }
    }
}

impl Plan {
    /// Whether a change inside of `span` goes with its part.
    pub(crate) fn drops(&self, span: Span) -> bool {
        self.gone.iter().any(|gone| gone.start <= span.start && span.end <= gone.end)
    }

    fn octets(&self) -> usize {
        self.added.iter().map(AddedPart::octets).sum()
    }

    const fn removes(&self, index: usize) -> bool {
        index < PARTS_MAX && self.removed & (1 << index) != 0
    }

    fn work_out(&mut self, message: &Message<'_>) {
        self.opening.clear();
        self.closing.clear();
        self.gone.clear();
        if self.removed == 0 && self.added.is_empty() {
            return;
        }
        let parts = message.parts();
        let start = message.body_start();
        let body = Span::new(start, start + message.body().len());
        let stays: SmallVec<[Part<'_>; 2]> =
            parts.iter().enumerate().filter(|(i, _)| !self.removes(*i)).map(|it| it.1).collect();
        for (index, part) in parts.iter().enumerate() {
            if self.removes(index) {
                self.gone.push(message.span_of_part(&part));
            }
        }
        let mut draft = Draft::new(&mut self.closing, message);
        match (&stays[..], &self.added[..]) {
            ([], []) => {
                draft.edits().delete(body);
                draft.remove_all(HeaderName::ContentType);
                remove_describing(&mut draft);
            }
            ([part], []) => keep_one(&mut draft, body, part),
            ([], [added]) => {
                draft.edits().delete(body);
                draft.edits().insert(start, &[&added.body]);
                remove_describing(&mut draft);
                draft.append_lines(&[&added.headers]);
                draft.set_header(HeaderName::ContentType, &[&added.content_type]);
            }
            (_, added) => match parts.boundary {
                Some(boundary) => {
                    remove_from_multipart(&mut draft, &parts, body, self.removed);
                    let kept = (&parts, self.removed);
                    add_to_multipart(&mut draft, kept, body, &unquote(boundary), added);
                }
                None => {
                    let boundary = unused_boundary(message.body(), added);
                    make_multipart(&mut draft, &mut self.opening, body, &stays, &boundary, added);
                }
            },
        }
    }
}

fn remove_describing(draft: &mut Draft<'_, '_, '_>) {
    for name in DESCRIBING {
        draft.remove_all(name);
    }
}

/// The body is what one part of a multipart was.
fn keep_one(draft: &mut Draft<'_, '_, '_>, body: Span, part: &Part<'_>) {
    let content = draft.message().span_of_part(part);
    draft.edits().delete(Span { start: body.start, end: content.start });
    draft.edits().delete(Span { start: content.end, end: body.end });
    remove_describing(draft);
    draft.append_lines(&[&describing_lines(part.headers)]);
    // RFC 2046 §5.1: what has no type is text.
    draft.set_header(HeaderName::ContentType, &[part.content_type.unwrap_or(b"text/plain")]);
}

fn remove_from_multipart(
    draft: &mut Draft<'_, '_, '_>,
    parts: &Parts<'_>,
    body: Span,
    removed: u32,
) {
    let start = body.start as usize;
    let end = parts.closing.map_or(body.end as usize, |at| start + at);
    for (index, placed) in parts.list.iter().enumerate() {
        if removed & (1 << index) != 0 {
            let next = parts.list.get(index + 1).map_or(end, |next| start + next.delimiter);
            draft.edits().delete(Span::new(start + placed.delimiter, next));
        }
    }
}

fn add_to_multipart(
    draft: &mut Draft<'_, '_, '_>,
    (parts, removed): (&Parts<'_>, u32),
    body: Span,
    boundary: &[u8],
    added: &[AddedPart],
) {
    let mut text = Vec::new();
    for part in added {
        write_part(part, boundary, &mut text);
    }
    match parts.closing {
        Some(at) => draft.edits().insert(body.start as usize + at, &[&text]),
        // It was cut off: what comes behind it begins a line, and it gets its end.
        None if !added.is_empty() => {
            let cut: &[u8] = if removed & (1 << (parts.len() - 1)) == 0 { b"\r\n" } else { b"" };
            draft.edits().insert(body.end as usize, &[cut, &text, b"--", boundary, b"--\r\n"]);
        }
        None => {}
    }
}

/// One part or none becomes several.
fn make_multipart(
    draft: &mut Draft<'_, '_, '_>,
    opening: &mut Edits,
    body: Span,
    stays: &[Part<'_>],
    boundary: &[u8],
    added: &[AddedPart],
) {
    let mut text = Vec::new();
    for part in added {
        write_part(part, boundary, &mut text);
    }
    let end: [&[u8]; 4] = [&text, b"--", boundary, b"--\r\n"];
    match stays.first() {
        Some(part) => {
            let mut head = [b"--", boundary, b"\r\n"].concat();
            if let Some(content_type) = part.content_type {
                head.extend_from_slice(&[b"Content-Type: ", content_type, b"\r\n"].concat());
            }
            for name in DESCRIBING {
                for header in draft.message().all(name) {
                    head.extend_from_slice(header.line());
                }
            }
            opening.insert(body.start as usize, &[&head, b"\r\n"]);
            draft.edits().insert(body.end as usize, &[&[&b"\r\n"[..]], &end[..]].concat());
        }
        None => {
            draft.edits().delete(body);
            draft.edits().insert(body.start as usize, &end);
        }
    }
    remove_describing(draft);
    draft.set_header(HeaderName::ContentType, &[b"multipart/mixed;boundary=", boundary]);
}

fn write_part(part: &AddedPart, boundary: &[u8], out: &mut Vec<u8>) {
    let pieces: [&[u8]; 9] = [
        b"--",
        boundary,
        b"\r\nContent-Type: ",
        &part.content_type,
        b"\r\n",
        &part.headers,
        b"\r\n",
        &part.body,
        b"\r\n",
    ];
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

/// A boundary that stands in none of the parts. It is made from them, so that nobody who writes a
/// body can foresee it.
fn unused_boundary(body: &[u8], added: &[AddedPart]) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    loop {
        added.iter().for_each(|part| hasher.write(&part.body));
        let boundary = format!("duologue-{:016x}", hasher.finish()).into_bytes();
        let stands_in = |text: &[u8]| memmem::find(text, &boundary).is_some();
        if !stands_in(body) && !added.iter().any(|part| stands_in(&part.body)) {
            return boundary;
        }
        hasher.write_u8(0);
    }
}

impl Message<'_> {
    /// The content of the first part of a type as it will leave with the changes of `layers`.
    pub fn updated_body_of_type(&self, layers: &[&Edits], wanted: &[u8]) -> Option<Vec<u8>> {
        let plan = layers.iter().rev().find(|layer| layer.plan.is_some());
        let parts = self.parts();
        let removed = |index| plan.is_some_and(|plan| plan.removes_part(index));
        let received =
            parts.iter().enumerate().find(|(i, part)| part.is_type(wanted) && !removed(*i));
        if let Some((_, part)) = received {
            let mut text = Vec::new();
            render_with_edges(self, layers, self.span_of_part(&part), &mut text);
            return Some(text);
        }
        let mut added = plan.map_or(&[][..], |plan| plan.added_parts()).iter();
        let found = added.find(|part| is_media_type(Some(&part.content_type), wanted));
        found.map(|part| part.body.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render;

    const HEAD: &str = "INFO sip:h SIP/2.0\r\nContent-Type: a/b\r\nContent-Disposition: x\r\n\
        Content-Length: 4\r\nX: y\r\n\r\n";

    fn edited(text: &str, record: impl FnOnce(&mut Draft<'_, '_, '_>)) -> String {
        let message = Message::parse(text.as_bytes()).unwrap();
        let mut edits = Edits::new();
        record(&mut edits.draft(&message));
        let mut out = Vec::new();
        render(message.framed(), &[&edits], &mut out);
        let again = Message::parse(&out).unwrap();
        assert_eq!(again.check_framing(), Ok(()));
        assert_eq!(again.rest().len(), again.body().len());
        String::from_utf8(out).unwrap()
    }

    fn part(content_type: &str, body: &str) -> AddedPart {
        AddedPart { content_type: content_type.into(), headers: Vec::new(), body: body.into() }
    }

    /// Types and contents of the parts.
    fn parts(text: &str) -> Vec<(String, String)> {
        let message = Message::parse(text.as_bytes()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parts = message.parts();
        parts.iter().map(|it| (text(it.content_type.unwrap_or(b"-")), text(it.body))).collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(content_type, body)| (content_type.to_owned(), body.to_owned())).to_vec()
    }

    #[test]
    fn the_length_follows_what_changes_in_the_body() {
        let text = format!("{HEAD}body");
        let at = text.len() - 4;
        let out = edited(&text, |draft| {
            draft.change(Span::new(at + 1, at + 2), &[b"0123456789"]);
            draft.change(Span::new(at + 4, at + 4), &[b"!"]);
        });
        let wanted = text.replace("Length: 4", "Length: 14");
        assert_eq!(out, wanted.replace("\r\nbody", "\r\nb0123456789dy!"));
        // What changes in the headers has no influence.
        let at = text.find("X: y").unwrap();
        let out = edited(&text, |draft| draft.change(Span::new(at, at + 1), &[b"Xyz"]));
        assert_eq!(out, text.replace("X: y", "Xyz: y"));
    }

    #[test]
    fn a_message_without_length_gets_one() {
        let text = format!("{}body", HEAD.replace("Content-Length: 4\r\n", ""));
        let at = text.len() - 4;
        let out = edited(&text, |draft| draft.change(Span::new(at, at + 4), &[b"b"]));
        let wanted = text.replace("\r\n\r\nbody", "\r\nContent-Length: 1\r\n\r\nb");
        assert_eq!(out, wanted);
    }

    #[test]
    fn what_exceeds_the_length_is_no_body() {
        let text = format!("{HEAD}body and more");
        let at = text.find("body").unwrap();
        let out = edited(&text, |draft| draft.change(Span::new(at, at + 2), &[b"b"]));
        assert!(out.ends_with("Content-Length: 3\r\nX: y\r\n\r\nbdy"), "{out}");
    }

    #[test]
    fn a_piece_written_again_and_what_it_becomes() {
        let text = format!("{HEAD}body");
        let message = Message::parse(text.as_bytes()).unwrap();
        let (mut edits, mut later) = (Edits::new(), Edits::new());
        let at = message.body_start();
        let span = Span::new(at + 1, at + 3);
        let becomes = |layers: &[&Edits], span| {
            let mut out = Vec::new();
            crate::render_span(&message, layers, span, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(becomes(&[], span), "od");
        edits.draft(&message).change_again(span, &[b"1"]);
        edits.draft(&message).change_again(span, &[b"2"]);
        assert_eq!(becomes(&[&edits], span), "2");
        assert_eq!(becomes(&[&edits], Span::new(at, at + 4)), "b2y");
        edits.draft(&message).change(Span::new(at + 3, at + 3), &[b"behind"]);
        assert_eq!(becomes(&[&edits], span), "2", "what is behind it is written anyway");
        assert_eq!(becomes(&[&edits], Span::new(at, at + 4)), "b2behindy");
        later.draft(&message).change_again(span, &[b"3"]);
        assert_eq!(becomes(&[&edits, &later], span), "3");
        assert!(!edits.removes_span(span));
        later.draft(&message).change(Span::new(at, at + 4), &[]);
        assert_eq!(becomes(&[&edits, &later], span), "");
        assert!(later.removes_span(span));
    }

    #[test]
    fn one_part_comes_to_another() {
        let out = edited(&format!("{HEAD}body"), |draft| {
            assert!(draft.add_part(part("c/d", "more")));
            let at = draft.message().body_start();
            draft.change(Span::new(at, at + 1), &[b"B"]);
            draft.change(Span::new(at + 4, at + 4), &[b"!"]);
        });
        assert_eq!(parts(&out), pairs([("a/b", "Body!"), ("c/d", "more")]));
        let head = out.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("Content-Disposition"), "it describes the first part");
        assert!(out.contains("Content-Type: a/b\r\nContent-Disposition: x\r\n\r\nBody!"));
    }

    #[test]
    fn a_first_part_is_the_body() {
        let text = "INFO sip:h SIP/2.0\r\nl: 0\r\n\r\n";
        let out = edited(text, |draft| {
            let added =
                AddedPart { headers: b"Content-Disposition: z\r\n".to_vec(), ..part("c/d", "x") };
            assert!(draft.add_part(added));
        });
        let wanted = "INFO sip:h SIP/2.0\r\nl: 1\r\nContent-Disposition: z\r\n\
            Content-Type: c/d\r\n\r\nx";
        assert_eq!(out, wanted);
        let out = edited(text, |draft| {
            assert!(draft.add_part(part("c/d", "1")) && draft.add_part(part("e/f", "2")));
            assert!(draft.change_added(0, b"3") && !draft.change_added(2, b"3"));
        });
        assert_eq!(parts(&out), pairs([("c/d", "3"), ("e/f", "2")]));
    }

    #[test]
    fn the_only_part_goes() {
        let out = edited(&format!("{HEAD}body"), |draft| {
            let at = draft.message().body_start();
            draft.change(Span::new(at + 4, at + 4), &[b"!"]);
            assert_eq!(draft.remove_parts(|_| true), 1);
            assert_eq!(draft.remove_parts(|_| true), 0);
        });
        assert_eq!(out, "INFO sip:h SIP/2.0\r\nContent-Length: 0\r\nX: y\r\n\r\n");
        let out = edited(&format!("{HEAD}body"), |draft| {
            assert!(draft.add_part(part("c/d", "other")));
            assert_eq!(draft.remove_parts(|it| is_media_type(it, b"a/b")), 1);
        });
        let wanted = "INFO sip:h SIP/2.0\r\nContent-Type: c/d\r\nContent-Length: 5\r\nX: y\r\n\
            \r\nother";
        assert_eq!(out, wanted);
        let out = edited(&format!("{HEAD}body"), |draft| {
            assert!(draft.add_part(part("c/d", "other")));
            assert_eq!(draft.remove_parts(|it| is_media_type(it, b"c/d")), 1);
        });
        assert_eq!(out, format!("{HEAD}body"));
    }

    fn multipart(closing: &str) -> String {
        let body = format!(
            "--x\r\nContent-Type: a/b\r\n\r\none\r\n--x\r\nContent-Type: c/d\r\n\
             Content-Disposition: q\r\n\r\ntwo\r\n{closing}"
        );
        let head = "INFO sip:h SIP/2.0\r\nc: multipart/mixed;boundary=\"x\"";
        format!("{head}\r\nl: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn parts_of_a_multipart_come_and_go() {
        for closing in ["--x--\r\n", ""] {
            let text = multipart(closing);
            let out = edited(&text, |draft| assert!(draft.add_part(part("e/f", "three"))));
            let two = if closing.is_empty() { "two\r\n" } else { "two" };
            assert_eq!(parts(&out), pairs([("a/b", "one"), ("c/d", two), ("e/f", "three")]));
            let out = edited(&text, |draft| {
                assert_eq!(draft.remove_parts(|it| is_media_type(it, b"c/d")), 1);
                assert!(draft.add_part(part("e/f", "three")));
            });
            assert_eq!(parts(&out), pairs([("a/b", "one"), ("e/f", "three")]));
            let out = edited(&text, |draft| {
                assert_eq!(draft.remove_parts(|it| !is_media_type(it, b"c/d")), 1);
            });
            let wanted =
                "INFO sip:h SIP/2.0\r\nc: c/d\r\nl: 3\r\nContent-Disposition: q\r\n\r\ntwo";
            if !closing.is_empty() {
                assert_eq!(out, wanted);
            }
            let out = edited(&text, |draft| assert_eq!(draft.remove_parts(|_| true), 2));
            assert_eq!(out, "INFO sip:h SIP/2.0\r\nl: 0\r\n\r\n");
        }
        let text = multipart("--x--\r\n");
        edited(&text, |draft| assert!(!draft.add_part(part("e/f", "would be\r\n--x\r\ntwo"))));
    }

    #[test]
    fn added_parts_are_bounded() {
        let text = format!("{HEAD}body");
        let message = Message::parse(text.as_bytes()).unwrap();
        let mut edits = Edits::new();
        let mut draft = edits.draft(&message);
        let long = "x".repeat(MESSAGE_OCTETS_MAX - 3);
        assert!(draft.add_part(part("a/b", &long)));
        assert!(!draft.add_part(part("a/b", "")));
        assert_eq!(draft.remove_parts(|_| true), 2);
        for _ in 0..PARTS_MAX {
            assert!(draft.add_part(part("a/b", "x")));
        }
        assert!(!draft.add_part(part("a/b", "x")));
    }

    #[test]
    fn a_later_layer_goes_on_from_the_earlier() {
        let text = format!("{HEAD}body");
        let message = Message::parse(text.as_bytes()).unwrap();
        let (mut edits, mut later) = (Edits::new(), Edits::new());
        edits.draft(&message).add_part(part("c/d", "1"));
        later.inherit_parts(&edits);
        later.draft(&message).add_part(part("e/f", "2"));
        let types = |layers: &[&Edits]| {
            let mut out = Vec::new();
            render(message.framed(), layers, &mut out);
            let found = parts(std::str::from_utf8(&out).unwrap());
            found.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(types(&[&edits]), ["a/b", "c/d"]);
        assert_eq!(types(&[&edits, &later]), ["a/b", "c/d", "e/f"]);
        let updated = |wanted: &[u8]| message.updated_body_of_type(&[&edits, &later], wanted);
        assert_eq!(updated(b"a/b").as_deref(), Some(&b"body"[..]));
        assert_eq!(updated(b"e/f").as_deref(), Some(&b"2"[..]));
        assert_eq!(updated(b"x/y"), None);
    }
}
