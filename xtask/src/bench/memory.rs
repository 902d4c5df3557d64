//! Bytes per held dialog.
//!
//! The same number of dialogs is set up twice at the same rate. The first batch brings the pools
//! to their size (transactions at their peak, buffers, tables); what the second batch adds, once
//! its transactions have been freed, is dialogs alone.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Options, machine, plan, save, scratch, table};
use crate::sipp::{self, Agent, Plan};
use crate::subject::{Running, Subject};
use crate::{Result, ports};

/// New dialogs in a second.
const RATE: u32 = 1000;

/// Calls outlive the measurement; the callers are ended then.
const HOLD: Duration = Duration::from_secs(3600);

/// After the last answer: transactions are freed after 32 s.
const SETTLE: Duration = Duration::from_secs(42);

/// How much longer than planned setting up may take.
const SETUP_SLACK: Duration = Duration::from_secs(30);

/// What was seen at one moment.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    dialogs: u64,
    resident: u64,
    allocated: Option<u64>,
}

/// Measures each subject that has dialogs, prints a table, writes `memory.json`.
pub(super) fn run(options: &Options, directory: &Path) -> Result<()> {
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for &subject in options.subjects.iter().filter(|subject| subject.has_dialogs()) {
        println!("{subject}: holding 2 × {} dialogs", options.dialogs);
        let [empty, first, second] = measure(subject, options.dialogs, directory)?;
        let resident = per_dialog(first.resident, second.resident, first, second);
        let allocated = first
            .allocated
            .zip(second.allocated)
            .map(|(before, after)| per_dialog(before, after, first, second));
        let from_empty = per_dialog(empty.resident, second.resident, empty, second);
        rows.push(vec![
            subject.to_string(),
            second.dialogs.to_string(),
            format!("{resident:.0}"),
            allocated.map_or_else(|| "–".to_owned(), |bytes| format!("{bytes:.0}")),
            format!("{from_empty:.0}"),
            format!("{:.1}", second.resident as f64 / f64::from(1 << 20)),
        ]);
        figures.push(json!({
            "subject": subject.to_string(),
            "dialogs": second.dialogs,
            "resident_bytes_per_dialog": resident,
            "allocated_bytes_per_dialog": allocated,
            "resident_bytes_per_dialog_from_empty": from_empty,
            "resident_bytes": second.resident,
        }));
    }
    println!();
    let columns =
        ["subject", "dialogs", "resident B/dialog", "allocated B", "from empty B", "total MiB"];
    table::print(&columns, &rows);
    save(directory, "memory.json", &json!({"machine": machine(), "figures": figures}))
}

fn measure(subject: Subject, dialogs: u64, directory: &Path) -> Result<[Moment; 3]> {
    let proxy = subject.start(&scratch(directory, &format!("{subject}.memory"))?)?;
    let callee_files = scratch(directory, "memory.callee")?;
    let callee_plan = Plan { limit: HOLD, ..plan("bench_callee", None, RATE) };
    let _callee = sipp::callee(&callee_plan, proxy.callee(), &callee_files)?;
    let empty = Moment::of(&proxy)?;
    let (_first_caller, first) = hold(&proxy, dialogs, dialogs, "memory.first", directory)?;
    let (_second_caller, second) = hold(&proxy, dialogs, 2 * dialogs, "memory.second", directory)?;
    Ok([empty, first, second])
}

/// Sets up `more` dialogs, waits until `total` are held and all transactions are gone.
pub(super) fn hold(
    proxy: &Running,
    more: u64,
    total: u64,
    name: &str,
    directory: &Path,
) -> Result<(Agent, Moment)> {
    let files = scratch(directory, name)?;
    let plan = Plan { hold: HOLD, limit: HOLD, ..plan("caller", Some(more), RATE) };
    let [port] = ports::free_udp()?;
    let callee = ports::local(proxy.callee());
    let caller = sipp::caller(&plan, port, proxy.sip(), callee, &files)?;
    let deadline = Instant::now() + Duration::from_secs(more / u64::from(RATE)) + SETUP_SLACK;
    while proxy.held()?.active < total {
        if Instant::now() > deadline {
            return Err(format!("only {:?} of {total} dialogs are held", proxy.held()?).into());
        }
        sleep(Duration::from_millis(500));
    }
    sleep(SETTLE);
    let moment = Moment::of(proxy)?;
    let transactions = proxy.held()?.transactions;
    if transactions > 0 {
        println!("  note: {transactions} transactions are still held");
    }
    Ok((caller, moment))
}

impl Moment {
    fn of(proxy: &Running) -> Result<Self> {
        Ok(Self {
            dialogs: proxy.held()?.active,
            resident: proxy.memory()?,
            allocated: proxy.allocated()?,
        })
    }
}

fn per_dialog(before: u64, after: u64, from: Moment, to: Moment) -> f64 {
    (after as f64 - before as f64) / to.dialogs.saturating_sub(from.dialogs).max(1) as f64
}
