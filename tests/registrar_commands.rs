//! The commands about users, and their statistics, with the shapes of spec/modules.md §13.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duologue::management::{commands, rpc};
use duologue::store::DatabaseUrl;
use duologue::{Builder, DatabaseChoice, Server};
use rpc::Registry;
use serde_json::{Value, json};

const SCRIPT: &str = r#"
    loadmodule "proto_udp.so"
    loadmodule "signaling.so"
    loadmodule "sl.so"
    loadmodule "tm.so"
    loadmodule "usrloc.so"
    loadmodule "registrar.so"
    modparam("usrloc", "nat_bflag", "NAT")
    modparam("registrar", "max_contacts", 3)
    SETTINGS
    route { save("location"); is_registered("aliases"); exit; }
"#;

struct Office {
    server: Arc<Server>,
    registry: Registry,
}

impl Office {
    fn open(settings: &str) -> Self {
        Self::with(settings, DatabaseChoice::OfScript)
    }

    fn with(settings: &str, database: DatabaseChoice) -> Self {
        let script = SCRIPT.replace("SETTINGS", settings);
        let builder = Builder::text(script).sockets(["127.0.0.1:0".to_owned()]);
        let builder = builder.database(database);
        let server = Arc::new(builder.start().unwrap());
        let registry = commands(&server, || {}).unwrap();
        Self { server, registry }
    }

    /// The whole reply to a command.
    fn reply(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let reply = rpc::jsonrpc::answer(&self.registry, request.to_string().as_bytes());
        serde_json::from_str(&reply.into_text(false).unwrap()).unwrap()
    }

    fn result(&self, method: &str, params: Value) -> Value {
        let mut reply = self.reply(method, params);
        assert_eq!(reply.get("error"), None);
        reply["result"].take()
    }

    /// Code and message of an error.
    fn error(&self, method: &str, params: Value) -> (i64, String) {
        let reply = self.reply(method, params);
        let error = &reply["error"];
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    /// A phone registers over the wire.
    fn registers(&self, user: &str, contact: &str) {
        let (_, socket) = self.server.node().sockets.iter().next().unwrap();
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let here = phone.local_addr().unwrap();
        let register = format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{user};rport\r\n\
             From: <sip:{user}@127.0.0.1>;tag=1\r\nTo: <sip:{user}@127.0.0.1>\r\n\
             Call-ID: x1-{user}\r\nCSeq: 4 REGISTER\r\nMax-Forwards: 70\r\nUser-Agent: p\r\n\
             Contact: {contact}\r\nContent-Length: 0\r\n\r\n"
        );
        phone.send_to(register.as_bytes(), socket.address()).unwrap();
        let mut reply = [0; 2000];
        let length = phone.recv(&mut reply).unwrap();
        assert!(reply[..length].starts_with(b"SIP/2.0 200 "));
    }
}

fn add(aor: &str, contact: &str, expires: u32) -> Value {
    json!(["location", aor, contact, expires, "0.5", 0, "NAT", 32767])
}

#[test]
fn a_registration_is_shown() {
    let office = Office::open("");
    office.registers("ann", "<sip:ann@192.0.2.9:5070>;expires=120");
    let shown = office.result("ul_show_contact", json!(["location", "ann"]));
    let contact = &shown["Contacts"][0];
    let expires = contact["Expires"].as_u64().unwrap();
    assert!((100..=120).contains(&expires), "{expires}");
    let (_, socket) = office.server.node().sockets.iter().next().unwrap();
    let expected = json!({
        "AOR": "ann",
        "Contacts": [{
            "Contact": "sip:ann@192.0.2.9:5070",
            "ContactID": contact["ContactID"].as_str().unwrap(),
            "Expires": expires,
            "Q": "",
            "Callid": "x1-ann",
            "Cseq": 4,
            "User-agent": "p",
            "State": "CS_SYNC",
            "Flags": 0,
            "Cflags": "",
            "Socket": socket.text(),
            "Methods": 4_294_967_295u32,
        }],
    });
    assert_eq!(shown.to_string(), expected.to_string(), "in this order");
}

#[test]
fn all_users_are_dumped() {
    let office = Office::open("");
    let empty = json!({ "Domains": [
        { "name": "aliases", "hash_size": 512, "AORs": [] },
        { "name": "location", "hash_size": 512, "AORs": [] },
    ] });
    assert_eq!(office.result("ul_dump", json!([])).to_string(), empty.to_string());
    for n in 0..1000 {
        assert_eq!(office.result("ul_add", add(&format!("u{n}"), "sip:u@192.0.2.1", 60)), "OK");
    }
    let dump = office.result("usrloc:dump", json!([]));
    let users = dump["Domains"][1]["AORs"].as_array().unwrap();
    assert_eq!(users.len(), 1000);
    assert!(users.iter().all(|user| user["Contacts"][0]["Contact"] == "sip:u@192.0.2.1"));
    let brief = office.result("ul_dump", json!({ "brief": 1 }));
    let brief = brief["Domains"][1]["AORs"].as_array().unwrap();
    assert_eq!((brief.len(), brief[0].as_object().unwrap().len()), (1000, 1));
    assert_eq!(office.result("ul_dump", json!([0])).to_string(), dump.to_string());
}

#[test]
fn an_operator_adds_and_removes() {
    let office = Office::open("");
    assert_eq!(office.result("ul_add", add("ann", "sip:ann@192.0.2.9", 0)), "OK");
    assert_eq!(office.result("usrloc:add", add("sip:ann@x", "sip:ann@192.0.2.8", 60)), "OK");
    // The same contact again is changed, not doubled.
    let again = json!({ "table_name": "location", "aor": "ann@x", "contact": "sip:ann@192.0.2.9",
        "expires": 0, "q": 1, "flags": "7", "cflags": 0, "methods": 1 });
    assert_eq!(office.result("ul_add", again), "OK");
    let shown = office.result("ul_show_contact", json!(["location", "ann"]));
    let [first, second] = &shown["Contacts"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(first["Contact"], "sip:ann@192.0.2.9");
    assert_eq!(
        (&first["Expires"], &first["Q"], &first["Cflags"]),
        (&json!("permanent"), &json!("1"), &json!(""))
    );
    assert_eq!((&first["Flags"], &first["Methods"]), (&json!(7), &json!(1)));
    assert_eq!((&second["Q"], &second["Cflags"]), (&json!("0.5"), &json!("NAT")));
    assert_eq!(first.get("Socket"), None);

    let gone = json!(["location", "ann", "sip:ann@192.0.2.8"]);
    assert_eq!(office.result("ul_rm_contact", gone.clone()), "OK");
    let not_found = |what: &str| (404, format!("{what} not found"));
    assert_eq!(office.error("usrloc:rm_contact", gone), not_found("Contact"));
    assert_eq!(office.result("usrloc:rm", json!(["location", "ann"])), "OK");
    assert_eq!(office.error("ul_rm", json!(["location", "ann"])), not_found("AOR"));
    assert_eq!(office.error("ul_show_contact", json!(["location", "ann"])), not_found("AOR"));
    assert_eq!(
        office.error("ul_rm_contact", json!(["location", "ann", "sip:a@h"])),
        not_found("AOR")
    );
    assert_eq!(office.error("usrloc:show_contact", json!(["nowhere", "ann"])), not_found("Table"));
    assert_eq!(office.result("ul_flush", json!([])), "OK");
    assert_eq!(office.result("usrloc:flush", json!([])), "OK");
    office.result("ul_add", add("ann", "sip:ann@192.0.2.9", 60));
    assert_eq!(office.error("ul_sync", json!(["location"])).0, 400);
    assert_eq!(office.error("usrloc:sync", json!(["location", "ann"])).0, 400);
    assert_eq!(office.error("ul_sync", json!(["nowhere"])), not_found("Table"));
    office.result("ul_show_contact", json!(["location", "ann"]));
}

/// An empty database for users, by name.
fn database(name: &str) -> DatabaseChoice {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("registrar_commands");
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join(format!("{name}.sqlite"));
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
    DatabaseChoice::At(DatabaseUrl::file(&file))
}

/// How ann's contact stands to its row.
fn state(office: &Office) -> Value {
    office.result("ul_show_contact", json!(["location", "ann"]))["Contacts"][0]["State"].clone()
}

// spec/modules.md §13: `State`, `ul_flush`, `ul_sync`, and what the storage counts
#[test]
fn an_operator_sees_what_is_stored_and_when() {
    let settings = "modparam(\"usrloc\", \"db_mode\", 2)\n\
                    modparam(\"usrloc\", \"timer_interval\", 3600)";
    let database = database("states");
    let DatabaseChoice::At(url) = &database else { unreachable!() };
    let mut rows = duologue::store::connect(url, &Default::default()).unwrap();
    let office = Office::with(settings, database);
    office.registers("ann", "<sip:ann@192.0.2.9>;expires=600");
    assert_eq!(state(&office), "CS_NEW");
    assert_eq!(office.result("ul_flush", json!([])), "OK");
    assert_eq!(state(&office), "CS_SYNC");
    assert_eq!(office.result("ul_add", add("ann", "sip:ann@192.0.2.9", 60)), "OK");
    assert_eq!(state(&office), "CS_DIRTY");
    assert_eq!(office.result("usrloc:flush", json!([])), "OK");
    let counts = office.result("get_statistics", json!([["usrloc:"]]));
    for (name, value) in [
        ("db_connected", 1),
        ("db_pending", 0),
        ("db_written_rows", 2),
        ("db_commits", 2),
        ("db_failures", 0),
        ("db_rejected_rows", 0),
        ("db_restored_contacts", 0),
    ] {
        let shown = &counts[format!("usrloc:{name}")];
        let shown = shown.as_u64().or(shown.as_str().and_then(|it| it.parse().ok()));
        assert_eq!(shown, Some(value), "{name}: {counts}");
    }
    assert!(rows.query("SELECT * FROM location").unwrap().len() == 1);
    rows.define(&["UPDATE location SET contact = 'sip:ann@192.0.2.77'".to_owned()]).unwrap();
    assert_eq!(office.result("ul_sync", json!(["location", "ann"])), "OK");
    let shown = office.result("ul_show_contact", json!(["location", "ann"]));
    assert_eq!(shown["Contacts"][0]["Contact"], "sip:ann@192.0.2.77");
    rows.define(&["DELETE FROM location".to_owned()]).unwrap();
    assert_eq!(office.result("usrloc:sync", json!(["location"])), "OK");
    let gone = office.error("ul_show_contact", json!(["location", "ann"]));
    assert_eq!(gone, (404, "AOR not found".to_owned()));
    assert_eq!(office.error("ul_sync", json!(["nowhere"])).0, 404);
}

// spec/modules.md §13, `sql_write_mode`, `timer_interval`: rows are written by themselves, and the next
// process finds the phone
#[test]
fn a_period_passes_and_the_next_process_finds_the_phone() {
    for mode in ["1", "2"] {
        let settings = format!(
            "modparam(\"usrloc\", \"db_mode\", {mode})\n\
             modparam(\"usrloc\", \"timer_interval\", 1)"
        );
        let database = database(&format!("period{mode}"));
        let office = Office::with(&settings, database.clone());
        office.registers("ann", "<sip:ann@192.0.2.9>;expires=600");
        let until = Instant::now() + Duration::from_secs(20);
        while state(&office) != "CS_SYNC" {
            assert!(Instant::now() < until, "mode {mode}: it is not written");
            std::thread::sleep(Duration::from_millis(20));
        }
        // As after a crash: the first process has not ended.
        let next = Office::with(&settings, database);
        assert_eq!(state(&next), "CS_SYNC");
    }
}

#[test]
fn what_an_operator_cannot_add() {
    let office = Office::open("");
    assert_eq!(office.error("ul_add", add("ann", "no uri", 60)).0, 400);
    let with = |at: usize, value: Value| {
        let mut params = add("ann", "sip:ann@192.0.2.9", 60);
        params[at] = value;
        office.error("ul_add", params).0
    };
    assert_eq!(with(3, json!(-1)), -32602);
    assert_eq!(with(4, json!("2")), -32602);
    assert_eq!(with(5, json!("x")), -32602);
    assert_eq!(with(6, json!("UNKNOWN")), -32602);
    for n in 0..64 {
        office.result("ul_add", add("ann", &format!("sip:{n}@192.0.2.9"), 60));
    }
    assert_eq!(office.error("ul_add", add("ann", "sip:more@192.0.2.9", 60)).0, 500);
}

#[test]
fn a_domain_is_needed_if_users_have_one() {
    let office = Office::open("modparam(\"usrloc\", \"use_domain\", 1)");
    let missing = (400, "Domain missing in AOR".to_owned());
    assert_eq!(office.error("ul_add", add("ann", "sip:ann@192.0.2.9", 60)), missing);
    assert_eq!(office.error("ul_rm", json!(["location", "ann"])), missing);
    office.result("ul_add", add("ann@example.com", "sip:ann@192.0.2.9", 60));
    office.registers("bob", "<sip:bob@192.0.2.9>");
    let dump = office.result("ul_dump", json!([1]));
    let mut users: Vec<&str> = dump["Domains"][1]["AORs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["AOR"].as_str().unwrap())
        .collect();
    users.sort_unstable();
    assert_eq!(users, ["ann@example.com", "bob@127.0.0.1"]);
}

// spec/modules.md §12, §13: the groups `usrloc` and `registrar`.
#[test]
fn users_are_counted() {
    let office = Office::open("");
    office.registers("ann", "<sip:ann@192.0.2.9>, <sip:ann@192.0.2.8>");
    let counts = office.result("get_statistics", json!([["usrloc:", "registrar:"]]));
    for (name, value) in [
        ("usrloc:registered_users", 1),
        ("usrloc:location-users", 1),
        ("usrloc:location-contacts", 2),
        ("usrloc:location-expires", 0),
        ("usrloc:aliases-users", 0),
        ("registrar:max_contacts", 3),
        ("registrar:max_expires", 0),
        ("registrar:default_expire", 3600),
        ("registrar:accepted_regs", 1),
        ("registrar:rejected_regs", 0),
    ] {
        let shown = &counts[name];
        assert_eq!(
            shown.as_u64().or(shown.as_str().and_then(|it| it.parse().ok())),
            Some(value),
            "{name}: {counts}"
        );
    }
}

#[test]
fn without_the_module_there_are_no_commands() {
    let script = "loadmodule \"proto_udp.so\"\nroute { exit; }";
    let builder = Builder::text(script).sockets(["127.0.0.1:0".to_owned()]);
    let server = Arc::new(builder.start().unwrap());
    let registry = commands(&server, || {}).unwrap();
    assert!(registry.names().all(|name| !name.starts_with("usrloc:")));
}
