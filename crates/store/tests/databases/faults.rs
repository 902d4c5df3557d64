//! What goes wrong.

use std::process::Command;
use std::time::{Duration, Instant};

use duologue_store::{
    Batch, DatabaseUrl, DialogTable, FailureKind, Options, Server, Tables, connect, create,
};

use crate::cases::{Case, made, read, write};
use crate::place::{OPTIONS, Place};
use crate::rows;
use crate::server::{connected, is_root};

pub(crate) const ALL: &[(&str, Case)] = &[
    ("a lock of another connection is waited for and told", locks_are_told),
    ("a server that crashes is lost and found again", crashes_are_told),
    ("a server that is silent is lost", silence_is_told),
    ("a wrong password and a missing database are told", denials_are_told),
];

fn locks_are_told(place: &dyn Place) {
    let (url, mut database, dialogs) = made(place);
    write(&mut *database, &dialogs, [1]);
    let lock = place.lock(&url, "dialog");
    let mut batch = Batch::new();
    batch.upsert(dialogs.writable().unwrap(), dialogs.encode(&rows::plain(2), None).row);
    let failure = database.apply(&batch).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Busy, "{failure}");
    assert!(failure.is_passing());
    drop(lock);
    // The other side may need a moment to hear of it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(failure) = database.apply(&batch) {
        assert_eq!(failure.kind, FailureKind::Busy, "{failure}");
        assert!(Instant::now() < deadline, "{failure}");
    }
    assert_eq!(read(&mut *database, &dialogs).len(), 2);
}

fn crashes_are_told(place: &dyn Place) {
    let Some(server) = place.server() else { return };
    let (url, mut database, dialogs) = made(place);
    write(&mut *database, &dialogs, 0..10);
    let mut batch = Batch::new();
    batch.upsert(dialogs.writable().unwrap(), dialogs.encode(&rows::plain(10), None).row);
    server.borrow_mut().kill();
    let failure = database.apply(&batch).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Lost, "{failure}");
    let failure = connect(&url, &OPTIONS).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Lost, "{failure}");

    server.borrow_mut().restart();
    let mut database = connected(&url);
    let dialogs = DialogTable::open(&mut *database, &Tables::default().dialog).unwrap();
    database.apply(&batch).unwrap();
    assert_eq!(read(&mut *database, &dialogs).len(), 11, "what was committed is there");
}

fn silence_is_told(place: &dyn Place) {
    let Some(server) = place.server() else { return };
    // A server that just recovered may not take connections yet.
    let (url, database, dialogs) = made(place);
    drop(database);
    let impatient = Options { answer_timeout: Duration::from_millis(500), ..OPTIONS };
    let mut database = connect(&url, &impatient).unwrap();
    write(&mut *database, &dialogs, [1]);
    let mut batch = Batch::new();
    batch.upsert(dialogs.writable().unwrap(), dialogs.encode(&rows::plain(2), None).row);
    let stopped = Stopped::all(server.borrow().id());
    let began = Instant::now();
    let failure = database.apply(&batch).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Lost, "{failure}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(stopped);
    drop(database);
    let mut database = connected(&url);
    database.apply(&batch).unwrap();
    assert_eq!(read(&mut *database, &dialogs).len(), 2);
}

/// A server and its processes, stopped where they are until this is dropped.
struct Stopped(Vec<String>);

impl Stopped {
    fn all(id: u32) -> Self {
        let children = Command::new("pgrep").args(["-P", &id.to_string()]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let all = children.lines().map(str::to_owned).chain([id.to_string()]).collect();
        signal("-STOP", &all);
        Self(all)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, ids: &Vec<String>) {
    let _ = Command::new("kill").arg(signal).args(ids).status();
}

fn denials_are_told(place: &dyn Place) {
    let change = |change: &dyn Fn(&mut Server)| {
        let mut url = place.fresh();
        match &mut url {
            DatabaseUrl::Sqlite(_) => return None,
            DatabaseUrl::Postgres(server) | DatabaseUrl::MySql(server) => change(server),
        }
        Some(connect(&url, &OPTIONS).err().unwrap())
    };
    let wrong = change(&|server| server.password = Some("wrong".to_owned()));
    let missing = change(&|server| server.database = "nowhere".to_owned());
    for failure in [wrong, missing].into_iter().flatten() {
        assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
        assert!(!failure.to_string().contains("p@ss"), "{failure}");
    }
    // A folder is no file.
    let failure = connect(&DatabaseUrl::file("/proc"), &OPTIONS).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    // A file that is not there, and is not to be made.
    let options = Options { create: false, ..OPTIONS };
    let missing = DatabaseUrl::file("/tmp/duologue-no-such-file.db");
    let failure = connect(&missing, &options).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
}

/// A file system of two megabytes, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(directory.path());
        assert!(mount.status().unwrap().success(), "mounting takes root and its rights");
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Fills the disk with dialogs, makes room, and goes on.
pub(crate) fn full_disk() {
    assert!(is_root(), "mounting takes root");
    let disk = SmallDisk::mount();
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let url = DatabaseUrl::file(disk.0.path().join("calls.db"));
    let mut database = connect(&url, &OPTIONS).unwrap();
    let tables = Tables::default();
    create(&mut *database, &tables).unwrap();
    let dialogs = DialogTable::open(&mut *database, &tables.dialog).unwrap();
    let table = dialogs.writable().unwrap();
    let mut committed = 0;
    let (failed, failure) = loop {
        let mut batch = Batch::new();
        for id in committed..committed + 100 {
            batch.upsert(table, dialogs.encode(&rows::plain(id), Some(&[b'x'; 500])).row);
        }
        match database.apply(&batch) {
            Ok(()) => committed += 100,
            Err(failure) => break (batch, failure),
        }
        assert!(committed < 100_000, "the disk is small");
    };
    assert_eq!(failure.kind, FailureKind::Full, "{failure}");
    assert_eq!(read(&mut *database, &dialogs).len() as u64, committed);
    std::fs::remove_file(ballast).unwrap();
    database.apply(&failed).unwrap();
    assert_eq!(read(&mut *database, &dialogs).len() as u64, committed + 100);
}
