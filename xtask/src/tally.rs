//! What passed and what failed, under clear headings, with one last line.

use std::time::{Duration, Instant};

use crate::Result;

/// The running count of a whole run.
pub(crate) struct Tally {
    started: Instant,
    passed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// Starts counting, and the clock.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), passed: 0, failures: Vec::new() }
    }

    /// Runs one named check and prints how it went.
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) -> bool {
        let started = Instant::now();
        let outcome = check();
        let time = seconds(started.elapsed());
        match outcome {
            Ok(()) => {
                println!("  ok     {name} ({time})");
                self.passed += 1;
                true
            }
            Err(error) => {
                println!("  FAILED {name} ({time}): {error}");
                self.failures.push(name.to_owned());
                false
            }
        }
    }

    /// Adds what another test runner counted.
    pub(crate) fn add(&mut self, runner: &str, passed: u64, failed: u64) {
        self.passed += passed;
        self.failures.extend((0..failed).map(|_| format!("a test of {runner}")));
    }

    /// Adds a failure that no runner counted.
    pub(crate) fn fail(&mut self, what: String) {
        println!("  FAILED {what}");
        self.failures.push(what);
    }

    /// Prints the end of the run; true if nothing failed.
    pub(crate) fn conclude(self) -> bool {
        heading("Result");
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("total time {}", seconds(self.started.elapsed()));
        println!("{} passed, {} failed", self.passed, self.failures.len());
        self.failures.is_empty()
    }
}

/// A section's heading.
pub(crate) fn heading(title: &str) {
    println!("\n== {title} {}", "=".repeat(70usize.saturating_sub(title.len())));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
