//! The connection to the database: made, lost, and made again.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use duologue_sip::Moment;
use duologue_store::{
    Database, DatabaseUrl, DialogTable, Failure, FailureKind, Options, RejectedTable, Tables,
};

use super::Storage;

/// The pause after the first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// An open database with its tables.
pub(super) struct Connection {
    pub(super) database: Box<dyn Database>,
    pub(super) table: DialogTable,
    pub(super) rejected: RejectedTable,
}

impl Connection {
    /// Connects. SQLite needs no set-up: tables that are missing are made.
    pub(super) fn open(storage: &Storage) -> Result<Self, Failure> {
        let options = Options { durable: storage.settings.durable, ..Options::default() };
        let mut database = duologue_store::connect(&storage.url, &options)?;
        let names = &storage.settings.names;
        if matches!(storage.url, DatabaseUrl::Sqlite(_)) {
            let tables = Tables { dialog: names.clone(), ..Tables::default() };
            duologue_store::create(&mut *database, &tables)?;
        }
        let table = DialogTable::open(&mut *database, names)?;
        table.writable()?;
        let rejected = RejectedTable::open(&mut *database, names.table())?;
        Ok(Self { database, table, rejected })
    }
}

/// The connection, if there is one, and when to try again.
pub(super) struct Link {
    connection: Option<Connection>,
    retry_at: Instant,
    pause: Duration,
    /// Whether the last attempt failed, and why: it was told.
    failing: Option<String>,
}

impl Link {
    pub(super) fn new(connection: Option<Connection>) -> Self {
        Self { connection, retry_at: Instant::now(), pause: PAUSE_MIN, failing: None }
    }

    /// When to try again, while something is wrong.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        (self.failing.is_some() || self.connection.is_none()).then_some(self.retry_at)
    }

    /// Why it does not work at present.
    pub(super) fn trouble(&self) -> String {
        self.failing.clone().unwrap_or_else(|| "not connected".to_owned())
    }

    /// The connection, made anew if it is time for that.
    pub(super) fn take(&mut self, storage: &Storage, now: Moment) -> Option<Connection> {
        if self.failing.is_some() && Instant::now() < self.retry_at {
            return None;
        }
        if let Some(connection) = self.connection.take() {
            return Some(connection);
        }
        match Connection::open(storage) {
            Ok(connection) => Some(connection),
            Err(failure) => {
                self.failed(storage, now, None, &failure);
                None
            }
        }
    }

    /// It works.
    pub(super) fn worked(&mut self, storage: &Storage, now: Moment, connection: Connection) {
        self.connection = Some(connection);
        self.pause = PAUSE_MIN;
        storage.counts.connected.store(true, Relaxed);
        if self.failing.take().is_some() {
            tracing::info!("the database of dialogs is back: {}", storage.url);
            tell(storage, now, "up", "");
        }
    }

    /// It does not: what is lost is made anew later, what is busy or full is tried again.
    pub(super) fn failed(
        &mut self,
        storage: &Storage,
        now: Moment,
        connection: Option<Connection>,
        failure: &Failure,
    ) {
        let stays = matches!(failure.kind, FailureKind::Busy | FailureKind::Full);
        self.connection = connection.filter(|_| stays);
        storage.counts.failures.fetch_add(1, Relaxed);
        storage.counts.connected.store(self.connection.is_some(), Relaxed);
        self.retry_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        let reason = failure.to_string();
        match self.failing.replace(reason.clone()) {
            None => {
                let url = &storage.url;
                tracing::error!("dialogs cannot be stored in {url}: {reason}; calls go on");
                tell(storage, now, "down", &reason);
            }
            Some(before) if before != reason => {
                tracing::warn!("dialogs cannot be stored: {reason}");
            }
            Some(_) => {}
        }
    }
}

fn tell(storage: &Storage, now: Moment, state: &str, reason: &str) {
    let pending = storage.counts.pending.load(Relaxed);
    storage.state_changed.raise_at(now, |params| {
        params
            .text("url", storage.url.to_string())
            .text("state", state)
            .text("reason", reason)
            .int("pending", i64::try_from(pending).unwrap_or(i64::MAX));
    });
}
