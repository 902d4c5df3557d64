//! Servers that end with the test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use duologue_store::{Database, DatabaseUrl, Options, connect};

/// How long a server may take to begin, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, its files, and how to start it.
pub(crate) struct Server {
    child: Child,
    command: Vec<String>,
    user: &'static str,
    directory: tempfile::TempDir,
}

impl Server {
    /// Starts a server as `user`, unless the test does not run as root: servers refuse to be root.
    pub(crate) fn start(
        user: &'static str,
        directory: tempfile::TempDir,
        command: Vec<String>,
    ) -> Self {
        let child = start(user, directory.path(), &command);
        Self { child, command, user, directory }
    }

    /// Kills it, as a crash does; the files stay.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        self.child = start(self.user, self.directory.path(), &self.command);
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // To both it means: drop the connections and end.
        let mut kill = Command::new("kill");
        let _ = kill.args(["-QUIT", &self.id().to_string()]).stderr(Stdio::null()).status();
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            sleep(Duration::from_millis(20));
        }
    }
}

fn start(user: &str, directory: &Path, command: &[String]) -> Child {
    let log = std::fs::File::options().append(true).create(true).open(directory.join("log"));
    let log = log.unwrap();
    let mut child = as_user(user, command);
    child.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    child.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A command that runs as `user` and ends with this test, however that ends.
fn as_user(user: &str, command: &[String]) -> Command {
    let mut child = Command::new("setpriv");
    child.arg("--pdeathsig=QUIT");
    if is_root() {
        child.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    }
    child.arg("--").args(command);
    child
}

/// Runs a command as `user` to its end.
pub(crate) fn run_as(user: &str, command: &[String]) {
    let output = as_user(user, command).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// An empty folder that belongs to `user`.
pub(crate) fn folder_of(user: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    if is_root() {
        let path = directory.path();
        assert!(Command::new("chown").arg(user).arg(path).status().unwrap().success());
    }
    directory
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

/// A TCP port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Connects as soon as the server takes it.
pub(crate) fn connected(url: &DatabaseUrl) -> Box<dyn Database> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connect(url, &Options::default()) {
            Ok(database) => return database,
            Err(failure) if Instant::now() > deadline => panic!("{url}: {failure}"),
            Err(_) => sleep(Duration::from_millis(50)),
        }
    }
}

/// The newest PostgreSQL of Debian.
pub(crate) fn postgres_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("package postgresql");
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.unwrap().path()).max_by_key(number).unwrap();
    newest.join("bin")
}
