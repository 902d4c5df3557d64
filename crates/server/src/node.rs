//! The proxy: everything that workers share and nobody changes, and the tables that change under
//! their own locks.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};
use duologue_dialog::{DialogKey, Dialogs};
use duologue_script::Setup;
use duologue_sip::{Moment, Tick};
use duologue_transaction::BranchKey;
use parking_lot::Mutex;

use crate::blacklist::Blacklists;
use crate::cachedb::Caches;
use crate::call::Ending;
use crate::catalog::Catalog;
use crate::changes::ChangeLog;
use crate::commands::Commands;
use crate::dialogs::Told;
use crate::events::{Events, Publisher};
use crate::index::CallIndex;
use crate::loaded::Loaded;
use crate::loglevel::Threshold;
use crate::module::{Settings, Task};
use crate::parked::Parking;
use crate::readiness::{CORE, MAIN, Readiness};
use crate::runqueue::RunQueue;
use crate::slow::SlowMessages;
use crate::sockets::Sockets;
use crate::statistics::Statistics;
use crate::storage::Storage;
use crate::storage::users::UserStorage;

/// How long after a stateless reply its ACK is swallowed (spec/modules.md §3).
const STATELESS_ACK_SECONDS: u64 = 32;

/// The proxy.
#[derive(Debug)]
pub struct Node {
    /// The names of scripts and the code behind them.
    pub catalog: Catalog,
    /// The script that runs; see [`Node::script`].
    pub(crate) script: ArcSwap<Loaded>,
    /// What the script said at the start, apart from its routes: it stays in force.
    pub(crate) setup: Setup,
    /// Held by whoever puts another one in its place.
    pub(crate) reloading: Mutex<()>,
    /// The listening sockets.
    pub sockets: Sockets,
    /// All calls.
    pub calls: CallIndex,
    /// All dialogs.
    pub dialogs: Dialogs,
    /// What became of dialogs of late, for who watches.
    pub changes: Arc<ChangeLog>,
    /// Where dialogs are kept, if they are.
    pub storage: Option<Arc<Storage>>,
    /// Where users are kept, if they are.
    pub user_storage: Option<Arc<UserStorage>>,
    /// Events and who is subscribed to them.
    pub events: Events,
    /// The counters.
    pub statistics: Statistics,
    /// The key-value stores.
    pub caches: Caches,
    /// Calls that wait for an idle worker.
    pub queue: Arc<RunQueue>,
    /// The places for runs of scripts that wait.
    pub parking: Parking,
    /// The secret of our Via branches.
    pub branch_key: BranchKey,
    /// The secret of our To-tags.
    pub tag_key: (u64, u64),
    /// The `Server:` line of our replies with its CRLF, unless `server_signature=no`.
    pub server_header: Option<String>,
    /// The `User-Agent:` line of our requests with its CRLF.
    pub user_agent_header: Option<String>,
    /// Whether a 503 travels upstream as it is.
    pub disable_503_translation: bool,
    /// Whether replies whose top Via is not ours are dropped before anything.
    pub check_via: bool,
    /// Whether the script loaded `rr`: Route headers mean something.
    pub record_routing: bool,
    /// The threshold of `xlog()`.
    pub xlog_level: Threshold,
    /// Whether `$C(..)` is a colour and not nothing.
    pub colors: bool,
    /// Whether our replies carry a Warning that tells what they were made from.
    pub sip_warning: bool,
    /// Whether a failed `assert()` ends the program.
    pub abort_on_assert: bool,
    /// The destinations to which nothing is sent.
    pub blacklists: Blacklists,
    /// `-o name=value`.
    pub argv: Vec<(String, String)>,
    /// When the proxy started.
    pub started: Moment,
    /// By their type, whose number is compared faster than asked for.
    pub(crate) settings: Vec<(TypeId, Settings)>,
    /// What the loaded modules do by themselves.
    pub(crate) tasks: Vec<Task>,
    pub(crate) draining: AtomicBool,
    pub(crate) overloaded: AtomicBool,
    pub(crate) stateless_acks_until: AtomicU64,
    /// Messages that take longer are told; `None` if nobody wants to know.
    pub(crate) slow_messages: Option<SlowMessages>,
    /// `E_CORE_SR_STATUS_CHANGED` (spec/script.md §16).
    pub(crate) readiness_changed: Publisher,
    /// Whether somebody wants to know how long messages are handled.
    pub(crate) times_messages: bool,
    /// What of the dialogs' lives is told to events and event routes.
    pub(crate) told: Told,
    /// How many numbers were given to requests of our own.
    pub(crate) own_numbers: AtomicU64,
    /// The management commands that scripts may run, once somebody has given them.
    pub(crate) commands: OnceLock<Arc<dyn Commands>>,
    /// How dialogs are to be ended whose end was asked for and is about to be queued.
    pub(crate) endings: Mutex<HashMap<DialogKey, Ending>>,
}

impl Node {
    /// The script that runs. Ask once for each piece of work: another one may come in its place.
    #[inline]
    pub fn script(&self) -> Guard<Arc<Loaded>> {
        self.script.load()
    }

    /// The settings of a module, by their type.
    ///
    /// # Panics
    /// If no module has settings of this type: every built-in module is configured at start-up,
    /// loaded or not, and others ask only for their own.
    pub fn settings<T: 'static>(&self) -> &T {
        let wanted = TypeId::of::<T>();
        self.settings
            .iter()
            .find(|(of, _)| *of == wanted)
            .and_then(|(_, settings)| settings.downcast_ref())
            .expect("every module of the catalog was configured when the node was built")
    }

    /// Gives scripts the management commands (`mi_script`). The first ones given stay: false if
    /// there are some.
    pub fn give_commands(&self, commands: Arc<dyn Commands>) -> bool {
        self.commands.set(commands).is_ok()
    }

    /// When the first of the modules' tasks wants to run; `None` if none does.
    pub fn next_task(&self) -> Option<Tick> {
        self.tasks.iter().filter_map(|task| (task.next_due)(self)).min()
    }

    /// Whether new calls are refused because the proxy is going down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// A number that was not given out before.
    pub(crate) fn next_number(&self) -> u64 {
        self.own_numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on new INVITEs get 503; what runs goes on.
    pub fn drain(&self) {
        let before = Readiness::of(self);
        self.draining.store(true, Ordering::Relaxed);
        let now = Readiness::of(self);
        if before != now {
            self.readiness_changed.raise(|params| {
                params
                    .text("group", CORE)
                    .text("identifier", MAIN)
                    .int("status", now.status().into())
                    .text("details", now.details())
                    .int("old_status", before.status().into());
            });
        }
    }

    /// Whether no transaction is waiting for anything but stray retransmissions.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.calls.is_settled()
    }

    /// Whether new calls are refused because the workers have fallen behind.
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// A final reply without state went to an INVITE: its ACK will come and end here.
    pub(crate) fn expect_stateless_ack(&self, now: Moment) {
        let until = now.tick.as_millis() + STATELESS_ACK_SECONDS * 1000;
        self.stateless_acks_until.store(until, Ordering::Relaxed);
    }

    /// Whether an ACK may belong to a stateless reply of ours.
    pub(crate) fn expects_stateless_ack(&self, now: Moment) -> bool {
        now.tick.as_millis() < self.stateless_acks_until.load(Ordering::Relaxed)
    }
}
