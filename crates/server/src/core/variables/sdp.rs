//! The session description and its pieces (spec/script.md §8): `$sdp.line(m=audio[1]/[2])`,
//! `$sdp.stream(audio/a=ptime)`, `$sdp.session(c=)`.
//!
//! A piece is named by steps with slashes between, each a beginning and an index in brackets, both
//! of which may be missing: a stream by its kind, a line by its first characters, a word of a line.
//! They are looked for in the description as the changes so far have left it. What is written makes
//! a new description, on which the functions that know codecs and streams go on.

use std::ops::Range;

use duologue_script::{Assign, Reading, Text, Value, VarAccess, WriteError};
use duologue_sip::{Message, Sdp, is_media_type};

use super::view::{is_current, on_message, some};
use crate::context::Context;
use crate::session_description::{self, SDP, SessionDescription, place_in};

// --- Getters and setters ----------------------------------------------------------------------

pub(super) fn whole(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    read(ctx, var, out, |text| Some(0..text.len()))
}

pub(super) fn write_whole(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    if !is_current(ctx, var) {
        return Err(WriteError::Missing);
    }
    let description = SessionDescription::of(ctx);
    let written = match (value, description) {
        (Value::Null, _) => {
            let message = ctx.message;
            let is_sdp = |kind: Option<&[u8]>| is_media_type(kind, SDP);
            ctx.edits_of_parts().draft(message).remove_parts(is_sdp);
            true
        }
        (value, description) => {
            let text = value.text().filter(|text| !text.is_empty()).ok_or(WriteError::BadValue)?;
            match description {
                Some(description) => description.write(ctx, text),
                None => session_description::add(ctx, text),
            }
        }
    };
    if written { Ok(()) } else { Err(WriteError::BadValue) }
}

/// Getter, setter and check of names for each kind of piece.
macro_rules! pieces {
    ($($scope:ident: $read:ident, $write:ident, $check:ident;)*) => {$(
        pub(super) fn $read(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            read(ctx, var, out, |text| match find(text, Scope::$scope, var.name)? {
                Found::There { value, .. } => Some(value),
                Found::Missing { .. } => None,
            })
        }

        pub(super) fn $write(
            ctx: &mut Context<'_>,
            var: &VarAccess<'_>,
            _: Assign,
            value: Value<'_>,
        ) -> Result<(), WriteError> {
            write(ctx, var, Scope::$scope, value)
        }

        pub(super) fn $check(name: &str) -> Result<Option<u32>, String> {
            Path::parse(name.as_bytes(), Scope::$scope.depth()).map(|_| None)
        }
    )*};
}

pieces! {
    Line: line, write_line, check_line;
    Stream: stream, write_stream, check_stream;
    Session: session, write_session, check_session;
}

/// Which stream of all it is, from zero.
pub(super) fn stream_index(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    let mut index = None;
    with_text(ctx, var, |text| {
        let path = Path::parse(var.name.unwrap_or_default(), 1).ok()?;
        let Found::There { whole, .. } = streams(text, path.step(0))? else { return None };
        index = Sdp::new(text)
            .media()
            .position(|media| place_in(media.as_sdp().as_bytes(), text) == whole);
        Some(())
    });
    index.and_then(|index| i32::try_from(index).ok()).map_or(Reading::Null, Reading::Int)
}

pub(super) fn check_stream_index(name: &str) -> Result<Option<u32>, String> {
    Path::parse(name.as_bytes(), 1).map(|_| None)
}

fn read(
    ctx: &Context<'_>,
    var: &VarAccess<'_>,
    out: &mut Text,
    piece: impl FnOnce(&[u8]) -> Option<Range<usize>>,
) -> Reading {
    let mut found = None;
    with_text(ctx, var, |text| {
        found = piece(text).map(|place| text[place].to_vec());
        Some(())
    });
    some(out, found.as_deref())
}

/// Shows the present text of the description that an access names.
fn with_text(ctx: &Context<'_>, var: &VarAccess<'_>, look: impl FnOnce(&[u8]) -> Option<()>) {
    if is_current(ctx, var) {
        if let Some(description) = SessionDescription::of(ctx) {
            look(&description.present_text(ctx));
        }
        return;
    }
    on_message(ctx, var, |message: &Message<'_>| {
        message.body_of_type(SDP).and_then(look);
        Reading::Null
    });
}

fn write(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    scope: Scope,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let description = SessionDescription::of(ctx).filter(|_| is_current(ctx, var));
    let description = description.ok_or(WriteError::Missing)?;
    let mut text = description.present_text(ctx);
    let found = find(&text, scope, var.name).ok_or(WriteError::Missing)?;
    match (found, value) {
        (Found::There { kind: Kind::All, .. }, Value::Null) => return Err(WriteError::NotNull),
        (Found::There { whole, .. }, Value::Null) => drop(text.drain(whole)),
        (Found::Missing { .. }, Value::Null) => return Ok(()),
        (Found::There { value: place, kind, .. }, value) => {
            let new = kind.fitting(value)?;
            text.splice(place, new);
        }
        (Found::Missing { at, kind }, value) => {
            let after_line = text[..at].last().is_none_or(|&byte| byte == b'\n');
            let new = kind.as_new(kind.fitting(value)?, after_line);
            text.splice(at..at, new);
        }
    }
    if description.write(ctx, &text) { Ok(()) } else { Err(WriteError::BadValue) }
}

// --- Names ------------------------------------------------------------------------------------

/// What the first step of a name looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// All lines.
    Line,
    /// A stream, then its lines.
    Stream,
    /// The lines before the first stream.
    Session,
}

impl Scope {
    const fn depth(self) -> usize {
        match self {
            Self::Line | Self::Session => 2,
            Self::Stream => 3,
        }
    }
}

/// The steps of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path<'n>(Vec<Step<'n>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step<'n> {
    beginning: &'n [u8],
    index: i32,
}

impl<'n> Path<'n> {
    fn parse(name: &'n [u8], depth: usize) -> Result<Self, String> {
        let steps = name.split(|&byte| byte == b'/').map(Step::parse);
        let steps = steps.collect::<Result<Vec<_>, _>>()?;
        if steps.len() > depth {
            return Err(format!("too many slashes, {} at most", depth - 1));
        }
        Ok(Self(steps))
    }

    fn step(&self, at: usize) -> Step<'n> {
        self.0.get(at).copied().unwrap_or_default()
    }
}

impl<'n> Step<'n> {
    fn parse(text: &'n [u8]) -> Result<Self, String> {
        let Some(inner) = text.strip_suffix(b"]") else {
            return Ok(Self { beginning: text, index: 0 });
        };
        let open = memchr::memrchr(b'[', inner);
        let digits = open.map(|open| &inner[open + 1..]);
        let index = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        match (open, index) {
            (Some(open), Some(index)) => Ok(Self { beginning: &text[..open], index }),
            _ => Err(format!("`{}` is no index", String::from_utf8_lossy(digits.unwrap_or(inner)))),
        }
    }

    /// The place that the step picks, or none and whether one more would be it.
    fn pick(
        self,
        places: impl Iterator<Item = Range<usize>>,
        text: &[u8],
    ) -> Result<Range<usize>, bool> {
        let fitting: Vec<_> =
            places.filter(|place| text[place.clone()].starts_with(self.beginning)).collect();
        let count = fitting.len();
        let index = match usize::try_from(self.index) {
            Ok(index) => Some(index),
            Err(_) => usize::try_from(self.index.unsigned_abs())
                .ok()
                .and_then(|back| count.checked_sub(back)),
        };
        match index.and_then(|index| fitting.get(index)) {
            Some(place) => Ok(place.clone()),
            None => Err(index == Some(count)),
        }
    }
}

// --- Pieces -----------------------------------------------------------------------------------

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// A piece, and what goes when it is deleted.
    There { value: Range<usize>, whole: Range<usize>, kind: Kind },
    /// The place where it would be added.
    Missing { at: usize, kind: Kind },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Everything before the first stream.
    All,
    /// A stream: lines, each with its line break.
    Block,
    /// A line without its line break.
    Line,
    /// A word of a line.
    Word,
}

impl Kind {
    /// The text to be written, if it can be such a piece.
    fn fitting(self, value: Value<'_>) -> Result<Vec<u8>, WriteError> {
        let mut text = value.to_bytes().filter(|text| !text.is_empty());
        match self {
            Self::All | Self::Block => {
                if let Some(text) = text.as_mut().filter(|text| !text.ends_with(b"\n")) {
                    text.extend_from_slice(b"\r\n");
                }
                text
            }
            Self::Line => text.map(|text| text.trim_ascii_end().to_vec()),
            Self::Word => text.filter(|text| !text.iter().any(u8::is_ascii_whitespace)),
        }
        .ok_or(WriteError::BadValue)
    }

    /// What is written where there was no such piece, perhaps behind a line that has no end.
    fn as_new(self, text: Vec<u8>, after_line: bool) -> Vec<u8> {
        let before: &[u8] = if after_line { b"" } else { b"\r\n" };
        match self {
            Self::All | Self::Block => [before, &text].concat(),
            Self::Line => [before, &text, b"\r\n"].concat(),
            Self::Word => [b" ", &text[..]].concat(),
        }
    }
}

/// Follows the steps of a name; none if a step before the last leads nowhere.
fn find(text: &[u8], scope: Scope, name: Option<&[u8]>) -> Option<Found> {
    let path = Path::parse(name.unwrap_or_default(), scope.depth()).ok()?;
    let all = 0..text.len();
    let session = 0..Sdp::new(text).session().as_bytes().len();
    match scope {
        Scope::Session if name.is_none() => {
            Some(Found::There { value: session.clone(), whole: session, kind: Kind::All })
        }
        Scope::Session => lines(text, session, &path, 0),
        Scope::Line => lines(text, all, &path, 0),
        Scope::Stream => {
            let stream = streams(text, path.step(0))?;
            match stream {
                Found::There { whole, .. } if path.0.len() > 1 => lines(text, whole, &path, 1),
                Found::Missing { .. } if path.0.len() > 1 => None,
                stream => Some(stream),
            }
        }
    }
}

/// The stream that a step picks by the beginning of its kind.
fn streams(text: &[u8], step: Step<'_>) -> Option<Found> {
    let places = Sdp::new(text).media().map(|media| {
        let place = place_in(media.as_sdp().as_bytes(), text);
        // From its kind on, which is what the step compares.
        place.start + b"m=".len()..place.end
    });
    match step.pick(places, text) {
        Ok(place) => {
            let whole = place.start - b"m=".len()..place.end;
            Some(Found::There { value: whole.clone(), whole, kind: Kind::Block })
        }
        Err(true) => Some(Found::Missing { at: text.len(), kind: Kind::Block }),
        Err(false) => None,
    }
}

/// The line within `part` that a step picks, or the word that the next step picks of it.
fn lines(text: &[u8], part: Range<usize>, path: &Path<'_>, at: usize) -> Option<Found> {
    let end = part.end;
    let places = Sdp::new(&text[part]).lines().map(|line| place_in(line.text(), text));
    let line = match path.step(at).pick(places, text) {
        Ok(line) => line,
        Err(true) if path.0.len() == at + 1 => {
            return Some(Found::Missing { at: end, kind: Kind::Line });
        }
        Err(_) => return None,
    };
    if path.0.len() == at + 1 {
        let mut whole = line.clone();
        while whole.end < end && matches!(text[whole.end], b'\r' | b'\n') {
            whole.end += 1;
            if text[whole.end - 1] == b'\n' {
                break;
            }
        }
        return Some(Found::There { value: line, whole, kind: Kind::Line });
    }
    let words = text[line.clone()]
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
        .map(|word| place_in(word, text));
    match path.step(at + 1).pick(words, text) {
        Ok(value) => {
            let mut whole = value.clone();
            while whole.start > line.start && text[whole.start - 1] == b' ' {
                whole.start -= 1;
            }
            Some(Found::There { value, whole, kind: Kind::Word })
        }
        Err(true) => Some(Found::Missing { at: line.end, kind: Kind::Word }),
        Err(false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"v=0\r\ns=-\r\nm=audio 1 RTP/AVP 0\r\na=x y  z\r\nm=video 2 RTP/AVP 31\n";

    fn shown(scope: Scope, name: &str) -> String {
        let text = |place: Range<usize>| String::from_utf8_lossy(&TEXT[place]).into_owned();
        match find(TEXT, scope, Some(name.as_bytes())) {
            Some(Found::There { value, whole, .. }) => format!("{}|{}", text(value), text(whole)),
            Some(Found::Missing { at, .. }) => format!("+{at}"),
            None => "-".to_owned(),
        }
    }

    /// spec/script.md §8.
    #[test]
    fn pieces_and_what_goes_with_them() {
        let end = TEXT.len();
        for (scope, name, wanted) in [
            (Scope::Line, "m=", "m=audio 1 RTP/AVP 0|m=audio 1 RTP/AVP 0\r\n".to_owned()),
            (Scope::Line, "m=[1]/[1]", "2| 2".to_owned()),
            (Scope::Line, "m=[-1]/RTP", "RTP/AVP| RTP/AVP".to_owned()),
            (Scope::Line, "a=x/z", "z|  z".to_owned()),
            (Scope::Line, "a=x/[3]", "+39".to_owned()),
            (Scope::Line, "b=", format!("+{end}")),
            (Scope::Line, "b=[1]", "-".to_owned()),
            (Scope::Line, "b=/x", "-".to_owned()),
            (Scope::Session, "s", "s=-|s=-\r\n".to_owned()),
            (Scope::Session, "m=", "+10".to_owned()),
            (Scope::Stream, "vid", "m=video 2 RTP/AVP 31\n|m=video 2 RTP/AVP 31\n".to_owned()),
            (Scope::Stream, "[2]", format!("+{end}")),
            (Scope::Stream, "image/a=", "-".to_owned()),
            (Scope::Stream, "video/a=", format!("+{end}")),
        ] {
            assert_eq!(shown(scope, name), wanted, "{name}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert!(check_line("m=audio[1]/[2]").is_ok() && check_stream("audio/a=x[1]/[0]").is_ok());
        for bad in ["a=x[]", "a=x[y]", "a]", "a/b/c"] {
            assert!(check_line(bad).is_err(), "{bad}");
        }
        assert!(check_stream_index("audio/x").is_err());
    }
}
