//! The program is killed at random moments while SIPp holds calls, and started again; then both ends
//! hang up. In durable mode every call whose caller heard an answer is there again; without it, what
//! was not committed may be lost, and is told.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::deployment::Deployment;
use crate::sipp::{self, Agent, Plan};
use crate::tally::{Tally, heading};
use crate::{Result, packages, paths, ports};

/// How many calls begin in a second, of those whose caller hangs up and of those whose callee does.
const RATE: u32 = 15;

/// How long the program lives between two kills: at least this, and at most so much longer.
const LIFE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(700));

/// The longest time that a call and the repetitions of its BYE take, and some patience.
const CALL_MAX: Duration = Duration::from_secs(90);

/// How long after a start the last call was asked whether it is there (the script's
/// `db_probe_period`, and some patience).
const PROBED: Duration = Duration::from_secs(8);

/// How many calls stand while profiles are counted.
const STANDING: u64 = 50;

/// What to do to it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often it is killed in each mode.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Chooses the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs it alone and prints how it went; true if all went well.
///
/// # Errors
/// SIPp is missing and cannot be installed.
pub(crate) fn alone(options: &Options) -> Result<bool> {
    let mut tally = Tally::new();
    heading("Crashes");
    run(&mut tally, options.kills, options.seed)?;
    Ok(tally.conclude())
}

/// Kills it so often in each mode, and counts into `tally`.
pub(crate) fn run(tally: &mut Tally, kills: u32, seed: u64) -> Result<()> {
    if !tally.check("SIPp is installed", || packages::require(&[packages::SIPP])) {
        return Ok(());
    }
    let directory = paths::fresh("crashes")?;
    for (mode, durable) in [("durable", true), ("realtime", false)] {
        let directory = directory.join(mode);
        fs::create_dir_all(&directory)?;
        tally.check(&format!("{mode}: {kills} kills"), || {
            let lost = Stage::set(&directory, durable)?.survives(kills, seed)?;
            match lost {
                0 => Ok(()),
                lost if durable => Err(format!("{lost} calls are lost").into()),
                lost => {
                    println!("    {lost} calls whose row was not committed are lost");
                    Ok(())
                }
            }
        });
    }
    let directory = directory.join("profiles");
    fs::create_dir_all(&directory)?;
    tally.check("profiles count the calls that are up", || Stage::set(&directory, true)?.counts());
    Ok(())
}

/// The program with its script, and ports for two pairs of agents.
struct Stage<'a> {
    deployment: Deployment,
    directory: &'a Path,
    ports: [u16; 4],
}

impl<'a> Stage<'a> {
    fn set(directory: &'a Path, durable: bool) -> Result<Self> {
        let text = fs::read_to_string(paths::sipp("kept.cfg"))?;
        let text = match durable {
            true => text,
            false => text.replace("\"durable\", 1", "\"durable\", 0"),
        };
        let script = directory.join("kept.cfg");
        fs::write(&script, text)?;
        let deployment = Deployment::start(&script, directory)?;
        Ok(Self { deployment, directory, ports: ports::free_udp()? })
    }

    /// Both ends of calls that go on until they are stopped.
    fn pair(&self, (caller, callee): (&str, &str), [from, to]: [u16; 2]) -> Result<[Agent; 2]> {
        let limit = Duration::from_secs(3600);
        let plan = |scenario| Plan {
            calls: None,
            rate: RATE,
            limit,
            answers_pings: true,
            ..Plan::one(scenario)
        };
        let callee = sipp::callee(&plan(callee), to, self.directory)?;
        let (proxy, to) = (ports::local(self.deployment.sip), ports::local(to));
        Ok([sipp::caller(&plan(caller), from, proxy, to, self.directory)?, callee])
    }

    /// How many calls were lost that a caller had heard an answer of.
    fn survives(mut self, kills: u32, seed: u64) -> Result<u64> {
        let [a, b, c, d] = self.ports;
        let [caller, callee] = self.pair(("kept_caller", "kept_callee"), [a, b])?;
        let [waiting, hanging] =
            self.pair(("kept_caller_waits", "kept_callee_hangs_up"), [c, d])?;
        let mut random = Random(seed);
        for _ in 0..kills {
            sleep(LIFE.0 + (LIFE.1).mul_f64(random.fraction()));
            self.deployment.kill()?;
            self.deployment.start_again()?;
        }
        self.deployment.listens()?;
        let (up, whole) = caller.ended(CALL_MAX)?;
        waiting.ended(CALL_MAX)?;
        // What is left ends because its callee says so.
        self.settles()?;
        let (up_too, whole_too) = hanging.ended(CALL_MAX)?;
        drop(callee);
        println!("    {} calls were up, {} ended by BYE", up + up_too, whole + whole_too);
        if up < u64::from(kills) || up_too < u64::from(kills) {
            return Err(format!("too few calls were up: {up} and {up_too}").into());
        }
        self.deployment.stop()?;
        Ok(up - whole + up_too - whole_too)
    }

    /// All is over: once whoever is left was asked, no call is up and no profile counts one.
    fn settles(&self) -> Result<()> {
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

    /// The sizes of profiles are those of the calls that are up, after a crash as well.
    fn counts(mut self) -> Result<()> {
        let [from, to, ..] = self.ports;
        let hold = Duration::from_secs(20);
        let limit = Duration::from_secs(60);
        let plan = |scenario| Plan { hold, limit, answers_pings: true, ..Plan::one(scenario) };
        let callee = Plan { calls: None, ..plan("callee") };
        let callee = sipp::callee(&callee, to, self.directory)?;
        let caller = Plan { calls: Some(STANDING), rate: 50, ..plan("caller") };
        let (proxy, to) = (ports::local(self.deployment.sip), ports::local(to));
        let caller = sipp::caller(&caller, from, proxy, to, self.directory)?;
        sleep(Duration::from_secs(3));
        self.deployment.kill()?;
        self.deployment.start_again()?;
        self.deployment.listens()?;
        sleep(PROBED);
        let counted = self.deployment.profile_size("calls")?;
        if counted != STANDING {
            return Err(format!("{STANDING} calls are up, {counted} are counted").into());
        }
        let report = caller.finish()?;
        callee.stop()?;
        if report.successful != STANDING {
            return Err(format!("{report:?}").into());
        }
        self.settles()?;
        self.deployment.stop()
    }
}

/// Moments, from a seed (SplitMix64).
struct Random(u64);

impl Random {
    /// From 0 up to 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
