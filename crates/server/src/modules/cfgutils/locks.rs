//! `get_static_lock()`, `get_dynamic_lock()`: one run at a time between getting and releasing.
//!
//! A run that ends gives its locks back, and nobody waits for ever: a script that forgets to release
//! must not stop the workers.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long a run waits for a lock that another one has. Its worker stands still meanwhile.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(1);
/// How many locks a run may have at a time.
pub const HELD_MAX: usize = 64;

/// The locks of a proxy.
#[derive(Debug)]
pub struct Locks {
    held: Mutex<HashSet<Key>>,
    freed: Condvar,
    pool: u64,
}

/// Which lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The one of this name.
    Static(Box<[u8]>),
    /// The one of the pool with this number.
    Dynamic(u64),
}

impl Locks {
    pub(super) fn new(pool: u32) -> Self {
        Self { held: Mutex::default(), freed: Condvar::new(), pool: u64::from(pool.max(1)) }
    }

    /// The lock of the pool that a text falls to; others may fall to the same.
    pub(super) fn dynamic(&self, text: &[u8]) -> Key {
        // The same in each process, so that what an operator found out once stays true.
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Key::Dynamic(hasher.finish() % self.pool)
    }
}

/// The locks of a run.
#[derive(Debug, Default)]
pub struct HeldLocks {
    list: Vec<Held>,
    /// It has waited in vain: from now on it only looks whether a lock is free. Two runs that each
    /// want what the other one has, and ask again and again, must come to an end.
    tired: bool,
}

#[derive(Debug)]
struct Held {
    locks: Arc<Locks>,
    key: Key,
    times: u32,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.held.lock().remove(&self.key);
        self.locks.freed.notify_all();
    }
}

impl HeldLocks {
    /// Gets a lock, waiting for it if need be; false if it took too long, and at once if it took
    /// too long before. One that the run has already is counted.
    pub(super) fn get(&mut self, locks: &Arc<Locks>, key: Key, wait: Duration) -> bool {
        if let Some(held) = self.list.iter_mut().find(|held| held.key == key) {
            held.times = held.times.saturating_add(1);
            return true;
        }
        if self.list.len() >= HELD_MAX {
            return false;
        }
        {
            let mut held = locks.held.lock();
            if !self.tired {
                locks.freed.wait_while_for(&mut held, |held| held.contains(&key), wait);
            }
            if !held.insert(key.clone()) {
                self.tired = true;
                return false;
            }
        }
        self.list.push(Held { locks: Arc::clone(locks), key, times: 1 });
        true
    }

    /// Gives a lock back; false if the run does not have it.
    pub(super) fn release(&mut self, key: &Key) -> bool {
        let Some(at) = self.list.iter().position(|held| held.key == *key) else { return false };
        self.list[at].times -= 1;
        if self.list[at].times == 0 {
            self.list.swap_remove(at);
        }
        true
    }

    /// Gives all locks back.
    pub fn release_all(&mut self) {
        self.list.clear();
        self.tired = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn named(name: &[u8]) -> Key {
        Key::Static(name.into())
    }

    /// spec/modules.md §25: one has it, another waits.
    #[test]
    fn a_lock_has_one_holder() {
        let locks = Arc::new(Locks::new(32));
        let (mut one, mut other) = (HeldLocks::default(), HeldLocks::default());
        assert!(one.get(&locks, named(b"a"), SOON));
        assert!(!other.get(&locks, named(b"a"), SOON));
        assert!(other.get(&locks, named(b"b"), SOON));
        assert!(!other.release(&named(b"a")), "it has none");
        assert!(one.release(&named(b"a")));
        assert!(other.get(&locks, named(b"a"), SOON));
        // Who has waited in vain only looks; this would take a year.
        let year = Duration::from_secs(365 * 86_400);
        assert!(!one.get(&locks, named(b"a"), SOON));
        assert!(!one.get(&locks, named(b"a"), year));
        one.release_all();
        other.release_all();
        assert!(one.get(&locks, named(b"a"), SOON));
    }

    #[test]
    fn who_waits_gets_it_when_it_is_free() {
        let locks = Arc::new(Locks::new(1));
        let mut one = HeldLocks::default();
        assert!(one.get(&locks, named(b"a"), SOON));
        let waiting = std::thread::spawn({
            let locks = Arc::clone(&locks);
            move || HeldLocks::default().get(&locks, named(b"a"), Duration::from_secs(60))
        });
        std::thread::sleep(SOON);
        one.release_all();
        assert!(waiting.join().unwrap());
        assert!(locks.held.lock().is_empty());
    }

    #[test]
    fn a_run_that_ends_has_no_locks_and_its_own_are_counted() {
        let locks = Arc::new(Locks::new(1));
        let mut one = HeldLocks::default();
        // With a pool of one, all texts share a lock; the run does not wait for itself.
        assert!(one.get(&locks, locks.dynamic(b"x"), SOON));
        assert!(one.get(&locks, locks.dynamic(b"y"), SOON));
        assert!(one.release(&locks.dynamic(b"x")));
        let mut other = HeldLocks::default();
        assert!(!other.get(&locks, locks.dynamic(b"z"), SOON));
        drop(one);
        assert!(other.get(&locks, locks.dynamic(b"z"), SOON));
        for n in 1..HELD_MAX {
            assert!(other.get(&locks, named(&n.to_be_bytes()), SOON));
        }
        assert!(!other.get(&locks, named(b"more"), SOON));
    }
}
