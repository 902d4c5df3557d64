//! A dialog as commands print it (spec/dialog.md §13.1).

use duologue_dialog::{Body, LegSnapshot, Snapshot};
use duologue_management::{base64, json_text};
use duologue_server::Node;
use serde_json::{Map, Value};

use super::info::local_date;

/// The listing of one dialog, its fields in the order that tools expect.
pub(super) fn dialog(node: &Node, dialog: &Snapshot) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("ID", dialog.id.did().as_str().into());
    put("db_id", dialog.id.db_id().to_string().into());
    put("state", (dialog.state as u8).into());
    put("user_flags", node.dialogs.user_flag_names(dialog.user_flags).into());
    put("timestart", dialog.start_ts.into());
    if dialog.start_ts != 0 {
        put("datestart", local_date(dialog.start_ts).into());
    }
    put("timeout", dialog.timeout_ts.into());
    if dialog.timeout_ts != 0 {
        put("dateout", local_date(dialog.timeout_ts).into());
    }
    put_text(&mut put, "callid", &dialog.call_id);
    put_text(&mut put, "from_uri", &dialog.from_uri);
    put_text(&mut put, "to_uri", &dialog.to_uri);
    let mut legs = dialog.legs.iter();
    if let Some(caller) = legs.next() {
        put_text(&mut put, "caller_tag", &caller.tag);
        put_text(&mut put, "caller_contact", &caller.contact);
        put("callee_cseq", caller.cseq.to_string().into());
        put_text(&mut put, "caller_route_set", &caller.route_set);
        put("caller_bind_addr", bind_address(node, caller));
        put_body(&mut put, "caller_sdp", caller.body.as_ref());
        put_body(&mut put, "caller_sent_sdp", caller.sent_body.as_ref());
    }
    put("CALLEES", legs.map(|leg| callee(node, leg)).collect());
    Value::Object(fields)
}

/// A body, omitted if there is none.
fn put_body(put: &mut impl FnMut(&str, Value) -> Option<Value>, name: &str, body: Option<&Body>) {
    if let Some(body) = body {
        put_text(put, name, body.bytes());
    }
}

/// Bytes as text; those that are no text also in base64 (decision D16).
fn put_text(put: &mut impl FnMut(&str, Value) -> Option<Value>, name: &str, bytes: &[u8]) {
    put(name, json_text(bytes));
    if std::str::from_utf8(bytes).is_err() {
        put(&format!("{name}_base64"), base64(bytes).into());
    }
}

fn callee(node: &Node, leg: &LegSnapshot) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put_text(&mut put, "callee_tag", &leg.tag);
    put_text(&mut put, "callee_contact", &leg.contact);
    put("caller_cseq", leg.cseq.to_string().into());
    put_text(&mut put, "callee_route_set", &leg.route_set);
    put("callee_bind_addr", bind_address(node, leg));
    put_body(&mut put, "callee_sdp", leg.body.as_ref());
    put_body(&mut put, "callee_sent_sdp", leg.sent_body.as_ref());
    Value::Object(fields)
}

fn bind_address(node: &Node, leg: &LegSnapshot) -> Value {
    let socket = leg.flow.and_then(|flow| node.sockets.get(flow.socket));
    socket.map_or(Value::Null, |socket| socket.text().into())
}
