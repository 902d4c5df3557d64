//! A dialog as JSON text (spec/dialog.md §14.1, decision D24): `$DLG_json`, `$DLG_ctx_json`.

use duologue_dialog::{LegSnapshot, Snapshot, Value as DialogValue};
use duologue_script::{Reading, Text, VarAccess};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::node::Node;

pub(super) fn dialog(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    write(ctx, false, out)
}

pub(super) fn dialog_with_context(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    out: &mut Text,
) -> Reading {
    write(ctx, true, out)
}

fn write(ctx: &mut Context<'_>, context: bool, out: &mut Text) -> Reading {
    let Some(Ok(snapshot)) = ctx.dialog().map(|dialog| dialog.snapshot()) else {
        return Reading::Null;
    };
    out.push(of(ctx.turn.node, &snapshot, context).to_string().as_bytes());
    Reading::Str
}

/// The document; `context` adds values and profiles.
pub(super) fn of(node: &Node, dialog: &Snapshot, context: bool) -> Value {
    let callees = dialog.legs.iter().skip(1).map(|callee| leg(node, callee));
    let mut document = json!({
        "ID": dialog.id.db_id().to_string(),
        "state": (dialog.state as u8).to_string(),
        "user_flags": node.dialogs.user_flag_names(dialog.user_flags),
        "callid": text(&dialog.call_id),
        "timestart": dialog.start_ts.to_string(),
        "timeout": dialog.timeout_ts.to_string(),
        "from_uri": text(&dialog.from_uri),
        "to_uri": text(&dialog.to_uri),
        "caller": dialog.legs.first().map(|caller| leg(node, caller)),
        "callees": callees.collect::<Value>(),
    });
    if context {
        let values = dialog.values.iter().map(|(name, value)| (key(name), shown(value)));
        document["values"] = values.collect::<Map<_, _>>().into();
        document["profiles"] = profiles(dialog);
    }
    document
}

/// A leg, with the body that it was last sent.
fn leg(node: &Node, leg: &LegSnapshot) -> Value {
    let socket = leg.flow.and_then(|flow| node.sockets.get(flow.socket));
    json!({
        "tag": text(&leg.tag),
        "contact": text(&leg.contact),
        "cseq": leg.cseq.to_string(),
        "route_set": text(&leg.route_set),
        "bind_addr": socket.map(|socket| socket.text()).unwrap_or_default(),
        "sdp": leg.sent_body.as_ref().map(|body| text(body.bytes())).unwrap_or_default(),
    })
}

/// Names with their values, in the order of linking.
fn profiles(dialog: &Snapshot) -> Value {
    let mut profiles = Map::new();
    for link in dialog.profiles.iter().rev() {
        let values = profiles.entry(link.name.to_string()).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(text(&link.value));
        }
    }
    profiles.into()
}

fn shown(value: &DialogValue) -> Value {
    match value {
        DialogValue::Int(number) => (*number).into(),
        DialogValue::Bytes(bytes) => text(bytes),
    }
}

fn text(bytes: &[u8]) -> Value {
    key(bytes).into()
}

fn key(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
