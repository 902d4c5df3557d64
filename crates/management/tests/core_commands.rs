//! The core commands under old and new names, with their shapes (spec/script.md §15.4).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use duologue_management::{
    LogConsumer, Process, Registry, ServerInfo, Statistic, StatisticKind, Uptime, Version, core,
    jsonrpc,
};
use serde_json::{Value, json};

struct Fake {
    level: AtomicI64,
    xlog_level: AtomicI64,
    stderror: Mutex<LogConsumer>,
    dumps: Mutex<Vec<Option<i64>>>,
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

    fn xlog_level(&self) -> i64 {
        self.xlog_level.load(Relaxed)
    }

    fn set_xlog_level(&self, level: i64) {
        self.xlog_level.store(level.clamp(-3, 4), Relaxed);
    }

    fn log_consumer(&self, name: &str) -> Option<LogConsumer> {
        match name {
            "stderror" => Some(*self.stderror.lock().unwrap()),
            "syslog" => Some(LogConsumer { level_filter: 0, muted: true }),
            _ => None,
        }
    }

    fn set_log_filter(&self, name: &str, level: i64) {
        assert_eq!(name, "stderror");
        self.stderror.lock().unwrap().level_filter = level;
    }

    fn set_log_muted(&self, name: &str, muted: bool) -> Result<(), &'static str> {
        if name == "syslog" {
            return Err("nobody writes it");
        }
        self.stderror.lock().unwrap().muted = muted;
        Ok(())
    }

    fn dump_memory(&self, level: Option<i64>) {
        self.dumps.lock().unwrap().push(level);
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
        xlog_level: AtomicI64::new(2),
        stderror: Mutex::new(LogConsumer { level_filter: 0, muted: false }),
        dumps: Mutex::default(),
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
        ("core:xlog_level", json!([]), json!({"xLog Level": 2})),
        ("core:log_level_filter", json!(["stderror"]), json!({"Log level filter": 0})),
        ("core:log_mute_state", json!(["syslog"]), json!({"mute state": 1})),
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
fn the_threshold_of_scripts_is_set() {
    let (registry, fake) = server();
    assert_eq!(call(&registry, "xlog_level", json!([9])), json!({"New xLog level": 4}));
    assert_eq!(fake.xlog_level(), 4);
}

#[test]
fn a_log_is_filtered_and_muted() {
    let (registry, fake) = server();
    assert_eq!(call(&registry, "log_level_filter", json!(["stderror", 1])), "OK");
    assert_eq!(call(&registry, "log_mute_state", json!(["stderror", 1])), "OK");
    let changed = LogConsumer { level_filter: 1, muted: true };
    assert_eq!(*fake.stderror.lock().unwrap(), changed);
    assert_eq!(call(&registry, "log_mute_state", json!(["stderror", "n"])), "OK");
    assert!(!fake.stderror.lock().unwrap().muted);
    let unknown = json!({"code": 404, "message": "Unknown log consumer"});
    assert_eq!(call(&registry, "log_level_filter", json!(["event"])), unknown);
    assert_eq!(call(&registry, "log_mute_state", json!(["event", 1])), unknown);
    assert_eq!(call(&registry, "log_mute_state", json!(["syslog", 0]))["code"], 400);
    assert_eq!(call(&registry, "log_mute_state", json!(["stderror", 2]))["code"], -32602);
}

#[test]
fn memory_is_told_to_the_log() {
    let (registry, fake) = server();
    for (method, params) in [
        ("mem_shm_dump", json!([])),
        ("mem:rpm_dump", json!([-1])),
        ("mem_pkg_dump", json!([71])),
        ("mem:pkg_dump", json!([70, 3])),
    ] {
        assert_eq!(call(&registry, method, params), "OK", "{method}");
    }
    assert_eq!(call(&registry, "mem_pkg_dump", json!([5]))["data"], "Bad PID");
    assert_eq!(*fake.dumps.lock().unwrap(), [None, Some(-1), None, Some(3)]);
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
