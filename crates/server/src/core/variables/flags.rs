//! Message and branch flags as variables (spec/script.md §10).

use duologue_script::{Assign, FlagKind, Index, Reading, Text, Value, VarAccess, WriteError};

use super::branch_fields::position;
use crate::context::Context;
use crate::core::functions::branch_flags;
use crate::node::Node;

/// `$mf`: the names of the message flags that are set.
pub(super) fn message_names(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    names(ctx.turn.node.script().program.flag_names(FlagKind::Message), ctx.draft.flags, out)
}

/// `$bf`: the names of the flags of the Request-URI branch that are set.
pub(super) fn branch_names(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    names(ctx.turn.node.script().program.flag_names(FlagKind::Branch), ctx.draft.target.flags, out)
}

/// `$msg.flag(name)`: 1 or 0.
pub(super) fn read_message(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    match mask(ctx, var, FlagKind::Message) {
        Some(mask) => Reading::Int((ctx.draft.flags & mask != 0).into()),
        None => Reading::Null,
    }
}

pub(super) fn write_message(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let mask = mask(ctx, var, FlagKind::Message).ok_or(WriteError::Missing)?;
    put(&mut ctx.draft.flags, mask, value)
}

/// `$branch.flag(name)`: 1 or 0; index 0 is the Request-URI's branch, 1 the first additional one.
pub(super) fn read_branch(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    let Some(mask) = mask(ctx, var, FlagKind::Branch) else { return Reading::Null };
    match branch(ctx, var.index).and_then(|branch| branch_flags(ctx, branch)) {
        Some(flags) => Reading::Int((*flags & mask != 0).into()),
        None => Reading::Null,
    }
}

pub(super) fn write_branch(
    ctx: &mut Context<'_>,
    var: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let mask = mask(ctx, var, FlagKind::Branch).ok_or(WriteError::Missing)?;
    let branch = branch(ctx, var.index).ok_or(WriteError::Missing)?;
    put(branch_flags(ctx, branch).ok_or(WriteError::Missing)?, mask, value)
}

/// The bit of a branch flag.
pub(super) fn branch_mask(ctx: &Context<'_>, var: &VarAccess<'_>) -> Option<u32> {
    mask(ctx, var, FlagKind::Branch)
}

/// All flags of a branch at once: their names with blanks between, or their bits.
pub(super) fn bits(node: &Node, value: Value<'_>) -> Result<u32, WriteError> {
    if let Some(bits) = value.int() {
        return Ok(bits.cast_unsigned());
    }
    let text = value.text().and_then(|text| std::str::from_utf8(text).ok());
    let mut bits = 0;
    for name in text.ok_or(WriteError::BadValue)?.split_ascii_whitespace() {
        let bit = node.script().program.flag(FlagKind::Branch, name).ok_or(WriteError::BadValue)?;
        bits |= 1u32.checked_shl(bit.into()).unwrap_or_default();
    }
    Ok(bits)
}

/// The flag's bit: numbered when the script was loaded, or looked up by a name from a variable.
fn mask(ctx: &Context<'_>, var: &VarAccess<'_>, kind: FlagKind) -> Option<u32> {
    let bit = match var.key {
        Some(bit) => bit,
        None => {
            let name = std::str::from_utf8(var.name?).ok()?;
            ctx.turn.node.script().program.flag(kind, name)?.into()
        }
    };
    1u32.checked_shl(bit)
}

/// The place of the branch that an index means: the Request-URI's without one.
fn branch(ctx: &Context<'_>, index: Index) -> Option<usize> {
    position(index, ctx.draft.branches.len() + 1, 0)
}

pub(super) fn put(flags: &mut u32, mask: u32, value: Value<'_>) -> Result<(), WriteError> {
    match value {
        Value::Null => *flags &= !mask,
        value => match value.int().ok_or(WriteError::BadValue)? {
            0 => *flags &= !mask,
            _ => *flags |= mask,
        },
    }
    Ok(())
}

/// The names of the bits that are set, with blanks between.
pub(super) fn names(names: &[String], flags: u32, out: &mut Text) -> Reading {
    let mut any = false;
    for (bit, name) in (0u32..32).zip(names) {
        if flags & (1 << bit) != 0 {
            if any {
                out.push_byte(b' ');
            }
            any = true;
            out.push(name.as_bytes());
        }
    }
    if any { Reading::Str } else { Reading::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_flags_are_named_in_the_order_of_their_bits() {
        let known = ["NAT", "ACC", "REC"].map(str::to_owned);
        let show = |flags| {
            let mut out = Text::new(100);
            let reading = names(&known, flags, &mut out);
            (reading, String::from_utf8(out.as_bytes().to_vec()).unwrap())
        };
        assert_eq!(show(0b101), (Reading::Str, "NAT REC".to_owned()));
        assert_eq!(show(0), (Reading::Null, String::new()));
        assert_eq!(show(1 << 31), (Reading::Null, String::new()));
    }

    #[test]
    fn zero_and_null_reset() {
        let mut flags = 0b11;
        put(&mut flags, 1, Value::Int(0)).unwrap();
        assert_eq!(flags, 0b10);
        put(&mut flags, 0b100, Value::Int(7)).unwrap();
        assert_eq!(flags, 0b110);
        put(&mut flags, 0b10, Value::Null).unwrap();
        assert_eq!(flags, 0b100);
        assert_eq!(put(&mut flags, 1, Value::Str(b"x")), Err(WriteError::BadValue));
    }
}
