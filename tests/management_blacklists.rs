//! The commands of the blacklists, on a running server (spec/script.md §15.4; the lists: §2.3).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use duologue::management::rpc::{Registry, jsonrpc};
use duologue::{Builder, management};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
    dst_blacklist = fixed: { (udp, 10.0.0.0/8, 5060, "*spam*"), !(192.0.2.0/24) }
    dst_blacklist = changing/expire,default
    loadmodule "proto_udp.so"
    route { exit; }
"#;

struct Operator(Registry);

impl Operator {
    fn new() -> Self {
        let sockets = ["127.0.0.1:0".to_owned()];
        let server = Arc::new(Builder::text(SCRIPT).sockets(sockets).start().unwrap());
        Self(management::commands(&server, || {}).unwrap())
    }

    /// The result, or the error.
    fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = jsonrpc::answer(&self.0, request.to_string().as_bytes()).into_text(false);
        let mut reply: Value = serde_json::from_str(&reply.unwrap()).unwrap();
        let part = if reply.get("result").is_some() { "result" } else { "error" };
        reply[part].take()
    }
}

fn error(code: i64, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

#[test]
fn lists_are_shown_with_their_rules() {
    let operator = Operator::new();
    let fixed = json!({
        "name": "fixed",
        "owner": "core",
        "flags": "readonly",
        "Rules": [
            {"IP": "10.0.0.0/8", "Proto": "udp", "Port": 5060, "Match": "*spam*"},
            {"IP": "!192.0.2.0/24", "Proto": "any", "Port": 0, "Match": ""},
        ],
    });
    let changing =
        json!({"name": "changing", "owner": "core", "flags": "expire,default", "Rules": []});
    assert_eq!(operator.call("list_blacklists", json!([])), json!({"Lists": [fixed, changing]}));
    let one = operator.call("blacklists:list", json!(["changing"]));
    assert_eq!(one, json!({ "Lists": [changing] }));
    let missing = error(404, "Blacklist not found");
    assert_eq!(operator.call("list_blacklists", json!({"name": "none"})), missing);
}

#[test]
fn rules_come_and_go() {
    let operator = Operator::new();
    let rules =
        || operator.call("list_blacklists", json!(["changing"]))["Lists"][0]["Rules"].take();
    let tcp = json!(["changing", "!tcp,127.0.0.1,5060"]);
    assert_eq!(operator.call("add_blacklist_rule", tcp.clone()), "OK");
    let net = json!({"name": "changing", "rule": "(10.0.0.0/8)", "expire": 600});
    assert_eq!(operator.call("blacklists:add_rule", net), "OK");
    let shown = rules();
    assert_eq!(shown[0], json!({"IP": "!127.0.0.1/32", "Proto": "tcp", "Port": 5060, "Match": ""}));
    let left = shown[1]["Expires"].as_u64().unwrap();
    assert!((590..=600).contains(&left), "{left}");
    assert_eq!(operator.call("del_blacklist_rule", tcp.clone()), "OK");
    assert_eq!(rules().as_array().unwrap().len(), 1);

    let again = operator.call("blacklists:del_rule", tcp);
    assert_eq!(again, error(400, "this blacklist has no such rule"));
    let fixed = operator.call("add_blacklist_rule", json!(["fixed", "10.0.0.1"]));
    assert_eq!(fixed, error(400, "this blacklist is read-only"));
    let missing = operator.call("add_blacklist_rule", json!(["none", "10.0.0.1"]));
    assert_eq!(missing, error(404, "Blacklist not found"));
    for (rule, expire) in [("host", 5), ("10.0.0.1", -5)] {
        let refused = operator.call("add_blacklist_rule", json!(["changing", rule, expire]));
        assert_eq!(refused["code"], -32602, "{rule}");
    }
}

/// Without a transport or a port only the rules fit that have none.
#[test]
fn places_are_checked() {
    let operator = Operator::new();
    operator.call("add_blacklist_rule", json!(["changing", "10.0.0.0/8"]));
    let net = json!({"IP": "10.0.0.0/8", "Proto": "any", "Port": 0, "Match": ""});
    assert_eq!(operator.call("check_blacklist", json!(["changing", "10.1.1.1"])), net);
    let none = error(404, "No rule matches");
    assert_eq!(operator.call("blacklists:check", json!(["changing", "11.1.1.1"])), none);
    assert_eq!(operator.call("check_blacklist", json!(["fixed", "udp", "192.0.2.1", 5060])), none);
    let spam =
        operator.call("check_blacklist", json!(["fixed", "udp", "10.1.1.1", 5060, "x spam"]));
    assert_eq!(spam["Match"], "*spam*");

    let all = |params: Value| operator.call("check_blacklists", params);
    assert_eq!(all(json!(["10.1.1.1"])), json!(["fixed", "changing"]));
    assert_eq!(all(json!(["192.0.2.1"])), json!([]));
    assert_eq!(all(json!(["udp", "11.1.1.1", 5060, "x"])), json!(["fixed"]));
    for bad in [json!(["host"]), json!(["carrier", "10.0.0.1"]), json!(["udp", "10.0.0.1", 70000])]
    {
        assert_eq!(all(bad.clone())["code"], -32602, "{bad}");
    }
}
