//! The commands of statistics, caches and shared variables, on a running server
//! (spec/script.md §15.4, spec/modules.md §24 to §26).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use duologue::management::rpc::{Registry, jsonrpc};
use duologue::{Builder, Server, management};
use serde_json::{Value, json};

const MODULES: &str = r#"
    loadmodule "proto_udp.so"
    loadmodule "statistics.so"
    modparam("statistics", "variable", "kept/no_reset")
    modparam("statistics", "stat_groups", "calls")
    loadmodule "cfgutils.so"
    modparam("cfgutils", "shvset", "number=i:5")
    modparam("cfgutils", "initial_probability", "30")
    loadmodule "cachedb_local.so"
    modparam("cachedb_local", "cache_collections", "one")
    modparam("cachedb_local", "cachedb_url", "local://")
    modparam("cachedb_local", "cachedb_url", "local:g1:///one")
"#;

/// What the script does before anybody asks.
const STARTUP: &str = r#"
    startup_route {
        update_stat("calls:answered", 3);
        update_stat("kept", 4);
        $shv(text) = "words";
        cache_store("local", "from_script", "yes");
        cache_add("local:g1", "n", 5, 0);
        sleep(0);
    }
    route { exit; }
"#;

struct Operator {
    registry: Registry,
    _server: Arc<Server>,
}

impl Operator {
    fn of(settings: &str) -> Self {
        let script = format!("{MODULES}\n{settings}\n{STARTUP}");
        Self::with(&script)
    }

    fn with(script: &str) -> Self {
        let sockets = ["127.0.0.1:0".to_owned()];
        let server = Arc::new(Builder::text(script).sockets(sockets).start().unwrap());
        let registry = management::commands(&server, || {}).unwrap();
        Self { registry, _server: server }
    }

    fn reply(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = jsonrpc::answer(&self.registry, request.to_string().as_bytes());
        serde_json::from_str(&reply.into_text(false).unwrap()).unwrap()
    }

    fn asks(&self, method: &str, params: Value) -> Value {
        let reply = self.reply(method, params);
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].clone()
    }

    /// Code and, where there is some, data, else the message.
    fn fails(&self, method: &str, params: Value) -> (i64, String) {
        let error = self.reply(method, params)["error"].clone();
        let text = error.get("data").unwrap_or(&error["message"]);
        (error["code"].as_i64().unwrap(), text.as_str().unwrap().to_owned())
    }
}

/// spec/script.md §15.4: `get_statistics`, `list_statistics`, `reset_statistics`.
#[test]
fn statistics_of_scripts_stand_beside_the_others() {
    let operator = Operator::of("");
    assert_eq!(
        operator.asks("get_statistics", json!([["calls:", "kept"]])),
        json!({"calls:answered": 3, "dynamic:kept": 4})
    );
    let kinds = operator.asks("statistics:list", json!([]));
    assert_eq!(kinds["calls:answered"], "incremental");
    assert_eq!(kinds["dynamic:kept"], "non-incremental");
    assert_eq!(kinds["core:rcv_requests"], "incremental");
    assert_eq!(kinds["dialog:active_dialogs"], "non-incremental");
    assert_eq!(operator.asks("reset_statistics", json!([["ANSWERED", "kept"]])), "OK");
    assert_eq!(
        operator.asks("statistics:get", json!([["answered", "kept"]])),
        json!({"calls:answered": 0, "dynamic:kept": 4})
    );
    assert_eq!(operator.asks("reset_all_statistics", json!([])), "OK");
    let unknown = operator.fails("reset_statistics", json!([["nothing"]]));
    assert_eq!(unknown, (404, "Statistics Not Found".to_owned()));
}

/// spec/modules.md §25.
#[test]
fn shared_variables_are_read_and_set() {
    let operator = Operator::of("");
    assert_eq!(
        operator.asks("shv_get", json!([])),
        json!({"VARs": [
            {"name": "number", "type": "integer", "value": 5},
            {"name": "text", "type": "string", "value": "words"},
        ]})
    );
    assert_eq!(operator.asks("cfgutils:shv_set", json!(["number", "int", "-7"])), "OK");
    assert_eq!(operator.asks("shv_set", json!(["new", "str", 12])), "OK");
    assert_eq!(
        operator.asks("shv_get", json!({"name": "number"})),
        json!({"VAR": {"name": "number", "type": "integer", "value": -7}})
    );
    assert_eq!(operator.asks("shv_get", json!(["new"]))["VAR"]["value"], "12");
    assert_eq!(operator.fails("shv_get", json!(["never"])), (404, "Not found".to_owned()));
    let bad_type = |name| (-32602, format!("Bad type for parameter '{name}'"));
    assert_eq!(operator.fails("shv_set", json!(["a", "float", 1])), bad_type("type"));
    assert_eq!(operator.fails("shv_set", json!(["a", "int", "x"])), bad_type("value"));
    assert_eq!(operator.fails("shv_set", json!(["a", "int", 1u64 << 40])), bad_type("value"));
}

#[test]
fn the_probability_and_the_hash_are_told() {
    let path = std::env::temp_dir().join(format!("duologue-cfg-{}", std::process::id()));
    std::fs::write(&path, "abc").unwrap();
    let setting = format!("modparam(\"cfgutils\", \"hash_file\", \"{}\")", path.display());
    let operator = Operator::of(&setting);
    assert_eq!(operator.asks("rand_get_prob", json!([])), json!({"Probability": 30}));
    assert_eq!(operator.asks("rand_set_prob", json!([75])), "OK");
    assert_eq!(operator.asks("rand_get_prob", json!([])), json!({"Probability": 75}));
    assert_eq!(operator.fails("rand_set_prob", json!([101])).0, -32602);
    assert_eq!(operator.asks("rand_reset_prob", json!([])), "OK");
    assert_eq!(operator.asks("rand_get_prob", json!([])), json!({"Probability": 30}));
    let hash = json!({"Hash": "900150983cd24fb0d6963f7d28e17f72"});
    assert_eq!(operator.asks("get_config_hash", json!([])), hash);
    assert_eq!(operator.asks("check_config_hash", json!([])), "OK");
    std::fs::write(&path, "abd").unwrap();
    assert_eq!(operator.fails("check_config_hash", json!([])).0, 400);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(operator.fails("check_config_hash", json!([])).0, 500);
    assert_eq!(Operator::of("").fails("get_config_hash", json!([])).0, 404);
}

/// spec/script.md §15.4: `cache_store`, `cache_fetch`, `cache_remove` and their errors.
#[test]
fn values_are_kept_read_and_forgotten() {
    let operator = Operator::of("");
    let found = json!({"key": "from_script", "value": "yes"});
    assert_eq!(operator.asks("cache_fetch", json!(["local", "from_script"])), found);
    assert_eq!(operator.asks("cache:fetch", json!(["local:g1", "n"]))["value"], "5");
    assert_eq!(operator.asks("cache_store", json!(["local", "k", "v"])), "OK");
    assert_eq!(operator.asks("cache:store", json!(["local", "k", "w", 60])), "OK");
    assert_eq!(operator.asks("cache_fetch", json!(["local", "k"]))["value"], "w");
    assert_eq!(operator.asks("cache_remove", json!(["local", "k"])), "OK");
    let fails = |method, params| operator.fails(method, params);
    assert_eq!(fails("cache_fetch", json!(["local", "k"])), (400, "Value not found".into()));
    assert_eq!(
        fails("cache_store", json!(["", "k", "v"])),
        (-32602, "Empty memory cache id".into())
    );
    assert_eq!(fails("cache_fetch", json!(["local", ""])), (-32602, "Empty attribute name".into()));
    assert_eq!(fails("cache_store", json!(["local", "k", ""])), (-32602, "Empty value".into()));
    assert_eq!(
        fails("cache_store", json!(["local", "k", "v", -1])),
        (-32602, "Negative expire value".into())
    );
    assert_eq!(
        fails("cache_store", json!(["redis", "k", "v"])),
        (500, "Cache store command failed".into())
    );
    assert_eq!(
        fails("cache_fetch", json!(["redis", "k"])),
        (500, "Cache fetch command failed".into())
    );
    assert_eq!(fails("cache_remove", json!(["redis", "k"])).0, 500);
}

/// spec/modules.md §26: `cache_fetch_chunk`, `cache_remove_chunk`.
#[test]
fn keys_are_found_by_a_pattern() {
    let operator = Operator::of("");
    for n in 0..3 {
        operator.asks("cache_store", json!(["local", format!("call_{n}"), n]));
    }
    let fetch = |params| operator.asks("cache_fetch_chunk", params);
    let names = |answer: Value| {
        let keys = answer["keys"].as_array().unwrap();
        let mut names: Vec<_> = keys.iter().map(|key| key["key"]["name"].clone()).collect();
        names.sort_by_key(Value::to_string);
        names
    };
    assert_eq!(names(fetch(json!(["call_*"]))), ["call_0", "call_1", "call_2"]);
    let one = json!({"keys": [{"key": {"name": "n", "value": "5"}}]});
    assert_eq!(fetch(json!(["*", "one"])), one);
    assert_eq!(operator.asks("cache_remove_chunk", json!(["call_[01]"])), "OK");
    assert_eq!(names(fetch(json!({"glob": "*"}))), ["call_2", "from_script"]);
    let remove = "cachedb_local:remove_chunk";
    assert_eq!(operator.asks(remove, json!(["*", "one"])), "OK");
    assert_eq!(
        operator.asks("cachedb_local:fetch_chunk", json!(["*", "one"])),
        json!({"keys": []})
    );
    assert_eq!(operator.fails("cache_fetch_chunk", json!(["*", "two"])).0, 404);
}

/// A module that is not loaded has no commands; the core's are always there.
#[test]
fn commands_come_with_their_modules() {
    let bare = Operator::with("loadmodule \"proto_udp.so\" route { exit; }");
    assert_eq!(bare.fails("shv_get", json!([])).0, -32601);
    assert_eq!(bare.fails("cache_fetch_chunk", json!(["*"])).0, -32601);
    assert_eq!(bare.fails("cache_fetch", json!(["local", "k"])).0, 500);
}
