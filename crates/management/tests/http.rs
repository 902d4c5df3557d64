//! The HTTP door, spoken to over a plain socket (spec/script.md §15.5).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use duologue_management::http::{
    BODY_BYTES_MAX, Basic, Batch, Config, Content, Door, Feed, Page, REQUESTS_MAX, Source, serve,
};
use duologue_management::{Answer, Command, Error, Registry, Warning};
use serde_json::{Map, Value, json};

const REQUEST: &str = r#"{"jsonrpc":"2.0","method":"test:ok","id":1}"#;
/// More items than memory should ever hold.
const ENDLESS: usize = 100_000_000;
/// The last item that `test:goes_on` made.
static MADE: AtomicUsize = AtomicUsize::new(0);
const JSON: &str = "Content-Type: application/json";

fn open(change: impl FnOnce(&mut Config)) -> Door {
    let mut registry = Registry::new();
    let commands = [
        Command::new("test:ok", "test", |_| Ok(Answer::ok())),
        Command::new("test:lists", "test", |_| {
            let items = (0..20_000).map(|n| json!({ "ID": n, "callid": "0123456789abcdef" }));
            Ok(Answer::listing(Map::new(), "Dialogs", items))
        }),
        Command::new("test:goes_on", "test", |_| {
            let items = (0..ENDLESS).map(|n| {
                MADE.store(n, Relaxed);
                json!(vec!["0123456789abcdef"; 8])
            });
            Ok(Answer::listing(Map::new(), "Dialogs", items))
        }),
        Command::new("test:breaks_off", "test", |_| {
            let items = (0..20_000).map(|n| {
                assert_ne!(n, 15_000, "the listing breaks off");
                json!({ "ID": n })
            });
            Ok(Answer::listing(Map::new(), "Dialogs", items))
        }),
        Command::new("test:sleeps", "test", |_| {
            std::thread::sleep(Duration::from_secs(2));
            Ok(Answer::ok())
        }),
    ];
    commands.into_iter().for_each(|command| registry.add(command).unwrap());
    let mut config = Config { address: ([127, 0, 0, 1], 0).into(), ..Config::default() };
    change(&mut config);
    serve(config, Arc::new(registry)).unwrap()
}

/// Sends `bytes` and reads until the door closes the connection.
fn raw(door: &Door, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(door.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The door may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8(response).unwrap()
}

fn exchange(door: &Door, start: &str, headers: &[&str], body: &str) -> (u16, String, String) {
    let has_host = headers.iter().any(|line| line.starts_with("Host:"));
    let mut request = format!("{start} HTTP/1.1\r\nConnection: close\r\n");
    if !has_host {
        request.push_str(&format!("Host: {}\r\n", door.address()));
    }
    headers.iter().for_each(|line| request.push_str(&format!("{line}\r\n")));
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let response = raw(door, request.as_bytes());
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let head = head.to_ascii_lowercase();
    let body = if head.contains("transfer-encoding: chunked") {
        joined(body).expect("the closing chunk is missing")
    } else {
        body.to_owned()
    };
    (status, head, body)
}

/// The text of a chunked body (RFC 9112 §7.1); `None` without its closing chunk.
fn joined(mut body: &str) -> Option<String> {
    let mut text = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(text);
        }
        text.push_str(rest.get(..size)?);
        body = rest.get(size + 2..)?;
    }
}

fn status(door: &Door, headers: &[&str], body: &str) -> u16 {
    exchange(door, "POST /mi", headers, body).0
}

#[test]
fn a_request_is_answered_with_json() {
    let door = open(|_| {});
    let (status, head, body) = exchange(&door, "POST /mi", &[JSON], REQUEST);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"jsonrpc":"2.0","result":"OK","id":1}"#);
    assert_eq!(door.warning(), None);
    door.stop();
}

#[test]
fn lists_come_in_lines_to_who_reads_lines() {
    let door = open(|_| {});
    let lines = "Accept: text/html;q=0.1, application/x-ndjson";
    let request = r#"{"jsonrpc":"2.0","method":"test:lists","id":7}"#;
    let (status, head, body) = exchange(&door, "POST /mi", &[JSON, lines], request);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/x-ndjson"), "{head}");
    let lines_got: Vec<Value> =
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines_got.len(), 20_001);
    assert_eq!(lines_got[19_999], json!({ "ID": 19_999, "callid": "0123456789abcdef" }));
    assert_eq!(lines_got[20_000], json!({ "jsonrpc": "2.0", "result": {}, "id": 7 }));

    // what is no list is answered as always
    let (_, head, body) = exchange(&door, "POST /mi", &[JSON, lines], REQUEST);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"jsonrpc":"2.0","result":"OK","id":1}"#);
}

#[test]
fn a_notification_is_accepted_in_silence() {
    let door = open(|_| {});
    let notification = r#"{"jsonrpc":"2.0","method":"test:ok"}"#;
    let (status, _, body) = exchange(&door, "POST /mi", &[JSON], notification);
    assert_eq!((status, body.as_str()), (202, ""));
}

#[test]
fn bad_json_is_a_json_answer_and_no_body_is_none() {
    let door = open(|_| {});
    let (status, _, body) = exchange(&door, "POST /mi", &[JSON], "{");
    assert_eq!(status, 200);
    assert!(body.contains("-32700"));
    assert_eq!(exchange(&door, "POST /mi", &[JSON], "").0, 400);
}

#[test]
fn other_methods_and_paths_are_refused() {
    let door = open(|_| {});
    for method in ["GET", "PUT", "OPTIONS", "DELETE", "HEAD"] {
        let (status, head, _) = exchange(&door, &format!("{method} /mi"), &[JSON], "");
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("allow: post"), "{head}");
        assert!(!head.contains("access-control"), "{head}");
    }
    assert_eq!(exchange(&door, "POST /other", &[JSON], REQUEST).0, 404);
    let renamed = open(|config| config.root = Some("/manage/".into()));
    assert_eq!(exchange(&renamed, "POST /manage", &[JSON], REQUEST).0, 200);
}

#[test]
fn a_body_too_large_is_refused_announced_or_not() {
    let door = open(|_| {});
    let body = " ".repeat(BODY_BYTES_MAX + 1);
    let head = format!("POST /mi HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{JSON}\r\n");
    let announced = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    assert!(raw(&door, announced.as_bytes()).starts_with("HTTP/1.1 413"));
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert!(raw(&door, chunked.as_bytes()).starts_with("HTTP/1.1 413"));
}

#[test]
fn web_pages_of_others_are_refused() {
    let door = open(|_| {});
    assert_eq!(status(&door, &[JSON, "Origin: http://evil.example"], REQUEST), 403);
    assert_eq!(status(&door, &[JSON, "Origin: null"], REQUEST), 403);
    assert_eq!(status(&door, &[JSON, "Sec-Fetch-Site: cross-site"], REQUEST), 403);
    // A page that rebinds its own name to our address.
    assert_eq!(status(&door, &[JSON, "Host: evil.example:8888"], REQUEST), 403);
    assert_eq!(status(&door, &[JSON, "Host: localhost:8888"], REQUEST), 200);
    let origin = format!("Origin: http://{}", door.address());
    assert_eq!(status(&door, &[JSON, &origin, "Sec-Fetch-Site: same-origin"], REQUEST), 200);
}

#[test]
fn only_json_is_read() {
    let door = open(|_| {});
    assert_eq!(status(&door, &["Content-Type: text/plain"], REQUEST), 415);
    assert_eq!(status(&door, &["Content-Type: application/jsonx"], REQUEST), 415);
    assert_eq!(status(&door, &[], REQUEST), 415);
    assert_eq!(status(&door, &["Content-Type: application/json; charset=utf-8"], REQUEST), 200);
}

#[test]
fn a_token_or_a_password_is_asked_for() {
    let door = open(|config| config.token = Some("t0ken".into()));
    assert_eq!(status(&door, &[JSON], REQUEST), 401);
    assert_eq!(status(&door, &[JSON, "Authorization: Bearer wrong"], REQUEST), 401);
    assert_eq!(status(&door, &[JSON, "Authorization: Bearer t0ken"], REQUEST), 200);
    let basic =
        Basic { username: "ada".into(), password: "secret".into(), realm: "OpenSIPS MI".into() };
    let door = open(|config| config.basic = Some(basic));
    let (status_code, head, _) = exchange(&door, "POST /mi", &[JSON], REQUEST);
    assert_eq!(status_code, 401);
    assert!(head.contains(r#"www-authenticate: basic realm="opensips mi""#), "{head}");
    let right = "Authorization: Basic YWRhOnNlY3JldA==";
    assert_eq!(status(&door, &[JSON, right], REQUEST), 200);
}

#[test]
fn a_long_listing_arrives_whole() {
    let door = open(|_| {});
    let request = r#"{"jsonrpc":"2.0","method":"test:lists","id":"x"}"#;
    let (status, _, body) = exchange(&door, "POST /mi", &[JSON], request);
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["id"], "x");
    assert_eq!(document["result"]["Dialogs"].as_array().unwrap().len(), 20_000);
}

#[test]
fn a_long_listing_is_made_at_the_pace_of_its_reader() {
    let door = open(|config| config.connection_timeout = Duration::from_millis(300));
    let request = r#"{"jsonrpc":"2.0","method":"test:goes_on","id":1}"#;
    let mut stream = TcpStream::connect(door.address()).unwrap();
    let head = format!("POST /mi HTTP/1.1\r\nHost: {}\r\n{JSON}\r\n", door.address());
    write!(stream, "{head}Content-Length: {}\r\n\r\n{request}", request.len()).unwrap();
    let mut start = [0; 512];
    stream.read_exact(&mut start).unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200"));
    // Nothing more is read: the buffers of the kernel fill up, and the making stops.
    let still = || {
        let before = MADE.load(Relaxed);
        std::thread::sleep(Duration::from_millis(100));
        before == MADE.load(Relaxed)
    };
    assert!((0..100).any(|_| still()), "made {} items unread", MADE.load(Relaxed));
    assert!(MADE.load(Relaxed) < ENDLESS / 10);
    // After the time-out the connection is gone, and its place is free again.
    let mut rest = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an unfinished listing looks complete");
    door.stop();
}

#[test]
fn a_listing_that_breaks_off_is_told_from_a_complete_one() {
    let door = open(|_| {});
    let request = r#"{"jsonrpc":"2.0","method":"test:breaks_off","id":1}"#;
    let head = format!("POST /mi HTTP/1.1\r\nHost: {}\r\n{JSON}\r\n", door.address());
    let response =
        raw(&door, format!("{head}Content-Length: {}\r\n\r\n{request}", request.len()).as_bytes());
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.contains("Dialogs"));
    assert_eq!(joined(body), None);
    assert_eq!(status(&door, &[JSON], REQUEST), 200);
}

#[test]
fn replies_are_indented_on_request() {
    let door = open(|config| config.pretty_printing = true);
    let (_, _, body) = exchange(&door, "POST /mi", &[JSON], REQUEST);
    assert_eq!(body, "{\n  \"jsonrpc\": \"2.0\",\n  \"result\": \"OK\",\n  \"id\": 1\n}");
}

#[test]
fn slow_commands_and_silent_clients_are_cut_off() {
    let door = open(|config| {
        config.connection_timeout = Duration::from_millis(100);
        config.command_timeout = Duration::from_millis(400);
    });
    assert_eq!(raw(&door, b"POST /mi HTTP/1.1\r\nHost: local"), "");
    // A running command keeps its connection beyond the idle time.
    let sleeps = r#"{"jsonrpc":"2.0","method":"test:sleeps","id":1}"#;
    assert_eq!(status(&door, &[JSON], sleeps), 504);
    // The door is still open, and closes without waiting for the sleeper.
    assert_eq!(status(&door, &[JSON], REQUEST), 200);
    let started = std::time::Instant::now();
    door.stop();
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn running_commands_are_bounded() {
    let door = open(|_| {});
    let sleeps = r#"{"jsonrpc":"2.0","method":"test:sleeps","id":1}"#;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..REQUESTS_MAX + 4).map(|_| scope.spawn(|| status(&door, &[JSON], sleeps))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(503)), (REQUESTS_MAX, 4), "{statuses:?}");
}

#[test]
fn an_open_address_without_a_secret_is_worth_a_warning() {
    let door = open(|config| config.address = ([0, 0, 0, 0], 0).into());
    assert_eq!(door.warning(), Some(Warning::Unprotected(door.address())));
    let door = open(|config| {
        config.address = ([0, 0, 0, 0], 0).into();
        config.token = Some("t0ken".into());
    });
    assert_eq!(door.warning(), Some(Warning::Readable(door.address())));
    assert_eq!(open(|_| {}).warning(), None);
}

#[test]
fn a_taken_address_is_an_error_and_a_closed_door_is_closed() {
    let door = open(|_| {});
    let address = door.address();
    let again = serve(Config { address, ..Config::default() }, Arc::new(Registry::new()));
    assert!(matches!(again, Err(Error::Listen(taken, _)) if taken == address));
    door.stop();
    assert!(TcpStream::connect(address).is_err());
}

fn with_pages(config: &mut Config) {
    config.root = None;
    config.pages = vec![
        Page::new("well", || Content::plain(true, "fine")),
        Page::new("/ill/", || Content::plain(false, "a reason")),
        Page::new("panics", || panic!("as it should")),
    ];
}

#[test]
fn pages_are_read_by_get_alone() {
    let door = open(with_pages);
    let (status_code, head, body) = exchange(&door, "GET /well", &[], "");
    assert_eq!((status_code, body.as_str()), (200, "fine"));
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    let (status_code, _, body) = exchange(&door, "GET /ill", &[], "");
    assert_eq!((status_code, body.as_str()), (503, "a reason"));
    assert_eq!(exchange(&door, "HEAD /well", &[], "").0, 200);
    for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
        let (status_code, head, _) = exchange(&door, &format!("{method} /well"), &[JSON], "");
        assert_eq!(status_code, 405, "{method}");
        assert!(head.contains("allow: get, head"), "{head}");
    }
    assert_eq!(exchange(&door, "GET /panics", &[], "").0, 500);
    assert_eq!(exchange(&door, "GET /other", &[], "").0, 404);
    // Without a root there are no commands.
    assert_eq!(status(&door, &[JSON], REQUEST), 404);
}

#[test]
fn pages_are_as_protected_as_commands() {
    let door = open(with_pages);
    let read = |headers: &[&str]| exchange(&door, "GET /well", headers, "").0;
    assert_eq!(read(&["Origin: http://evil.example"]), 403);
    assert_eq!(read(&["Sec-Fetch-Site: cross-site"]), 403);
    assert_eq!(read(&["Host: evil.example:8888"]), 403);
    assert_eq!(read(&["Host: localhost:8888"]), 200);
    let door = open(|config| {
        with_pages(config);
        config.token = Some("t0ken".into());
    });
    assert_eq!(exchange(&door, "GET /well", &[], "").0, 401);
    assert_eq!(exchange(&door, "GET /well", &["Authorization: Bearer t0ken"], "").0, 200);
}

/// Numbers that are all there at once.
struct Ready(u64);

impl Source for Ready {
    fn read(&self, from: Option<u64>, limit: usize) -> Batch {
        let from = from.unwrap_or(0);
        let places = (from..self.0).take(limit);
        let events: Vec<_> = places.map(|place| (place, "number", json!(place))).collect();
        Batch { next: from + events.len() as u64, events, missed: false }
    }
}

#[test]
fn a_feed_that_is_behind_does_not_pause() {
    const EVENTS: u64 = 50_000;
    let source = Arc::new(Ready(EVENTS));
    let door = open(|config| config.feeds = vec![Feed::new("numbers", 1, source)]);
    let address = door.address();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!("GET /numbers HTTP/1.1\r\nHost: {address}\r\nLast-Event-ID: 1-0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 65_536]);
    while !text.contains(&format!("id: 1-{EVENTS}\n")) {
        let length = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert_eq!(text.matches("event: number\n").count(), EVENTS as usize);
    // all looks of the pauses that it did not make would have taken longer than the time-out
    door.stop();
}
