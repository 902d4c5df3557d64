//! What the storage counts, for statistics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The counters of the storage of dialogs, in the group `dialog`, or of users, in `usrloc`.
#[derive(Debug, Default)]
pub struct StorageCounts {
    pub(super) connected: AtomicBool,
    pub(super) pending: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) restored: AtomicU64,
    pub(crate) late_commits: AtomicU64,
}

impl StorageCounts {
    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Those of dialogs: each with its name, and whether it only ever grows.
    pub fn all(&self) -> [(&'static str, u64, bool); 8] {
        let [connected, pending, written, commits, failures, rejected] = self.shared();
        let restored = ("db_restored_dialogs", self.restored.load(Relaxed), true);
        let late = ("db_late_commits", self.late_commits.load(Relaxed), true);
        [connected, pending, written, commits, failures, rejected, restored, late]
    }

    /// Those of users, likewise.
    pub fn of_users(&self) -> [(&'static str, u64, bool); 7] {
        let [connected, pending, written, commits, failures, rejected] = self.shared();
        let restored = ("db_restored_contacts", self.restored.load(Relaxed), true);
        [connected, pending, written, commits, failures, rejected, restored]
    }

    fn shared(&self) -> [(&'static str, u64, bool); 6] {
        [
            ("db_connected", self.is_connected().into(), false),
            ("db_pending", self.pending.load(Relaxed), false),
            ("db_written_rows", self.written.load(Relaxed), true),
            ("db_commits", self.commits.load(Relaxed), true),
            ("db_failures", self.failures.load(Relaxed), true),
            ("db_rejected_rows", self.rejected.load(Relaxed), true),
        ]
    }
}
