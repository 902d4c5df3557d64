//! Scripts of the size that operators run (`tests/deployments`): each loads without a warning, and
//! calls go through it from end to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::deployment::Deployment;
use crate::sipp::{self, Agent, Plan};
use crate::subject::Subject;
use crate::tally::{Tally, heading};
use crate::{Result, packages, paths, ports};

/// How many calls go through each script, and how many of them begin in a second.
const CALLS: u64 = 20;
const RATE: u32 = 5;

/// How long all calls through a script may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What a script must have counted afterwards.
const COUNTED: &[(&str, &str)] = &[
    ("events", "calls:started"),
    ("events", "calls:ended"),
    ("prack_update", "updates:done"),
    ("trunking", "trunk:failed_over"),
];

/// The scenarios of a script whose callers or callees are not the plain ones.
const CASTS: &[(&str, &str, &str)] = &[("prack_update", "caller_reinvited", "callee_updates")];

/// Runs all scripts and prints how they went; true if all went well.
///
/// # Errors
/// SIPp is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Deployments");
    run(&mut tally)?;
    Ok(tally.conclude())
}

/// Runs all scripts and counts into `tally`.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let ready = tally.check("SIPp is installed", || packages::require(&[packages::SIPP]))
        && tally.check("the program is built", || Subject::DuologueDialog.prepare());
    if !ready {
        return Ok(());
    }
    let directory = paths::fresh("deployments")?;
    let mut scripts: Vec<PathBuf> = fs::read_dir(paths::root().join("tests/deployments"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    scripts.sort();
    for script in &scripts {
        let name = script.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let checked = tally.check(&format!("{name}: it loads without a warning"), || loads(script));
        if checked {
            tally.check(&format!("{name}: {CALLS} calls go through"), || {
                carries_calls(name, script, &directory)
            });
        }
    }
    Ok(())
}

/// The program has nothing to say about the script.
fn loads(script: &Path) -> Result<()> {
    let mut check = Command::new(paths::built("duologue"));
    let output = check.args(["-C", "-f"]).arg(script).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && said.is_empty() { Ok(()) } else { Err(said.into()) }
}

fn carries_calls(name: &str, script: &Path, directory: &Path) -> Result<()> {
    let directory = &directory.join(name);
    fs::create_dir_all(directory)?;
    let deployment = Deployment::start(script, directory)?;
    let cast = CASTS.iter().find(|(of, ..)| *of == name);
    let (calls, called) = cast.map_or(("caller", "callee"), |(_, calls, called)| (calls, called));
    let callee = Plan { calls: None, ..Plan::one(called) };
    let callee = sipp::callee(&callee, deployment.callee, directory)?;
    let text = fs::read_to_string(script)?;
    let registers = text.contains("registrar.so");
    if registers {
        deployment.register()?;
    }
    let hold = Duration::from_millis(100);
    let plan = Plan { calls: Some(CALLS), rate: RATE, hold, limit: LIMIT, ..Plan::one(calls) };
    // Who registers is called at the proxy, others where they are.
    let to = if registers { deployment.sip } else { deployment.callee };
    let sip = ports::local(deployment.sip);
    let caller = sipp::caller(&plan, deployment.caller, sip, ports::local(to), directory)?;
    let caller = caller.finish()?;
    let answered = callee.stop()?;
    if caller.successful != CALLS || answered.successful != CALLS {
        let errors = [calls, called].map(|side| Agent::first_error(directory, side));
        let why = errors.into_iter().flatten().next().unwrap_or_default();
        return Err(format!("caller {caller:?}, callee {answered:?}: {why}").into());
    }
    deployment.forgets()?;
    counted(name, &deployment)?;
    deployment.stop()
}

/// Whether the script counted all calls.
fn counted(name: &str, deployment: &Deployment) -> Result<()> {
    for (_, statistic) in COUNTED.iter().filter(|(of, _)| *of == name) {
        let count = deployment.statistic(statistic)?;
        if count != CALLS {
            return Err(format!("{statistic} is {count}").into());
        }
    }
    Ok(())
}
