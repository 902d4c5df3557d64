//! Calls whose dialogs are kept: the program with `tests/sipp/kept.cfg`, and agents that go on while
//! something happens to it or to its database.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::deployment::Deployment;
use crate::sipp::{self, Agent, Plan};
use crate::{Result, paths, ports};

/// How many calls of a pair begin in a second.
const RATE: u32 = 15;

/// The longest time that a call and the repetitions of its BYE take, and some patience.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(90);

/// How long after a start the last call was asked whether it is there (the script's
/// `db_probe_period`, and some patience).
const PROBED: Duration = Duration::from_secs(8);

/// How many calls stand while profiles are counted.
pub(crate) const STANDING: u64 = 50;

/// The program with its script, and ports for two pairs of agents.
pub(crate) struct Stage<'a> {
    /// The program.
    pub(crate) deployment: Deployment,
    directory: &'a Path,
    ports: [u16; 4],
}

impl<'a> Stage<'a> {
    /// Starts the program; its answers wait for the database if they are `durable`.
    pub(crate) fn set(directory: &'a Path, database: &str, durable: bool) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let text = fs::read_to_string(paths::sipp("kept.cfg"))?;
        let text = text.replace("sqlite:calls.sqlite", database);
        let text = match durable {
            true => text,
            false => text.replace("\"durable\", 1", "\"durable\", 0"),
        };
        let script = directory.join("kept.cfg");
        fs::write(&script, text)?;
        let deployment = Deployment::start(&script, directory)?;
        Ok(Self { deployment, directory, ports: ports::free_udp()? })
    }

    /// Calls that go on until they are stopped, whose callers hang up.
    pub(crate) fn callers_hang_up(&self) -> Result<[Agent; 2]> {
        let [from, to, ..] = self.ports;
        self.pair(("kept_caller", "kept_callee"), from, to)
    }

    /// Calls that go on until they are stopped, whose callees hang up.
    pub(crate) fn callees_hang_up(&self) -> Result<[Agent; 2]> {
        let [.., from, to] = self.ports;
        self.pair(("kept_caller_waits", "kept_callee_hangs_up"), from, to)
    }

    fn pair(&self, (caller, callee): (&str, &str), from: u16, to: u16) -> Result<[Agent; 2]> {
        let limit = Duration::from_secs(3600);
        let plan = |scenario| {
            let one = Plan::one(scenario);
            Plan { calls: None, rate: RATE, limit, answers_pings: true, ..one }
        };
        let callee = sipp::callee(&plan(callee), to, self.directory)?;
        let (proxy, to) = (ports::local(self.deployment.sip), ports::local(to));
        Ok([sipp::caller(&plan(caller), from, proxy, to, self.directory)?, callee])
    }

    /// [`STANDING`] calls that begin within a second and are held so long.
    pub(crate) fn standing(&self, hold: Duration) -> Result<[Agent; 2]> {
        let [.., from, to] = self.ports;
        let limit = hold + CALL_MAX;
        let plan = |scenario| Plan { hold, limit, answers_pings: true, ..Plan::one(scenario) };
        let callee = Plan { calls: None, ..plan("callee") };
        let callee = sipp::callee(&callee, to, self.directory)?;
        let caller = Plan { calls: Some(STANDING), rate: STANDING as u32, ..plan("caller") };
        let (proxy, to) = (ports::local(self.deployment.sip), ports::local(to));
        Ok([sipp::caller(&caller, from, proxy, to, self.directory)?, callee])
    }

    /// After a crash all standing calls are there, each is counted, and each ends well.
    pub(crate) fn stand_after_a_crash(&mut self, [caller, callee]: [Agent; 2]) -> Result<()> {
        self.deployment.kill()?;
        self.deployment.start_again()?;
        self.deployment.listens()?;
        sleep(PROBED);
        let counted = self.deployment.profile_size("calls")?;
        if counted != STANDING {
            let calls = self.deployment.calls()?;
            return Err(format!("{STANDING} calls are up, {counted} are counted: {calls}").into());
        }
        let report = caller.finish()?;
        callee.stop()?;
        if report.successful == STANDING { Ok(()) } else { Err(format!("{report:?}").into()) }
    }

    /// All is over: once whoever is left was asked, no call is up and no profile counts one.
    pub(crate) fn settles(&self) -> Result<()> {
        let until = Instant::now() + CALL_MAX;
        loop {
            let left = self.deployment.statistic("dialog:active_dialogs")?;
            let counted = self.deployment.profile_size("calls")?;
            if (left, counted) == (0, 0) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("{left} dialogs are left, {counted} in the profile").into());
            }
            sleep(Duration::from_millis(200));
        }
    }
}
