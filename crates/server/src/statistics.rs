//! Counters that cost an increment: one shard per worker, added up when somebody reads.
//!
//! spec/script.md §14 gives groups and names. A worker writes only its own shard, with plain
//! relaxed loads and stores, so counting never bounces a cache line between cores.

mod dynamic;
mod handling;
mod listed;
mod series;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use dynamic::{DEFAULT_GROUP, DYNAMIC_MAX, Dynamic, NAME_BYTES_MAX, Refused, SERIES_MAX};
pub use handling::HandlingTimes;
pub(crate) use handling::{Class, Handling};
pub use listed::Listed;
use listed::OF_DIALOGS;
pub(crate) use listed::counter;
pub use series::{Algorithm, Profile};

/// A counter's place: an index that module and core declarations hand out at start-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(pub(crate) u16);

macro_rules! counters {
    ($($group:literal { $($(#[doc = $doc:literal])+ $constant:ident = $name:literal),* $(,)? })*) => {
        counters!(@constants 0u16; $($($(#[doc = $doc])+ $constant)*)*);
        /// Every counter: its group and its name, at its index.
        pub const COUNTERS: &[(&str, &str)] = &[$($(($group, $name)),*),*];
        /// What each counts, at its index.
        const HELP: &[&str] = &[$($(concat!($($doc),+)),*),*];
    };
    (@constants $index:expr; $(#[$doc:meta])* $constant:ident $($rest:tt)*) => {
        $(#[$doc])* pub const $constant: Counter = Counter($index);
        counters!(@constants $index + 1; $($rest)*);
    };
    (@constants $index:expr;) => {};
}

counters! {
    "core" {
        /// Requests that parsed.
        RCV_REQUESTS = "rcv_requests",
        /// Replies that parsed.
        RCV_REPLIES = "rcv_replies",
        /// Requests forwarded without state.
        FWD_REQUESTS = "fwd_requests",
        /// Replies forwarded without state.
        FWD_REPLIES = "fwd_replies",
        /// Requests dropped before the script (overload, shutdown).
        DROP_REQUESTS = "drop_requests",
        /// Replies dropped by an onreply_route or matching nothing.
        DROP_REPLIES = "drop_replies",
        /// Requests without a usable Via.
        ERR_REQUESTS = "err_requests",
        /// Replies without a usable Via.
        ERR_REPLIES = "err_replies",
        /// Request-URIs that did not parse.
        BAD_URIS = "bad_URIs_rcvd",
        /// Messages whose headers did not parse.
        BAD_MESSAGES = "bad_msg_hdr",
        /// Jobs that a full call queue refused.
        OVERFLOWED_JOBS = "overflowed_jobs",
        /// New calls refused because the table of calls was full.
        REFUSED_CALLS = "refused_calls",
        /// Messages that took longer than `exec_msg_threshold`.
        SLOW_MESSAGES = "slow_messages",
        /// Panics of module code that were caught.
        CAUGHT_PANICS = "caught_panics",
        /// Script runs stopped by an error of their own.
        SCRIPT_ERRORS = "script_errors",
        /// Datagrams that the kernel dropped because we read too slowly.
        KERNEL_DROPS = "kernel_drops",
        /// Datagrams that could not be sent.
        SEND_ERRORS = "send_errors",
        /// Script runs that waited for a function.
        PARKED_RUNS = "parked_runs",
        /// Script runs that could not wait because too many did.
        REFUSED_PARKS = "refused_parks",
    }
    "tm" {
        /// Replies that arrived for a transaction.
        TM_RECEIVED_REPLIES = "received_replies",
        /// Replies relayed upstream.
        TM_RELAYED_REPLIES = "relayed_replies",
        /// Replies that we made ourselves.
        TM_LOCAL_REPLIES = "local_replies",
        /// Server transactions created.
        TM_UAS_TRANSACTIONS = "UAS_transactions",
        /// Client transactions created for requests of our own.
        TM_UAC_TRANSACTIONS = "UAC_transactions",
        /// Transactions that ended with 2xx.
        TM_2XX = "2xx_transactions",
        /// Transactions that ended with 3xx.
        TM_3XX = "3xx_transactions",
        /// Transactions that ended with 4xx.
        TM_4XX = "4xx_transactions",
        /// Transactions that ended with 5xx.
        TM_5XX = "5xx_transactions",
        /// Transactions that ended with 6xx.
        TM_6XX = "6xx_transactions",
        /// Requests sent again for the first time.
        TM_REPEATED_1 = "retransmission_req_T1_1",
        /// Requests sent again for the second time.
        TM_REPEATED_2 = "retransmission_req_T1_2",
        /// Requests sent again for the third time.
        TM_REPEATED_3 = "retransmission_req_T1_3",
        /// Requests sent again after that.
        TM_REPEATED_T2 = "retransmission_req_T2",
        /// Negative replies sent again because no ACK came.
        TM_REPEATED_REPLIES = "retransmission_rpl_T2",
        /// Branches that got no final reply, and no provisional if they were INVITEs.
        TM_TIMED_OUT = "timeout_finalresponse",
        /// INVITE branches that got provisionals only.
        TM_TIMED_OUT_INV = "timeout_finalresponse_inv",
        /// Transactions removed again; in use = created − this.
        TM_REMOVED = "removed_transactions",
    }
    "sl" {
        /// 1xx sent without state.
        SL_1XX = "1xx_replies",
        /// 2xx sent without state.
        SL_2XX = "2xx_replies",
        /// 3xx sent without state.
        SL_3XX = "3xx_replies",
        /// 4xx sent without state.
        SL_4XX = "4xx_replies",
        /// 5xx sent without state.
        SL_5XX = "5xx_replies",
        /// 6xx sent without state.
        SL_6XX = "6xx_replies",
        /// All replies sent without state.
        SL_SENT = "sent_replies",
        /// Error replies sent without state.
        SL_SENT_ERRORS = "sent_err_replies",
        /// ACKs to our stateless replies, swallowed before the script.
        SL_ACKS = "received_ACKs",
    }
    "registrar" {
        /// REGISTERs that were carried out.
        REGISTRAR_ACCEPTED = "accepted_regs",
        /// REGISTERs that were refused.
        REGISTRAR_REJECTED = "rejected_regs",
    }
}

impl Counter {
    /// The counter of `base`'s family for a status class: `SL_1XX.class(404)` is `SL_4XX`.
    pub(crate) const fn class(self, offset: u16) -> Self {
        Self(self.0 + offset)
    }
}

/// One worker's counters.
#[derive(Debug)]
#[repr(align(128))]
pub struct Shard {
    values: [AtomicU64; COUNTERS.len()],
    /// How long it handled messages.
    pub(crate) handling: Handling,
}

impl Shard {
    fn new() -> Self {
        Self {
            values: [const { AtomicU64::new(0) }; COUNTERS.len()],
            handling: Handling::default(),
        }
    }

    /// Counts `n` more. Only the shard's own worker may call this: the load and the store are two
    /// steps.
    pub fn add(&self, counter: Counter, n: u64) {
        let cell = &self.values[counter.0 as usize];
        cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Counts one more.
    pub fn bump(&self, counter: Counter) {
        self.add(counter, 1);
    }
}

/// All shards of a node, and the points from which the counters were last reset.
#[derive(Debug)]
pub struct Statistics {
    shards: Box<[Shard]>,
    reset: [AtomicU64; COUNTERS.len()],
    /// The same of the dialog engine's counters.
    dialogs_reset: [AtomicU64; OF_DIALOGS.len()],
    /// Those that scripts make.
    pub dynamic: Dynamic,
}

impl Statistics {
    /// Counters for `workers` writers.
    pub fn new(workers: usize) -> Self {
        Self {
            shards: (0..workers.max(1)).map(|_| Shard::new()).collect(),
            reset: [const { AtomicU64::new(0) }; COUNTERS.len()],
            dialogs_reset: [const { AtomicU64::new(0) }; OF_DIALOGS.len()],
            dynamic: Dynamic::default(),
        }
    }

    /// The shard of one worker.
    pub fn shard(&self, worker: usize) -> &Shard {
        &self.shards[worker % self.shards.len()]
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The sum over all workers since the start.
    pub fn total(&self, counter: Counter) -> u64 {
        let index = counter.0 as usize;
        let values = self.shards.iter().map(|shard| shard.values[index].load(Relaxed));
        values.fold(0, u64::wrapping_add)
    }

    /// How long messages were handled since the start, by their class.
    pub fn handling(&self) -> Vec<HandlingTimes> {
        handling::sum(self.shards.iter().map(|shard| &shard.handling))
    }

    /// The sum over all workers since the last reset.
    pub fn read(&self, counter: Counter) -> u64 {
        self.total(counter).wrapping_sub(self.reset[counter.0 as usize].load(Relaxed))
    }

    /// Lets the counter start at zero again.
    pub fn reset(&self, counter: Counter) {
        let index = counter.0 as usize;
        let current = self.read(counter);
        self.reset[index].fetch_add(current, Relaxed);
    }

    /// What a counter of the dialog engine had reached when it was last reset.
    fn dialog_base(&self, at: usize) -> u64 {
        self.dialogs_reset[at].load(Relaxed)
    }

    fn set_dialog_base(&self, at: usize, value: u64) {
        self.dialogs_reset[at].store(value, Relaxed);
    }

    /// What a counter counts, in a sentence; `None` if it is none of the program's own.
    pub fn help(group: &str, name: &str) -> Option<&'static str> {
        let at = COUNTERS.iter().position(|known| *known == (group, name))?;
        Some(HELP[at].trim())
    }

    /// All counters: group, name, index.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static str, Counter)> {
        COUNTERS.iter().zip(0u16..).map(|((group, name), index)| (*group, *name, Counter(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_workers_and_forgets_on_reset() {
        let statistics = Statistics::new(2);
        statistics.shard(0).bump(RCV_REQUESTS);
        statistics.shard(1).add(RCV_REQUESTS, 2);
        assert_eq!(statistics.read(RCV_REQUESTS), 3);
        statistics.reset(RCV_REQUESTS);
        assert_eq!(statistics.read(RCV_REQUESTS), 0);
        statistics.shard(1).bump(RCV_REQUESTS);
        assert_eq!(statistics.read(RCV_REQUESTS), 1);
    }

    #[test]
    fn the_names_stand_at_their_constants() {
        assert_eq!(COUNTERS[SL_ACKS.0 as usize], ("sl", "received_ACKs"));
        assert_eq!(COUNTERS[SL_1XX.class(3).0 as usize], ("sl", "4xx_replies"));
        assert_eq!(Statistics::help("core", "rcv_requests"), Some("Requests that parsed."));
        assert_eq!(Statistics::help("core", "nothing"), None);
    }
}
