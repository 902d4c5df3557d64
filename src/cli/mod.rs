//! The commands beside the proxy itself, one file each: its options, its help, what it does.

mod check;
mod completions;
mod diff;
mod fmt;
mod man;
mod progress;
mod replace;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Subcommand;

/// A tool instead of the proxy.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Options),
    Fmt(fmt::Options),
    Completions(completions::Options),
    Man(man::Options),
}

/// How a command ended, for whoever started it. A wrong command line is 2 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fine,
    /// A script is not as it should be.
    Script,
    /// The machine refuses: a file cannot be written.
    Machine,
}

/// The exit codes, at the end of a command's help.
const EXIT_CODES: &str = "Exit codes: 0 fine, 1 a script is not as it should be, \
                          2 the command line is wrong or a file cannot be written.";

/// Runs a command.
pub(crate) fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Check(options) => check::run(&options),
        Command::Fmt(options) => fmt::run(&options),
        Command::Completions(options) => completions::run(&options),
        Command::Man(options) => man::run(&options),
    };
    ExitCode::from(match outcome {
        Outcome::Fine => 0,
        Outcome::Script => 1,
        Outcome::Machine => 2,
    })
}

/// Writes to standard output. Whoever reads it may have seen enough: that is fine.
fn print(text: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("duologue: standard output: {error}");
            Outcome::Machine
        }
        _ => Outcome::Fine,
    }
}
