//! The datagram door, spoken to over real sockets (spec/script.md §15.5).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

use common::{LIMIT, Scratch, registry, until};
use duologue_management::datagram::{Address, Config, Door, serve};
use duologue_management::{Access, Error, Role, Warning};
use serde_json::Value;

const OK: &str = r#"{"jsonrpc":"2.0","result":"OK","id":1}"#;

fn request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#)
}

fn over_udp(change: impl FnOnce(&mut Config)) -> Door {
    let mut config = Config::at(Address::Udp(([127, 0, 0, 1], 0).into()));
    change(&mut config);
    serve(config, registry()).unwrap()
}

fn udp_client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
}

fn send(door: &Door, client: &UdpSocket, text: &str) {
    let Address::Udp(address) = door.address() else { panic!("it is a UDP door") };
    client.send_to(text.as_bytes(), address).unwrap();
}

fn receive(client: &UdpSocket) -> String {
    let mut buffer = [0; 65_536];
    let length = client.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn ask(door: &Door, text: &str) -> String {
    let client = udp_client();
    send(door, &client, text);
    receive(&client)
}

fn over_unix(directory: &Scratch, change: impl FnOnce(&mut Config)) -> Door {
    let access = Access { mode: 0o600, ..Access::default() };
    let mut config = Config::at(Address::Unix(directory.path("mi"), access));
    change(&mut config);
    serve(config, registry()).unwrap()
}

fn unix_client(directory: &Scratch, name: &str) -> UnixDatagram {
    let client = UnixDatagram::bind(directory.path(name)).unwrap();
    client.connect(directory.path("mi")).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client
}

#[test]
fn a_datagram_is_answered_with_one() {
    let door = over_udp(|_| {});
    assert_eq!(ask(&door, &request("test:ok")), OK);
    let pretty = over_udp(|config| config.pretty_printing = true);
    assert!(ask(&pretty, &request("test:ok")).starts_with("{\n  \"jsonrpc\": \"2.0\",\n"));
    assert_eq!((door.dropped(), door.warning()), (0, None));
}

#[test]
fn a_unix_socket_is_answered_at_its_path() {
    let directory = Scratch::new();
    let door = over_unix(&directory, |_| {});
    let client = unix_client(&directory, "client");
    client.send(request("test:ok").as_bytes()).unwrap();
    let mut buffer = [0; 1000];
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], OK.as_bytes());
    let found = fs::symlink_metadata(directory.path("mi")).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    door.stop();
    assert!(!directory.path("mi").exists());
}

/// spec/script.md §15.5: plain text for what is no JSON; JSON-RPC for every other mistake.
#[test]
fn wrong_requests_are_answered() {
    let door = over_udp(|config| config.buffer_size = 1000);
    for wrong in ["", "{", ":which:\n", "\u{0}\u{1}", &" ".repeat(2000)] {
        assert_eq!(ask(&door, wrong), "400 Parse_error", "{wrong:?}");
    }
    assert!(ask(&door, "[]").contains("-32600"));
    assert!(ask(&door, &request("test:nothing")).contains("-32601"));
    assert!(ask(&door, &request("test:panics")).contains("-32000"));
    assert_eq!(ask(&door, &request("test:ok")), OK);
}

#[test]
fn notifications_are_silent() {
    let door = over_udp(|_| {});
    let client = udp_client();
    let note = r#"{"jsonrpc":"2.0","method":"test:note","params":["x"]}"#;
    send(&door, &client, note);
    send(&door, &client, &request("test:noted"));
    assert_eq!(receive(&client), r#"{"jsonrpc":"2.0","result":["x"],"id":1}"#);
}

/// spec/script.md §15.5: an answer is one datagram of `socket_buf_size` at most.
#[test]
fn what_does_not_fit_is_an_error_that_says_so() {
    let door = over_udp(|_| {});
    assert_eq!(ask(&door, &request("test:long")).len(), common::ITEMS + OK.len() - 2);
    let too_large = |text: String, limit: &str| {
        let reply: Value = serde_json::from_str(&text).unwrap();
        let told = reply["error"]["data"].as_str().unwrap_or_default();
        assert!(told.contains("socket_buf_size") && told.contains(limit), "{text}");
        assert_eq!(reply["id"], 1);
    };
    too_large(ask(&door, &request("test:lists")), "65457");
    let small = over_udp(|config| config.buffer_size = 512);
    too_large(ask(&small, &request("test:long")), "512");
}

#[test]
fn clients_that_hang_keep_nobody_from_an_answer() {
    let directory = Scratch::new();
    let door = over_unix(&directory, |config| config.timeout = Duration::from_millis(300));
    let deaf = unix_client(&directory, "deaf");
    // More replies than all sockets hold.
    for _ in 0..40 {
        deaf.send(request("test:long").as_bytes()).unwrap();
    }
    let nameless = UnixDatagram::unbound().unwrap();
    nameless.send_to(request("test:ok").as_bytes(), directory.path("mi")).unwrap();
    until(|| door.dropped() > 1);
    let client = UnixDatagram::bind(directory.path("client")).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(request("test:ok").as_bytes(), directory.path("mi")).unwrap();
    let mut buffer = [0; 1000];
    assert_eq!(client.recv(&mut buffer).unwrap(), OK.len());
}

#[test]
fn as_many_commands_run_at_once_as_there_are_children() {
    let door = over_udp(|config| config.commands = 2);
    send(&door, &udp_client(), &request("test:waits"));
    assert_eq!(ask(&door, &request("test:ok")), OK);
    // One that goes on does not keep the door from closing.
    door.stop();
}

#[test]
fn a_place_that_is_taken_is_an_error() {
    let directory = Scratch::new();
    let door = over_udp(|_| {});
    let again = serve(Config::at(door.address()), registry());
    assert!(matches!(again, Err(Error::Listen(..))));
    let first = over_unix(&directory, |_| {});
    let at = |name| Config::at(Address::Unix(directory.path(name), Access::default()));
    assert!(matches!(serve(at("mi"), registry()), Err(Error::Taken(_))));
    fs::write(directory.path("file"), "mine").unwrap();
    assert!(matches!(serve(at("file"), registry()), Err(Error::Taken(_))));
    // A socket of another kind, with somebody who listens.
    let _other = UnixListener::bind(directory.path("stream")).unwrap();
    assert!(matches!(serve(at("stream"), registry()), Err(Error::Taken(_))));
    assert!(directory.path("stream").exists());
    drop(first);
    // A socket that was left behind is replaced.
    drop(UnixDatagram::bind(directory.path("mi")).unwrap());
    serve(at("mi"), registry()).unwrap().stop();
}

#[test]
fn an_open_address_is_worth_a_warning() {
    let door = over_udp(|config| config.address = Address::Udp(([0, 0, 0, 0], 0).into()));
    let Address::Udp(address) = door.address() else { panic!("it is a UDP door") };
    assert_eq!(door.warning(), Some(Warning::Unprotected(address)));
    // Who may only read learns who calls whom.
    let readers = over_udp(|config| {
        config.address = Address::Udp(([0, 0, 0, 0], 0).into());
        config.role = Role::ReadOnly;
    });
    let Address::Udp(address) = readers.address() else { panic!("it is a UDP door") };
    assert_eq!(readers.warning(), Some(Warning::Open(address)));
    assert!(Warning::Open(address).to_string().contains("reads who calls whom"));
    assert_eq!(over_udp(|config| config.role = Role::ReadOnly).warning(), None);
}
