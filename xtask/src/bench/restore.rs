//! How long a start takes that finds so many calls in its database, and the most memory that it has
//! meanwhile.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Options, machine, save, scratch, table};
use crate::deployment::Deployment;
use crate::postgres::Postgres;
use crate::{Result, accounting, packages, paths, process};

/// Writing a million rows takes no longer than this.
const FILL_LIMIT: Duration = Duration::from_secs(1200);

/// Restores so many calls from each kind of database, prints a table, writes `restore.json`.
pub(super) fn run(options: &Options, directory: &Path) -> Result<()> {
    packages::require(&[packages::POSTGRESQL])?;
    if !options.no_build {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(paths::root()).args(["build", "--release", "--quiet", "-p"]);
        cargo.args(["duologue-store", "--example", "calls"]);
        process::run(&mut cargo, FILL_LIMIT)?;
    }
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for kind in ["SQLite", "PostgreSQL"] {
        for &calls in &options.restored {
            let directory = scratch(directory, &format!("restore.{kind}.{calls}"))?;
            let server = (kind == "PostgreSQL").then(Postgres::start).transpose()?;
            let file = directory.join("calls.sqlite");
            let url = match &server {
                Some(server) => server.url(),
                None => format!("sqlite://{}", file.display()),
            };
            let (seconds, peak) = restored(&directory, &url, calls)?;
            println!("{kind:10} {calls:>8} calls: {seconds:.2} s, {} MiB", peak >> 20);
            rows.push(vec![
                kind.to_owned(),
                calls.to_string(),
                format!("{seconds:.2}"),
                format!("{:.0}", calls as f64 / seconds),
                (peak >> 20).to_string(),
            ]);
            figures.push(json!({
                "database": kind, "calls": calls, "seconds": seconds, "peak_bytes": peak,
            }));
            if server.is_none() {
                fs::remove_dir_all(&directory)?;
            }
        }
    }
    println!();
    table::print(&["database", "calls", "seconds", "calls/s", "peak MiB"], &rows);
    let summary: Value = json!({"machine": machine(), "figures": figures});
    save(directory, "restore.json", &summary)
}

/// Seconds from the start to the first answer of the management, and the most memory by then.
fn restored(directory: &Path, url: &str, calls: u64) -> Result<(f64, u64)> {
    let script = fs::read_to_string(paths::sipp("kept.cfg"))?
        .replace("sqlite:calls.sqlite", url)
        .replace("\"durable\", 1", "\"durable\", 0")
        .replace("\"db_probe_period\", 3", "\"db_probe_period\", 0");
    let file = directory.join("kept.cfg");
    fs::write(&file, script)?;
    // Tables are ours to make in SQLite alone.
    let mut create = Command::new(paths::built("duologue"));
    process::run(create.args(["db", "create", url]), FILL_LIMIT)?;
    let mut deployment = Deployment::start(&file, directory)?;
    deployment.kill()?;
    let socket = format!("udp:127.0.0.1:{}", deployment.sip);
    let mut fill = Command::new(paths::built("examples/calls"));
    let status = process::run(fill.args([url, &calls.to_string(), &socket]), FILL_LIMIT)?;
    if !status.success() {
        return Err(format!("the table was not filled: {status}").into());
    }
    let began = Instant::now();
    deployment.start_again()?;
    let found = loop {
        if let Ok(active) = deployment.statistic("dialog:active_dialogs") {
            break active;
        }
        if began.elapsed() > FILL_LIMIT {
            return Err("it does not answer".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let seconds = began.elapsed().as_secs_f64();
    let peak = accounting::peak_memory(deployment.id())?;
    if found != calls {
        return Err(format!("{found} of {calls} calls came back").into());
    }
    // Its dialogs are written once more when it ends in good order: not measured here.
    deployment.kill()?;
    Ok((seconds, peak))
}
