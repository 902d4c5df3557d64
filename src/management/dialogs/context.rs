//! What a listing tells of a dialog beside itself (spec/dialog.md §13.1): values, profiles, and what
//! modules add by MI_CONTEXT.

use duologue_dialog::{Snapshot, Value as DialogValue};
use duologue_management::{base64, json_text};
use duologue_server::Node;
use serde_json::{Map, Value};

/// The `context` of a listed dialog.
pub(super) fn of(node: &Node, dialog: &Snapshot) -> Value {
    let mut context = Map::new();
    let values = values(dialog);
    if !values.is_empty() {
        context.insert("values".to_owned(), values.into());
    }
    let profiles = profiles(dialog);
    if !profiles.is_empty() {
        context.insert("profiles".to_owned(), profiles.into());
    }
    // One that is gone by now has nothing to add.
    let added = node.dialogs.mi_context(dialog).unwrap_or_default();
    for panic in &added.panics {
        tracing::error!(did = %dialog.id, "a dialog callback panicked: {panic}");
    }
    for (name, value) in added.items.iter() {
        // Of several things of one name the first is told.
        if !context.contains_key(name) {
            put(&mut context, name, value);
        }
    }
    context.into()
}

/// Its values, each as an object of its own.
pub(super) fn values(dialog: &Snapshot) -> Vec<Value> {
    dialog.values.iter().map(|(name, value)| pair(&key(name), value)).collect()
}

/// Its profiles, each with the value of the link.
pub(super) fn profiles(dialog: &Snapshot) -> Vec<Value> {
    let links = dialog.profiles.iter();
    links.map(|link| pair(&link.name, &DialogValue::from(&*link.value))).collect()
}

/// `{name: value}`.
fn pair(name: &str, value: &DialogValue) -> Value {
    let mut pair = Map::new();
    put(&mut pair, name, value);
    pair.into()
}

/// A number as a number, bytes as text; those that are no text also in base64 (decision D16).
fn put(fields: &mut Map<String, Value>, name: &str, value: &DialogValue) {
    match value {
        DialogValue::Int(number) => {
            fields.insert(name.to_owned(), (*number).into());
        }
        DialogValue::Bytes(bytes) => {
            fields.insert(name.to_owned(), json_text(bytes));
            if std::str::from_utf8(bytes).is_err() {
                fields.insert(format!("{name}_base64"), base64(bytes).into());
            }
        }
    }
}

fn key(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
