//! What a developer or CI runs: `cargo xtask help` lists it.
//!
//! Each command is a file: [`test`] proves the house, [`e2e`] sends calls through the running
//! program with SIPp and [`examples`] through those that embed it, [`interop`] takes real telephones,
//! [`opensips_cli`] commands it as operators do, [`terminal`] reads the screens of the live tools,
//! [`commands`] asks it every command, [`browser`] shows that no web page commands it,
//! [`databases`] stores dialogs on real servers, [`crashes`] kills the program while calls stand and
//! [`faults`] takes its database away, [`bench`] measures it beside other proxies, [`fuzz`]
//! looks for crashes, [`sim`] plays random calls in virtual time.
//! The rest are the tools they share: a [`subject`] is a proxy under test, [`sipp`] the calls,
//! [`accounting`] what `/proc` says, [`process`] children that never outlive us.

mod accounting;
mod bench;
mod browser;
mod commands;
mod crashes;
mod databases;
mod deployment;
mod deployments;
mod docs;
mod e2e;
mod examples;
mod faults;
mod fuzz;
mod interop;
mod kept_calls;
mod management;
mod metrics;
mod opensips_cli;
mod packages;
mod paths;
mod ports;
mod postgres;
mod process;
mod sim;
mod sipp;
mod subject;
mod tally;
mod terminal;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Any failure, told in words: nobody but a person reads it.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Developer commands of Duologue.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check formatting and lints, run all tests, then calls through the running program.
    Test(test::Options),
    /// Measure CPU per call, memory per dialog and system calls, beside other proxies.
    Bench(bench::Options),
    /// Run a fuzz target (without a name: list them).
    Fuzz(fuzz::Options),
    /// Send calls through scripts of the size that operators run.
    Deployments,
    /// Kill the program at random moments while calls stand, and look whether they go on.
    Crashes(crashes::Options),
    /// Take the database away while calls stand, in five ways, and look whether they go on.
    Faults,
    /// Let two real telephones register with the default script and call each other.
    Interop,
    /// Command a running program with the client that operators know, over each door.
    OpensipsCli,
    /// Ask a running program every management command while a call stands.
    Commands,
    /// Run the live tools on terminals, while calls stand.
    Terminal,
    /// Let a foreign page in a real browser try to command a running program.
    Browser,
    /// Rewrite the pages that are made from the declarations.
    Docs,
    /// Play random calls in virtual time, seed after seed, and hold what must always hold.
    Sim(sim::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Deployments => deployments::alone(),
        Command::Crashes(options) => crashes::alone(&options),
        Command::Faults => faults::alone(),
        Command::Interop => interop::alone(),
        Command::OpensipsCli => opensips_cli::alone(),
        Command::Commands => commands::alone(),
        Command::Terminal => terminal::alone(),
        Command::Browser => browser::alone(),
        Command::Docs => docs::run(),
        Command::Sim(options) => sim::run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
