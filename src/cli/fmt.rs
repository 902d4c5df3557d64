//! `duologue fmt`: scripts in the one layout.

use std::io::{stderr, stdout};
use std::path::{Path, PathBuf};

use clap::Args;
use duologue::language::{Sources, format};
use duologue::script::Files;

use super::progress::Progress;
use super::{EXIT_CODES, Outcome, diff, print, replace};
use crate::terminal;

/// Lay out scripts: tabs, one statement per line, braces as in the script that OpenSIPS comes with.
///
/// Only white space changes: tokens, strings and comments stay as they are, byte by byte. A script
/// with a mistake in its structure is left alone, and so is what a script includes. docs/style.md
/// shows the layout.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// The scripts, which are written in place; "-" takes standard input to standard output.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Write nothing; show what would change, and end with 1 if anything would.
    #[arg(long)]
    check: bool,

    /// Write to standard output instead.
    #[arg(long, conflicts_with = "check")]
    stdout: bool,
}

pub(super) fn run(options: &Options) -> Outcome {
    let outcomes = options.files.iter().map(|file| lay_out(file, options));
    outcomes.max().unwrap_or(Outcome::Fine)
}

fn lay_out(path: &Path, options: &Options) -> Outcome {
    let file = path.display().to_string();
    let (text, formatted) = {
        let _progress = Progress::of(format!("formatting {file}"));
        let text = match Files.read(&file, None) {
            Ok(text) => text,
            Err(reason) => {
                eprintln!("duologue: cannot read `{file}`: {reason}");
                return Outcome::Script;
            }
        };
        let formatted = format(&file, &text);
        (text, formatted)
    };
    let formatted = match formatted {
        Ok(formatted) => formatted,
        Err(mistakes) => {
            eprint!("{}", mistakes.render(terminal::takes_colors(&stderr())));
            return Outcome::Script;
        }
    };
    if options.check {
        if formatted == text {
            return Outcome::Fine;
        }
        let colors = terminal::takes_colors(&stdout());
        return print(diff::unified(&file, &text, &formatted, colors).as_bytes())
            .max(Outcome::Script);
    }
    if options.stdout || file == "-" {
        return print(formatted.as_bytes());
    }
    if formatted == text {
        return Outcome::Fine;
    }
    match replace::replace(path, formatted.as_bytes()) {
        Ok(()) => {
            eprintln!("formatted {file}");
            Outcome::Fine
        }
        Err(error) => {
            eprintln!("duologue: cannot write `{file}`: {error}");
            Outcome::Machine
        }
    }
}
