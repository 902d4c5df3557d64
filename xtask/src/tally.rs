//! What passed and what failed, under clear headings, with one last line.

use std::thread;
use std::time::{Duration, Instant};

/// A check that may run beside others.
pub(crate) type Check<'a> = Box<dyn FnOnce() -> crate::Result<()> + Send + 'a>;

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
    pub(crate) fn check(&mut self, name: &str, check: impl FnOnce() -> crate::Result<()>) -> bool {
        let started = Instant::now();
        let outcome = check().map_err(|error| error.to_string());
        self.tell(name, started.elapsed(), outcome)
    }

    /// Runs checks that mostly wait, all at the same time, and prints how each went.
    pub(crate) fn check_together(&mut self, checks: Vec<(String, Check<'_>)>) {
        let run = |check: Check<'_>| {
            let started = Instant::now();
            let outcome = check().map_err(|error| error.to_string());
            (started.elapsed(), outcome)
        };
        thread::scope(|scope| {
            let begin = |(name, check)| (name, scope.spawn(move || run(check)));
            let running: Vec<_> = checks.into_iter().map(begin).collect();
            for (name, check) in running {
                let panicked = |_| (Duration::ZERO, Err("it panicked".to_owned()));
                let (time, outcome) = check.join().unwrap_or_else(panicked);
                self.tell(&name, time, outcome);
            }
        });
    }

    fn tell(&mut self, name: &str, time: Duration, outcome: Result<(), String>) -> bool {
        let time = seconds(time);
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
