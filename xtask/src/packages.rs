//! Debian packages that a command needs: installed when we may, named when we may not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Result, process};

/// How long the package manager may take for all it does.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// A program we call, and the package that brings it.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
}

/// The SIP traffic generator.
pub(crate) const SIPP: Tool = Tool { program: "sipp", package: "sip-tester" };
/// The proxy we compare with.
pub(crate) const KAMAILIO: Tool = Tool { program: "kamailio", package: "kamailio" };
/// Its driver for SQLite, which has no program: the package is known by a file.
pub(crate) const KAMAILIO_SQLITE: Tool = Tool {
    program: "/usr/share/kamailio/db_sqlite/dialog-create.sql",
    package: "kamailio-sqlite-modules",
};
/// Makes tables from files of SQL.
pub(crate) const SQLITE: Tool = Tool { program: "sqlite3", package: "sqlite3" };
/// A telephone without a window.
pub(crate) const BARESIP: Tool = Tool { program: "baresip", package: "baresip-core" };
/// Counts instructions.
pub(crate) const VALGRIND: Tool = Tool { program: "valgrind", package: "valgrind" };
/// Runs the client that operators know; the package brings what makes environments for it.
pub(crate) const PYTHON: Tool = Tool { program: "python3", package: "python3-venv" };
/// Checks pages of metrics.
pub(crate) const PROMTOOL: Tool = Tool { program: "promtool", package: "prometheus" };
/// A terminal without a window.
pub(crate) const TMUX: Tool = Tool { program: "tmux", package: "tmux" };
/// A browser, which needs no screen.
pub(crate) const CHROMIUM: Tool = Tool { program: "chromium", package: "chromium" };
/// A database server; the program is its package's tool for servers of several versions.
pub(crate) const POSTGRESQL: Tool = Tool { program: "pg_ctlcluster", package: "postgresql" };
/// A database server.
pub(crate) const MARIADB: Tool = Tool { program: "mariadbd", package: "mariadb-server" };
/// Counts system calls.
pub(crate) const STRACE: Tool = Tool { program: "strace", package: "strace" };

/// Makes sure that all of `tools` are there.
///
/// # Errors
/// Says which packages are missing and the command that installs them.
pub(crate) fn require(tools: &[Tool]) -> Result<()> {
    let missing: Vec<_> =
        tools.iter().filter(|tool| !is_installed(tool.program)).map(|tool| tool.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("sudo apt-get install --no-install-recommends {}", missing.join(" "));
    if !is_installed("apt-get") || !may_install() {
        return Err(format!("missing packages; please run: {by_hand}").into());
    }
    println!("installing {}", missing.join(" "));
    apt_get(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&missing);
    apt_get(&arguments)?;
    match tools.iter().find(|tool| !is_installed(tool.program)) {
        None => Ok(()),
        Some(tool) => Err(format!("{} is still missing; try: {by_hand}", tool.program).into()),
    }
}

/// Whether `program` is on the path (or where daemons are kept).
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .any(|directory| Path::new(directory).join(program).is_file())
}

fn may_install() -> bool {
    is_root()
        || Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|out| out.status.success())
}

/// Whether this is the user who may do everything.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let status = process::run(&mut command, INSTALL_LIMIT)?;
    if status.success() { Ok(()) } else { Err(format!("apt-get {arguments:?}: {status}").into()) }
}
