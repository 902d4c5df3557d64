//! The parameters of `httpd` and `mi_http`, by the door that they open (spec/modules.md §30,
//! spec/script.md §15.5).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use duologue::management::Doors;
use duologue::{Builder, Overrides, Plan, Server, management};

/// A server on free ports, with these parameters, and its door.
fn open(settings: &str) -> (Arc<Server>, Doors) {
    let script = format!(
        r#"
        loadmodule "proto_udp.so"
        loadmodule "httpd.so"
        loadmodule "mi_http.so"
        modparam("httpd", "ip", "127.0.0.1")
        modparam("httpd", "port", 0)
        {settings}
        route {{ exit; }}
        "#
    );
    let sockets = ["127.0.0.1:0".to_owned()];
    let server = Arc::new(Builder::text(script).sockets(sockets).start().unwrap());
    let registry = management::commands(&server, || {}).unwrap();
    let doors = management::open(&server, &Arc::new(registry)).unwrap();
    (server, doors)
}

/// The whole answer to a command that is posted to this path.
fn posted(doors: &Doors, path: &str, method: &str, header: &str) -> String {
    let door = doors.http().unwrap();
    let mut stream = TcpStream::connect(door.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {header}Content-Length: {}\r\n\r\n{body}",
        door.address(),
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_root_and_the_layout_are_the_scripts() {
    let (_server, door) = open("");
    let answer = posted(&door, "/mi", "pwd", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#"{"jsonrpc":"2.0","result":{"WD":"#), "{answer}");
    assert!(posted(&door, "/manage", "pwd", "").starts_with("HTTP/1.1 404 "));

    let (_server, door) = open(
        r#"modparam("mi_http", "root", "manage")
           modparam("mi_http", "pretty_printing", 1)"#,
    );
    let answer = posted(&door, "/manage", "pwd", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("{\n  \"jsonrpc\": \"2.0\",\n  \"result\": {\n    \"WD\": "),
        "{answer}"
    );
    assert!(posted(&door, "/mi", "pwd", "").starts_with("HTTP/1.1 404 "));
    let roots = posted(&door, "/manage", "httpd_list_root_path", "");
    assert!(roots.contains(r#""root": "manage""#), "{roots}");
}

/// A page that rebinds its own name sends that name, so only those that the script knows are taken.
#[test]
fn names_of_the_host_are_the_scripts() {
    let (_server, doors) = open(
        r#"modparam("httpd", "host_name", "proxy.example")
           modparam("httpd", "host_name", "mi.example")"#,
    );
    let status = |host: &str| {
        let mut stream = TcpStream::connect(doors.http().unwrap().address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for ours in ["proxy.example", "MI.example:8888", "localhost", "127.0.0.1:8888"] {
        assert_eq!(status(ours), "200", "{ours}");
    }
    for other in ["rebound.example", "x.proxy.example", "proxy.example.com"] {
        assert_eq!(status(other), "403", "{other}");
    }
}

#[test]
fn a_password_is_asked_for_if_one_is_set() {
    let (_server, door) = open(
        r#"modparam("httpd", "auth_realm", "our office")
           modparam("httpd", "auth_username", "op")
           modparam("httpd", "auth_password", "secret")"#,
    );
    let refused = posted(&door, "/mi", "pwd", "");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.to_lowercase().contains("www-authenticate: basic realm=\"our office\""));
    let basic = |credentials: &str| format!("Authorization: Basic {credentials}\r\n");
    // op:wrong, op:secret
    let wrong = posted(&door, "/mi", "pwd", &basic("b3A6d3Jvbmc="));
    assert!(wrong.starts_with("HTTP/1.1 401 "), "{wrong}");
    let right = posted(&door, "/mi", "pwd", &basic("b3A6c2VjcmV0"));
    assert!(right.starts_with("HTTP/1.1 200 "), "{right}");
}

/// Sizes of buffers and the time of a connection are OpenSIPS's HTTP server's: taken, and ours works.
#[test]
fn settings_of_another_http_server_do_no_harm() {
    let (_server, door) = open(
        r#"modparam("httpd", "buf_size", 1)
           modparam("httpd", "post_buf_size", 1)
           modparam("httpd", "receive_buf_size", 1)
           modparam("httpd", "conn_timeout", 1)"#,
    );
    assert!(posted(&door, "/mi", "which", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_cannot_be_meant_is_refused_when_the_script_loads() {
    for (line, says) in [
        (r#"modparam("httpd", "ip", "everywhere")"#, "is not an address"),
        (r#"modparam("httpd", "port", 65536)"#, "below 65536"),
        (r#"modparam("httpd", "port", -1)"#, "at least 0"),
        (r#"modparam("httpd", "auth_username", "op")"#, "belong together"),
        (r#"modparam("httpd", "auth_password", "secret")"#, "belong together"),
        (r#"modparam("httpd", "buf_size", "large")"#, "buf_size"),
        (r#"modparam("httpd", "host_name", "proxy.example:8888")"#, "without its port"),
        (r#"modparam("httpd", "host_name", "")"#, "host_name"),
        (r#"modparam("mi_http", "root", 5)"#, "root"),
    ] {
        let script = format!(
            "loadmodule \"httpd.so\"\nloadmodule \"mi_http.so\"\n{line}\nroute {{ exit; }}"
        );
        let plan = Plan::load("test.cfg", &One(script), &[], Overrides::default());
        let error = plan.err().unwrap_or_else(|| panic!("{line} must not load")).to_string();
        assert!(error.contains(says), "{line}: {error}");
    }
}

/// The one script there is.
struct One(String);

impl duologue::script::Sources for One {
    fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
        Ok(self.0.clone())
    }
}
