//! Dialogs that outlive the process (spec/dialog.md §11, DESIGN "Storage"), and [users] that
//! do.
//!
//! ```text
//!  calls ── mark what differs ──► Dialogs ── wake ──► Storage ──► writer: gather, write, tell
//!    ▲                                                   ▲             │
//!    │                              commands, answers ───┘             │
//!    └────────── jobs: WRITE_VP before, SAVED and "committed" behind ◄─┘
//! ```
//!
//! No call waits for the database, but for an answer that is to be durable. The writer is a thread
//! that owns the connection: it takes dialogs as they are when it has time for them, many in one
//! transaction. A database that is away costs a mark per dialog; when it is back, what differs is
//! written.

mod connection;
mod counts;
mod inbox;
mod link;
mod orders;
mod settings;
mod start;
pub mod users;
mod words;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use duologue_dialog::DialogKey;
use duologue_sip::Moment;
use duologue_store::{DatabaseUrl, Restored};

use crate::events::{Events, Publisher};
use inbox::Inbox;
use orders::ToDo;

pub use counts::StorageCounts;
pub use inbox::Answer;
pub use orders::Order;
pub use settings::{DurableFailure, Mode, StorageSettings};
pub use start::start;
pub use writer::Writer;

/// The event of a database that is lost or back.
const STATE_CHANGED: &str = "E_DLG_DB_STATE_CHANGED";

/// What the workers, the commands and the writer share.
#[derive(Debug)]
pub struct Storage {
    settings: StorageSettings,
    url: DatabaseUrl,
    inbox: Inbox<ToDo>,
    counts: StorageCounts,
    state_changed: Publisher,
}

/// Who watches how far the start has come.
pub type Watch = Box<dyn FnMut(&Restored) + Send>;

/// What differs within this time is written together, where it is written as soon as it does. It is
/// what a crash may cost where answers do not wait.
const TOGETHER: Duration = Duration::from_millis(50);

/// How long the last round may take when the database is in trouble, and the pause between two
/// attempts.
const LAST_ROUND: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(100));

/// A clock.
pub type Now = Arc<dyn Fn() -> Moment + Send + Sync>;

impl Storage {
    /// The storage of these settings; nothing is opened yet.
    pub(crate) fn new(settings: StorageSettings, url: DatabaseUrl, events: &Events) -> Arc<Self> {
        let state_changed = events.publish_own(STATE_CHANGED);
        let inbox = Inbox::new(settings.mode == Mode::Realtime);
        Arc::new(Self { settings, url, inbox, counts: StorageCounts::default(), state_changed })
    }

    /// What the script says about it.
    pub const fn settings(&self) -> &StorageSettings {
        &self.settings
    }

    /// Where it is; the password is not shown.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// What it counted.
    pub const fn counts(&self) -> &StorageCounts {
        &self.counts
    }

    /// Asks the writer for something and waits for it: not for the workers of calls. A text for
    /// people when it was not done.
    ///
    /// # Errors
    /// What the database says, or that the program ends.
    pub fn ask(&self, order: fn(Answer) -> Order) -> Result<u64, String> {
        self.inbox.ask(|to_do, answer| to_do.orders.push(order(answer)))
    }

    /// The row of this dialog is written at once, and its call hears when it is.
    pub(crate) fn commit_soon(&self, key: DialogKey) {
        self.inbox.add(|to_do| to_do.awaited.push(key));
    }

    /// The writer does its last round: no call runs any more.
    pub(crate) fn stop(&self) {
        self.inbox.stop();
    }

    /// What came of asking a dialog for its values, in the turn of its call.
    pub(crate) fn values_told(&self, key: DialogKey, stale: Option<duologue_dialog::Stale>) {
        self.inbox.add(|to_do| to_do.taken.push((key, stale)));
    }
}
