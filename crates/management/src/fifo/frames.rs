//! The bytes of the pipe as frames: several may come at once, and one in pieces.

/// The largest document, in bytes; as large as the body of an HTTP request.
pub const DOCUMENT_MAX: usize = 1024 * 1024;

/// The longest name of a reply: the longest that a file can have.
const NAME_MAX: usize = 255;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The name of the reply as it was given, perhaps empty.
    pub(super) name: Vec<u8>,
    /// The document, which begins and ends as a JSON object or array does.
    pub(super) document: Vec<u8>,
}

/// The next thing in the pipe.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Frame(Frame),
    /// Some bytes that are no frame, and were left out.
    Garbage,
}

/// What came and was not taken out yet. Each byte is looked at once, except after garbage.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where the next item begins.
    start: usize,
    /// How far its document was scanned.
    extent: Extent,
}

impl Frames {
    /// Takes what was read from the pipe.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.start));
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether the beginning of a frame waits for its end.
    pub(super) fn is_waiting(&self) -> bool {
        self.start < self.bytes.len()
    }

    /// The rest of this frame will not come: what stands behind its beginning is looked at anew.
    pub(super) fn give_up(&mut self) {
        self.skip(1);
    }

    /// Forgets all that came.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next frame, if it is complete.
    pub(super) fn next(&mut self) -> Option<Item> {
        let rest = &self.bytes[self.start..];
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.start += blank;
        let rest = &rest[blank..];
        if *rest.first()? != b':' {
            return Some(self.garbage(1));
        }
        let head = &rest[1..rest.len().min(NAME_MAX + 2)];
        let name = match head.iter().position(|byte| matches!(byte, b':' | b'\n')) {
            Some(end) if head[end] == b':' => end,
            None if head.len() <= NAME_MAX => return None,
            Some(_) | None => return Some(self.garbage(1)),
        };
        let document = &rest[name + 2..];
        match self.extent.end(document) {
            Ends::At(end) => {
                let (name, document) = (rest[1..=name].to_vec(), document[..end].to_vec());
                self.skip(name.len() + 2 + end);
                Some(Item::Frame(Frame { name, document }))
            }
            Ends::Later if document.len() <= DOCUMENT_MAX => None,
            Ends::Later => Some(self.garbage(name + 2 + DOCUMENT_MAX)),
            Ends::Never => Some(self.garbage(1)),
        }
    }

    /// Leaves out at least `count` bytes, up to where the next frame may begin.
    fn garbage(&mut self, count: usize) -> Item {
        self.skip(count);
        let rest = &self.bytes[self.start..];
        let colon = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
        self.skip(colon);
        Item::Garbage
    }

    fn skip(&mut self, count: usize) {
        self.start = self.bytes.len().min(self.start + count);
        self.extent = Extent::default();
    }
}

/// Where a document ends.
enum Ends {
    At(usize),
    /// Not in what there is.
    Later,
    /// It is no object and no array.
    Never,
}

/// How far a document was scanned: brackets are counted outside of strings, the rest is left to the
/// parser.
#[derive(Debug, Default)]
struct Extent {
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Extent {
    fn end(&mut self, document: &[u8]) -> Ends {
        while let Some(&byte) = document.get(self.seen) {
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => self.depth += 1,
                _ if self.depth == 0 && byte.is_ascii_whitespace() => {}
                _ if self.depth == 0 => return Ends::Never,
                b'"' => self.in_string = true,
                b'}' | b']' if self.depth == 1 => return Ends::At(self.seen),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
        }
        Ends::Later
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(name: &str, document: &str) -> Item {
        Item::Frame(Frame { name: name.into(), document: document.into() })
    }

    fn items(pieces: &[&[u8]]) -> Vec<Item> {
        let mut frames = Frames::default();
        let mut items = Vec::new();
        for piece in pieces {
            frames.push(piece);
            items.extend(std::iter::from_fn(|| frames.next()));
        }
        items
    }

    /// spec/script.md §15.5: white space behind a frame, several at once, one in pieces.
    #[test]
    fn frames_come_together_and_in_pieces() {
        let one = r#":one:{"a":"}:{\"","b":[1]}"#;
        assert_eq!(items(&[one.as_bytes()]), [frame("one", r#"{"a":"}:{\"","b":[1]}"#)]);
        let two = [frame("one", "{}"), frame("", "[1]")];
        assert_eq!(items(&[b":one:{}\n ::[1]\r\n"]), two);
        assert_eq!(items(&[b":o", b"ne", b":", b" {", b"}:", b":[1", b"]"]).len(), 2);
    }

    /// spec/script.md §15.5: garbage is left out, and the frame behind it is found.
    #[test]
    fn garbage_ends_where_a_frame_begins() {
        let found = |text: &[u8]| {
            let items = items(&[text]);
            let frames = items.into_iter().filter(|item| *item != Item::Garbage);
            frames.collect::<Vec<_>>()
        };
        let whole = [frame("r", "{}")];
        assert_eq!(found(b"which\n:r:{}"), whole);
        assert_eq!(found(b":which:reply_fifo\n\n:r:{}"), whole);
        assert_eq!(found(b":name\n:r:{}"), whole);
        assert_eq!(found(b":a:5 :r:{}"), whole);
        assert_eq!(found(b"\xff\x00:::r:{}"), whole);
        let long = format!(":{}:r:{{}}", "x".repeat(NAME_MAX + 1));
        assert_eq!(found(long.as_bytes()), whole);
        assert_eq!(items(&[b"which\n"]), [Item::Garbage]);
    }

    #[test]
    fn what_stands_behind_half_a_frame_is_found_when_it_is_given_up() {
        let mut frames = Frames::default();
        frames.push(b":a:{\"jsonrpc\":\"2.0\",\"params\":{ :b:{}");
        assert_eq!(frames.next(), None);
        assert!(frames.is_waiting());
        let mut found = Vec::new();
        while frames.is_waiting() {
            frames.give_up();
            found.extend(std::iter::from_fn(|| frames.next()));
        }
        assert!(found.contains(&frame("b", "{}")), "{found:?}");
    }

    #[test]
    fn a_document_has_an_end() {
        let mut frames = Frames::default();
        frames.push(b":a:[");
        let part = vec![b' '; 64 * 1024];
        let mut garbage = 0;
        for _ in 0..(4 * DOCUMENT_MAX / part.len()) {
            frames.push(&part);
            garbage += std::iter::from_fn(|| frames.next()).count();
            assert!(frames.bytes.len() <= DOCUMENT_MAX + 2 * part.len());
        }
        assert_eq!(garbage, 1);
    }

    proptest! {
        /// Whatever comes, in whatever pieces: nothing panics, and nothing stays that is no frame.
        #[test]
        fn any_bytes_are_digested(pieces in prop::collection::vec("[:{}\"a\\\\\\[ \n]{0,12}", 0..12)) {
            let mut frames = Frames::default();
            for piece in &pieces {
                frames.push(piece.as_bytes());
                while frames.next().is_some() {}
            }
            while frames.is_waiting() {
                frames.give_up();
                while frames.next().is_some() {}
            }
        }

        /// A frame is found however it is cut.
        #[test]
        fn a_frame_is_found_in_any_pieces(cut in 0usize..30) {
            let text: &[u8] = br#":reply_1:{"a":{"b":"\\\"}"}}"#;
            let (one, two) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(items(&[one, two]), [frame("reply_1", r#"{"a":{"b":"\\\"}"}}"#)]);
        }
    }
}
