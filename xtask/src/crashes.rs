//! The program is killed at random moments while SIPp holds calls, and started again; then both ends
//! hang up. In durable mode every call whose caller heard an answer is there again; without it, what
//! was not committed may be lost, and is told.

use std::thread::sleep;
use std::time::Duration;

use crate::kept_calls::{CALL_MAX, Stage};
use crate::tally::{Check, Tally, heading};
use crate::{Result, packages, paths};

/// Where the calls are kept: beside the program.
const DATABASE: &str = "sqlite:calls.sqlite";

/// How long calls stand that are counted.
const HELD: Duration = Duration::from_secs(20);

/// How long the program lives between two kills: at least this, and at most so much longer.
const LIFE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(700));

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
    let mut checks: Vec<(String, Check<'_>)> = Vec::new();
    for (mode, durable) in [("durable", true), ("realtime", false)] {
        let directory = directory.join(mode);
        let check = move || {
            let stage = Stage::set(&directory, DATABASE, durable)?;
            match survives(stage, kills, seed)? {
                0 => Ok(()),
                lost if durable => Err(format!("{lost} calls are lost").into()),
                lost => {
                    println!("    {mode}: {lost} calls whose row was not committed are lost");
                    Ok(())
                }
            }
        };
        checks.push((format!("{mode}: {kills} kills"), Box::new(check)));
    }
    let directory = directory.join("profiles");
    let profiles = move || {
        let mut stage = Stage::set(&directory, DATABASE, true)?;
        let calls = stage.standing(HELD)?;
        sleep(Duration::from_secs(3));
        stage.stand_after_a_crash(calls)?;
        stage.settles()?;
        stage.deployment.stop()
    };
    checks.push(("profiles count the calls that are up".to_owned(), Box::new(profiles)));
    tally.check_together(checks);
    Ok(())
}

/// How many calls were lost that a caller had heard an answer of.
fn survives(mut stage: Stage<'_>, kills: u32, seed: u64) -> Result<u64> {
    let [caller, callee] = stage.callers_hang_up()?;
    let [waiting, hanging] = stage.callees_hang_up()?;
    let mut random = Random(seed);
    for _ in 0..kills {
        sleep(LIFE.0 + (LIFE.1).mul_f64(random.fraction()));
        stage.deployment.kill()?;
        stage.deployment.start_again()?;
    }
    stage.deployment.listens()?;
    let [caller, waiting] = [caller.ended(CALL_MAX)?, waiting.ended(CALL_MAX)?];
    // What is left ends because its callee says so.
    stage.settles()?;
    let [callee, hanging] = [callee.ended(CALL_MAX)?, hanging.ended(CALL_MAX)?];
    // The proxy may be killed between a BYE and its 200: then the other side has ended the call, and
    // says so when the BYE comes again.
    let whole = caller.whole.max(callee.byes) + hanging.whole.max(waiting.byes);
    let up = caller.up + hanging.up;
    println!("    {up} calls were up, {whole} ended by BYE");
    if caller.up.min(hanging.up) < u64::from(kills) {
        return Err(format!("too few calls were up: {caller:?}, {hanging:?}").into());
    }
    stage.deployment.stop()?;
    Ok(up - whole)
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
