//! How much of a relayed message is the script: instructions counted by valgrind, which are the same
//! however busy the machine is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{machine, save, table};
use crate::{Result, packages, paths, process};

/// Building the program and running it takes no longer than this.
const LIMIT: Duration = Duration::from_secs(1800);

/// Calls relayed for each count, and times that the script decides.
const COUNT: u64 = 1_000;

/// The messages of a call, as the benchmark names them.
const MESSAGES: [&str; 7] = ["INVITE", "100", "180", "200", "ACK", "BYE", "200 (BYE)"];

/// Counts, prints a table, writes `instructions.json`. The script's decisions about an INVITE are held
/// against all that the INVITE costs, from its datagram to what waits to be sent.
pub(super) fn run(directory: &Path) -> Result<()> {
    packages::require(&[packages::VALGRIND])?;
    let mut messages = Vec::new();
    for name in MESSAGES {
        messages.push((name, counted(directory, name, "*World::receive_watched*")?));
    }
    let script = counted(directory, "script", "*script_alone::decide*")?;
    let (_, invite) = messages[0];
    let call: u64 = messages.iter().map(|(_, count)| count).sum();
    let share = script as f64 / invite as f64;
    println!();
    let mut rows: Vec<_> =
        messages.iter().map(|(name, count)| vec![(*name).to_owned(), count.to_string()]).collect();
    rows.extend([
        vec!["the call".to_owned(), call.to_string()],
        vec!["what the script decides about the INVITE".to_owned(), script.to_string()],
        vec!["its share of the INVITE".to_owned(), format!("{share:.2}")],
    ]);
    table::print(&["", "instructions"], &rows);
    let messages: Map<String, Value> =
        messages.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let figures = json!({ "messages": messages, "call": call, "script": script, "share": share });
    save(directory, "instructions.json", &json!({ "machine": machine(), "figures": figures }))
}

/// Instructions of one run of `what`, inside the function alone that the pattern names.
fn counted(directory: &Path, what: &str, function: &str) -> Result<u64> {
    let profile = directory.join(format!("callgrind.{}", what.replace(' ', "-")));
    let runner = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--toggle-collect={function}"),
        format!("--callgrind-out-file={}", profile.display()),
    ];
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(paths::root())
        .arg("bench")
        .args(["--config", &format!("target.'cfg(unix)'.runner = {}", json!(runner))])
        .args(["--bench", "instructions", "--", what, &COUNT.to_string()]);
    let status = process::run(&mut cargo, LIMIT)?;
    if !status.success() {
        return Err(format!("cargo bench: {status}").into());
    }
    let text = fs::read_to_string(&profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).map(str::trim);
    let total: u64 = total.ok_or("callgrind wrote no totals")?.parse()?;
    Ok(total / COUNT)
}
