//! The parts of a body: one, or those of a multipart (RFC 2046 §5.1, RFC 5621).

use memchr::memmem;
use smallvec::SmallVec;

use crate::grammar::trim;
use crate::{Message, Params, Span, unquote};

/// The most parts a body is taken apart into; what follows belongs to the last of them. Session
/// descriptions come alone or with one or two companions.
pub const PARTS_MAX: usize = 16;

/// One part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'b> {
    /// Its Content-Type as written.
    pub content_type: Option<&'b [u8]>,
    /// Its own header lines; none if it is the whole body.
    pub headers: &'b [u8],
    /// Its content.
    pub body: &'b [u8],
}

impl Part<'_> {
    /// Whether it is of this type, whatever case and parameters.
    pub fn is_type(&self, wanted: &[u8]) -> bool {
        is_media_type(self.content_type, wanted)
    }
}

/// Whether a Content-Type is the one that is wanted, whatever its case and its parameters.
pub fn is_media_type(content_type: Option<&[u8]>, wanted: &[u8]) -> bool {
    content_type.is_some_and(|content_type| {
        let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
        trim(&content_type[..end]).eq_ignore_ascii_case(trim(wanted))
    })
}

/// The parts of a body in order: [`Message::parts`].
#[derive(Clone, Debug)]
pub struct Parts<'b> {
    pub(crate) list: SmallVec<[Placed<'b>; 2]>,
    /// What stands between the parts of a multipart.
    pub(crate) boundary: Option<&'b [u8]>,
    /// Where the last delimiter of a multipart stands, if there is one.
    pub(crate) closing: Option<usize>,
}

/// A part and the place of the delimiter before it, counted from the start of the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'b> {
    pub(crate) delimiter: usize,
    pub(crate) part: Part<'b>,
}

impl<'b> Message<'b> {
    /// The parts of the body: none without a body, one for most, those of a multipart if it is
    /// one. A multipart whose delimiters are missing counts as one part.
    pub fn parts(&self) -> Parts<'b> {
        let (body, content_type) = (self.body(), self.content_type());
        let boundary = content_type.and_then(boundary);
        if let Some(boundary) = boundary {
            let (list, closing) = split(body, &boundary.0);
            if !list.is_empty() {
                return Parts { list, boundary: Some(boundary.1), closing };
            }
        }
        let mut list = SmallVec::new();
        if !body.is_empty() {
            list.push(Placed { delimiter: 0, part: Part { content_type, headers: b"", body } });
        }
        Parts { list, boundary: None, closing: None }
    }

    /// The content of the first part of this type, whatever case and parameters.
    pub fn body_of_type(&self, wanted: &[u8]) -> Option<&'b [u8]> {
        self.parts().iter().find(|part| part.is_type(wanted)).map(|part| part.body)
    }

    /// Where a part's content stands. An empty one stands where the body begins.
    pub fn span_of_part(&self, part: &Part<'b>) -> Span {
        let start = self.body_start();
        self.span_of(part.body).unwrap_or(Span::new(start, start))
    }
}

impl<'b> Parts<'b> {
    /// The parts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Part<'b>> + '_ {
        self.list.iter().map(|placed| placed.part)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no body.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether they are those of a multipart.
    pub const fn is_multipart(&self) -> bool {
        self.boundary.is_some()
    }
}

/// The boundary that a multipart type names: what delimiters are made of, and as written.
fn boundary(content_type: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let kind = content_type.get(..b"multipart/".len())?;
    if !kind.eq_ignore_ascii_case(b"multipart/") {
        return None;
    }
    let params = &content_type[memchr::memchr(b';', content_type)?..];
    let value = Params::of_header(params).get(b"boundary")?;
    let plain = unquote(value).into_owned();
    (!plain.is_empty()).then_some((plain, value))
}

/// Takes a multipart apart; also tells where its last delimiter stands.
fn split<'b>(body: &'b [u8], boundary: &[u8]) -> (SmallVec<[Placed<'b>; 2]>, Option<usize>) {
    let needle = [b"--", boundary].concat();
    let mut list: SmallVec<[Placed<'b>; 2]> = SmallVec::new();
    // The delimiter before the part that is read, and where that part's headers begin.
    let mut open: Option<(usize, usize)> = None;
    let mut at = 0;
    while let Some(found) = memmem::find(&body[at..], &needle) {
        let place = at + found;
        at = place + needle.len();
        let Some(delimiter) = delimiter(body, place, at) else { continue };
        if matches!(delimiter, Delimiter::Open(_)) && list.len() + 1 >= PARTS_MAX && open.is_some()
        {
            continue;
        }
        if let Some((before, start)) = open.take() {
            list.push(placed(before, &body[start..end_before(body, place).max(start)]));
        }
        match delimiter {
            Delimiter::Open(start) => open = Some((place, start)),
            Delimiter::Close => return (list, Some(place)),
        }
    }
    if let Some((before, start)) = open {
        list.push(placed(before, &body[start..]));
    }
    (list, None)
}

enum Delimiter {
    /// What follows it begins here.
    Open(usize),
    Close,
}

/// Reads the rest of a delimiter line (RFC 2046 §5.1.1); none if it only looks like one.
fn delimiter(body: &[u8], place: usize, after: usize) -> Option<Delimiter> {
    if place > 0 && body[place - 1] != b'\n' {
        return None;
    }
    let rest = &body[after..];
    if rest.starts_with(b"--") {
        return Some(Delimiter::Close);
    }
    let padding = rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
    match &rest[padding..] {
        [b'\r', b'\n', ..] => Some(Delimiter::Open(after + padding + 2)),
        [b'\n', ..] => Some(Delimiter::Open(after + padding + 1)),
        [] => Some(Delimiter::Open(body.len())),
        _ => None,
    }
}

/// The line break before a delimiter belongs to it.
fn end_before(body: &[u8], place: usize) -> usize {
    match &body[..place] {
        [.., b'\r', b'\n'] => place - 2,
        [.., b'\n'] => place - 1,
        _ => place,
    }
}

fn placed(delimiter: usize, text: &[u8]) -> Placed<'_> {
    let mut content_type = None;
    let mut at = 0;
    loop {
        let line = &text[at..];
        let blank = match line {
            [b'\r', b'\n', ..] => Some(2),
            [b'\n', ..] => Some(1),
            [] => Some(0),
            _ => None,
        };
        if let Some(len) = blank {
            let (headers, body) = (&text[..at], &text[at + len..]);
            return Placed { delimiter, part: Part { content_type, headers, body } };
        }
        let mut end = line_end(line, 0);
        while let Some(b' ' | b'\t') = line.get(end) {
            end = line_end(line, end);
        }
        let line = &line[..end];
        if let Some(colon) = memchr::memchr(b':', line)
            && content_type.is_none()
            && is_content_type(&line[..colon])
        {
            content_type = Some(trim(&line[colon + 1..]));
        }
        at += end;
    }
}

/// After the line break of the line at `at`.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |found| at + found + 1)
}

fn is_content_type(name: &[u8]) -> bool {
    let name = trim(name);
    name.eq_ignore_ascii_case(b"Content-Type") || name.eq_ignore_ascii_case(b"c")
}

/// The header lines of a part that describe its content, but for Content-Type: those that a
/// message may take over. Whatever else a peer wrote there has no meaning (RFC 2046 §5.1) and must
/// not become a header of the message.
pub(crate) fn describing_lines(headers: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < headers.len() {
        let mut end = line_end(headers, at);
        while let Some(b' ' | b'\t') = headers.get(end) {
            end = line_end(headers, end);
        }
        let line = &headers[at..end];
        let name = trim(&line[..memchr::memchr(b':', line).unwrap_or(0)]);
        let describes = [&b"Content-Disposition"[..], b"Content-Encoding", b"Content-Language"];
        if describes.iter().any(|known| name.eq_ignore_ascii_case(known)) && line.ends_with(b"\n") {
            kept.extend_from_slice(line);
        }
        at = end;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content_type: &str, body: &str) -> Vec<u8> {
        let len = body.len();
        let head = format!("INFO sip:h SIP/2.0\r\nContent-Type: {content_type}\r\n");
        format!("{head}Content-Length: {len}\r\n\r\n{body}").into_bytes()
    }

    fn parts(content_type: &str, body: &str) -> Vec<(String, String)> {
        let bytes = message(content_type, body);
        let message = Message::parse(&bytes).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let part = |part: Part<'_>| (text(part.content_type.unwrap_or(b"-")), text(part.body));
        message.parts().iter().map(part).collect()
    }

    fn pair(content_type: &str, body: &str) -> (String, String) {
        (content_type.to_owned(), body.to_owned())
    }

    #[test]
    fn one_part_or_none() {
        assert_eq!(parts("application/sdp", "v=0\r\n"), [pair("application/sdp", "v=0\r\n")]);
        assert_eq!(parts("application/sdp", ""), []);
        let lost = "multipart/mixed;boundary=x";
        assert_eq!(parts(lost, "no delimiters"), [pair(lost, "no delimiters")]);
        assert_eq!(parts("multipart/mixed", "--x\r\n"), [pair("multipart/mixed", "--x\r\n")]);
    }

    // RFC 2046 §5.1.1: preamble, padding, parts without headers, epilogue.
    #[test]
    fn a_multipart() {
        let body = "preamble\r\n--a b\r\nContent-Type: application/sdp\r\nX: y\r\n\r\nv=0\r\n\r\n\
            --a b \t\r\n\r\nplain --a b\r\n--a bc\r\nstill\r\n--a b\r\nc: text/html;\r\n x=y\r\n\r\n\
            \r\n--a b--\r\nepilogue\r\n--a b\r\n";
        assert_eq!(
            parts("Multipart/Mixed; boundary=\"a b\"; x=y", body),
            [
                pair("application/sdp", "v=0\r\n"),
                pair("-", "plain --a b\r\n--a bc\r\nstill"),
                pair("text/html;\r\n x=y", ""),
            ]
        );
    }

    #[test]
    fn a_multipart_may_be_cut_off_and_use_bare_line_feeds() {
        let body = "--x\nc: a/b\n\none\n--x\n\ntwo";
        assert_eq!(
            parts("multipart/mixed;boundary=x", body),
            [pair("a/b", "one"), pair("-", "two")]
        );
        assert_eq!(parts("multipart/mixed;boundary=x", "--x"), [pair("-", "")]);
        assert_eq!(
            parts("multipart/mixed;boundary=x", "--x--"),
            [pair("multipart/mixed;boundary=x", "--x--")]
        );
    }

    #[test]
    fn the_number_of_parts_is_bounded() {
        let body = "--x\r\n\r\na\r\n".repeat(100);
        let found = parts("multipart/mixed;boundary=x", &body);
        assert_eq!(found.len(), PARTS_MAX);
        assert_eq!(found[0].1, "a");
        assert!(found[PARTS_MAX - 1].1.ends_with("--x\r\n\r\na\r\n"));
    }

    #[test]
    fn parts_are_found_by_type() {
        let bytes =
            message("multipart/mixed;boundary=x", "--x\r\nc: Text/Plain;q=1\r\n\r\nhi\r\n--x--");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.body_of_type(b"text/plain"), Some(&b"hi"[..]));
        assert_eq!(message.body_of_type(b"text/html"), None);
        assert!(!is_media_type(None, b"text/plain"));
    }

    #[test]
    fn only_lines_about_the_content_move_to_the_message() {
        let headers = b"Content-Type: a/b\r\n c\r\nContent-Disposition: session\r\n;x\r\nl: 1\r\n\
            Via: x\r\nContent-Length: 7\r\ncontent-language: de\r\n";
        let kept = describing_lines(headers);
        assert_eq!(kept, b"Content-Disposition: session\r\ncontent-language: de\r\n");
    }
}
