//! What a branch consists of, as scripts see it (spec/script.md §8).

use duologue_script::limits::JOINED_BYTES_MAX;
use duologue_script::{FlagKind, Index, Reading, Text, Value, WriteError};

use super::flags;
use super::view::some;
use crate::context::Context;
use crate::core::functions::thousandths;
use crate::core::functions::uri::whole;
use crate::node::Node;
use crate::target::{Target, URI_MAX};

/// A part of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Uri,
    NextHop,
    Q,
    Path,
    Flags,
    Socket,
}

impl Field {
    /// The names in scripts.
    pub(super) const ALL: [(&str, Self); 6] = [
        ("uri", Self::Uri),
        ("duri", Self::NextHop),
        ("q", Self::Q),
        ("path", Self::Path),
        ("flags", Self::Flags),
        ("socket", Self::Socket),
    ];

    /// Writes out the part of a branch. `uri` is the received one, for a branch without its own.
    pub(super) fn read(
        self,
        node: &Node,
        branch: &Target,
        uri: Option<&[u8]>,
        out: &mut Text,
    ) -> Reading {
        match self {
            Self::Uri => some(out, branch.uri.as_deref().or(uri)),
            Self::NextHop => some(out, branch.next_hop.as_deref()),
            Self::Path => some(out, branch.path.as_deref()),
            Self::Q if branch.q < 0 => Reading::Null,
            Self::Q => {
                push_q(out, branch.q);
                Reading::Str
            }
            Self::Flags => {
                flags::names(node.script().program.flag_names(FlagKind::Branch), branch.flags, out)
            }
            Self::Socket => {
                let socket = branch.socket.and_then(|socket| node.sockets.get(socket));
                some(out, socket.map(|socket| socket.text().as_bytes()))
            }
        }
    }

    /// Writes out the part of all of these branches, with commas between. What one of them does not
    /// have leaves its place in the list empty.
    pub(super) fn read_all<'b>(
        self,
        node: &Node,
        branches: impl Iterator<Item = &'b Target>,
        uri: Option<&[u8]>,
        out: &mut Text,
    ) -> Reading {
        let start = out.len();
        let mut any = false;
        for branch in branches {
            if any {
                out.push(b", ");
            }
            any = true;
            let before = out.len();
            if self.read(node, branch, uri, out) == Reading::Null {
                out.truncate(before);
            }
        }
        if any && out.len() - start <= JOINED_BYTES_MAX { Reading::Str } else { Reading::Null }
    }

    /// Changes the part of a branch; NULL resets all but the URI.
    pub(super) fn write(
        self,
        node: &Node,
        branch: &mut Target,
        value: Value<'_>,
    ) -> Result<(), WriteError> {
        match (self, value) {
            (Self::Uri, Value::Null) => return Err(WriteError::NotNull),
            (Self::NextHop, Value::Null) => branch.next_hop = None,
            (Self::Path, Value::Null) => branch.path = None,
            (Self::Q, Value::Null) => branch.q = -1,
            (Self::Flags, Value::Null) => branch.flags = 0,
            (Self::Socket, Value::Null) => branch.socket = None,
            (Self::Uri, value) => branch.uri = Some(uri(value)?),
            (Self::NextHop, value) => branch.next_hop = Some(uri(value)?),
            (Self::Path, value) => branch.path = Some(path(value)?),
            (Self::Q, value) => branch.q = q(value)?,
            (Self::Flags, value) => branch.flags = flags::bits(node, value)?,
            (Self::Socket, value) => {
                let text = value.text().ok_or(WriteError::BadValue)?;
                let socket = node.sockets.find_text(text).ok_or(WriteError::BadValue)?;
                branch.socket = Some(socket);
            }
        }
        Ok(())
    }
}

/// A branch by its place: 0 is the Request-URI's, 1 the first additional one.
pub(super) fn branch<'c>(ctx: &'c Context<'_>, place: usize) -> Option<&'c Target> {
    match place.checked_sub(1) {
        None => Some(&ctx.draft.target),
        Some(additional) => ctx.draft.branches.get(additional),
    }
}

/// The same, to change it.
pub(super) fn branch_mut<'c>(ctx: &'c mut Context<'_>, place: usize) -> Option<&'c mut Target> {
    match place.checked_sub(1) {
        None => Some(&mut ctx.draft.target),
        Some(additional) => ctx.draft.branches.get_mut(additional),
    }
}

/// The place that an index means among `len`: `none` without one, counted from the end if negative.
pub(super) fn position(index: Index, len: usize, none: usize) -> Option<usize> {
    match index {
        Index::None => Some(none),
        Index::At(n) => match usize::try_from(n) {
            Ok(n) => Some(n),
            Err(_) => len.checked_sub(usize::try_from(n.unsigned_abs()).ok()?),
        },
        Index::All | Index::Append | Index::AtActive(_) | Index::AllActive => None,
    }
}

fn uri(value: Value<'_>) -> Result<Vec<u8>, WriteError> {
    value.text().and_then(whole).ok_or(WriteError::BadValue)
}

/// Route values; they end up in a header line.
fn path(value: Value<'_>) -> Result<Vec<u8>, WriteError> {
    let text = value.text().filter(|text| !text.is_empty() && text.len() <= URI_MAX);
    let text = text.filter(|text| !text.iter().any(|byte| byte.is_ascii_control()));
    text.map(<[u8]>::to_vec).ok_or(WriteError::BadValue)
}

/// A number of thousandths, or a text like `0.5`.
fn q(value: Value<'_>) -> Result<i32, WriteError> {
    match value.int() {
        Some(number) => Ok(number.clamp(-1, 1000)),
        None => value.text().and_then(thousandths).ok_or(WriteError::BadValue),
    }
}

/// A q value of RFC 3261 §25.1, without needless zeros.
pub(super) fn push_q(out: &mut Text, q: i32) {
    out.push(if q >= 1000 { b"1" } else { b"0" });
    let mut rest = q.clamp(0, 1000) % 1000;
    if rest > 0 {
        out.push_byte(b'.');
    }
    let mut unit = 100;
    while rest > 0 {
        out.push_int((rest / unit).into());
        rest %= unit;
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_values_are_written_short() {
        for (q, text) in
            [(0, "0"), (1000, "1"), (500, "0.5"), (125, "0.125"), (50, "0.05"), (7, "0.007")]
        {
            let mut out = Text::new(100);
            push_q(&mut out, q);
            assert_eq!(out.as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn positions() {
        assert_eq!(position(Index::None, 2, 0), Some(0));
        assert_eq!(position(Index::None, 2, 1), Some(1));
        assert_eq!(position(Index::At(-1), 2, 0), Some(1));
        assert_eq!(position(Index::At(-3), 2, 0), None);
        assert_eq!(position(Index::All, 2, 0), None);
    }

    #[test]
    fn a_path_stays_within_its_line() {
        assert!(path(Value::Str(b"<sip:edge;lr>")).is_ok());
        assert!(path(Value::Str(b"<sip:edge;lr>\r\nX: 1")).is_err());
        assert!(path(Value::Str(&[b'x'; URI_MAX + 1])).is_err());
    }
}
