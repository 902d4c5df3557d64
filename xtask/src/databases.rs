//! The store on real servers, which its tests start for themselves.

use std::process::Command;

use crate::tally::Tally;
use crate::{Result, packages, paths, test};

/// Runs the tests of the store that need servers or root.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let servers = [packages::POSTGRESQL, packages::MARIADB];
    if !tally.check("the servers are installed", || packages::require(&servers)) {
        return Ok(());
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root());
    cargo.args(["test", "--package", "duologue-store", "--test", "databases", "--no-fail-fast"]);
    // One after the other: each keeps the machine's disk busy.
    cargo.args(["--", "--include-ignored", "--test-threads=1"]);
    test::counted_tests(tally, "tests on databases", &mut cargo);
    Ok(())
}
