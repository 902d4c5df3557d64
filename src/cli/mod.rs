//! The commands beside the proxy itself, one file or folder each: its options, its help, what it
//! does.

mod check;
mod client;
mod completions;
mod db;
mod dialogs;
mod diff;
mod fmt;
mod man;
mod mi;
mod printable;
mod progress;
mod replace;
mod span;
mod stats;
mod table;
mod top;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Subcommand;

/// A tool instead of the proxy.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Options),
    Fmt(fmt::Options),
    Db(db::Options),
    Completions(completions::Options),
    Man(man::Options),
    Mi(mi::Options),
    Dialogs(dialogs::Options),
    Stats(stats::Options),
    Top(top::Options),
}

/// How a command ended, for whoever started it. A wrong command line is 2 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fine,
    /// A script, or the tables of a database, are not as they should be.
    Script,
    /// The machine refuses: a file cannot be written, a database cannot be used.
    Machine,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Script => 1,
            Outcome::Machine => WRONG,
        })
    }
}

/// The exit codes, at the end of a command's help.
const EXIT_CODES: &str = "Exit codes: 0 fine, 1 a script is not as it should be, \
                          2 the command line is wrong or a file cannot be written.";

/// What clap ends with as well when the command line is wrong.
const WRONG: u8 = 2;

/// The tools that ask a running server. Whoever calls them from a script has to tell a wrong command
/// line from a server that is not there, so it has the exit code of sysexits.h.
const LIVE: [&str; 4] = ["mi", "dialogs", "stats", "top"];

/// Tells what is wrong with the command line, or the help that it asks for.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let is_live = |command: OsString| LIVE.iter().any(|live| command == *live);
    let live = std::env::args_os().nth(1).is_some_and(is_live);
    ExitCode::from(if live { client::WRONG_USAGE } else { WRONG })
}

/// Runs a command.
pub(crate) fn run(command: Command) -> ExitCode {
    let live = match command {
        Command::Check(options) => return check::run(&options).into(),
        Command::Fmt(options) => return fmt::run(&options).into(),
        Command::Db(options) => return db::run(&options).into(),
        Command::Completions(options) => return completions::run(&options).into(),
        Command::Man(options) => return man::run(&options).into(),
        Command::Mi(options) => mi::run(&options),
        Command::Dialogs(options) => dialogs::run(&options),
        Command::Stats(options) => stats::run(&options),
        Command::Top(options) => top::run(&options),
    };
    live.map_or_else(|failure| failure.tell(), |()| ExitCode::SUCCESS)
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
