//! Calls through a running proxy: each behaviour once, then a minute under load.
//!
//! Nothing here knows which proxy it is; what only ours promises stands in [`ours`], what it
//! must endure in [`hostile`].

mod hostile;
mod ours;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::sipp::{self, Agent, Plan, Report};
use crate::subject::{Held, Running, Subject};
use crate::tally::{Tally, heading};
use crate::{Result, paths, ports};

/// New calls in a second under load.
const LOAD_RATE: u32 = 1000;

/// How long the load lasts, in seconds.
const LOAD_SECONDS: u64 = 60;

/// The same for a quick run.
const QUICK_SECONDS: u64 = 5;

/// When every table must be empty after the last call: timers L and M of RFC 6026 keep an
/// answered INVITE for 64·T1 = 32 s, and some room above.
const LINGER_LIMIT: Duration = Duration::from_secs(40);

/// One behaviour: who calls, who answers, and what must be seen.
struct Scenario {
    story: &'static str,
    caller: &'static str,
    callee: &'static str,
    /// How often a message that was sent again must have reached the caller.
    repeats_to_caller: u64,
}

const SCENARIOS: &[Scenario] = &[
    Scenario::new("answered, the caller hangs up", "caller", "callee"),
    Scenario::new("answered, the callee hangs up", "caller_awaits_bye", "callee_hangs_up"),
    Scenario::new("busy", "caller_busy", "callee_busy"),
    Scenario::new("cancelled while it rings", "caller_cancels", "callee_cancelled"),
    Scenario::new("re-INVITE within the call", "caller_reinvites", "callee_reinvited"),
    Scenario {
        repeats_to_caller: 1,
        ..Scenario::new(
            "a repeated 200 gets through",
            "caller_sees_200_twice",
            "callee_repeats_200",
        )
    },
    Scenario {
        repeats_to_caller: 2,
        ..Scenario::new("no ACK ever, then BYE", "caller_never_acks", "callee_gives_up")
    },
];

impl Scenario {
    const fn new(story: &'static str, caller: &'static str, callee: &'static str) -> Self {
        Self { story, caller, callee, repeats_to_caller: 0 }
    }
}

/// Runs everything against `subject` and counts into `tally`.
pub(crate) fn run(tally: &mut Tally, subject: Subject, quick: bool) -> Result<()> {
    let directory = paths::fresh("e2e")?;
    let mut proxy = None;
    tally.check("it starts and listens", || {
        proxy = Some(subject.start(&directory)?);
        Ok(())
    });
    let Some(mut proxy) = proxy else { return Ok(()) };
    for scenario in SCENARIOS {
        tally.check(scenario.story, || scenario.play(&proxy, &directory));
    }
    if subject.is_ours() {
        ours::run(tally, &proxy, &directory);
    }

    let seconds = if quick { QUICK_SECONDS } else { LOAD_SECONDS };
    heading(&format!("{LOAD_RATE} calls/s for {seconds} s from one address"));
    tally.check("no call failed, nothing was sent twice", || load(&proxy, &directory, seconds));
    tally.check("every table is empty afterwards", || empty(&proxy));
    tally.check("it is still alive", || {
        if proxy.is_running() { Ok(()) } else { Err("the process has ended".into()) }
    });
    tally.check("it stops when asked", || proxy.stop());

    heading("Hostile peers");
    hostile::run(tally, subject, &directory);
    Ok(())
}

impl Scenario {
    fn play(&self, proxy: &Running, directory: &Path) -> Result<()> {
        let directory = subdirectory(directory, self.caller)?;
        let callee = sipp::callee(&Plan::one(self.callee), proxy.callee(), &directory)?;
        let caller = call(&Plan::one(self.caller), proxy, &directory)?;
        let (caller, callee) = (caller.finish()?, callee.finish()?);
        if caller.successful != 1 || callee.successful != 1 {
            let error = Agent::first_error(&directory, self.caller)
                .or_else(|| Agent::first_error(&directory, self.callee))
                .unwrap_or_else(|| format!("caller {caller:?}, callee {callee:?}"));
            return Err(format!("{error}; see {}", directory.display()).into());
        }
        self.expect_repeats(&caller, &callee)
    }

    fn expect_repeats(&self, caller: &Report, callee: &Report) -> Result<()> {
        let expected = self.repeats_to_caller;
        let seen = caller.repeats_received;
        if seen != expected {
            return Err(format!("{seen} repeats reached the caller, expected {expected}").into());
        }
        if caller.repeats_sent + callee.repeats_sent + callee.repeats_received > 0 {
            return Err(format!("something was repeated: {caller:?}, {callee:?}").into());
        }
        Ok(())
    }
}

fn load(proxy: &Running, directory: &Path, seconds: u64) -> Result<()> {
    let directory = subdirectory(directory, "load")?;
    let calls = u64::from(LOAD_RATE) * seconds;
    let limit = Duration::from_secs(seconds + 60);
    let plan = |scenario, calls| Plan {
        scenario,
        calls,
        rate: LOAD_RATE,
        hold: Duration::ZERO,
        limit,
        patient: false,
        answers_pings: false,
    };
    let callee = sipp::callee(&plan("callee", None), proxy.callee(), &directory)?;
    let caller = call(&plan("caller", Some(calls)), proxy, &directory)?.finish()?;
    let callee = callee.stop()?;
    println!("         {:.0} calls/s, {} calls", caller.rate, caller.calls);
    caller.expect_flawless("caller", calls)?;
    callee.expect_flawless("callee", calls)
}

/// Waits until nothing is held any more, at most [`LINGER_LIMIT`].
fn empty(proxy: &Running) -> Result<()> {
    let deadline = Instant::now() + LINGER_LIMIT;
    loop {
        let held = proxy.held()?;
        if held == Held::default() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("after {LINGER_LIMIT:?} there is still {held:?}").into());
        }
        sleep(Duration::from_millis(500));
    }
}

/// A caller on the proxy's caller port.
fn call(plan: &Plan<'_>, proxy: &Running, directory: &Path) -> Result<Agent> {
    sipp::caller(plan, proxy.caller(), proxy.sip(), ports::local(proxy.callee()), directory)
}

fn subdirectory(directory: &Path, name: &str) -> Result<PathBuf> {
    let directory = directory.join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
