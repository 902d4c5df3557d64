//! The programs of `examples/`, each with the calls that its header names: what it prints is what
//! its reader is promised.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process::{self, Daemon};
use crate::sipp::{self, Plan, Report};
use crate::tally::Tally;
use crate::{Result, paths, ports};

/// Building them takes no longer than this.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// How long a line may take to be printed.
const SAY_LIMIT: Duration = Duration::from_secs(10);

/// For how many seconds the watchdog lets calls live.
const WATCHDOG_SECONDS: u64 = 2;

/// Builds them as a reader does: these runs are about what they do, not how fast.
fn build() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["build", "--quiet", "--package=duologue", "--examples"]);
    let status = process::run(&mut cargo, BUILD_LIMIT)?;
    if status.success() { Ok(()) } else { Err(format!("cargo build --examples: {status}").into()) }
}

/// Runs all of them and counts into `tally`.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let directory = &paths::fresh("examples")?;
    if !tally.check("they are built", build) {
        return Ok(());
    }
    tally.check("dialog_callbacks: OPTIONS from the callee end the call", || {
        dialog_callbacks(directory)
    });
    tally.check("call_limiter: nobody gets a third call", || call_limiter(directory));
    tally.check("cdr_printer: a call leaves its record", || cdr_printer(directory));
    tally.check("watchdog: a call is ended in time", || watchdog(directory));
    tally.check("a port that is taken is told in a sentence", || taken_port(directory));
    Ok(())
}

fn dialog_callbacks(directory: &Path) -> Result<()> {
    let mut example = Example::start("dialog_callbacks", &[], directory)?;
    let caller = Plan::one("caller_is_asked");
    // The scenarios themselves insist on the OPTIONS, its answer, and a BYE on each side.
    example.play(&caller, &Plan::one("callee_sends_options"))?.expect_one_call()?;
    let said = example.says("TERMINATED")?;
    let (id, created_at) = find(&said, " CREATED at ")?;
    let expected = [
        format!("{id} CREATED at {created_at}"),
        format!("{id} CONFIRMED created_at={created_at}"),
        format!("{id} OPTIONS from the callee"),
        format!("{id} TERMINATED The callee asked for options"),
    ];
    same(&said, &expected)?;
    example.stop()
}

fn call_limiter(directory: &Path) -> Result<()> {
    let mut example = Example::start("call_limiter", &[], directory)?;
    let held = Duration::from_secs(2);
    let caller = Plan { calls: Some(3), rate: 10, hold: held, ..Plan::one("uac") };
    let callee = Plan { calls: None, ..Plan::one("uas") };
    let Played { caller, callee, .. } = example.play(&caller, &callee)?;
    if (caller.successful, caller.failed, callee.calls) != (2, 1, 2) {
        return Err(format!("caller {caller:?}, callee {callee:?}").into());
    }
    let errors = fs::read_to_string(example.directory.join("uac.errors.txt"))?;
    if !errors.contains("486 Too Many Calls") {
        return Err("the third caller was not told 486".into());
    }
    let callee = ports::local(example.callee);
    same(&example.says("refused")?, &[format!("refused: sip:service@{callee} has 2 calls")])?;
    example.stop()
}

fn cdr_printer(directory: &Path) -> Result<()> {
    let mut example = Example::start("cdr_printer", &[], directory)?;
    let caller = Plan { hold: Duration::from_secs(2), ..Plan::one("uac") };
    example.play(&caller, &Plan::one("uas"))?.expect_one_call()?;
    let said = example.says("Downstream BYE")?;
    let (id, start) = find(&said, " start=")?;
    let (start, seconds) = start.split_once(" seconds=").ok_or("no seconds")?;
    let seconds = seconds.split(' ').next().unwrap_or_default().to_owned();
    // Both ends of a call are rounded down to seconds.
    if !["2", "3"].contains(&&*seconds) || start.parse::<u64>()? == 0 {
        return Err(format!("a record of a call of 2 s: {said:?}").into());
    }
    let [from, to] = [example.caller, example.callee].map(ports::local);
    let expected = format!(
        "{id} sip:sipp@{from} -> sip:service@{to} start={start} seconds={seconds} Downstream BYE"
    );
    same(&said, &[expected])?;
    example.stop()
}

fn watchdog(directory: &Path) -> Result<()> {
    let mut example = Example::start("watchdog", &[&WATCHDOG_SECONDS.to_string()], directory)?;
    let played = example.play(&Plan::one("caller_awaits_bye"), &Plan::one("uas"))?;
    played.expect_one_call()?;
    let most = Duration::from_secs(WATCHDOG_SECONDS);
    if played.took < most || played.took > most + SAY_LIMIT {
        return Err(format!("a call of {:?}, it may last {most:?}", played.took).into());
    }
    let said = example.says("ended")?;
    let (id, _) = find(&said, " ended: ")?;
    same(&said, &[format!("{id} ended: Watchdog")])?;
    example.stop()
}

fn taken_port(directory: &Path) -> Result<()> {
    let taken = UdpSocket::bind(ports::local(0))?;
    let socket = format!("udp:{}", taken.local_addr()?);
    let output = directory.join("taken_port.txt");
    let mut command = Command::new(paths::built_example("cdr_printer"));
    let status = Daemon::start("cdr_printer", command.arg(&socket), &output)?.finish(SAY_LIMIT)?;
    let said = fs::read_to_string(&output)?;
    if status.code() == Some(2) && said.starts_with(&format!("cannot listen on {socket}: ")) {
        Ok(())
    } else {
        Err(format!("it ended with {status} and said: {said}").into())
    }
}

/// A running example and the ports of its peers.
struct Example {
    process: Daemon,
    sip: SocketAddr,
    caller: u16,
    callee: u16,
    directory: PathBuf,
    output: PathBuf,
}

impl Example {
    /// Starts it on a free port; it listens when this returns.
    fn start(name: &str, arguments: &[&str], directory: &Path) -> Result<Self> {
        let directory = directory.join(name);
        fs::create_dir_all(&directory)?;
        let output = directory.join(format!("{name}.txt"));
        let mut command = Command::new(paths::built_example(name));
        command.current_dir(paths::root()).args(arguments).arg("udp:127.0.0.1:0");
        let process = Daemon::start(name, &mut command, &output)?;
        let [caller, callee] = ports::free_udp()?;
        let sip = ports::local(0);
        let mut example = Self { process, sip, caller, callee, directory, output };
        example.await_line("listening on ")?;
        let said = fs::read_to_string(&example.output)?;
        let address = said.lines().find_map(|line| line.strip_prefix("listening on udp:"));
        example.sip = address.ok_or("it does not say where it listens")?.parse()?;
        Ok(example)
    }

    /// Plays calls through it to their end.
    fn play(&self, caller: &Plan<'_>, callee: &Plan<'_>) -> Result<Played> {
        let answering = sipp::callee(callee, self.callee, &self.directory)?;
        let to = ports::local(self.callee);
        let started = Instant::now();
        let caller = sipp::caller(caller, self.caller, self.sip, to, &self.directory)?.finish()?;
        let took = started.elapsed();
        let callee = match callee.calls {
            Some(_) => answering.finish()?,
            None => answering.stop()?,
        };
        Ok(Played { caller, callee, took })
    }

    /// What it has printed since it listens, once `last` is among it.
    fn says(&mut self, last: &str) -> Result<Vec<String>> {
        self.await_line(last)?;
        let said = fs::read_to_string(&self.output)?;
        Ok(said.lines().skip(1).map(str::to_owned).collect())
    }

    fn await_line(&mut self, part: &str) -> Result<()> {
        let deadline = Instant::now() + SAY_LIMIT;
        loop {
            // A line is there when its end is.
            let said = fs::read_to_string(&self.output)?;
            if said.split_inclusive('\n').any(|it| it.ends_with('\n') && it.contains(part)) {
                return Ok(());
            }
            if Instant::now() > deadline || !self.process.is_running() {
                return Err(format!("it never says `{part}`, only: {said}").into());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as ^C does.
    fn stop(mut self) -> Result<()> {
        let status = self.process.stop("INT")?;
        if status.success() { Ok(()) } else { Err(format!("it stopped with {status}").into()) }
    }
}

/// How calls went.
struct Played {
    caller: Report,
    callee: Report,
    /// From the caller's start to its end.
    took: Duration,
}

impl Played {
    fn expect_one_call(&self) -> Result<()> {
        self.caller.expect_flawless("caller", 1)?;
        self.callee.expect_flawless("callee", 1)
    }
}

/// What stands before the first space and after `mark` in the first line that has `mark`.
fn find(said: &[String], mark: &str) -> Result<(String, String)> {
    let parts = said.iter().find_map(|line| line.split_once(mark));
    let (before, after) = parts.ok_or_else(|| format!("no line has `{mark}`: {said:?}"))?;
    let id = before.split(' ').next().unwrap_or_default();
    Ok((id.to_owned(), after.to_owned()))
}

fn same(said: &[String], expected: &[String]) -> Result<()> {
    if said == expected {
        Ok(())
    } else {
        Err(format!("it said {said:?}, expected {expected:?}").into())
    }
}
