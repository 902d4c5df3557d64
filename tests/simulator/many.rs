//! Many seeds, on all cores, with a word on how far it has come.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::faults::lock;
use crate::play;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How many failures are told in full; of the others only the seed.
const TOLD_MAX: usize = 3;

/// How far it has come.
#[derive(Debug, Default)]
struct Progress {
    next: AtomicU64,
    seeds: AtomicU64,
    calls: AtomicU64,
    dialogs: AtomicU64,
    messages: AtomicU64,
    failed: Mutex<Vec<u64>>,
    over: AtomicBool,
}

/// Plays the seeds from `first` on, each with this many calls.
///
/// # Panics
/// If any does not hold, with the seeds; the first few were told in full by then.
pub(crate) fn play(first: u64, seeds: u64, calls: u32) {
    let progress = Progress::default();
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| progress.take_seeds(first, seeds, calls)))
            .collect();
        let teller = scope.spawn(|| progress.tell(started, seeds));
        for player in players {
            player.join().expect("a player catches what its worlds throw");
        }
        progress.over.store(true, Relaxed);
        teller.thread().unpark();
    });
    println!("{}", progress.line(started, seeds));
    let failed = lock(&progress.failed);
    assert!(failed.is_empty(), "{} seeds do not hold: {failed:?}", failed.len());
}

impl Progress {
    fn take_seeds(&self, first: u64, seeds: u64, calls: u32) {
        loop {
            let number = self.next.fetch_add(1, Relaxed);
            if number >= seeds {
                return;
            }
            let seed = first.wrapping_add(number);
            match play::play(seed, calls) {
                Ok(played) => {
                    self.calls.fetch_add(played.calls, Relaxed);
                    self.dialogs.fetch_add(played.dialogs as u64, Relaxed);
                    self.messages.fetch_add(played.messages as u64, Relaxed);
                }
                Err(failure) => self.tell_failure(seed, &failure),
            }
            self.seeds.fetch_add(1, Relaxed);
        }
    }

    fn tell_failure(&self, seed: u64, failure: &play::Failure) {
        let mut failed = lock(&self.failed);
        if failed.len() < TOLD_MAX {
            println!("{}\n", failure.0);
        }
        failed.push(seed);
    }

    fn tell(&self, started: Instant, seeds: u64) {
        loop {
            std::thread::park_timeout(TELL_EVERY);
            if self.over.load(Relaxed) {
                return;
            }
            println!("{}", self.line(started, seeds));
        }
    }

    fn line(&self, started: Instant, seeds: u64) -> String {
        let number = |counter: &AtomicU64| counter.load(Relaxed);
        let (calls, seconds) = (number(&self.calls), started.elapsed().as_secs_f64());
        format!(
            "{} of {seeds} seeds, {} failed: {calls} calls, {} dialogs, {} messages, {:.0} calls/s",
            number(&self.seeds),
            lock(&self.failed).len(),
            number(&self.dialogs),
            number(&self.messages),
            calls as f64 / seconds.max(0.001),
        )
    }
}
