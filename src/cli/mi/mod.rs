//! `duologue mi`: any management command of the running server.

mod params;

use std::io::{self, BufWriter, IsTerminal};

use clap::Args;
use serde_json::Value;

use super::client::print::{Layout, Printer};
use super::client::{Client, EXIT_CODES, Failure, Server};
use super::progress::Progress;

/// How parameters are written.
const PARAMETERS: &str = "\
Parameters are positional or NAME=VALUE, all of one kind. What stands there is sent as text, which
commands take for numbers too. NAME:=JSON and :=JSON send JSON; a name given several times, and what
is given positionally where a command takes an array, become an array.

Examples:
  duologue mi                                      list the commands
  duologue mi which dlg_list                       list the parameters of one
  duologue mi get_statistics dialog: tm:           read statistics
  duologue mi dlg_end_dlg dialog_id=3f2.1a         end a call
  duologue mi dialog:briefing columns:='[\"id\"]'    send a JSON array
";

/// Run a management command of the running server and print its answer.
///
/// Answers are printed while they arrive. One that is only a text is printed as it is, others as
/// JSON: indented on a terminal, compact elsewhere.
#[derive(Debug, Args)]
#[command(after_help = format!("{PARAMETERS}\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// The command, by its full or its short name; without it the commands are listed.
    command: Option<String>,

    /// Its parameters.
    #[arg(value_name = "PARAMETER", allow_negative_numbers = true)]
    parameters: Vec<String>,

    /// Take every parameter as positional, whatever is in it.
    #[arg(long)]
    positional: bool,

    /// Print JSON on one line.
    #[arg(long, conflicts_with = "pretty")]
    compact: bool,

    /// Indent JSON.
    #[arg(long)]
    pretty: bool,

    #[command(flatten)]
    server: Server,
}

/// Without a command.
const LIST: &str = "which";

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let client = Client::of(&options.server)?;
    let Some(command) = &options.command else {
        let names: Vec<Value> = client.ask(LIST, Value::Array(Vec::new()))?;
        let mut names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        names.sort_unstable();
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        return Ok(io::Write::write_all(&mut io::stdout(), text.as_bytes())?);
    };
    let params =
        params::read(command, &options.parameters, options.positional).map_err(Failure::Usage)?;
    let stdout = io::stdout();
    let pretty = options.pretty || (stdout.is_terminal() && !options.compact);
    let layout = if pretty { Layout::Pretty } else { Layout::Compact };
    // On a terminal the answer itself tells that something goes on.
    let _progress = (!stdout.is_terminal()).then(|| Progress::of(format!("running {command}")));
    let client = if stdout.is_terminal() { client } else { client.silent() };
    let mut out = BufWriter::new(stdout.lock());
    print(&client, command, params, &mut out, layout)
}

/// Prints the answer while it arrives.
fn print(
    client: &Client,
    command: &str,
    params: Value,
    out: &mut impl io::Write,
    layout: Layout,
) -> Result<(), Failure> {
    let mut printer = Printer::new(&mut *out, layout);
    let outcome = client.ask_into(command, params, &mut printer);
    match printer.failure() {
        Some(error) => Err(error.into()),
        // What came before it broke off is shown.
        None => outcome.and(out.flush().map_err(Failure::from)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::tests::Fake;
    use super::*;

    fn printed(answer: Value, layout: Layout) -> (Result<(), Failure>, String) {
        let fake = Fake::of([answer]);
        let mut out = Vec::new();
        let outcome = print(&fake.client(), "ps", json!([]), &mut out, layout);
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn answers_are_printed_without_their_envelope() {
        let envelope = |result: Value| json!({ "jsonrpc": "2.0", "result": result, "id": 1 });
        let (outcome, text) = printed(envelope(json!({ "a": [1, 2] })), Layout::Compact);
        assert!(outcome.is_ok());
        assert_eq!(text, "{\"a\":[1,2]}\n");
        assert_eq!(printed(envelope(json!("OK")), Layout::Pretty).1, "OK\n");
    }

    #[test]
    fn errors_print_nothing() {
        let error = json!({ "code": -32601, "message": "Method not found" });
        let (outcome, text) =
            printed(json!({ "jsonrpc": "2.0", "error": error, "id": 1 }), Layout::Pretty);
        assert_eq!(text, "");
        let told = outcome.unwrap_err().to_string();
        assert_eq!(told, "-32601 Method not found (`duologue mi` lists what the server knows)");
    }
}
