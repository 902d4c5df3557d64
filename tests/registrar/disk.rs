//! An office whose machine has a disk: the process can be killed, and started again on what the disk
//! has.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use duologue::server::storage::Now;
use duologue::server::storage::users::{self, UserStorage, UserWriter};
use duologue::sip::{Moment, Tick};
use duologue::store::{DatabaseUrl, Value, connect};
use duologue::usrloc::{Contact, RowState};
use duologue::{DatabaseChoice, Overrides, Plan, StartError};
use duologue_testkit::{UNIX_AT_START, World};

use crate::office::{LOOKUP, Office, SAVE, script};
use crate::world::{self, Proxy};

/// A script that keeps users in the file of the machine.
pub(crate) fn kept(settings: &str) -> String {
    script(&format!("{}{settings}", on_disk()), SAVE, LOOKUP)
}

/// The settings for the file of the machine.
pub(crate) fn on_disk() -> &'static str {
    "loadmodule \"db_sqlite.so\"\ndb_default_url = \"sqlite://FILE\"\n"
}

/// Users are written at once.
pub(crate) const THROUGH: &str =
    "modparam(\"usrloc\", \"working_mode_preset\", \"single-instance-sql-write-through\")\n";

/// The machine, its people, and the process that runs on it.
pub(crate) struct Disk {
    office: Office,
    pub(crate) file: PathBuf,
    script: String,
    writer: Option<UserWriter>,
    clock: Arc<AtomicU64>,
}

impl Disk {
    /// An empty disk, and the first process of a script.
    pub(crate) fn new(name: &str, script: &str) -> Self {
        Self::prepared(name, script, |_| {})
    }

    /// A disk on which somebody put something before the first process of a script.
    pub(crate) fn prepared(name: &str, script: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("registrar").join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("users.sqlite");
        prepare(&file);
        let world = World::seeded(90);
        let clock = Arc::new(AtomicU64::new(world.now().as_millis()));
        let script = script.replace("FILE", file.to_str().unwrap());
        let (process, writer) = start(&script, &clock);
        Self { office: Office::with(world, &[1], process), file, script, writer, clock }
    }

    fn tell_time(&self) {
        self.clock.store(self.office.now().as_millis(), Relaxed);
    }

    /// The writer does what there is to do: in `write-back`, the period is over.
    pub(crate) fn writes(&mut self) {
        self.tell_time();
        if let Some(writer) = &mut self.writer {
            writer.work_now();
        }
    }

    /// The process is killed: nothing is written any more.
    pub(crate) fn kill(&mut self) {
        self.writer = None;
    }

    /// The process is killed, and the next one starts.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.tell_time();
        let (process, writer) = start(&self.script, &self.clock);
        *self.office.proxy.borrow() = process;
        self.writer = writer;
    }

    /// The same with another script.
    pub(crate) fn restart_as(&mut self, script: &str) {
        self.script = script.replace("FILE", self.file.to_str().unwrap());
        self.restart();
    }

    /// The process ends in good order, and the next one starts.
    pub(crate) fn restart_gently(&mut self) {
        self.tell_time();
        self.writer.take().expect("it runs").end_now();
        self.restart();
    }

    /// An operator asks, and the writer's next round answers.
    pub(crate) fn asks(
        &mut self,
        what: fn(&UserStorage) -> Result<u64, String>,
    ) -> Result<u64, String> {
        let node = Arc::clone(&self.office.proxy.borrow().node);
        let asked = std::thread::spawn(move || what(node.user_storage.as_ref().unwrap()));
        while !asked.is_finished() {
            self.writes();
        }
        asked.join().unwrap()
    }

    /// What a table holds: a column of every row.
    pub(crate) fn column_of(&self, table: &str, name: &str) -> Vec<Value> {
        let mut database = connect(&DatabaseUrl::file(&self.file), &Default::default()).unwrap();
        let rows = database.query(&format!("SELECT {name} FROM {table} ORDER BY contact_id"));
        rows.unwrap().into_iter().map(|mut row| row.remove(0)).collect()
    }

    /// A column of `location`.
    pub(crate) fn column(&self, name: &str) -> Vec<Value> {
        self.column_of("location", name)
    }

    /// A column of texts of `location`; what is null is empty.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let text = |value: Value| String::from_utf8_lossy(value.bytes().unwrap_or(b"")).into();
        self.column(name).into_iter().map(text).collect()
    }

    /// How many rows `location` has.
    pub(crate) fn rows(&self) -> usize {
        self.column("contact_id").len()
    }

    /// Somebody at the database.
    pub(crate) fn sql(&self, statement: &str) {
        let mut database = connect(&DatabaseUrl::file(&self.file), &Default::default()).unwrap();
        database.define(&[statement.to_owned()]).unwrap();
    }

    /// Somebody else writes, and takes his time.
    pub(crate) fn locked(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// Somebody else has it for himself.
    pub(crate) fn locked_for_all(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        connection
    }

    /// Bob's contacts in memory, and how each stands to its row.
    pub(crate) fn bobs(&self) -> Vec<(Contact, RowState)> {
        self.office.usrloc(|usrloc| {
            let user = usrloc.location().unwrap().table("location").unwrap().user(b"bob");
            let user = user.into_iter().flat_map(|user| user.contacts.into_iter().zip(user.states));
            user.map(|(contact, state)| ((*contact).clone(), state)).collect()
        })
    }

    /// A counter of the storage.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let node = Arc::clone(&self.office.proxy.borrow().node);
        node.read_statistic(at(0), format!("usrloc:{name}").as_bytes()).expect("it is counted")
    }
}

impl Deref for Disk {
    type Target = Office;

    fn deref(&self) -> &Office {
        &self.office
    }
}

fn at(millis: u64) -> Moment {
    Moment { tick: Tick::from_millis(millis), unix: UNIX_AT_START + millis / 1000 }
}

/// A plan of a script, with the database that it names or another choice.
pub(crate) fn plan(script: &str, database: DatabaseChoice) -> Plan {
    let overrides = Overrides { database, ..Overrides::default() };
    let plan = Plan::load(world::NAME, &world::Text(script), &[], overrides);
    plan.unwrap_or_else(|error| panic!("{error}"))
}

/// Why a process does not start on this machine's disk.
pub(crate) fn refused(script: &str) -> String {
    let clock = Arc::new(AtomicU64::new(1000));
    try_start(script, &clock).err().expect("it starts").to_string()
}

fn start(script: &str, clock: &Arc<AtomicU64>) -> (Proxy, Option<UserWriter>) {
    try_start(script, clock).unwrap_or_else(|error| panic!("{error}"))
}

fn try_start(
    script: &str,
    clock: &Arc<AtomicU64>,
) -> Result<(Proxy, Option<UserWriter>), StartError> {
    // No two processes have the same secret.
    let secret = 100 + clock.load(Relaxed);
    let proxy = Proxy::with_secret(plan(script, DatabaseChoice::OfScript), secret);
    let clock = Arc::clone(clock);
    let now: Now = Arc::new(move || at(clock.load(Relaxed)));
    let writer = users::start(&proxy.node, &now)?;
    Ok((proxy, writer))
}
