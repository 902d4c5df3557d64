//! Users that outlive the process (spec/modules.md §13): the twin of what is done for dialogs.
//!
//! No registration waits for the database, in no mode. A change marks its contact; the writer, a
//! thread that owns the connection, takes contacts as they are when it has time for them, many in one
//! transaction. A database that is away costs a mark per contact; when it is back, what differs is
//! written.

mod connection;
mod settings;
mod start;
mod words;
mod writer;

use std::sync::Arc;

use duologue_store::{BadName, DatabaseUrl, Names};

use super::inbox::{Answer, Inbox, Work};
use super::{Now, StorageCounts};
use crate::events::{Events, Publisher};

pub use settings::{UserStorageSettings, WriteMode};
pub use start::start;
pub use writer::UserWriter;

/// The event of a database that is lost or back.
const STATE_CHANGED: &str = "E_UL_DB_STATE_CHANGED";

/// What the commands and the writer share.
#[derive(Debug)]
pub struct UserStorage {
    settings: UserStorageSettings,
    url: DatabaseUrl,
    inbox: Inbox<ToDo>,
    counts: StorageCounts,
    state_changed: Publisher,
}

/// What there is to do.
#[derive(Debug, Default)]
struct ToDo {
    orders: Vec<Order>,
}

/// What an operator asks for.
#[derive(Debug)]
enum Order {
    /// Write what waits to be written (`ul_flush`).
    Flush(Answer),
    /// Take over what a table says, of all users or of one (`ul_sync`).
    Sync { table: String, aor: Option<Vec<u8>>, answer: Answer },
}

impl UserStorage {
    /// The storage of these settings; nothing is opened yet.
    pub(crate) fn new(
        settings: UserStorageSettings,
        url: DatabaseUrl,
        events: &Events,
    ) -> Arc<Self> {
        let inbox = Inbox::new(settings.writes == Some(WriteMode::Through));
        let state_changed = events.publish_own(STATE_CHANGED);
        Arc::new(Self { settings, url, inbox, counts: StorageCounts::default(), state_changed })
    }

    /// What the script says about it.
    pub const fn settings(&self) -> &UserStorageSettings {
        &self.settings
    }

    /// What it counted.
    pub const fn counts(&self) -> &StorageCounts {
        &self.counts
    }

    /// Writes what waits to be written, and waits for that: not for the workers of calls. How many
    /// rows that were.
    ///
    /// # Errors
    /// What the database says, or that the program ends.
    pub fn flush(&self) -> Result<u64, String> {
        self.inbox.ask(|to_do, answer| to_do.orders.push(Order::Flush(answer)))
    }

    /// Makes a table in memory, or one of its users, what the database says, and waits for that. How
    /// many contacts came.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn sync(&self, table: &str, aor: Option<&[u8]>) -> Result<u64, String> {
        let (table, aor) = (table.to_owned(), aor.map(<[u8]>::to_vec));
        self.inbox.ask(|to_do, answer| to_do.orders.push(Order::Sync { table, aor, answer }))
    }

    /// The names of the rows of a table.
    ///
    /// # Errors
    /// [`BadName`]: no table of a database is called so.
    pub(crate) fn names_of(&self, table: &str) -> Result<Names, BadName> {
        let mut names = self.settings.names.clone();
        names.set_table(table)?;
        Ok(names)
    }

    /// The writer does its last round: nobody registers any more.
    pub(crate) fn stop(&self) {
        self.inbox.stop();
    }
}

impl Work for ToDo {
    fn is_urgent(&self) -> bool {
        !self.orders.is_empty()
    }
}

impl Order {
    fn answer(self, with: Result<u64, String>) {
        let (Self::Flush(to) | Self::Sync { answer: to, .. }) = self;
        // Who asked may have gone.
        let _ = to.send(with);
    }
}
