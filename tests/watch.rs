//! `dialog:watch`: the changes of dialogs as a stream of server-sent events, over real sockets
//! (spec/dialog.md §14.2).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use duologue::management::Doors;
use duologue::{Builder, Server, management};
use serde_json::{Value, json};

/// How long the test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that takes calls and is busy.
fn busy() -> (Arc<Server>, Doors) {
    let script = r#"
        loadmodule "proto_udp.so"
        loadmodule "signaling.so"
        loadmodule "sl.so"
        loadmodule "tm.so"
        loadmodule "sipmsgops.so"
        loadmodule "rr.so"
        loadmodule "dialog.so"
        loadmodule "httpd.so"
        loadmodule "mi_http.so"
        modparam("httpd", "ip", "127.0.0.1")
        modparam("httpd", "port", 0)
        route {
            if (is_method("INVITE")) {
                create_dialog();
                t_newtran();
                t_reply(486, "Busy Here");
            }
        }
    "#;
    let sockets = ["127.0.0.1:0".to_owned()];
    let server = Arc::new(Builder::text(script).sockets(sockets).start().unwrap());
    let registry = management::commands(&server, || {}).unwrap();
    let doors = management::open(&server, &Arc::new(registry)).unwrap();
    (server, doors)
}

/// Somebody calls and hears that it is busy.
fn call(server: &Server, call_id: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_, proxy) = server.node().sockets.iter().next().unwrap();
    let own = socket.local_addr().unwrap();
    let invite = format!(
        "INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{call_id}\r\n\
         From: <sip:alice@127.0.0.1>;tag=a\r\nTo: <sip:bob@127.0.0.1>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:alice@{own}>\r\nMax-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    );
    socket.send_to(invite.as_bytes(), proxy.address()).unwrap();
    let mut reply = [0; 2048];
    while !reply.starts_with(b"SIP/2.0 486 ") {
        socket.recv(&mut reply).unwrap();
    }
}

/// A client that follows.
struct Watcher(BufReader<TcpStream>);

impl Watcher {
    fn of(doors: &Doors, last: Option<&str>) -> Self {
        let address = doors.http().unwrap().address();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!("GET /mi/dialogs/watch HTTP/1.1\r\nHost: {address}\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut watcher = Self(BufReader::new(stream));
        let head = watcher.until_empty();
        assert!(head[0].starts_with("HTTP/1.1 200 "), "{head:?}");
        assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
        watcher
    }

    fn until_empty(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended: {lines:?}");
            match line.trim_end() {
                "" if lines.is_empty() => {}
                "" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// Id, name and data of the next event.
    fn next(&mut self) -> (String, String, Value) {
        let lines = self.until_empty();
        let field = |name: &str| {
            let value = lines.iter().find_map(|line| line.strip_prefix(name));
            value.unwrap_or_else(|| panic!("{name} in {lines:?}")).to_owned()
        };
        let data = serde_json::from_str(&field("data: ")).unwrap();
        (field("id: "), field("event: "), data)
    }
}

#[test]
fn changes_are_told_as_they_happen_and_again_to_who_comes_back() {
    let (server, doors) = busy();
    let mut watcher = Watcher::of(&doors, None);
    assert_eq!(watcher.next().1, "begin");
    call(&server, "first");
    let (id, name, change) = watcher.next();
    assert_eq!(name, "change");
    let expected = json!({
        "id": change["id"],
        "callid": "first",
        "from_tag": "a",
        "to_tag": "",
        "old_state": "unconfirmed",
        "new_state": "deleted",
    });
    assert_eq!(change.to_string(), expected.to_string());
    drop(watcher);

    call(&server, "second");
    let mut back = Watcher::of(&doors, Some(&id));
    let (_, name, change) = back.next();
    assert_eq!((name.as_str(), change["callid"].as_str()), ("change", Some("second")));

    // ids of another run, and what is none
    for id in ["1-1", "x", "18446744073709551615"] {
        assert_eq!(Watcher::of(&doors, Some(id)).next().1, "missed", "{id}");
    }

    drop(doors);
    let mut rest = String::new();
    back.0.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ends in good order: {rest:?}");
    server.stop();
}

// whoever may not command may not watch either, and watching is all that can be done there
#[test]
fn a_foreign_page_cannot_watch() {
    let (server, doors) = busy();
    let address = doors.http().unwrap().address();
    for (method, header, status) in [
        ("GET", "Origin: http://evil.example\r\n", "403"),
        ("GET", "Sec-Fetch-Site: cross-site\r\n", "403"),
        ("POST", "Content-Length: 0\r\n", "405"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let path = "/mi/dialogs/watch";
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\n").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {header}: {answer}");
    }
    drop(doors);
    server.stop();
}
