//! `duologue db`: the tables of a database.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use duologue_store::{
    BadName, Database, DatabaseUrl, Failure, Severity, Step, Tables, check, connect, create,
    migrate,
};

use super::progress::Progress;
use super::{Outcome, print};

/// The exit codes, at the end of the commands' help.
const EXIT_CODES: &str = "Exit codes: 0 fine, 1 the tables are not as they should be, 2 the command \
                          line is wrong or the database cannot be used.";

/// Make, bring up to date or check the tables of a database.
///
/// Tables are those of OpenSIPS 3.4 and later, with one more column, `duologue`, for what OpenSIPS
/// does not store; it ignores the column, so both can use the same database.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the tables that are missing: version, dialog, location, and one for bad rows.
    #[command(after_help = EXIT_CODES)]
    Create(Target),
    /// Bring tables of OpenSIPS to the version and the columns that are written.
    ///
    /// A table dialog of OpenSIPS 3.1 to 3.3 is copied; the old one is kept as dialog_v11, and rows
    /// that cannot be read go to dialog_rejected. Nobody may write to it meanwhile.
    #[command(after_help = EXIT_CODES)]
    Migrate(Target),
    /// Tell what is missing or wrong, and what mends it.
    #[command(after_help = EXIT_CODES)]
    Check(Target),
}

#[derive(Debug, Args)]
struct Target {
    /// The database: sqlite:///path, postgres://user:password@host/name or mysql://…
    ///
    /// A password on the command line is seen by everybody on this machine; the environment is not.
    #[arg(value_name = "URL", env = "DUOLOGUE_DB_URL", hide_env_values = true)]
    url: DatabaseUrl,

    /// The name of the table of dialogs, as the script's table_name.
    #[arg(long, value_name = "NAME", default_value = "dialog")]
    dialog_table: String,

    /// The name of the table of registered contacts.
    #[arg(long, value_name = "NAME", default_value = "location")]
    location_table: String,
}

pub(super) fn run(options: &Options) -> Outcome {
    let (done, target) = match &options.command {
        Command::Create(target) => (with_database(target, true, create_tables), target),
        Command::Migrate(target) => (with_database(target, false, migrate_tables), target),
        Command::Check(target) => (with_database(target, false, check_tables), target),
    };
    done.unwrap_or_else(|refusal| {
        eprintln!("duologue: {}: {refusal}", target.url);
        Outcome::Machine
    })
}

/// Why a command could not do its work.
enum Refusal {
    Name(BadName),
    Database(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Database(failure)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Database(failure) => failure.fmt(f),
        }
    }
}

type Work = fn(&mut dyn Database, &Tables) -> Result<(String, Outcome), Failure>;

fn with_database(target: &Target, create: bool, work: Work) -> Result<Outcome, Refusal> {
    let mut tables = Tables::default();
    tables.dialog.set_table(&target.dialog_table).map_err(Refusal::Name)?;
    tables.location.set_table(&target.location_table).map_err(Refusal::Name)?;
    let (text, outcome) = {
        let _progress = Progress::of(format!("working on {}", target.url));
        let options = duologue_store::Options { create, ..duologue_store::Options::default() };
        let mut database = connect(&target.url, &options)?;
        work(&mut *database, &tables)?
    };
    Ok(print(text.as_bytes()).max(outcome))
}

fn create_tables(
    database: &mut dyn Database,
    tables: &Tables,
) -> Result<(String, Outcome), Failure> {
    let made = create(database, tables)?;
    let text = match made.as_slice() {
        [] => "all tables are there\n".to_owned(),
        made => format!("made {}\n", made.join(", ")),
    };
    Ok((text, Outcome::Fine))
}

fn migrate_tables(
    database: &mut dyn Database,
    tables: &Tables,
) -> Result<(String, Outcome), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let steps = migrate(database, tables, u32::try_from(now).unwrap_or(u32::MAX))?;
    let mut text: String = steps.iter().map(told).collect();
    if text.is_empty() {
        text.push_str("all tables are up to date\n");
    }
    Ok((text, Outcome::Fine))
}

fn told(step: &Step) -> String {
    match step {
        Step::ExtraColumn { table } => format!("table {table} has the column duologue now\n"),
        Step::Version12 { table, kept, rows, rejected } => format!(
            "table {table} has version 12 now: {rows} rows taken over, {rejected} rejected; \
             the old one is kept as {kept}\n"
        ),
    }
}

fn check_tables(
    database: &mut dyn Database,
    tables: &Tables,
) -> Result<(String, Outcome), Failure> {
    let findings = check(database, tables)?;
    if findings.is_empty() {
        return Ok(("all is well\n".to_owned(), Outcome::Fine));
    }
    let text = findings.iter().map(|finding| format!("{finding}\n")).collect();
    let is_wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok((text, if is_wrong { Outcome::Script } else { Outcome::Fine }))
}
