//! The FIFO door, spoken to by clients with real FIFOs (spec/script.md §15.5).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use common::{ITEMS, LIMIT, Scratch, registry, until};
use duologue_management::fifo::{Config, DOCUMENT_MAX, Door, serve};
use duologue_management::{Access, Account, Error};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

const OK: &str = r#"{"jsonrpc":"2.0","result":"OK","id":1}"#;

/// A door and its directory, where clients also make their replies.
struct House {
    door: Door,
    directory: Scratch,
}

fn open(change: impl FnOnce(&mut Config)) -> House {
    let directory = Scratch::new();
    let mut config = Config {
        path: directory.path("opensips_fifo"),
        reply_dir: directory.path(""),
        ..Config::default()
    };
    change(&mut config);
    House { door: serve(config, registry()).unwrap(), directory }
}

fn request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#)
}

impl House {
    fn write(&self, text: &str) {
        let mut pipe = OpenOptions::new().write(true).open(self.door.path()).unwrap();
        pipe.write_all(text.as_bytes()).unwrap();
    }

    fn make_reply(&self, name: &str) -> PathBuf {
        let path = self.directory.path(name);
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        path
    }

    /// What a client does: makes its FIFO, asks, opens its FIFO, reads to the end.
    fn ask(&self, name: &str, document: &str) -> String {
        let path = self.make_reply(name);
        self.write(&format!(":{name}:{document}"));
        read_all(path)
    }

    fn await_dropped(&self, count: u64) {
        until(|| self.door.dropped() >= count);
        assert_eq!(self.door.dropped(), count);
    }
}

/// Reads a FIFO to its end, but does not wait for ever.
fn read_all(path: PathBuf) -> String {
    let (sender, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        File::open(path).unwrap().read_to_string(&mut text).unwrap();
        let _ = sender.send(text);
    });
    text.recv_timeout(LIMIT).unwrap()
}

#[test]
fn a_request_is_answered_in_the_fifo_of_its_client() {
    let house = open(|_| {});
    assert_eq!(house.ask("reply", &request("test:ok")), OK);
    assert_eq!(house.ask("again", &(request("test:ok") + "\n")), OK);
    let pretty = open(|config| config.pretty_printing = true);
    assert!(pretty.ask("reply", &request("test:ok")).starts_with("{\n  \"jsonrpc\": \"2.0\",\n"));
    house.await_dropped(0);
}

#[test]
fn frames_may_come_together_and_in_pieces() {
    let house = open(|_| {});
    let (one, two) = (house.make_reply("one"), house.make_reply("two"));
    let both = format!(":one:{0}\n:two:{0}", request("test:ok"));
    let (front, back) = both.split_at(both.len() - 20);
    house.write(front);
    assert_eq!(read_all(one), OK);
    house.write(back);
    assert_eq!(read_all(two), OK);
}

#[test]
fn commands_without_a_reply_are_executed_in_their_order() {
    let house = open(|_| {});
    let noted = |word: &str| {
        format!(r#"::{{"jsonrpc":"2.0","method":"test:note","params":["{word}"],"id":1}}"#)
    };
    let words = ["one", "two", "three", "four"];
    house.write(&words.map(noted).concat());
    let told = house.ask("reply", &request("test:noted"));
    assert_eq!(told, r#"{"jsonrpc":"2.0","result":["one","two","three","four"],"id":1}"#);
}

#[test]
fn a_notification_gives_its_reader_nothing() {
    let house = open(|_| {});
    assert_eq!(house.ask("reply", r#"{"jsonrpc":"2.0","method":"test:ok"}"#), "");
}

#[test]
fn wrong_requests_are_answered_or_dropped() {
    let house = open(|_| {});
    assert!(house.ask("one", "{\"jsonrpc\"}").contains("-32700"));
    assert!(house.ask("two", "[]").contains("-32600"));
    assert!(house.ask("three", &request("test:nothing")).contains("-32601"));
    assert!(house.ask("four", &request("test:panics")).contains("-32000"));
    house.await_dropped(0);
    // The form of old releases, and what no door understands.
    house.write(":which:reply\n\n");
    until(|| house.door.dropped() > 0);
    house.write("\u{0}\u{0}GET / HTTP/1.1\r\n");
    assert_eq!(house.ask("five", &request("test:ok")), OK);
    assert!(house.door.dropped() > 1);
}

#[test]
fn half_a_request_does_not_swallow_those_of_others() {
    let house = open(|config| config.patience = Duration::from_millis(200));
    house.write(r#":mine:{"jsonrpc":"2.0","params":{"#);
    assert_eq!(house.ask("theirs", &request("test:ok")), OK);
    let huge = format!(":mine:[{}", " ".repeat(DOCUMENT_MAX + 1));
    house.write(&huge);
    assert_eq!(house.ask("other", &request("test:ok")), OK);
    assert!(house.door.dropped() > 1);
}

/// spec/script.md §15.5: a bare file name within `reply_dir`; no links, no files.
#[test]
fn a_reply_leaves_nowhere_else() {
    let house = open(|config| config.patience = Duration::from_millis(100));
    let fifo = house.make_reply("real");
    symlink(&fifo, house.directory.path("link")).unwrap();
    fs::hard_link(&fifo, house.directory.path("second")).unwrap();
    fs::write(house.directory.path("file"), "mine").unwrap();
    fs::create_dir(house.directory.path("directory")).unwrap();
    let names = [
        "../real",
        "/etc/passwd",
        "..",
        "a.b",
        "link",
        "second",
        "real",
        "file",
        "directory",
        "none",
    ];
    for (count, name) in names.iter().enumerate() {
        house.write(&format!(":{name}:{}", request("test:ok")));
        house.await_dropped(count as u64 + 1);
    }
    assert_eq!(fs::read_to_string(house.directory.path("file")).unwrap(), "mine");
    assert_eq!(house.ask("good", &request("test:ok")), OK);
}

#[test]
fn a_request_with_a_bad_reply_name_is_not_executed() {
    let house = open(|_| {});
    let note = r#"{"jsonrpc":"2.0","method":"test:note","params":["x"],"id":1}"#;
    house.write(&format!(":../x:{note}"));
    assert!(house.ask("reply", &request("test:noted")).contains("[]"));
}

#[test]
fn a_long_listing_arrives_whole() {
    let house = open(|_| {});
    let text = house.ask("reply", &request("test:lists"));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["result"]["Dialogs"].as_array().unwrap().len(), ITEMS);
    assert_eq!(document["id"], 1);
}

#[test]
fn clients_that_hang_keep_nobody_from_an_answer() {
    let house = open(|_| {});
    let hanging: Vec<File> = (0..8)
        .map(|n| {
            let path = house.make_reply(&format!("reads_nothing_{n}"));
            // Open, but nobody reads.
            let reader = OpenOptions::new().read(true).write(true).open(path).unwrap();
            house.write(&format!(":reads_nothing_{n}:{}", request("test:lists")));
            house.make_reply(&format!("never_comes_{n}"));
            house.write(&format!(":never_comes_{n}:{}", request("test:ok")));
            reader
        })
        .collect();
    assert_eq!(house.ask("reply", &request("test:ok")), OK);
    // All of them are given up in the end.
    until(|| house.door.dropped() == 16);
    drop(hanging);
    house.door.stop();
}

#[test]
fn slow_commands_keep_nobody_from_an_answer() {
    let house = open(|_| {});
    house.write(&format!("::{}", request("test:waits")));
    assert_eq!(house.ask("reply", &request("test:ok")), OK);
    // Nor does it keep the door from closing.
    house.door.stop();
}

#[test]
fn the_pipe_is_made_as_configured_and_removed() {
    let access = Access { mode: 0o620, group: Some(Account::Id(gid())), ..Access::default() };
    let house = open(|config| config.access = access);
    let path = house.door.path().to_owned();
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_fifo());
    assert_eq!(found.permissions().mode() & 0o7777, 0o620);
    house.door.stop();
    assert!(!path.exists());
}

#[test]
fn the_pipe_is_not_made_where_it_would_hurt() {
    let directory = Scratch::new();
    let config = |name: &str| Config {
        path: directory.path(name),
        reply_dir: directory.path(""),
        ..Config::default()
    };
    fs::write(directory.path("file"), "mine").unwrap();
    symlink(directory.path("file"), directory.path("link")).unwrap();
    for name in ["file", "link", ""] {
        assert!(matches!(serve(config(name), registry()), Err(Error::Taken(_))), "{name}");
    }
    let first = serve(config("fifo"), registry()).unwrap();
    assert!(matches!(serve(config("fifo"), registry()), Err(Error::Taken(_))));
    first.stop();
    // One that was left behind is replaced.
    mkfifo(&directory.path("fifo"), Mode::S_IRUSR).unwrap();
    serve(config("fifo"), registry()).unwrap().stop();
    let elsewhere = Config { path: "/nonexistent/fifo".into(), ..config("fifo") };
    assert!(matches!(serve(elsewhere, registry()), Err(Error::File(..))));
    let access =
        Access { user: Some(Account::Name("nobody of this name".into())), ..Access::default() };
    let unknown = Config { access, ..config("fifo") };
    assert!(matches!(serve(unknown, registry()), Err(Error::Account(_))));
}

/// spec/script.md §15.5: the FIFO is made again if it was deleted.
#[test]
fn a_pipe_that_was_removed_comes_back() {
    let house = open(|config| config.look_every = Duration::from_millis(20));
    let path: &Path = house.door.path();
    fs::remove_file(path).unwrap();
    until(|| path.exists());
    assert_eq!(house.ask("reply", &request("test:ok")), OK);
}

fn gid() -> u32 {
    nix::unistd::getgid().as_raw()
}
