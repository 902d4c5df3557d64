//! The dialog engine at scale: rates, memory and delays beside up to a million dialogs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{machine, save, table};
use crate::{Result, paths, process};

/// Building the program and running it takes no longer than this.
const LIMIT: Duration = Duration::from_secs(1800);

/// Runs the engine's own program (`benches/dialogs`), prints tables, writes `dialogs.json`.
pub(super) fn run(directory: &Path) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(["bench", "--bench", "dialogs", "--", "--full"]);
    let mut parts: Vec<Value> = Vec::new();
    let status = process::run_seeing(&mut cargo, LIMIT, |line| {
        parts.extend(serde_json::from_str::<Value>(line).ok().filter(Value::is_object));
    })?;
    if !status.success() {
        return Err(format!("cargo bench: {status}").into());
    }
    let of = |name: &'static str| parts.iter().filter(move |part| part["part"] == name);
    println!("\nCalls (created, answered, matched, ended) beside idle dialogs, one thread");
    let rows = of("calls").map(|part| {
        let figures = &part["figures"];
        let mut row = vec![part["dialogs"].to_string()];
        row.push(number(&figures["calls_per_second"], 0));
        row.push(number(&figures["engine_bytes_per_dialog"], 0));
        row.push(number(&figures["resident_bytes_per_dialog"], 0));
        row.extend(delays(&figures["operation_us"]));
        row
    });
    let columns = ["idle dialogs", "calls/s", "B/dialog", "resident B"];
    table::print(&[&columns[..], &DELAYS].concat(), &rows.collect::<Vec<_>>());

    println!("\nCalls while everything is listed, and without");
    let rows = of("listing").flat_map(|part| {
        let figures = &part["figures"];
        let none = || "–".to_owned();
        let (seconds, page) = (number(&figures["seconds"], 2), number(&figures["last_page_ms"], 1));
        [("without_listing", none(), none()), ("with_listing", seconds, page)].map(
            |(which, seconds, page)| {
                let mut row = vec![part["dialogs"].to_string(), seconds, page];
                row.push(number(&figures[which]["calls_per_second"], 0));
                row.extend(delays(&figures[which]["operation_us"]));
                row
            },
        )
    });
    let columns = ["listed dialogs", "listing s", "last page ms", "calls/s"];
    table::print(&[&columns[..], &DELAYS].concat(), &rows.collect::<Vec<_>>());

    println!("\nTime alone");
    let rows = of("expiry").chain(of("idle")).map(|part| {
        let figures = &part["figures"];
        let mut row = vec![format!("{} {}", part["part"].as_str().unwrap_or("?"), part["dialogs"])];
        row.push(number(&figures["expired_per_second"], 0));
        row.push(number(&figures["us_per_second"], 1));
        row.extend(delays(&figures["wake_us"]));
        row
    });
    let columns = ["", "expired/s", "idle µs/s"];
    table::print(&[&columns[..], &DELAYS].concat(), &rows.collect::<Vec<_>>());
    save(directory, "dialogs.json", &json!({"machine": machine(), "parts": parts}))
}

/// How long operations took.
const DELAYS: [&str; 4] = ["p50 µs", "p99", "p99.9", "max"];

fn delays(figures: &Value) -> [String; 4] {
    ["p50", "p99", "p99_9", "max"].map(|name| number(&figures[name], 1))
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"))
}
