//! The promises of the crate, on each database: one suite, run on SQLite always, and on servers that
//! the test starts where Debian's packages for them are installed (`cargo xtask test --only
//! databases` sees to that).
//!
//! Servers listen on free ports of this machine, keep their files in a temporary folder, and end
//! with the test.

#![allow(clippy::unwrap_used)] // An error is a failed test.

mod cases;
mod faults;
mod place;
mod rows;
mod server;
mod users;

use place::Place;

/// Runs all cases, each in a database of its own.
fn run_all(place: &dyn Place) {
    for (name, case) in cases::ALL.iter().chain(faults::ALL) {
        println!("{}: {name}", place.name());
        case(place);
    }
}

#[test]
fn sqlite() {
    run_all(&place::SqliteFiles::new());
}

#[test]
#[ignore = "starts PostgreSQL: cargo xtask test --only databases"]
fn postgres() {
    run_all(&place::PostgresServer::start());
}

#[test]
#[ignore = "starts MariaDB: cargo xtask test --only databases"]
fn mysql() {
    run_all(&place::MariaDbServer::start());
}

#[test]
#[ignore = "mounts a small file system, which takes root: cargo xtask test --only databases"]
fn sqlite_on_a_full_disk() {
    faults::full_disk();
}
