//! What the tests of several doors share: some commands, and places of their own.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duologue_management::{Answer, Command, Registry};
use serde_json::{Map, Value, json};

/// Nothing in these tests takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Items of `test:lists`: far more than any pipe or socket holds.
pub(crate) const ITEMS: usize = 20_000;

/// Commands that answer, list, note, wait and panic.
pub(crate) fn registry() -> Arc<Registry> {
    let notes = Arc::new(Mutex::new(Vec::<String>::new()));
    let noted = Arc::clone(&notes);
    let commands = [
        Command::new("test:ok", "test", |_| Ok(Answer::ok())),
        Command::new("test:lists", "test", |_| {
            let items = (0..ITEMS).map(|n| json!({ "ID": n, "callid": "0123456789abcdef" }));
            Ok(Answer::listing(Map::new(), "Dialogs", items))
        }),
        Command::new("test:long", "test", |_| Ok("x".repeat(ITEMS).into())),
        Command::new("test:note", "test", move |params| {
            notes.lock().expect("no test panics here").push(params.text("word")?);
            Ok(Answer::ok())
        })
        .signatures(&[&["word"]]),
        Command::new("test:noted", "test", move |_| {
            let noted = noted.lock().expect("no test panics here");
            Ok(noted.iter().map(|word| Value::from(word.as_str())).collect::<Value>().into())
        }),
        Command::new("test:waits", "test", |_| {
            std::thread::sleep(LIMIT);
            Ok(Answer::ok())
        }),
        Command::new("test:panics", "test", |_| panic!("as it should")),
    ];
    let mut registry = Registry::new();
    for command in commands {
        registry.add(command).expect("each name is used once");
    }
    Arc::new(registry)
}

/// Waits until something is so.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A directory of this test alone, removed in the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("duologue-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the system has room for a directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
