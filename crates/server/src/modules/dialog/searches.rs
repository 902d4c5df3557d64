//! Looking for other dialogs (spec/dialog.md §14). These walk all dialogs, a few hundred at a time
//! under a lock; what they find is pushed on AVPs, so that index 0 is the last.

use duologue_dialog::{Cursor, Dialog, ProfileCursor, Value as DialogValue};
use duologue_script::{Args, Called, Reading, Text, Value};

use super::{json, profiles};
use crate::context::Context;

/// How many results one search pushes; it counts all.
const PUSHED_MAX: usize = 4096;

/// How many dialogs are looked up at a time.
const SLICE: usize = 256;

/// `get_dialog_info(attr, avp, key, keyval, count)`: the value `attr` of each dialog whose value
/// `key` is that.
pub(super) fn info(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(attribute), Some(key)) = (args.str(0), args.str(2)) else {
        return Called::Value(-1);
    };
    let Some(wanted) = text_of(ctx, args, 3) else { return Called::Value(-1) };
    let mut count = 0_usize;
    for dialog in with_value(ctx, key, &wanted) {
        count += 1;
        if let Ok(Some(value)) = dialog.fetch_value(attribute)
            && count <= PUSHED_MAX
        {
            let _ = args.store(ctx, 1, script_value(&value));
        }
    }
    counted(ctx, args, 4, count)
}

/// `get_dialog_vals(names, vals, callid)`: all values of one dialog, in pairs.
pub(super) fn values_of(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let found = args.str(2).and_then(|id| ctx.turn.node.dialogs.by_callid(id, None));
    let Some(Ok(snapshot)) = found.map(|dialog| dialog.snapshot()) else {
        return Called::Value(-1);
    };
    for (name, value) in snapshot.values.iter() {
        let _ = args.store(ctx, 0, Value::Str(name));
        let _ = args.store(ctx, 1, script_value(value));
    }
    Called::Value(1)
}

/// `get_dialogs_by_val(name, value, out, count)`: each dialog with that value, as `$DLG_ctx_json`
/// tells it.
pub(super) fn by_value(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(value)) = (args.str(0), text_of(ctx, args, 1)) else {
        return Called::Value(-1);
    };
    let found = with_value(ctx, name, &value);
    push(ctx, args, 2, &found);
    counted(ctx, args, 3, found.len())
}

/// `get_dialogs_by_profile(name, [value], out, count)`: each dialog in that profile.
pub(super) fn by_profile(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(profile) = profiles::named(ctx, args) else { return Called::Value(-1) };
    let value = args.str(1);
    let mut found = Vec::new();
    let mut cursor = Some(ProfileCursor::default());
    while let Some(from) = cursor {
        cursor = profile.dialogs(value, from, SLICE, &mut found);
    }
    found.retain(Dialog::is_active);
    // one with several values is in the list once for each
    found.sort_unstable_by_key(|dialog| dialog.id());
    found.dedup_by_key(|dialog| dialog.id());
    push(ctx, args, 2, &found);
    counted(ctx, args, 3, found.len())
}

fn with_value(ctx: &Context<'_>, name: &[u8], value: &[u8]) -> Vec<Dialog> {
    let mut found = Vec::new();
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        cursor = ctx.turn.node.dialogs.with_value(from, (name, value), SLICE, &mut found);
    }
    found
}

/// The text of a variable that was given.
fn text_of(ctx: &mut Context<'_>, args: &mut Args<'_>, at: usize) -> Option<Vec<u8>> {
    let mut text = Text::new(crate::core::EXPANSION_MAX);
    match args.load(ctx, at, &mut text) {
        Reading::Null => None,
        Reading::Int(number) => Some(number.to_string().into_bytes()),
        Reading::Str | Reading::StrInt(_) => Some(text.as_bytes().to_vec()),
    }
}

fn push(ctx: &mut Context<'_>, args: &mut Args<'_>, at: usize, found: &[Dialog]) {
    for snapshot in found.iter().take(PUSHED_MAX).filter_map(|dialog| dialog.snapshot().ok()) {
        let text = json::of(ctx.turn.node, &snapshot, true).to_string();
        let _ = args.store(ctx, at, Value::Str(text.as_bytes()));
    }
}

/// The number of dialogs found: in a variable, and as the result; none is a failure.
fn counted(ctx: &mut Context<'_>, args: &mut Args<'_>, at: usize, count: usize) -> Called {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let _ = args.store(ctx, at, Value::Int(count));
    Called::Value(if count > 0 { count } else { -1 })
}

fn script_value(value: &DialogValue) -> Value<'_> {
    match value {
        DialogValue::Int(number) => Value::Int(*number),
        DialogValue::Bytes(bytes) => Value::Str(bytes),
    }
}
