//! Values of a dialog (spec/dialog.md §10.1): `store_dlg_value()`, `fetch_dlg_value()`, `$dlg_val`.

use duologue_dialog::{Dialog, Gone, Value as DialogValue};
use duologue_script::{Args, Assign, Called, Reading, Text, Value, VarAccess, WriteError};

use crate::context::Context;

pub(super) fn value(ctx: &mut Context<'_>, access: &VarAccess<'_>, out: &mut Text) -> Reading {
    let (Some(name), Some(dialog)) = (access.name, ctx.dialog()) else { return Reading::Null };
    match dialog.fetch_value(name) {
        Ok(Some(DialogValue::Int(number))) => Reading::Int(number),
        Ok(Some(value)) => {
            out.push(value.as_bytes().unwrap_or_default());
            Reading::Str
        }
        Ok(None) | Err(Gone) => Reading::Null,
    }
}

pub(super) fn set_value(
    ctx: &mut Context<'_>,
    access: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    let name = access.name.ok_or(WriteError::BadValue)?;
    let dialog = ctx.dialog().ok_or(WriteError::Missing)?;
    store(&dialog, name, value)
}

fn store(dialog: &Dialog, name: &[u8], value: Value<'_>) -> Result<(), WriteError> {
    let stored = match value {
        Value::Null => {
            return dialog.remove_value(name).map(|_| ()).map_err(|Gone| WriteError::Missing);
        }
        Value::Int(number) => dialog.store_value(name, DialogValue::Int(number)),
        Value::Str(text) | Value::StrInt(text, _) => {
            dialog.store_value(name, DialogValue::from(text.to_vec()))
        }
    };
    stored.map_err(|_| WriteError::BadValue)
}

pub(super) fn store_dlg_value(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(dialog)) = (args.str(0), ctx.dialog()) else { return Called::Value(-1) };
    let mut text = Text::new(crate::core::EXPANSION_MAX);
    let value = match args.load(ctx, 1, &mut text) {
        Reading::Null => Value::Null,
        Reading::Int(number) => Value::Int(number),
        Reading::Str | Reading::StrInt(_) => Value::Str(text.as_bytes()),
    };
    Called::Value(if store(&dialog, name, value).is_ok() { 1 } else { -1 })
}

pub(super) fn fetch_dlg_value(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(dialog)) = (args.str(0), ctx.dialog()) else { return Called::Value(-1) };
    let Ok(Some(found)) = dialog.fetch_value(name) else { return Called::Value(-1) };
    let value = match &found {
        DialogValue::Int(number) => Value::Int(*number),
        value => Value::Str(value.as_bytes().unwrap_or_default()),
    };
    Called::Value(if args.store(ctx, 1, value).is_ok() { 1 } else { -1 })
}
