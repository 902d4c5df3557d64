//! `cargo xtask bench`: CPU per call, memory per dialog, system calls, the dialog engine at scale,
//! micro-benchmarks.

mod calls;
mod dialogs;
mod instructions;
mod listing;
mod memory;
mod probe;
mod profile;
mod restore;
mod table;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;

use crate::sipp::{self, Agent, Plan, Report};
use crate::subject::{Running, Subject};
use crate::tally::heading;
use crate::{Result, packages, paths, ports, process};

/// All micro-benchmarks together take no longer than this.
const MICRO_LIMIT: Duration = Duration::from_secs(1800);

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure one thing alone.
    what: Option<What>,
    /// The proxies to compare, in this order.
    #[arg(long, value_delimiter = ',', default_values_t = Subject::ALL)]
    subjects: Vec<Subject>,
    /// Interleaved rounds; medians are over these.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of calls for each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds after the last call that still count, for what is freed late.
    #[arg(long, default_value_t = 6)]
    linger: u64,
    /// Seconds for which each call is held.
    #[arg(long, default_value_t = 0)]
    hold: u64,
    /// Calls in a second; `max` is nine tenths of what the slowest subject can take.
    #[arg(long, value_delimiter = ',', default_values_t = ["500", "2000", "max"].map(String::from))]
    rates: Vec<String>,
    /// Dialogs held for the measurement of memory.
    #[arg(long, default_value_t = 20_000)]
    dialogs: u64,
    /// Dialogs that are listed.
    #[arg(long, default_value_t = 50_000)]
    listed: u64,
    /// Calls that a start finds in its database.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    restored: Vec<u64>,
    /// Take the programs as they are, without building or installing anything.
    #[arg(long)]
    no_build: bool,
}

/// A kind of measurement.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// CPU time per call.
    Calls,
    /// Bytes per held dialog.
    Memory,
    /// System calls per call, and time by function.
    Profile,
    /// How long a list over HTTP takes, and what calls notice of it.
    Listing,
    /// How long a start takes that finds many calls in its database.
    Restore,
    /// The dialog engine beside up to a million dialogs.
    Dialogs,
    /// How much of a relayed message is the script.
    Instructions,
    /// The micro-benchmarks of the crates.
    Micro,
}

/// Measures; results go to the terminal and, as JSON, to `target/bench`.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let wants = |what| options.what.is_none_or(|only| only == what);
    let directory = paths::kept("bench")?;
    let ours_alone = matches!(options.what, Some(What::Dialogs | What::Instructions | What::Micro));
    if !ours_alone && !options.no_build {
        packages::require(&[packages::SIPP])?;
        for subject in &options.subjects {
            subject.prepare()?;
        }
    }
    if wants(What::Calls) {
        heading("CPU time per call");
        calls::run(options, &directory)?;
    }
    if wants(What::Memory) {
        heading("Memory per held dialog");
        memory::run(options, &directory)?;
    }
    if wants(What::Listing) {
        heading("Lists over HTTP");
        listing::run(options, &directory)?;
    }
    if wants(What::Restore) {
        heading("Calls that come back");
        restore::run(options, &directory)?;
    }
    if wants(What::Profile) {
        heading("System calls and functions");
        packages::require(&[packages::STRACE])?;
        profile::run(options, &directory)?;
    }
    if wants(What::Dialogs) {
        heading("The dialog engine at scale");
        dialogs::run(&directory)?;
    }
    if wants(What::Instructions) {
        heading("Instructions of a message");
        instructions::run(&directory)?;
    }
    if wants(What::Micro) {
        heading("Micro-benchmarks");
        micro()?;
    }
    Ok(true)
}

/// How long a measurement waits for calls that are not over yet.
const PATIENCE: Duration = Duration::from_secs(600);

/// Sends `rate` calls a second for `seconds` through `proxy` and waits until all are over, but no
/// longer than `patience`.
fn load(
    proxy: &Running,
    (rate, seconds): (u32, u64),
    (hold, patience): (Duration, Duration),
    directory: &Path,
) -> Result<(Report, Report)> {
    let callee = sipp::callee(&plan("bench_callee", None, rate), proxy.callee(), directory)?;
    let calls = u64::from(rate) * seconds;
    let limit = Duration::from_secs(seconds) + hold + patience;
    let plan = Plan { limit, hold, ..plan("bench_caller", Some(calls), rate) };
    let caller = caller(proxy, &plan, directory)?.finish()?;
    Ok((caller, callee.stop()?))
}

fn plan(scenario: &str, calls: Option<u64>, rate: u32) -> Plan<'_> {
    // Other proxies let messages of a call overtake each other: that must not end the call.
    Plan {
        calls,
        rate,
        hold: Duration::ZERO,
        limit: PATIENCE,
        patient: true,
        ..Plan::one(scenario)
    }
}

fn caller(proxy: &Running, plan: &Plan<'_>, directory: &Path) -> Result<Agent> {
    sipp::caller(plan, proxy.caller(), proxy.sip(), ports::local(proxy.callee()), directory)
}

/// A folder of its own for SIPp's files, so that runs do not read each other's.
fn scratch(directory: &Path, name: &str) -> Result<std::path::PathBuf> {
    let scratch = directory.join(name);
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

fn save(directory: &Path, name: &str, value: &Value) -> Result<()> {
    let file = directory.join(name);
    fs::write(&file, format!("{value:#}\n"))?;
    println!("\nwritten to {}", file.display());
    Ok(())
}

/// What the figures were taken on: they mean nothing without it.
fn machine() -> Value {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
    };
    serde_json::json!({
        "cpu": field("model name"),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
    })
}

fn micro() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["bench", "--workspace", "--benches"]);
    let status = process::run(&mut cargo, MICRO_LIMIT)?;
    if status.success() { Ok(()) } else { Err(format!("cargo bench: {status}").into()) }
}
