//! The core commands under old and new names, with their shapes (spec/script.md §15.4).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use duologue_management::{
    Process, Registry, ServerInfo, Statistic, StatisticKind, Uptime, Version, core, jsonrpc,
};
use serde_json::{Value, json};

struct Fake {
    level: AtomicI64,
    requests: AtomicU64,
    ending: AtomicBool,
}

impl ServerInfo for Fake {
    fn uptime(&self) -> Uptime {
        Uptime {
            now: "Mon Nov 23 11:20:20 2026".into(),
            since: "Mon Nov 23 11:19:20 2026".into(),
            seconds: 60,
        }
    }

    fn version(&self) -> Version {
        Version { server: "Duologue (0.1.0 (x86_64/linux))".into(), revision: "abc".into() }
    }

    fn processes(&self) -> Vec<Process> {
        let kinds = ["attendant", "SIP receiver udp:127.0.0.1:5060"];
        (0..).zip(kinds).map(|(id, kind)| Process { id, pid: 70 + id, kind: kind.into() }).collect()
    }

    fn log_level(&self) -> i64 {
        self.level.load(Relaxed)
    }

    fn set_log_level(&self, level: i64) {
        self.level.store(level.clamp(-3, 4), Relaxed);
    }

    fn statistics(&self, visit: &mut dyn FnMut(Statistic<'_>)) {
        use StatisticKind::{Incremental, NonIncremental};
        let requests = self.requests.load(Relaxed);
        visit(Statistic {
            group: "core",
            name: "rcv_requests",
            value: requests,
            kind: Incremental,
        });
        visit(Statistic { group: "core", name: "timestamp", value: 60, kind: NonIncremental });
        visit(Statistic {
            group: "dialog",
            name: "active_dialogs",
            value: 2,
            kind: NonIncremental,
        });
    }

    fn reset_statistic(&self, group: &str, name: &str) {
        assert_eq!((group, name), ("core", "rcv_requests"));
        self.requests.store(0, Relaxed);
    }

    fn arguments(&self) -> Vec<String> {
        vec!["duologue".into(), "-F".into()]
    }

    fn working_directory(&self) -> String {
        "/var/lib/duologue".into()
    }

    fn terminate(&self) {
        self.ending.store(true, Relaxed);
    }
}

fn server() -> (Registry, Arc<Fake>) {
    let fake = Arc::new(Fake {
        level: AtomicI64::new(3),
        requests: AtomicU64::new(9),
        ending: AtomicBool::new(false),
    });
    let mut registry = Registry::new();
    core::register(&mut registry, Arc::<Fake>::clone(&fake)).unwrap();
    (registry, fake)
}

/// The result, or the error.
fn call(registry: &Registry, method: &str, params: Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let reply = jsonrpc::answer(registry, request.to_string().as_bytes()).into_text(false);
    let mut reply: Value = serde_json::from_str(&reply.unwrap()).unwrap();
    let part = if reply.get("result").is_some() { "result" } else { "error" };
    reply[part].take()
}

#[test]
fn shapes_are_those_of_the_table() {
    let (registry, _) = server();
    let table = [
        (
            "core:uptime",
            json!([]),
            json!({
                "Now": "Mon Nov 23 11:20:20 2026",
                "Up since": "Mon Nov 23 11:19:20 2026",
                "Up time": "60 [sec]"
            }),
        ),
        ("core:version", json!([]), json!({"Server": "Duologue (0.1.0 (x86_64/linux))"})),
        (
            "core:ps",
            json!([]),
            json!({"Processes": [
                {"ID": 0, "PID": 70, "Type": "attendant"},
                {"ID": 1, "PID": 71, "Type": "SIP receiver udp:127.0.0.1:5060"}
            ]}),
        ),
        ("core:pwd", json!([]), json!({"WD": "/var/lib/duologue"})),
        ("core:arg", json!([]), json!(["duologue", "-F"])),
        (
            "core:log_level",
            json!([]),
            json!({"Processes": [
                {"PID": 70, "Log level": 3, "Type": "attendant"},
                {"PID": 71, "Log level": 3, "Type": "SIP receiver udp:127.0.0.1:5060"}
            ]}),
        ),
    ];
    for (name, params, expected) in table {
        assert_eq!(call(&registry, name, params.clone()), expected, "{name}");
        let old = name.trim_start_matches("core:");
        assert_eq!(call(&registry, old, params), expected, "{old}");
    }
    assert_eq!(call(&registry, "version", json!(["revision"]))["Revision"], "abc");
}

#[test]
fn the_log_level_is_set_for_all_or_for_a_known_pid() {
    let (registry, fake) = server();
    assert_eq!(call(&registry, "log_level", json!([4])), json!({"New global log level": 4}));
    assert_eq!(call(&registry, "log_level", json!(["2", 71])), json!({"Log level": 2}));
    assert_eq!(
        call(&registry, "log_level", json!([1, 5])),
        json!({"code": -32602, "message": "Invalid params", "data": "Bad PID"})
    );
    assert_eq!(fake.log_level(), 2);
}

#[test]
fn statistics_are_read_by_all_group_and_name() {
    let (registry, _) = server();
    let all = json!({"core:rcv_requests": 9, "core:timestamp": 60, "dialog:active_dialogs": 2});
    let missing = json!({"code": 404, "message": "Statistics Not Found"});
    let get = |items: Value| call(&registry, "get_statistics", json!([items]));
    assert_eq!(get(json!(["all"])), all);
    assert_eq!(get(json!(["core:"])), json!({"core:rcv_requests": 9, "core:timestamp": 60}));
    assert_eq!(get(json!(["RCV_Requests", "nothing"])), json!({"core:rcv_requests": 9}));
    assert_eq!(get(json!(["dialog:active_dialogs"])), json!({"dialog:active_dialogs": 2}));
    assert_eq!(get(json!(["nothing"])), missing);
    assert_eq!(get(json!(["nothing:", "core:nothing"])), missing);
    assert_eq!(call(&registry, "statistics:get", json!({"statistics": ["all"]})), all);
    assert_eq!(
        call(&registry, "list_statistics", json!([])),
        json!({
            "core:rcv_requests": "incremental",
            "core:timestamp": "non-incremental",
            "dialog:active_dialogs": "non-incremental"
        })
    );
}

#[test]
fn only_counters_are_reset() {
    let (registry, fake) = server();
    assert_eq!(call(&registry, "reset_statistics", json!([["timestamp"]])), "OK");
    assert_eq!(fake.requests.load(Relaxed), 9);
    assert_eq!(call(&registry, "statistics:reset", json!([["rcv_requests"]])), "OK");
    assert_eq!(fake.requests.load(Relaxed), 0);
    assert_eq!(call(&registry, "reset_statistics", json!([["nothing"]]))["code"], 404);
    fake.requests.store(5, Relaxed);
    assert_eq!(call(&registry, "reset_all_statistics", json!([])), "OK");
    assert_eq!(fake.requests.load(Relaxed), 0);
}

#[test]
fn kill_answers_and_then_ends() {
    let (registry, fake) = server();
    assert_eq!(call(&registry, "kill", json!([])), "OK");
    assert!(fake.ending.load(Relaxed));
}
