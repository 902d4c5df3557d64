//! `duologue stats`: counters of the running server, once or again and again.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::thread::sleep;
use std::time::Instant;

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::{Client, EXIT_CODES, Failure, Server};
use super::printable::one_line;
use super::span::{self, Span};
use super::table::{Column, Table};

const EXAMPLES: &str = "\
Examples:
  duologue stats                        all statistics
  duologue stats dialog: core:drop_requests
  duologue stats tm: --watch 5          every five seconds, with what was counted in a second
";

/// Read statistics of the running server.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// Which: GROUP: for a whole group, GROUP:NAME or NAME for one.
    #[arg(value_name = "STATISTIC", default_value = "all")]
    statistics: Vec<String>,

    /// Print them as one JSON object.
    #[arg(long)]
    json: bool,

    /// Read them again after this time, and tell for each counter how much it grew in a second.
    #[arg(long, value_name = "TIME", value_parser = span::parse_positive)]
    watch: Option<Span>,

    #[command(flatten)]
    server: Server,
}

/// Clears a terminal, and begins at its top.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let client = Client::of(&options.server)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let read = || client.ask("get_statistics", json!({ "statistics": options.statistics }));
    let Some(interval) = options.watch else {
        write(&mut out, &read()?, None, options.json)?;
        return Ok(out.flush()?);
    };
    let kinds: Map<String, Value> = client.ask("list_statistics", json!([]))?;
    let mut before: Option<(Instant, Map<String, Value>)> = None;
    loop {
        let (now, values) = (Instant::now(), read()?);
        let growth = before.as_ref().map(|(then, before)| Growth {
            before,
            kinds: &kinds,
            seconds: (now - *then).as_secs_f64(),
        });
        if !options.json && io::stdout().is_terminal() {
            out.write_all(CLEAR.as_bytes())?;
        }
        write(&mut out, &values, growth, options.json)?;
        if !options.json && !io::stdout().is_terminal() {
            out.write_all(b"\n")?;
        }
        out.flush()?;
        before = Some((now, values));
        sleep(interval.duration());
    }
}

/// What rates are made of.
struct Growth<'a> {
    before: &'a Map<String, Value>,
    kinds: &'a Map<String, Value>,
    seconds: f64,
}

impl Growth<'_> {
    /// How much a counter grew in a second; nothing of what does not count, or began again.
    fn rate(&self, name: &str, now: &Value) -> Option<f64> {
        let counts = self.kinds.get(name).and_then(Value::as_str) == Some("incremental");
        let before = self.before.get(name).and_then(Value::as_u64).filter(|_| counts)?;
        let grown = now.as_u64()?.checked_sub(before)?;
        Some(grown as f64 / self.seconds)
    }
}

const COLUMNS: [Column; 3] = [
    Column { heading: "STATISTIC", right: false, shrinks: false },
    Column { heading: "VALUE", right: true, shrinks: false },
    Column { heading: "PER SECOND", right: true, shrinks: false },
];

fn write(
    out: &mut impl Write,
    values: &Map<String, Value>,
    growth: Option<Growth<'_>>,
    as_json: bool,
) -> io::Result<()> {
    let rate =
        |name: &str, value: &Value| growth.as_ref().and_then(|growth| growth.rate(name, value));
    if as_json {
        let rates = values
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), json!(rate(name, value)?))))
            .collect::<Map<_, _>>();
        // Rates stand apart, so that what reads the values once reads them again and again.
        return match growth {
            None => writeln!(out, "{}", Value::from(values.clone())),
            Some(_) => writeln!(out, "{}", json!({ "values": values, "rates": rates })),
        };
    }
    let columns = if growth.is_some() { &COLUMNS[..] } else { &COLUMNS[..2] };
    let rows: Vec<Vec<String>> = values
        .iter()
        .map(|(name, value)| {
            let rate = rate(name, value).map_or_else(String::new, |rate| format!("{rate:.1}"));
            vec![one_line(name), value.to_string(), rate]
        })
        .collect();
    let table = Table::fit(columns, &rows, None);
    table.write_head(out)?;
    rows.iter().try_for_each(|row| table.write_row(out, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn shown(growth: bool, as_json: bool) -> String {
        let now = object(json!({
            "core:rcv_requests": 1500, "dialog:active_dialogs": 7, "tm:2xx_transactions": 3,
        }));
        let before = object(json!({
            "core:rcv_requests": 1000, "dialog:active_dialogs": 5, "tm:2xx_transactions": 9,
        }));
        let kinds = object(json!({
            "core:rcv_requests": "incremental", "dialog:active_dialogs": "non-incremental",
            "tm:2xx_transactions": "incremental",
        }));
        let growth = growth.then_some(Growth { before: &before, kinds: &kinds, seconds: 4.0 });
        let mut out = Vec::new();
        write(&mut out, &now, growth, as_json).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_stand_in_a_table() {
        let expected = "\
STATISTIC              VALUE
core:rcv_requests       1500
dialog:active_dialogs      7
tm:2xx_transactions        3
";
        assert_eq!(shown(false, false), expected);
    }

    #[test]
    fn counters_have_rates_unless_they_began_again() {
        let expected = "\
STATISTIC              VALUE  PER SECOND
core:rcv_requests       1500       125.0
dialog:active_dialogs      7
tm:2xx_transactions        3
";
        assert_eq!(shown(true, false), expected);
        let json: Value = serde_json::from_str(&shown(true, true)).unwrap();
        assert_eq!(json["rates"], json!({ "core:rcv_requests": 125.0 }));
        assert_eq!(json["values"]["dialog:active_dialogs"], 7);
    }
}
