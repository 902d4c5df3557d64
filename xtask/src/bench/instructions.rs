//! How much of a relayed message is the script: instructions counted by valgrind, which are the same
//! however busy the machine is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::{machine, save, table};
use crate::{Result, packages, paths, process};

/// Building the program and running it takes no longer than this.
const LIMIT: Duration = Duration::from_secs(1800);

/// Calls relayed, and times that the script decides.
const COUNT: u64 = 1_000;

/// Messages that a call has, of which each runs the script or a part of it at most once.
const MESSAGES: u64 = 7;

/// Counts, prints a table, writes `instructions.json`.
pub(super) fn run(directory: &Path) -> Result<()> {
    packages::require(&[packages::VALGRIND])?;
    let call = counted(directory, "call", "*World::receive*")?;
    let script = counted(directory, "script", "*script_alone::decide*")?;
    let message = call / MESSAGES;
    let share = script as f64 / message as f64;
    println!();
    let rows = [
        vec!["a call, relayed".to_owned(), call.to_string()],
        vec!["one of its messages".to_owned(), message.to_string()],
        vec!["what the script decides about an INVITE".to_owned(), script.to_string()],
        vec!["share of the script".to_owned(), format!("{share:.2}")],
    ];
    table::print(&["", "instructions"], &rows);
    let figures = json!({ "call": call, "message": message, "script": script, "share": share });
    save(directory, "instructions.json", &json!({ "machine": machine(), "figures": figures }))
}

/// Instructions of one run of `what`, inside the function alone that the pattern names.
fn counted(directory: &Path, what: &str, function: &str) -> Result<u64> {
    let profile = directory.join(format!("callgrind.{what}"));
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
