//! The process's log level, OpenSIPS's numbers, changeable while calls run.

use std::sync::atomic::{AtomicI8, AtomicI32, Ordering::Relaxed};

use tracing::Level;

/// NOTICE, the level an OpenSIPS starts with (spec/script.md §2.3).
pub const DEFAULT: i8 = 2;

static CURRENT: AtomicI8 = AtomicI8::new(DEFAULT);
static CONFIGURED: AtomicI8 = AtomicI8::new(DEFAULT);

/// The current level: −3 ALERT … 4 DBG.
pub fn current() -> i8 {
    CURRENT.load(Relaxed)
}

/// Sets the level; numbers outside −3…4 become the nearest.
pub fn set(level: i8) {
    CURRENT.store(level.clamp(-3, 4), Relaxed);
}

/// Sets the level, and that to which [`reset`] goes back.
pub fn configure(level: i8) {
    CONFIGURED.store(level.clamp(-3, 4), Relaxed);
    set(level);
}

/// Back to the level that script and command line ask for.
pub fn reset() {
    set(CONFIGURED.load(Relaxed));
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

/// A level that a script sets and that can be changed while calls run: `xlog_level`.
#[derive(Debug)]
pub struct Threshold {
    configured: i32,
    current: AtomicI32,
}

impl Threshold {
    /// The level that the script asks for.
    pub const fn new(configured: i32) -> Self {
        Self { configured, current: AtomicI32::new(configured) }
    }

    /// The level now.
    pub fn get(&self) -> i32 {
        self.current.load(Relaxed)
    }

    /// Sets the level; numbers outside −3…4 become the nearest.
    pub fn set(&self, level: i32) {
        self.current.store(level.clamp(-3, 4), Relaxed);
    }

    /// Back to the level that the script asks for.
    pub fn reset(&self) {
        self.current.store(self.configured, Relaxed);
    }
}
