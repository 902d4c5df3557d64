//! `cargo xtask sim`: the simulator (`tests/simulator`), with as many seeds as one likes.

use std::process::Command;
use std::time::Duration;

use crate::{Result, paths, process};

/// Building it takes no longer than this.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// A call takes no longer than this on the slowest machine, all cores taken together.
const CALL_LIMIT: Duration = Duration::from_millis(200);

/// What to play.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds; each is a world of its own.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed: with `--seeds 1` it replays one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many calls each world has at once. A seed replays only with the same number.
    #[arg(long, default_value_t = 20)]
    calls: u32,
}

/// Plays; false if a seed does not hold.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut build = cargo();
    if !process::run(build.arg("--no-run"), BUILD_LIMIT)?.success() {
        return Ok(false);
    }
    let mut play = cargo();
    play.args(["--", "--ignored", "--exact", "many_seeds_hold", "--nocapture"])
        .env("SIM_SEEDS", options.seeds.to_string())
        .env("SIM_FROM", options.from.to_string())
        .env("SIM_CALLS", options.calls.to_string());
    Ok(process::run(&mut play, limit(options))?.success())
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["test", "--profile", "sim", "--test", "simulator"]);
    cargo
}

/// A bound for a world that never ends; no measure of speed.
fn limit(options: &Options) -> Duration {
    let calls = options.seeds.saturating_mul(options.calls.into());
    BUILD_LIMIT + CALL_LIMIT.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX))
}
