//! Additional branches and the destination set as variables (spec/script.md §8).

use duologue_script::{Assign, Index, Reading, Text, Value, VarAccess, WriteError};

use super::branch_fields::{Field, position, push_q};
use super::uri::here;
use crate::context::Context;
use crate::core::functions::append;
use crate::core::functions::uri::whole;
use crate::target::Target;

/// `$branch`: the URI of the first additional branch; `$(branch(field)[n])`: a field of the n-th.
pub(super) fn read(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    let branches = &ctx.draft.branches;
    let Some(field) = field(var) else { return Reading::Null };
    if var.index == Index::All {
        return field.read_all(ctx.turn.node, branches.iter(), None, out);
    }
    let branch = position(var.index, branches.len(), 0).and_then(|n| branches.get(n));
    branch.map_or(Reading::Null, |branch| field.read(ctx.turn.node, branch, None, out))
}

/// `$branch = uri` adds a branch; with a field and an index one is changed.
pub(super) fn write(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    here(ctx, var)?;
    if var.name.is_none() {
        return add(ctx, value);
    }
    let field = field(var).ok_or(WriteError::BadValue)?;
    let node = ctx.turn.node;
    let branches = &mut ctx.draft.branches;
    let at = position(var.index, branches.len(), 0).ok_or(WriteError::Missing)?;
    field.write(node, branches.get_mut(at).ok_or(WriteError::Missing)?, value)
}

/// Adds a branch of this URI alone.
pub(super) fn add(ctx: &mut Context<'_>, value: Value<'_>) -> Result<(), WriteError> {
    let uri = value.text().and_then(whole).ok_or(WriteError::BadValue)?;
    let added = append(ctx, Target { uri: Some(uri), ..Target::received() });
    if added { Ok(()) } else { Err(WriteError::BadValue) }
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

/// Numbers the field when the script loads.
pub(super) fn resolve(name: &str) -> Result<Option<u32>, String> {
    match (0u32..).zip(Field::ALL).find(|(_, (known, _))| *known == name) {
        Some((key, _)) => Ok(Some(key)),
        None => {
            let known = Field::ALL.map(|(known, _)| known).join(", ");
            Err(format!("a branch has no \"{name}\": there are {known}"))
        }
    }
}

fn field(var: &VarAccess<'_>) -> Option<Field> {
    let found = match (var.key, var.name) {
        (None, None) => return Some(Field::Uri),
        (Some(key), _) => Field::ALL.get(usize::try_from(key).ok()?),
        (None, Some(name)) => Field::ALL.iter().find(|(known, _)| known.as_bytes() == name),
    };
    found.map(|&(_, field)| field)
}

/// An additional branch always has a URI of its own.
fn uri_of(branch: &Target) -> &[u8] {
    branch.uri.as_deref().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_line_has_brackets_and_q() {
        let mut out = Text::new(100);
        push_contact(&mut out, b"sip:a@h;x", -1);
        push_contact(&mut out, b"sip:b@h", 700);
        assert_eq!(out.as_bytes(), b"<sip:a@h;x><sip:b@h>;q=0.7");
    }
}
