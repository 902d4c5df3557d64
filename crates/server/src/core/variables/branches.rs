//! Additional branches and the destination set as variables (spec/script.md §8).

use duologue_script::{Assign, Index, Reading, Text, Value, VarAccess, WriteError};

use super::uri::here;
use super::view::{indexed, some};
use crate::context::Context;
use crate::core::functions::uri::whole;
use crate::core::functions::{append, thousandths};
use crate::target::Target;

/// `$branch`: the URI of the first additional branch; `$(branch(field)[n])`: a field of the n-th.
pub(super) fn read(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let branches = &ctx.draft.branches;
    let Some(field) = field(var) else { return Reading::Null };
    if field == Field::Uri {
        return indexed(var.index, out, || branches.iter().map(uri_of));
    }
    let Some(branch) = position(var.index, branches.len()).and_then(|n| branches.get(n)) else {
        return Reading::Null;
    };
    match field {
        Field::Uri => some(out, branch.uri.as_deref()),
        Field::NextHop => some(out, branch.next_hop.as_deref()),
        Field::Q if branch.q < 0 => Reading::Null,
        Field::Q => {
            push_q(out, branch.q);
            Reading::Str
        }
        Field::Flags => {
            out.push_int(branch.flags.into());
            Reading::Str
        }
        Field::Socket => {
            let socket = branch.socket.and_then(|socket| ctx.turn.node.sockets.get(socket));
            some(out, socket.map(|socket| socket.text().as_bytes()))
        }
    }
}

/// `$branch = uri` adds a branch; with a field and an index one is changed.
pub(super) fn write(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    here(ctx, var)?;
    let field = field(var).ok_or(WriteError::BadValue)?;
    if var.name.is_none() {
        let uri = value.text().and_then(whole).ok_or(WriteError::BadValue)?;
        let added = append(ctx, Target { uri: Some(uri), ..Target::received() });
        return if added { Ok(()) } else { Err(WriteError::BadValue) };
    }
    let socket = match (field, value.text()) {
        (Field::Socket, Some(text)) => ctx.turn.node.sockets.find_text(text),
        _ => None,
    };
    let branches = &mut ctx.draft.branches;
    let at = position(var.index, branches.len()).ok_or(WriteError::Missing)?;
    let branch = branches.get_mut(at).ok_or(WriteError::Missing)?;
    match (field, value) {
        (Field::Uri, Value::Null) => return Err(WriteError::NotNull),
        (Field::NextHop, Value::Null) => branch.next_hop = None,
        (Field::Q, Value::Null) => branch.q = -1,
        (Field::Flags, Value::Null) => branch.flags = 0,
        (Field::Socket, Value::Null) => branch.socket = None,
        (Field::Uri, value) => branch.uri = Some(uri(value)?),
        (Field::NextHop, value) => branch.next_hop = Some(uri(value)?),
        (Field::Q, value) => branch.q = q(value)?,
        (Field::Flags, value) => {
            branch.flags = value.int().ok_or(WriteError::BadValue)?.cast_unsigned();
        }
        (Field::Socket, _) => branch.socket = Some(socket.ok_or(WriteError::BadValue)?),
    }
    Ok(())
}

/// `$ds`: all destinations as a Contact header line.
pub(super) fn destination_set(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(uri) = ctx.request_uri().filter(|_| ctx.message.is_request()) else {
        return Reading::Null;
    };
    out.push(b"Contact: ");
    push_contact(out, uri, ctx.draft.target.q);
    for branch in &ctx.draft.branches {
        out.push(b", ");
        push_contact(out, uri_of(branch), branch.q);
    }
    out.push(b"\r\n");
    Reading::Str
}

/// What may stand in the parentheses of `$(branch(…)[n])`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Uri,
    NextHop,
    Q,
    Flags,
    Socket,
}

const FIELDS: [(&str, Field); 5] = [
    ("uri", Field::Uri),
    ("duri", Field::NextHop),
    ("q", Field::Q),
    ("flags", Field::Flags),
    ("socket", Field::Socket),
];

/// Numbers the field when the script loads.
pub(super) fn resolve(name: &str) -> Result<Option<u32>, String> {
    match (0u32..).zip(FIELDS).find(|(_, (known, _))| *known == name) {
        Some((key, _)) => Ok(Some(key)),
        None if name == "path" => Err("$branch(path) is known, but not built yet".to_owned()),
        None => {
            let known = FIELDS.map(|(known, _)| known).join(", ");
            Err(format!("a branch has no \"{name}\": there are {known}"))
        }
    }
}

fn field(var: &VarAccess<'_>) -> Option<Field> {
    let found = match (var.key, var.name) {
        (None, None) => return Some(Field::Uri),
        (Some(key), _) => FIELDS.get(usize::try_from(key).ok()?),
        (None, Some(name)) => FIELDS.iter().find(|(known, _)| known.as_bytes() == name),
    };
    found.map(|&(_, field)| field)
}

/// The place that an index means: the first without one, counted from the end if negative.
fn position(index: Index, len: usize) -> Option<usize> {
    match index {
        Index::None => Some(0),
        Index::At(n) => match usize::try_from(n) {
            Ok(n) => Some(n),
            Err(_) => len.checked_sub(usize::try_from(n.unsigned_abs()).ok()?),
        },
        Index::All | Index::Append => None,
    }
}

/// An additional branch always has a URI of its own.
fn uri_of(branch: &Target) -> &[u8] {
    branch.uri.as_deref().unwrap_or_default()
}

fn uri(value: Value<'_>) -> Result<Vec<u8>, WriteError> {
    value.text().and_then(whole).ok_or(WriteError::BadValue)
}

/// A number of thousandths, or a text like `0.5`.
fn q(value: Value<'_>) -> Result<i32, WriteError> {
    match value.int() {
        Some(number) => Ok(number.clamp(-1, 1000)),
        None => value.text().and_then(thousandths).ok_or(WriteError::BadValue),
    }
}

fn push_contact(out: &mut Text, uri: &[u8], q: i32) {
    out.push_byte(b'<');
    out.push(uri);
    out.push_byte(b'>');
    if q >= 0 {
        out.push(b";q=");
        push_q(out, q);
    }
}

/// A q value of RFC 3261 §25.1, without needless zeros.
fn push_q(out: &mut Text, q: i32) {
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
    fn a_contact_line_has_brackets_and_q() {
        let mut out = Text::new(100);
        push_contact(&mut out, b"sip:a@h;x", -1);
        push_contact(&mut out, b"sip:b@h", 700);
        assert_eq!(out.as_bytes(), b"<sip:a@h;x><sip:b@h>;q=0.7");
    }

    #[test]
    fn positions() {
        assert_eq!(position(Index::None, 2), Some(0));
        assert_eq!(position(Index::At(-1), 2), Some(1));
        assert_eq!(position(Index::At(-3), 2), None);
        assert_eq!(position(Index::All, 2), None);
    }
}
