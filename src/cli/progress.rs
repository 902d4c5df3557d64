//! A sign of life for people who wait.

use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long nobody wonders.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells on a terminal what goes on, from the second second to when it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(super) fn of(what: String) -> Self {
        if !stderr().is_terminal() {
            return Self { running: None };
        }
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut seconds = 0u64;
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                seconds += 1;
                eprint!("\r{what} … {seconds} s");
            }
            if seconds > 0 {
                // Back to the beginning of the line, which is emptied.
                eprint!("\r\u{1b}[K");
            }
        });
        Self { running: Some((end, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.running.take() {
            drop(end);
            // It only writes; if that panicked, there is nothing left to clean.
            let _ = thread.join();
        }
    }
}
