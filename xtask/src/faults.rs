//! The database is taken away while SIPp holds calls: no call fails, and nothing is lost once it is
//! back. What stood meanwhile is there after a crash.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::kept_calls::{CALL_MAX, Stage};
use crate::postgres::Postgres;
use crate::tally::{Check, Tally, heading};
use crate::{Result, packages, paths, process};

/// How long all goes well before, and how long the trouble lasts.
const BEFORE: Duration = Duration::from_secs(2);
const TROUBLE: Duration = Duration::from_secs(5);

/// How long a call stands that began in the trouble.
const HELD: Duration = Duration::from_secs(35);

/// How long after the trouble everything is written: the longest pause between two attempts, and
/// some patience.
const BACK: Duration = Duration::from_secs(30);

/// Octets of the small disk.
const DISK: u64 = 16 << 20;

/// Runs it alone and prints how it went; true if all went well.
///
/// # Errors
/// A package is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Databases in trouble");
    run(&mut tally)?;
    Ok(tally.conclude())
}

/// Plays each fault and counts into `tally`.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let tools = [packages::SIPP, packages::POSTGRESQL, packages::SQLITE];
    if !tally.check("SIPp and the databases are installed", || packages::require(&tools)) {
        return Ok(());
    }
    let directory = paths::fresh("faults")?;
    let faults: [(&str, Make); 5] = [
        ("a server that is killed", |_| Ok(Box::new(Killed(with_tables()?)))),
        ("a server that is silent", |_| Ok(Box::new(Silent(with_tables()?)))),
        ("connections that are cut", |_| Ok(Box::new(Cut(with_tables()?)))),
        ("a file that somebody else has locked", |directory| Ok(Box::new(Locked::new(directory)))),
        ("a disk that is full", |directory| Ok(Box::new(Full::new(directory)?))),
    ];
    let mut checks: Vec<(String, Check<'_>)> = Vec::new();
    for (number, (name, make)) in faults.into_iter().enumerate() {
        let directory = directory.join(number.to_string());
        fs::create_dir_all(&directory)?;
        if name.contains("disk") && !packages::is_root() {
            println!("  left out: {name} (only root can mount a small disk)");
            continue;
        }
        let check = move || play(&mut *make(&directory)?, &directory);
        checks.push((name.to_owned(), Box::new(check)));
    }
    tally.check_together(checks);
    Ok(())
}

/// Makes a database that something will happen to, and its files in a directory.
type Make = fn(&Path) -> Result<Box<dyn Fault>>;

/// Something that happens to a database.
trait Fault {
    /// Where the database is.
    fn url(&self) -> String;
    fn begin(&mut self) -> Result<()>;
    /// What it does while it lasts.
    fn goes_on(&mut self) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()>;
    /// Whether the writer has to have noticed.
    fn is_told(&self) -> bool {
        true
    }
}

fn play(fault: &mut dyn Fault, directory: &Path) -> Result<()> {
    let mut stage = Stage::set(directory, &fault.url(), false)?;
    let [caller, callee] = stage.callers_hang_up()?;
    sleep(BEFORE);
    fault.begin()?;
    let standing = stage.standing(HELD)?;
    let until = Instant::now() + TROUBLE;
    while Instant::now() < until {
        fault.goes_on()?;
        sleep(Duration::from_millis(500));
    }
    let noticed = stage.deployment.statistic("dialog:db_failures")?;
    fault.end()?;
    if noticed == 0 && fault.is_told() {
        return Err("the trouble was none: nothing failed".into());
    }
    written(&stage)?;
    let calls = caller.ended(CALL_MAX)?;
    drop(callee);
    if calls.begun == 0 || calls.begun != calls.up || calls.up != calls.whole {
        return Err(format!("calls failed: {calls:?}").into());
    }
    written(&stage)?;
    stage.stand_after_a_crash(standing)?;
    stage.settles()?;
    stage.deployment.stop()
}

/// Waits until the database is back and nothing is left to be written.
fn written(stage: &Stage<'_>) -> Result<()> {
    let until = Instant::now() + BACK;
    loop {
        let connected = stage.deployment.statistic("dialog:db_connected")?;
        let pending = stage.deployment.statistic("dialog:db_pending")?;
        let failures = stage.deployment.statistic("dialog:db_failures")?;
        sleep(Duration::from_secs(1));
        let still = stage.deployment.statistic("dialog:db_failures")?;
        if (connected, pending, still) == (1, 0, failures) {
            return Ok(());
        }
        if Instant::now() > until {
            let state = format!("connected {connected}, {pending} rows wait");
            return Err(format!("the database is back, and not used: {state}").into());
        }
    }
}

/// A server with our tables.
fn with_tables() -> Result<Postgres> {
    let server = Postgres::start()?;
    let mut create = Command::new(paths::built("duologue"));
    create.args(["db", "create", &server.url()]).stdout(Stdio::null());
    let status = process::run(&mut create, Duration::from_secs(60))?;
    if status.success() { Ok(server) } else { Err(format!("duologue db create: {status}").into()) }
}

struct Killed(Postgres);

impl Fault for Killed {
    fn url(&self) -> String {
        self.0.url()
    }
    fn begin(&mut self) -> Result<()> {
        self.0.kill()
    }
    fn end(&mut self) -> Result<()> {
        self.0.start_again()
    }
}

struct Silent(Postgres);

impl Fault for Silent {
    fn url(&self) -> String {
        self.0.url()
    }
    fn begin(&mut self) -> Result<()> {
        self.0.silence(true)
    }
    fn end(&mut self) -> Result<()> {
        self.0.silence(false)
    }
    // It answers before anybody loses patience.
    fn is_told(&self) -> bool {
        false
    }
}

struct Cut(Postgres);

impl Fault for Cut {
    fn url(&self) -> String {
        self.0.url()
    }
    fn begin(&mut self) -> Result<()> {
        self.goes_on()
    }
    fn goes_on(&mut self) -> Result<()> {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.0.sql(others).map(drop)
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Another program writes, and takes its time.
struct Locked {
    file: PathBuf,
    holder: Option<Child>,
}

impl Locked {
    fn new(directory: &Path) -> Self {
        Self { file: directory.join("calls.sqlite"), holder: None }
    }
}

impl Fault for Locked {
    fn url(&self) -> String {
        format!("sqlite://{}", self.file.display())
    }
    fn begin(&mut self) -> Result<()> {
        let mut holder = Command::new("sqlite3").arg(&self.file).stdin(Stdio::piped()).spawn()?;
        let input = holder.stdin.as_mut().ok_or("a piped child has an input")?;
        input.write_all(b".timeout 5000\nBEGIN IMMEDIATE;\n")?;
        self.holder = Some(holder);
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        if let Some(mut holder) = self.holder.take() {
            // Its input ends, and so does its transaction.
            drop(holder.stdin.take());
            holder.wait()?;
        }
        Ok(())
    }
}

/// A small disk that somebody else fills.
struct Full {
    disk: PathBuf,
}

impl Full {
    fn new(directory: &Path) -> Result<Self> {
        let disk = directory.join("disk");
        fs::create_dir_all(&disk)?;
        let size = format!("size={DISK}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&disk);
        let status = process::run(&mut mount, Duration::from_secs(10))?;
        if status.success() { Ok(Self { disk }) } else { Err(format!("mount: {status}").into()) }
    }
}

impl Fault for Full {
    fn url(&self) -> String {
        format!("sqlite://{}", self.disk.join("calls.sqlite").display())
    }
    fn begin(&mut self) -> Result<()> {
        let mut filler = fs::File::create(self.disk.join("filler"))?;
        // Until there is no room for one octet more.
        while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(fs::remove_file(self.disk.join("filler"))?)
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        // A mount that stays is empty once the machine starts again.
        let _ = process::run(unmount.arg("-l").arg(&self.disk), Duration::from_secs(10));
    }
}
