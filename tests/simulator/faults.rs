//! What the checkers found wrong, in words.

use std::sync::{Arc, Mutex};

/// The faults of one world, found anywhere in it. Cheap to clone; all clones mean the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<String>>>);

impl Faults {
    /// Something does not hold.
    pub(crate) fn add(&self, what: impl Into<String>) {
        lock(&self.0).push(what.into());
    }

    /// Notes `what` unless it holds.
    pub(crate) fn hold(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.add(what());
        }
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<String> {
        lock(&self.0).clone()
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

/// Locks what a callback that panicked may have held.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
