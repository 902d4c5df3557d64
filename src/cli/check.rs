//! `duologue check`: all mistakes of a script at once, and what in it is hardly meant.

use std::io::stderr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use duologue::language::{Diagnostic, Diagnostics, LINTS, Severity};
use duologue::script::Files;
use duologue::{Plan, StartError};
use serde_json::json;

use super::progress::Progress;
use super::{EXIT_CODES, Outcome, print};
use crate::terminal;

/// Check scripts: every mistake at once, and what works but is hardly meant.
///
/// What a script includes is checked with it. Each warning has a name; a comment
/// `# duologue: allow(NAME)` on its line, or on the line before it, silences it. docs/lints.md lists
/// them with examples.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Options {
    /// The scripts; "-" is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How to tell: for people on standard error, or one JSON object per line on standard output.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,

    /// Treat warnings as mistakes: all of them, or those of one name; may be repeated.
    #[arg(long, value_name = "WARNINGS", hide_possible_values = true, value_parser = deniable())]
    deny: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// What `--deny` takes for all lints.
const ALL: &str = "warnings";

fn deniable() -> PossibleValuesParser {
    PossibleValuesParser::new([ALL].into_iter().chain(LINTS.iter().map(|lint| lint.code)))
}

pub(super) fn run(options: &Options) -> Outcome {
    let outcomes = options.files.iter().map(|file| check(&file.display().to_string(), options));
    outcomes.max().unwrap_or(Outcome::Fine)
}

fn check(file: &str, options: &Options) -> Outcome {
    let loaded = {
        let _progress = Progress::of(format!("checking {file}"));
        Plan::lint(file, &Files, &[])
    };
    match &loaded {
        Ok(plan) => tell(file, plan.warnings(), options),
        Err(StartError::Script(mistakes)) => tell(file, mistakes, options),
        // A mistake of the script as a whole, without a place.
        Err(error) => {
            let told = match options.format {
                Format::Human => {
                    eprintln!("error: {file}: {error}");
                    Outcome::Fine
                }
                Format::Json => print_line(&json!({
                    "file": file, "line": null, "column": null, "end": null,
                    "level": "error", "code": null, "message": error.to_string(), "help": null,
                })),
            };
            told.max(Outcome::Script)
        }
    }
}

fn tell(file: &str, found: &Diagnostics, options: &Options) -> Outcome {
    let told = match options.format {
        Format::Human => {
            eprint!("{}", found.render(terminal::takes_colors(&stderr())));
            match (found.errors(), found.warnings()) {
                (0, 0) => eprintln!("{file}: fine"),
                (0, 1) => eprintln!("{file}: 1 warning"),
                (0, warnings) => eprintln!("{file}: {warnings} warnings"),
                // The mistakes have told their number.
                _ => {}
            }
            Outcome::Fine
        }
        Format::Json => {
            let lines = found.list().iter().map(|diagnostic| print_line(&as_json(diagnostic)));
            lines.max().unwrap_or(Outcome::Fine)
        }
    };
    let denied = |diagnostic: &Diagnostic| {
        diagnostic
            .code
            .is_some_and(|code| options.deny.iter().any(|deny| deny == ALL || deny == code))
    };
    if found.errors() > 0 || found.list().iter().any(denied) {
        return told.max(Outcome::Script);
    }
    told
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    json!({
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end": { "line": diagnostic.end_line, "column": diagnostic.end_column },
        "level": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
    })
}

fn print_line(value: &serde_json::Value) -> Outcome {
    print(format!("{value}\n").as_bytes())
}
