//! Subscribers that are real sockets, and the commands that manage them, on a running server
//! (spec/script.md §15.4, §16; spec/modules.md §27).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use duologue::management::{commands, rpc};
use duologue::{Builder, Server};
use serde_json::{Value, json};

/// How long a datagram may take on this machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on a free port, whose script has these further lines.
fn server(rest: &str) -> Arc<Server> {
    let script = format!(
        "loadmodule \"proto_udp.so\"\nloadmodule \"event_datagram.so\"\nroute {{ exit; }}\n{rest}"
    );
    let server = Builder::text(script).sockets(["127.0.0.1:0".to_owned()]).start();
    Arc::new(server.unwrap_or_else(|error| panic!("{error}")))
}

fn udp() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = format!("udp:{}", socket.local_addr().unwrap());
    (socket, name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn next(socket: &UdpSocket) -> String {
    let mut buffer = [0; 65_536];
    let len = socket.recv(&mut buffer).expect("an event comes");
    text(&buffer[..len])
}

/// A folder that is gone when the test is over.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("duologue-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The result of a command, or its error.
fn call(server: &Arc<Server>, method: &str, params: Value) -> Value {
    let registry = commands(server, || {}).unwrap();
    let request = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let reply = rpc::jsonrpc::answer(&registry, request.to_string().as_bytes()).into_text(false);
    let mut reply: Value = serde_json::from_str(&reply.unwrap()).unwrap();
    let part = if reply.get("result").is_some() { "result" } else { "error" };
    reply[part].take()
}

// spec/modules.md §27: one datagram per event, a JSON-RPC notification without an id.
#[test]
fn a_udp_subscriber_gets_a_datagram_per_event() {
    let (socket, name) = udp();
    let server = server(&format!(
        r#"
        startup_route {{
            subscribe_event("E_X", "{name}");
            $avp(names) = "b"; $avp(values) = "x";
            $avp(names) = "a"; $avp(values) = 1;
            raise_event("E_X", $avp(names), $avp(values));
            raise_event("E_X", $avp(values));
            raise_event("E_X");
        }}
        "#
    ));
    assert_eq!(next(&socket), r#"{"jsonrpc":"2.0","method":"E_X","params":{"a":1,"b":"x"}}"#);
    assert_eq!(next(&socket), r#"{"jsonrpc":"2.0","method":"E_X","params":[1,"x"]}"#);
    assert_eq!(next(&socket), r#"{"jsonrpc":"2.0","method":"E_X"}"#);
    // subscribe_event() without an expiry is for ever.
    assert_eq!(
        call(&server, "subscribers_list", json!(["E_X", name])),
        json!({"Event": {"name": "E_X", "id": 1, "Subscriber": {"socket": name, "expire": "never"}}})
    );
}

#[test]
fn a_unix_subscriber_gets_a_datagram_per_event() {
    let folder = Folder::new("unix-subscriber");
    let path = folder.0.join("events");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = format!("unix:{}", path.display());
    let server = server("startup_route { raise_event(\"E_X\"); }");
    assert_eq!(call(&server, "event_subscribe", json!(["E_X", name])), "OK");
    // More than the kernel queues for the reader of such a socket: the sender waits, not the server.
    for number in 0..100 {
        let params = json!({"event": "E_X", "params": {"n": number}});
        assert_eq!(call(&server, "evi:raise", params), "OK");
    }
    let mut buffer = [0; 1000];
    for number in 0..100 {
        let len = socket.recv(&mut buffer).expect("an event comes");
        let wanted = format!(r#"{{"jsonrpc":"2.0","method":"E_X","params":{{"n":{number}}}}}"#);
        assert_eq!(text(&buffer[..len]), wanted);
    }
}

// A reader that is gone costs nobody anything; one that comes back is told again.
#[test]
fn a_reader_that_is_gone_and_comes_back() {
    let folder = Folder::new("unix-gone");
    let path = folder.0.join("events");
    let (socket, name) = udp();
    let server = server("startup_route { raise_event(\"E_X\"); }");
    let unix = format!("unix:{}", path.display());
    assert_eq!(call(&server, "event_subscribe", json!(["E_X", unix])), "OK");
    assert_eq!(call(&server, "event_subscribe", json!(["E_X", name])), "OK");
    call(&server, "raise_event", json!(["E_X", ["lost"]]));
    assert!(next(&socket).ends_with(r#""params":["lost"]}"#));
    let reader = UnixDatagram::bind(&path).unwrap();
    reader.set_read_timeout(Some(PATIENCE)).unwrap();
    call(&server, "raise_event", json!(["E_X", ["found"]]));
    let mut buffer = [0; 1000];
    let len = reader.recv(&mut buffer).unwrap();
    assert!(text(&buffer[..len]).ends_with(r#""params":["found"]}"#));
}

// spec/modules.md §27: at most 65457 bytes.
#[test]
fn the_largest_event_is_sent_and_a_larger_one_is_not() {
    let (socket, name) = udp();
    let server = server("startup_route { raise_event(\"E_X\"); }");
    call(&server, "event_subscribe", json!(["E_X", name]));
    let envelope = r#"{"jsonrpc":"2.0","method":"E_X","params":[""]}"#.len();
    for len in [65_458, 65_457] {
        let params = json!(["E_X", ["x".repeat(len - envelope)]]);
        assert_eq!(call(&server, "raise_event", params), "OK");
    }
    assert_eq!(next(&socket).len(), 65_457);
}

#[test]
fn what_waits_is_sent_before_the_server_ends() {
    let (socket, name) = udp();
    let server = server("startup_route { raise_event(\"E_X\"); }");
    call(&server, "event_subscribe", json!(["E_X", name]));
    for number in 0..50 {
        call(&server, "raise_event", json!(["E_X", [number]]));
    }
    server.stop();
    socket.set_nonblocking(true).unwrap();
    for number in 0..50 {
        assert!(next(&socket).ends_with(&format!("[{number}]}}")), "{number}");
    }
}

// Event routes run on the helpers of a running server.
#[test]
fn an_event_route_runs_on_a_running_server() {
    let (socket, name) = udp();
    let server = server(&format!(
        r#"
        startup_route {{ subscribe_event("E_SEEN", "{name}", 100); raise_event("E_X"); }}
        event_route[E_X] {{ pv_printf($avp(n), "$param(who)"); raise_event("E_SEEN", $avp(n)); }}
        "#
    ));
    assert!(next(&socket).ends_with(r#""params":["<null>"]}"#));
    call(&server, "raise_event", json!({"event": "E_X", "params": "{\"who\": \"me\"}"}));
    assert!(next(&socket).ends_with(r#""params":["me"]}"#));
}

// spec/script.md §15.4: names, parameters, shapes and errors.
#[test]
fn the_commands_answer_as_the_table_says() {
    let server = server("startup_route { raise_event(\"E_X\"); }\nevent_route[E_Y] { exit; }");
    // The core's own is the first of all.
    let events = json!({"Events": [
        {"name": "E_CORE_SR_STATUS_CHANGED", "id": 0}, {"name": "E_X", "id": 1}, {"name": "E_Y", "id": 2},
    ]});
    assert_eq!(call(&server, "events_list", json!([])), events);
    assert_eq!(call(&server, "evi:list", json!([])), events);

    let (one, two) = ("udp:127.0.0.1:1", "unix:/nowhere/at/all");
    for (method, params) in [
        ("event_subscribe", json!(["E_X", one])),
        ("evi:subscribe", json!({"event": "E_X", "socket": two, "expire": "60"})),
    ] {
        assert_eq!(call(&server, method, params), "OK");
    }
    let mut listed = call(&server, "evi:subscribers", json!({"event": "E_X"}));
    let ttl = listed["Event"]["Subscribers"][0]["ttl"].take().as_u64().unwrap();
    assert!((3590..=3600).contains(&ttl), "{ttl}");
    listed["Event"]["Subscribers"][1]["ttl"].take();
    assert_eq!(
        listed,
        json!({"Event": {"name": "E_X", "id": 1, "Subscribers": [
            {"socket": one, "expire": 3600, "ttl": null},
            {"socket": two, "expire": 60, "ttl": null},
        ]}})
    );
    let all = call(&server, "subscribers_list", json!([]));
    assert_eq!(all["Events"].as_array().unwrap().len(), 2);
    assert_eq!(
        all["Events"][1],
        json!({"name": "E_Y", "id": 2, "Subscribers": [{"socket": "route:E_Y", "expire": "never"}]})
    );
    let one_of = call(&server, "subscribers_list", json!(["E_X", two]));
    assert_eq!(one_of["Event"]["Subscriber"]["socket"], two);

    // 0 expires at once.
    assert_eq!(call(&server, "event_subscribe", json!(["E_X", one, 0])), "OK");
    assert_eq!(
        call(&server, "subscribers_list", json!(["E_X", one])),
        json!({"code": 404, "message": "Subscriber does not exist"})
    );
    assert_eq!(
        call(&server, "subscribers_list", json!(["E_Z"])),
        json!({"code": 404, "message": "Event not published"})
    );
    for params in [json!(["E_Z", one]), json!(["E_X", "nonsense"]), json!(["E_X", "smoke:1"])] {
        let error = call(&server, "event_subscribe", params);
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(400), &json!("Bad parameter value"))
        );
    }
    assert_eq!(
        call(&server, "event_subscribe", json!(["E_X", one, -1])),
        json!({"code": -32602, "message": "Invalid params", "data": "Negative expire value"})
    );
    // A new name is published by raising it.
    assert_eq!(call(&server, "raise_event", json!(["E_NEW"])), "OK");
    assert_eq!(call(&server, "events_list", json!([]))["Events"][3]["name"], "E_NEW");
    assert_eq!(call(&server, "raise_event", json!([""]))["code"], 400);
    assert_eq!(call(&server, "raise_event", json!(["E_X", true]))["code"], -32602);
}

// spec/script.md §16: an expiry in seconds.
#[test]
fn a_subscription_by_command_expires() {
    let (socket, name) = udp();
    let server = server("startup_route { raise_event(\"E_X\"); }");
    call(&server, "event_subscribe", json!(["E_X", name, 1]));
    call(&server, "raise_event", json!(["E_X", ["in time"]]));
    assert!(next(&socket).contains("in time"));
    std::thread::sleep(Duration::from_millis(1100));
    let listed = call(&server, "subscribers_list", json!(["E_X", name]));
    assert_eq!(listed["Event"]["Subscriber"]["ttl"], "expired");
    call(&server, "raise_event", json!(["E_X", ["too late"]]));
    assert_eq!(
        call(&server, "subscribers_list", json!(["E_X"]))["Event"]["Subscribers"],
        json!([])
    );
    server.stop();
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 100]).is_err(), "nothing came after its time");
}
