//! A PostgreSQL of our own, on a free port.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{self, Daemon};
use crate::{Result, accounting, packages, ports};

/// Who it runs as, where we are root: it refuses to be.
const USER: &str = "postgres";

/// How long it may take to begin or to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server; its files go with it.
pub(crate) struct Postgres {
    process: Daemon,
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl Postgres {
    /// A server with an empty database.
    pub(crate) fn start() -> Result<Self> {
        let programs = newest()?;
        let port = ports::free_tcp()?;
        let directory = std::env::temp_dir().join(format!("duologue-postgres-{port}"));
        fs::create_dir_all(&directory)?;
        if packages::is_root() {
            succeed(Command::new("chown").arg(USER).arg(&directory))?;
        }
        let data = directory.join("data");
        let initdb = programs.join("initdb");
        let mut initdb = as_user(&[initdb.as_os_str().to_str().unwrap_or_default(), "-D"]);
        initdb.arg(&data).args(["-A", "trust", "-U", USER, "--no-sync"]);
        succeed(initdb.stdout(std::process::Stdio::null()))?;
        let process = launch(&programs, &directory, port)?;
        let server = Self { process, programs, directory, port };
        server.answers()?;
        Ok(server)
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills it: connections break.
    pub(crate) fn kill(&mut self) -> Result<()> {
        // Its children would keep the port: they are told by it.
        self.process.stop("QUIT")?;
        Ok(())
    }

    /// Starts it again.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.process = launch(&self.programs, &self.directory, self.port)?;
        self.answers()
    }

    /// Lets all of its processes stand still, or go on.
    pub(crate) fn silence(&self, silent: bool) -> Result<()> {
        let signal = if silent { "-STOP" } else { "-CONT" };
        for process in accounting::tree(self.process.id())? {
            Command::new("kill").args([signal, &process.to_string()]).status()?;
        }
        Ok(())
    }

    /// Runs a statement.
    pub(crate) fn sql(&self, statement: &str) -> Result<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["-h", "127.0.0.1", "-U", USER, "-At", "-p", &self.port.to_string()])
            .args(["-c", statement, "postgres"])
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }

    fn answers(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while let Err(error) = self.sql("SELECT 1") {
            if Instant::now() > deadline {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What is left of it does no harm.
        let _ = self.process.stop("QUIT");
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn launch(programs: &Path, directory: &Path, port: u16) -> Result<Daemon> {
    let program = programs.join("postgres");
    let mut command = as_user(&[program.to_str().unwrap_or_default(), "-D"]);
    command.arg(directory.join("data")).args(["-p", &port.to_string(), "-k"]).arg(directory);
    command.args(["-c", "listen_addresses=127.0.0.1"]);
    Daemon::start("postgres", &mut command, &directory.join("log"))
}

/// A command that runs as the server's user and ends with us.
fn as_user(command: &[&str]) -> Command {
    let mut child = Command::new("setpriv");
    child.arg("--pdeathsig=QUIT");
    if packages::is_root() {
        child.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
    }
    child.arg("--").args(command);
    child
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = process::run(command, LIMIT)?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// The newest version that Debian has installed.
fn newest() -> Result<PathBuf> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql")?.flatten().map(|entry| entry.path());
    Ok(versions.max_by_key(number).ok_or("no PostgreSQL")?.join("bin"))
}
