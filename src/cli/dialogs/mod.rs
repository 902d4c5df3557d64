//! `duologue dialogs`: the calls of the running server, listed or ended.

mod columns;
mod listing;

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::client::dialogs::{Filter, count, end, pages};
use super::client::{Client, EXIT_CODES, Failure, Server};
use super::progress::Progress;
use super::table::Column;
use columns::{Shown, named, plain_cell};
use listing::{Form, Listing};

const EXAMPLES: &str = "\
Examples:
  duologue dialogs --state confirmed --older-than 2h      calls that stand for long
  duologue dialogs --profile caller=alice --count         how many calls alice has
  duologue dialogs --columns id,callid,profiles --ndjson  for other programs
  duologue dialogs --callid a84b4c76@pc33 --end           end a call, after a question
";

/// List the dialogs of the running server, or end them.
///
/// Filters are the same for both; a dialog is meant if all that is given holds for it. On a terminal
/// the table fits its width: long columns are cut, ids never.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = u64::MAX, hide_default_value = true)]
    #[arg(conflicts_with_all = ["end", "count"])]
    limit: u64,

    /// Show these, in this order.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', default_value = columns::DEFAULT)]
    #[arg(conflicts_with_all = ["end", "count"])]
    #[arg(value_parser = PossibleValuesParser::new(columns::ALL.map(|shown| shown.name)))]
    columns: Vec<String>,

    /// Print only how many there are.
    #[arg(long, conflicts_with_all = ["end", "json", "ndjson"])]
    count: bool,

    /// Print one JSON array, a dialog on each line.
    #[arg(long, conflicts_with = "ndjson")]
    json: bool,

    /// Print one JSON object per line.
    #[arg(long)]
    ndjson: bool,

    /// Print the table without its headings.
    #[arg(long)]
    no_header: bool,

    // Below our own: each has a heading, which goes on.
    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    ending: Ending,

    #[command(flatten)]
    server: Server,
}

/// Ending instead of listing.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ending")]
struct Ending {
    /// End the dialogs instead of listing them.
    #[arg(long)]
    end: bool,

    /// Whom to tell.
    #[arg(long, value_enum, default_value = "both", requires = "end")]
    mode: Mode,

    /// End all dialogs, where no filter is given.
    #[arg(long, requires = "end")]
    all: bool,

    /// Do not ask whether they should end.
    #[arg(long, requires = "end")]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Caller and callee.
    Both,
    /// The caller alone.
    Caller,
    /// The callee alone.
    Callee,
    /// Nobody: the dialog is forgotten.
    Silent,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Silent => "silent",
        }
    }
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let client = Client::of(&options.server)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if options.count {
        writeln!(out, "{}", count(&client, &options.filter)?)?;
        return Ok(out.flush()?);
    }
    if options.ending.end {
        return end_them(&client, options, out);
    }
    // On a terminal the list itself tells that something goes on.
    let to_a_person = io::stdout().is_terminal();
    let _progress = (!to_a_person).then(|| Progress::of("listing dialogs".to_owned()));
    let client = if to_a_person { client } else { client.silent() };
    let shown = named(&options.columns);
    let names: Vec<&str> = shown.iter().map(|shown| shown.name).collect();
    let heads: Vec<Column> = shown.iter().map(|shown| shown.column).collect();
    let mut listing = Listing::new(out, &heads, options.form(), options.width());
    for page in pages(&client, &options.filter, &names, options.limit) {
        let cells = |dialog: &_| shown.iter().map(|shown: &Shown| shown.cell(dialog)).collect();
        listing.add(page?, cells)?;
    }
    Ok(listing.end()?)
}

/// The columns of what became of dialogs.
const OF_ENDED: [Column; 3] = [
    Column { heading: "ID", right: false, shrinks: false },
    Column { heading: "RESULT", right: false, shrinks: false },
    Column { heading: "CALL-ID", right: false, shrinks: true },
];

fn end_them(client: &Client, options: &Options, out: impl Write) -> Result<(), Failure> {
    let Options { filter, ending, .. } = options;
    if filter.is_empty() && !ending.all {
        return Err(Failure::Usage("--end needs a filter, or --all for all dialogs".to_owned()));
    }
    if !ending.yes {
        let matching = count(client, filter)?;
        if matching == 0 || !agreed(matching)? {
            return Ok(());
        }
    }
    let ended = end(client, filter, ending.mode.name())?;
    let mut listing = Listing::new(out, &OF_ENDED, options.form(), options.width());
    let members = ended.into_iter().map(|ended| {
        let object = json!({ "id": ended.id, "result": ended.result, "callid": ended.callid });
        object.as_object().cloned().unwrap_or_default()
    });
    listing.add(members.collect(), |ended| ended.values().map(plain_cell).collect())?;
    Ok(listing.end()?)
}

/// Asks a person.
fn agreed(dialogs: u64) -> Result<bool, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let why = "--end asks first, and nobody is there to answer: say --yes";
        return Err(Failure::Usage(why.to_owned()));
    }
    let what = if dialogs == 1 { "dialog" } else { "dialogs" };
    eprint!("End {dialogs} {what}? [y/N] ");
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}

impl Options {
    fn form(&self) -> Form {
        match (self.json, self.ndjson) {
            (true, _) => Form::Json,
            (_, true) => Form::Lines,
            _ => Form::Table { headings: !self.no_header },
        }
    }

    /// How wide the table may be; what no terminal shows is not cut.
    fn width(&self) -> Option<usize> {
        io::stdout()
            .is_terminal()
            .then(ratatui::crossterm::terminal::size)
            .and_then(Result::ok)
            .map(|(columns, _)| usize::from(columns))
    }
}
