//! The commands that tell how ready the program is, on a running server (spec/script.md §15.4,
//! `status_report:…`).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use duologue::management::rpc::{Registry, jsonrpc};
use duologue::{Builder, Server, management};
use serde_json::{Value, json};

struct Operator {
    server: Arc<Server>,
    registry: Registry,
}

impl Operator {
    fn new() -> Self {
        let script = "loadmodule \"proto_udp.so\"\nroute { exit; }";
        let sockets = ["127.0.0.1:0".to_owned()];
        let server = Arc::new(Builder::text(script).sockets(sockets).start().unwrap());
        let registry = management::commands(&server, || {}).unwrap();
        Self { server, registry }
    }

    /// The result, or the error.
    fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = jsonrpc::answer(&self.registry, request.to_string().as_bytes());
        let mut reply: Value = serde_json::from_str(&reply.into_text(false).unwrap()).unwrap();
        let part = if reply.get("result").is_some() { "result" } else { "error" };
        reply[part].take()
    }
}

#[test]
fn the_program_tells_how_ready_it_is() {
    let operator = Operator::new();
    let running = json!({"Readiness": true, "Status": 1, "Details": "running"});
    assert_eq!(operator.call("sr_get_status", json!(["core"])), running);
    assert_eq!(operator.call("status_report:get", json!(["core", "main"])), running);
    operator.server.node().drain();
    let ending = json!({"Readiness": false, "Status": -1, "Details": "shutting down: new calls are refused"});
    assert_eq!(operator.call("sr_get_status", json!({"group": "core"})), ending);
    let unknown = operator.call("sr_get_status", json!(["drouting"]));
    assert_eq!(unknown, json!({"code": 404, "message": "Group not found"}));
    let unknown = operator.call("sr_get_status", json!(["core", "other"]));
    assert_eq!(unknown, json!({"code": 404, "message": "Identifier not found"}));
}

#[test]
fn its_parts_are_listed() {
    let operator = Operator::new();
    let main = json!({"Name": "main", "Readiness": true, "Status": 1, "Details": "running"});
    let all = json!([{ "Group": "core", "Identifiers": [main] }]);
    assert_eq!(operator.call("sr_list_status", json!([])), all);
    assert_eq!(operator.call("status_report:status", json!(["core"])), all);
    let names = json!([{ "Group": "core", "Identifiers": ["main"] }]);
    assert_eq!(operator.call("sr_list_identifiers", json!([])), names);
    assert_eq!(operator.call("status_report:identifiers", json!(["core"])), names);
    let reports = operator.call("sr_list_reports", json!(["core"]));
    let report = &reports[0]["Identifiers"][0]["Reports"][0];
    assert_eq!(report["Timestamp"], operator.server.node().started.unix);
    assert_eq!(report["Log"], "the program has started");
    assert_eq!(operator.call("status_report:reports", json!(["core", "main"])), reports);
}
