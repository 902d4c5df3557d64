//! The dialog engine at scale: calls per second beside 1 k, 100 k and 1 M idle dialogs, bytes per
//! dialog, what calls notice of a listing, how fast lifetimes end, what idle dialogs cost.
//!
//! `cargo xtask bench dialogs` runs it with `--full` and prints tables; without, it takes a small
//! taste. Each part runs in a process of its own, so that memory is measured from a clean start,
//! and ends in one line of JSON.
#![allow(clippy::unwrap_used)] // In a benchmark, too, an error is a failure.

mod calls;
mod clock;
mod latency;
mod listing;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use calls::{Table, virtual_time};
use latency::Latency;
use serde_json::{Value, json};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each rate is measured.
const MEASURE: Duration = Duration::from_secs(3);

/// What is measured, and for how many dialogs.
const FULL: &[(&str, usize)] = &[
    ("calls", 1_000),
    ("calls", 100_000),
    ("calls", 1_000_000),
    ("listing", 50_000),
    ("listing", 1_000_000),
    ("expiry", 1_000_000),
    ("idle", 1_000_000),
];
const TASTE: &[(&str, usize)] =
    &[("calls", 1_000), ("listing", 10_000), ("expiry", 10_000), ("idle", 10_000)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [part, dialogs] = &arguments[..]
        && let Ok(dialogs) = dialogs.parse()
    {
        return println!("{}", run(part, dialogs));
    }
    let parts = if arguments.iter().any(|it| it == "--full") { FULL } else { TASTE };
    for &(part, dialogs) in parts {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let status = child.args([part, &dialogs.to_string()]).stdin(Stdio::null()).status();
        assert!(status.unwrap().success(), "{part} {dialogs} failed");
    }
}

fn run(part: &str, dialogs: usize) -> Value {
    let figures = match part {
        "calls" => calls_beside(dialogs),
        "listing" => listing::measure(dialogs),
        "expiry" => clock::expiry(dialogs),
        "idle" => clock::idle(dialogs),
        other => panic!("there is no part {other}"),
    };
    json!({ "part": part, "dialogs": dialogs, "figures": figures })
}

/// Whole calls, one after the other, beside `count` idle dialogs.
fn calls_beside(count: usize) -> Value {
    let before = resident();
    let table = Table::in_virtual_time();
    table.fill(count, None, virtual_time(0));
    let (held, after) = (table.dialogs.memory(), resident());
    let mut calls = table.calls(count);
    // Before anything counts, as many tombstones stand about as will go on standing about.
    calls.run_for(MEASURE / 3, &mut Latency::default());
    let mut slowest = Latency::default();
    let begun = Instant::now();
    let made = calls.run_for(MEASURE, &mut slowest);
    json!({
        "calls_per_second": made as f64 / begun.elapsed().as_secs_f64(),
        "operation_us": slowest.figures(),
        "engine_bytes_per_dialog": held as f64 / count as f64,
        "resident_bytes_per_dialog": (after - before) as f64 / count as f64,
    })
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}
