//! System calls per call with strace, and time by function with perf where the kernel lets us.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::{Options, PATIENCE, load, machine, save, scratch, table};
use crate::process::Daemon;
use crate::subject::{Running, Subject};
use crate::{Result, packages};

/// strace stops the proxy at each system call: few calls are enough, and few it can bear.
const TRACED_RATE: u32 = 200;
const TRACED_SECONDS: u64 = 5;

/// The load while perf takes samples.
const SAMPLED_RATE: u32 = 2000;
const SAMPLED_SECONDS: u64 = 5;

/// perf's samples per second: a prime, so that it does not beat with any timer.
const SAMPLES_PER_SECOND: &str = "1999";

/// Functions shown.
const FUNCTIONS: usize = 25;

/// How long perf may take to read its samples.
const REPORT_LIMIT: Duration = Duration::from_secs(120);

/// Profiles each subject, prints tables, writes `profile.json`.
pub(super) fn run(options: &Options, directory: &Path) -> Result<()> {
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for &subject in &options.subjects {
        let proxy = subject.start(&scratch(directory, &format!("{subject}.profile"))?)?;
        let calls = system_calls(&proxy, directory)?;
        let total: f64 = calls.iter().map(|(_, count)| count).sum();
        let most: Vec<_> =
            calls.iter().take(5).map(|(name, count)| format!("{name} {count:.1}")).collect();
        rows.push(vec![subject.to_string(), format!("{total:.1}"), most.join(", ")]);
        figures.push(json!({
            "subject": subject.to_string(),
            "system_calls_per_call": total,
            "by_name": calls.into_iter().collect::<BTreeMap<_, _>>(),
        }));
        if subject != Subject::Relay {
            functions(&proxy, directory)?;
        }
        proxy.stop()?;
    }
    println!();
    table::print(&["subject", "system calls/call", "most frequent"], &rows);
    save(directory, "profile.json", &json!({"machine": machine(), "figures": figures}))
}

/// System calls for each call, the most frequent first.
fn system_calls(proxy: &Running, directory: &Path) -> Result<Vec<(String, f64)>> {
    let directory = scratch(directory, "traced")?;
    let file = directory.join("strace.txt");
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-o"]).arg(&file);
    for process in proxy.processes()? {
        strace.args(["-p", &process.to_string()]);
    }
    let mut strace = Daemon::start("strace", &mut strace, &directory.join("strace.log"))?;
    sleep(Duration::from_millis(500));
    let (caller, _) =
        load(proxy, (TRACED_RATE, TRACED_SECONDS), (Duration::ZERO, PATIENCE), &directory)?;
    strace.stop("INT")?;
    let mut calls: Vec<(String, f64)> = read_summary(&fs::read_to_string(&file)?)
        .into_iter()
        .map(|(name, count)| (name, count as f64 / caller.calls.max(1) as f64))
        .collect();
    calls.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(calls)
}

/// The rows of `strace -c`: `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn read_summary(summary: &str) -> Vec<(String, u64)> {
    let rows = summary.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (name, count) = (fields.last()?, fields.get(3)?.parse().ok()?);
        (*name != "total").then(|| ((*name).to_owned(), count))
    });
    rows.collect()
}

/// Prints where the time goes, by function.
fn functions(proxy: &Running, directory: &Path) -> Result<()> {
    if !packages::is_installed("perf") {
        println!("{}: no profile by function: perf is not installed", proxy.subject());
        return Ok(());
    }
    let directory = scratch(directory, "sampled")?;
    let data = directory.join("perf.data");
    let processes: Vec<_> = proxy.processes()?.iter().map(u32::to_string).collect();
    let mut perf = Command::new("perf");
    perf.args(["record", "-F", SAMPLES_PER_SECOND, "-p", &processes.join(","), "-o"]).arg(&data);
    let mut perf = Daemon::start("perf", &mut perf, &directory.join("perf.log"))?;
    sleep(Duration::from_millis(500));
    if !perf.is_running() {
        println!("{}: no profile by function: perf may not sample here", proxy.subject());
        return Ok(());
    }
    load(proxy, (SAMPLED_RATE, SAMPLED_SECONDS), (Duration::ZERO, PATIENCE), &directory)?;
    perf.stop("INT")?;
    for (what, sort) in [("library", "dso"), ("function", "dso,symbol")] {
        println!("\n{}: time by {what} at {SAMPLED_RATE} calls/s", proxy.subject());
        let report = perf_report(&data, sort)?;
        let lines = report.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        for line in lines.take(FUNCTIONS) {
            // Some versions of perf end each line in columns that are never filled.
            println!("{}", line.trim_end_matches(['-', ' ']));
        }
    }
    Ok(())
}

fn perf_report(data: &Path, sort: &str) -> Result<String> {
    let text = data.with_extension("txt");
    let mut perf = Command::new("perf");
    perf.args(["report", "--stdio", "--no-children", "--sort", sort, "-i"]).arg(data);
    Daemon::start("perf report", &mut perf, &text)?.finish(REPORT_LIMIT)?;
    Ok(fs::read_to_string(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_strace_is_read() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
                       ------ ----------- ----------- --------- --------- -------\n\
                        60.00    0.000123           1       100         2 sendto\n\
                        40.00    0.000100           1        50           recvfrom\n\
                       100.00    0.000223           1       150         2 total\n";
        let expected = [("sendto".to_owned(), 100), ("recvfrom".to_owned(), 50)];
        assert_eq!(read_summary(summary), expected);
    }
}
