//! Duologue, as a user starts it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Held, Keeping};
use crate::{Result, management, paths, process};

/// A release build from nothing, with room for a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// Lines of the script that end so are left out when dialogs are not wanted.
const DIALOGS_ONLY: &str = "# dialogs";

/// Builds something of the workspace for release.
pub(super) fn build(what: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["build", "--release", "--quiet"]).args(what);
    let status = process::run(&mut cargo, BUILD_LIMIT)?;
    if status.success() { Ok(()) } else { Err(format!("cargo build {what:?}: {status}").into()) }
}

/// `tests/sipp/proxy.cfg` with our ports, with or without dialogs, and these kept or not.
pub(super) fn script(
    sip: u16,
    management: u16,
    dialogs: bool,
    keeping: Option<(Keeping, &Path)>,
) -> Result<String> {
    let script = fs::read_to_string(paths::sipp("proxy.cfg"))?;
    let script = script
        .replace("udp:127.0.0.1:5060", &format!("udp:127.0.0.1:{sip}"))
        .replace("\"port\", 8888", &format!("\"port\", {management}"));
    let script = match keeping {
        None => script,
        Some((Keeping { mode, durable }, file)) => script.replace(
            "modparam(\"httpd\", \"ip\"",
            &format!(
                "loadmodule \"db_sqlite.so\"\n\
                 modparam(\"dialog\", \"db_url\", \"sqlite://{}\")\n\
                 modparam(\"dialog\", \"db_mode\", {mode})\n\
                 modparam(\"dialog\", \"durable\", {})\n\
                 modparam(\"httpd\", \"ip\"",
                file.display(),
                u8::from(durable)
            ),
        ),
    };
    let wanted = |line: &&str| dialogs || !line.ends_with(DIALOGS_ONLY);
    Ok(script.lines().filter(wanted).map(|line| format!("{line}\n")).collect())
}

/// The command that runs `script`.
pub(super) fn command(script: &Path) -> Command {
    let mut command = Command::new(paths::built("duologue"));
    command.arg("-f").arg(script);
    command
}

/// What `get_statistics` and `dlg_list` say.
pub(super) fn held(server: SocketAddr) -> Result<Held> {
    let groups = json!({"statistics": ["dialog:", "tm:"]});
    let statistics = management::call(server, "get_statistics", &groups)?;
    let number = |name: &str| statistics.get(name).and_then(Value::as_u64).unwrap_or(0);
    let transactions = statistics
        .get("tm:inuse_transactions")
        .and_then(Value::as_u64)
        .ok_or("get_statistics tells no tm:inuse_transactions")?;
    // Without the dialog module there is no dlg_list and nothing to list.
    let listed = match management::call(server, "dlg_list", &json!({"index": 0, "counter": 1})) {
        Ok(list) => list.get("count").and_then(Value::as_u64).ok_or("dlg_list has no count")?,
        Err(_) if statistics.get("dialog:active_dialogs").is_none() => 0,
        Err(error) => return Err(error),
    };
    Ok(Held {
        early: number("dialog:early_dialogs"),
        active: number("dialog:active_dialogs"),
        listed,
        transactions,
    })
}
