//! A dialog as commands print it (spec/dialog.md §13.1).

use duologue_dialog::{LegSnapshot, Snapshot};
use duologue_management::json_text;
use duologue_server::Node;
use serde_json::{Map, Value, json};

use super::info::local_date;

/// The listing of one dialog, its fields in the order that tools expect.
pub(super) fn dialog(node: &Node, dialog: &Snapshot) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("ID", dialog.id.did().as_str().into());
    put("db_id", dialog.id.db_id().to_string().into());
    put("state", (dialog.state as u8).into());
    put("user_flags", "".into());
    put("timestart", dialog.start_ts.into());
    if dialog.start_ts != 0 {
        put("datestart", local_date(dialog.start_ts).into());
    }
    put("timeout", dialog.timeout_ts.into());
    if dialog.timeout_ts != 0 {
        put("dateout", local_date(dialog.timeout_ts).into());
    }
    put("callid", json_text(&dialog.call_id));
    put("from_uri", json_text(&dialog.from_uri));
    put("to_uri", json_text(&dialog.to_uri));
    let mut legs = dialog.legs.iter();
    if let Some(caller) = legs.next() {
        put("caller_tag", json_text(&caller.tag));
        put("caller_contact", json_text(&caller.contact));
        put("callee_cseq", caller.cseq.to_string().into());
        put("caller_route_set", json_text(&caller.route_set));
        put("caller_bind_addr", bind_address(node, caller));
    }
    put("CALLEES", legs.map(|leg| callee(node, leg)).collect());
    Value::Object(fields)
}

fn callee(node: &Node, leg: &LegSnapshot) -> Value {
    json!({
        "callee_tag": json_text(&leg.tag),
        "callee_contact": json_text(&leg.contact),
        "caller_cseq": leg.cseq.to_string(),
        "callee_route_set": json_text(&leg.route_set),
        "callee_bind_addr": bind_address(node, leg),
    })
}

fn bind_address(node: &Node, leg: &LegSnapshot) -> Value {
    let socket = leg.flow.and_then(|flow| node.sockets.get(flow.socket));
    socket.map_or(Value::Null, |socket| socket.text().into())
}
