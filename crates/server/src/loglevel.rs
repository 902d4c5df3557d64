//! The process's log level, OpenSIPS's numbers, changeable while calls run.

use std::sync::atomic::{AtomicI8, Ordering::Relaxed};

use tracing::Level;

/// NOTICE, the level an OpenSIPS starts with (spec/script.md §2.3).
pub const DEFAULT: i8 = 2;

static CURRENT: AtomicI8 = AtomicI8::new(DEFAULT);

/// The current level: −3 ALERT … 4 DBG.
pub fn current() -> i8 {
    CURRENT.load(Relaxed)
}

/// Sets the level; numbers outside −3…4 become the nearest.
pub fn set(level: i8) {
    CURRENT.store(level.clamp(-3, 4), Relaxed);
}

/// From which level on a line of `tracing`'s level is printed.
pub fn threshold(level: Level) -> i8 {
    match level {
        Level::ERROR => -1,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}
