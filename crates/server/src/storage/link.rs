//! The connection to a database: made, lost, and made again.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use duologue_sip::Moment;
use duologue_store::{DatabaseUrl, Failure, FailureKind};

use super::StorageCounts;
use crate::events::Publisher;

/// The pause after the first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The pause between two attempts at the start.
const PAUSE_AT_START: Duration = Duration::from_millis(200);

/// Who keeps something in a database.
pub(super) trait Linked {
    /// A database that is open, and what is known of it.
    type Connection;

    /// What is kept there, and who hears how that goes.
    fn place(&self) -> Place<'_>;

    /// Connects.
    fn open(&self) -> Result<Self::Connection, Failure>;
}

/// A database, and who hears whether it is there.
pub(super) struct Place<'a> {
    /// What is kept there, for people.
    pub(super) what: &'static str,
    /// What happens without it, for people.
    pub(super) goes_on: &'static str,
    pub(super) url: &'a DatabaseUrl,
    pub(super) counts: &'a StorageCounts,
    pub(super) state_changed: &'a Publisher,
}

/// Connects at the start: a database that does not answer is waited for so long; none is there then.
///
/// # Errors
/// A [`Failure`] that will not pass.
pub(super) fn connect<S: Linked>(
    storage: &S,
    patience: Duration,
) -> Result<Option<S::Connection>, Failure> {
    let until = Instant::now() + patience;
    let Place { what, url, .. } = storage.place();
    let mut told = false;
    loop {
        let failure = match storage.open() {
            Ok(connection) => return Ok(Some(connection)),
            Err(failure) if failure.is_passing() => failure,
            Err(failure) => return Err(failure),
        };
        if Instant::now() >= until {
            tracing::error!("starting without the stored {what}: {url}: {failure}");
            return Ok(None);
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!("waiting for the database of {what}, {url}: {failure}");
        }
        std::thread::sleep(PAUSE_AT_START);
    }
}

/// The connection, if there is one, and when to try again.
pub(super) struct Link<S: Linked> {
    connection: Option<S::Connection>,
    retry_at: Instant,
    pause: Duration,
    /// Whether the last attempt failed, and why: it was told.
    failing: Option<String>,
}

impl<S: Linked> Link<S> {
    pub(super) fn new(connection: Option<S::Connection>) -> Self {
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
    pub(super) fn take(&mut self, storage: &S, now: Moment) -> Option<S::Connection> {
        if self.failing.is_some() && Instant::now() < self.retry_at {
            return None;
        }
        if let Some(connection) = self.connection.take() {
            return Some(connection);
        }
        match storage.open() {
            Ok(connection) => Some(connection),
            Err(failure) => {
                self.failed(storage, now, None, &failure);
                None
            }
        }
    }

    /// What came of using the connection, which goes back or is given up.
    pub(super) fn settle<T>(
        &mut self,
        storage: &S,
        now: Moment,
        connection: S::Connection,
        done: Result<T, Failure>,
    ) -> Option<T> {
        match done {
            Ok(done) => {
                self.worked(storage, now, connection);
                Some(done)
            }
            Err(failure) => {
                self.failed(storage, now, Some(connection), &failure);
                None
            }
        }
    }

    /// It works.
    fn worked(&mut self, storage: &S, now: Moment, connection: S::Connection) {
        self.connection = Some(connection);
        self.pause = PAUSE_MIN;
        let place = storage.place();
        place.counts.connected.store(true, Relaxed);
        if self.failing.take().is_some() {
            tracing::info!("the database of {} is back: {}", place.what, place.url);
            place.tell(now, "up", "");
        }
    }

    /// It does not: what is lost is made anew later, what is busy or full is tried again.
    fn failed(
        &mut self,
        storage: &S,
        now: Moment,
        connection: Option<S::Connection>,
        failure: &Failure,
    ) {
        let stays = matches!(failure.kind, FailureKind::Busy | FailureKind::Full);
        self.connection = connection.filter(|_| stays);
        let place = storage.place();
        let Place { what, goes_on, url, counts, .. } = &place;
        counts.failures.fetch_add(1, Relaxed);
        counts.connected.store(self.connection.is_some(), Relaxed);
        self.retry_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        let reason = failure.to_string();
        match self.failing.replace(reason.clone()) {
            None => {
                tracing::error!("{what} cannot be stored in {url}: {reason}; {goes_on}");
                place.tell(now, "down", &reason);
            }
            Some(before) if before != reason => {
                tracing::warn!("{what} cannot be stored: {reason}");
            }
            Some(_) => {}
        }
    }
}

impl Place<'_> {
    fn tell(&self, now: Moment, state: &str, reason: &str) {
        let pending = self.counts.pending.load(Relaxed);
        self.state_changed.raise_at(now, |params| {
            params
                .text("url", self.url.to_string())
                .text("state", state)
                .text("reason", reason)
                .int("pending", i64::try_from(pending).unwrap_or(i64::MAX));
        });
    }
}
