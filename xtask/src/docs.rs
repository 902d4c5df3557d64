//! The pages that are made from the program itself.

use std::process::Command;
use std::time::Duration;

use crate::{Result, paths, process};

/// Building the test that makes them takes no longer than this.
const LIMIT: Duration = Duration::from_secs(1800);

/// Rewrites them; true if that worked.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn run() -> Result<bool> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).env("UPDATE_DOCS", "1").args([
        "test",
        "--quiet",
        "--package=duologue",
        "--test=compatibility_doc",
        "--test=lints_doc",
    ]);
    Ok(process::run(&mut cargo, LIMIT)?.success())
}
