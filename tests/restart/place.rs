//! A machine with a disk: its process can be killed, and started again on what the disk has.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use duologue::dialog::{Dialog, Dialogs};
use duologue::server::storage::{self, Now, Writer};
use duologue::sip::{Moment, Tick};
use duologue::store::{DatabaseUrl, Value, connect};
use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, Served, UNIX_AT_START, World};

use crate::world::{self, Proxy};

/// What the modules of a kept script need on top of the plain ones.
pub(crate) fn kept(parameters: &str) -> String {
    format!("loadmodule \"db_sqlite.so\"\n{parameters}")
}

/// The machine, and the process that runs on it.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) alice: Agent,
    pub(crate) bob: Agent,
    pub(crate) proxy: Served<Proxy>,
    pub(crate) file: PathBuf,
    script: String,
    writer: Option<Writer>,
    clock: Arc<AtomicU64>,
    on_start: fn(&Dialogs),
}

impl Place {
    /// An empty disk, and the first process of a script.
    pub(crate) fn new(name: &str, script: String) -> Self {
        Self::with(name, script, |_| {})
    }

    /// The same, in a program that does something with the dialogs of each of its processes.
    pub(crate) fn with(name: &str, script: String, on_start: fn(&Dialogs)) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("restart").join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("calls.sqlite");
        let world = World::seeded(5);
        let clock = Arc::new(AtomicU64::new(world.now().as_millis()));
        let script = script.replace("FILE", file.to_str().unwrap());
        let (process, writer) = start(&script, &clock, on_start);
        let (alice, proxy, bob) = world.three_party(process);
        Self { world, alice, bob, proxy, file, script, writer, clock, on_start }
    }

    /// The dialogs of the process.
    pub(crate) fn dialogs(&self) -> Dialogs {
        self.proxy.borrow().node.dialogs.clone()
    }

    /// The one call that is up.
    pub(crate) fn call(&self) -> Dialog {
        let found = self.dialogs().by_callid(self.alice.call_id().as_bytes(), None);
        found.expect("the call is up")
    }

    fn tell_time(&self) {
        self.clock.store(self.world.now().as_millis(), Relaxed);
    }

    /// The writer does what there is to do, and the calls hear of it.
    pub(crate) fn writes(&mut self) {
        self.writes_now();
        self.world.settle();
    }

    /// The writer does what there is to do, and time stands still.
    pub(crate) fn writes_now(&mut self) {
        self.tell_time();
        if let Some(writer) = &mut self.writer {
            writer.work_now();
        }
    }

    /// The writer works until this is so. It has its own patience with a database that was in
    /// trouble, by the real clock.
    pub(crate) fn writes_until(&mut self, reached: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !reached(self) {
            assert!(Instant::now() < until, "it did not come to that");
            self.writes_now();
        }
        self.world.settle();
    }

    /// Somebody else writes to the database, and takes his time.
    pub(crate) fn locked(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.file).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    /// The process is killed; nobody is told, nothing is written.
    pub(crate) fn kill(&mut self) {
        self.writer = None;
        self.tell_time();
        // What comes meanwhile falls on deaf ears.
        let nobody = self.script.replace("\"db_mode\", 1", "\"db_mode\", 0");
        let nobody = nobody.replace("\"durable\", 1", "\"durable\", 0");
        *self.proxy.borrow() = Proxy::of(plan(&nobody, |_| {}));
    }

    /// The process is killed, and the next one starts.
    pub(crate) fn restart(&mut self) {
        self.tell_time();
        self.writer = None;
        let (process, writer) = start(&self.script, &self.clock, self.on_start);
        *self.proxy.borrow() = process;
        self.writer = writer;
    }

    /// The process ends in good order, and the next one starts.
    pub(crate) fn restart_gently(&mut self) {
        self.ends();
        self.restart();
    }

    /// The process ends in good order.
    pub(crate) fn ends(&mut self) {
        self.tell_time();
        self.writer.take().expect("it runs").end_now();
    }

    /// What the table holds: a column of every row.
    pub(crate) fn column(&self, name: &str) -> Vec<Value> {
        let mut database = connect(&DatabaseUrl::file(&self.file), &Default::default()).unwrap();
        let rows = database.query(&format!("SELECT {name} FROM dialog ORDER BY dlg_id")).unwrap();
        rows.into_iter().map(|mut row| row.remove(0)).collect()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.column("dlg_id").len()
    }

    /// Somebody at the database.
    pub(crate) fn sql(&self, statement: &str) {
        let mut database = connect(&DatabaseUrl::file(&self.file), &Default::default()).unwrap();
        database.define(&[statement.to_owned()]).unwrap();
    }

    /// All comes to its end: no call, no row.
    pub(crate) fn forgotten(mut self) {
        self.world.settle();
        self.writes();
        world::forgotten(&self.world, &self.proxy);
        self.writes();
        assert_eq!(self.rows(), 0, "rows are left");
    }
}

/// The moment that the world has come to.
pub(crate) fn moment(world: &World) -> Moment {
    at(world.now().as_millis())
}

fn at(millis: u64) -> Moment {
    Moment { tick: Tick::from_millis(millis), unix: UNIX_AT_START + millis / 1000 }
}

fn plan(script: &str, on_start: fn(&Dialogs)) -> Plan {
    let plan = Plan::load(world::NAME, &world::Text(script), &[], Overrides::default());
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    plan.on_start(move |host| {
        on_start(&host.dialogs()?);
        Ok(())
    })
}

fn start(script: &str, clock: &Arc<AtomicU64>, on_start: fn(&Dialogs)) -> (Proxy, Option<Writer>) {
    // No two processes have the same secret.
    let proxy = Proxy::with_secret(plan(script, on_start), 100 + clock.load(Relaxed));
    let clock = Arc::clone(clock);
    let now: Now = Arc::new(move || at(clock.load(Relaxed)));
    let writer = storage::start(&proxy.node, &now, &mut (Box::new(|_: &_| {}) as storage::Watch));
    (proxy, writer.unwrap_or_else(|error| panic!("{error}")))
}
