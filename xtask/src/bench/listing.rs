//! All dialogs are listed over HTTP, by page and as a stream, while requests go through the proxy: how
//! long a list takes, how much memory it needs, and how late the requests become.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::memory::hold;
use super::probe::{Delays, Probe};
use super::{Options, machine, plan, save, scratch, table};
use crate::sipp::{self, Plan};
use crate::subject::{Running, Subject};
use crate::{Result, management};

/// How many dialogs a page has.
const PAGE: u64 = 1000;

/// How often the memory of the proxy is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Calls outlive the measurement; their ends are ended then.
const HOLD: Duration = Duration::from_secs(3600);

/// What is done while the requests go through.
#[derive(Clone, Copy)]
enum Work {
    Nothing,
    /// `dlg_list` with `index` and `counter`, again and again.
    Pages,
    /// `dlg_list` in lines, all at once.
    Stream,
}

impl Work {
    const ALL: [Self; 3] = [Self::Nothing, Self::Pages, Self::Stream];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Pages => "pages of 1000",
            Self::Stream => "one stream",
        }
    }
}

/// Holds the dialogs, measures, prints a table, writes `listing.json`.
pub(super) fn run(options: &Options, directory: &Path) -> Result<()> {
    let (subject, dialogs) = (Subject::DuologueDialog, options.listed);
    println!("setting up {dialogs} dialogs");
    let proxy = subject.start(&scratch(directory, "listing.proxy")?)?;
    let server = proxy.management().ok_or("it has no management")?;
    let callee = Plan { limit: HOLD, ..plan("bench_callee", None, 1000) };
    let _callee = sipp::callee(&callee, proxy.callee(), &scratch(directory, "listing.callee")?)?;
    let (_caller, _) = hold(&proxy, dialogs, dialogs, "listing.caller", directory)?;
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for work in Work::ALL {
        let seen = measure(&proxy, server, work, dialogs, Duration::from_secs(options.seconds))?;
        rows.push(seen.row(work));
        figures.push(seen.told(work));
    }
    println!("\nOPTIONS through the proxy beside {dialogs} dialogs, while they are listed");
    let columns = ["meanwhile", "lists", "s each", "MB each", "memory +MiB"];
    table::print(&[&columns[..], &Delays::COLUMNS].concat(), &rows);
    let told = json!({"machine": machine(), "dialogs": dialogs, "figures": figures});
    save(directory, "listing.json", &told)
}

/// What was seen during one kind of work.
struct Measured {
    lists: u64,
    bytes: u64,
    seconds: f64,
    grown: u64,
    delays: Delays,
}

fn measure(
    proxy: &Running,
    server: SocketAddr,
    work: Work,
    dialogs: u64,
    time: Duration,
) -> Result<Measured> {
    let before = proxy.memory()?;
    let (working, peak) = (AtomicBool::new(true), AtomicU64::new(before));
    let probe = Probe::through(proxy.sip())?;
    let begun = Instant::now();
    let (worked, delays) = thread::scope(|scope| {
        let probing = scope.spawn(|| {
            // Errors of any kind stay on their thread.
            probe.run_while(|| working.load(Relaxed)).map_err(|error| error.to_string())
        });
        scope.spawn(|| {
            while working.load(Relaxed) {
                peak.fetch_max(proxy.memory().unwrap_or(0), Relaxed);
                sleep(LOOK_EVERY);
            }
        });
        let worked = do_for(time, server, work, dialogs);
        working.store(false, Relaxed);
        let delays = probing.join().map_err(|_| "the probe panicked")?;
        Ok::<_, Box<dyn std::error::Error>>((worked, delays?))
    })?;
    let (lists, bytes) = worked?;
    Ok(Measured {
        lists,
        bytes,
        seconds: begun.elapsed().as_secs_f64(),
        grown: peak.load(Relaxed).saturating_sub(before),
        delays,
    })
}

/// Lists for so long, and at least once: how many whole lists, and their bytes.
fn do_for(time: Duration, server: SocketAddr, work: Work, dialogs: u64) -> Result<(u64, u64)> {
    let begun = Instant::now();
    let (mut lists, mut bytes) = (0, 0);
    while begun.elapsed() < time || (lists == 0 && !matches!(work, Work::Nothing)) {
        let (found, length) = match work {
            Work::Nothing => {
                sleep(LOOK_EVERY);
                continue;
            }
            Work::Pages => pages(server)?,
            Work::Stream => {
                let (lines, length) = management::lines(server, "dlg_list", &json!([]))?;
                // The last line is the reply.
                (lines.saturating_sub(1), length)
            }
        };
        if found < dialogs {
            return Err(format!("a list of {found} dialogs, not {dialogs}").into());
        }
        lists += 1;
        bytes += length;
    }
    Ok((lists, bytes))
}

/// All pages: how many dialogs, and about how many bytes.
fn pages(server: SocketAddr) -> Result<(u64, u64)> {
    let (mut found, mut bytes) = (0, 0);
    loop {
        let asked = json!({"index": found, "counter": PAGE});
        let page = management::text(server, "dlg_list", &asked)?;
        bytes += page.len() as u64;
        let page: Value = serde_json::from_str(&page)?;
        let dialogs = page["result"]["Dialogs"].as_array().ok_or("a page without dialogs")?;
        found += dialogs.len() as u64;
        if (dialogs.len() as u64) < PAGE {
            return Ok((found, bytes));
        }
    }
}

impl Measured {
    fn each(&self, whole: f64) -> Option<f64> {
        (self.lists > 0).then(|| whole / self.lists as f64)
    }

    fn row(&self, work: Work) -> Vec<String> {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let mut row = vec![work.name().to_owned(), self.lists.to_string()];
        row.push(number(self.each(self.seconds), 2));
        row.push(number(self.each(self.bytes as f64 / 1e6), 1));
        row.push(number(Some(self.grown as f64 / f64::from(1 << 20)), 1));
        row.extend(self.delays.row());
        row
    }

    fn told(&self, work: Work) -> Value {
        json!({
            "meanwhile": work.name(),
            "lists": self.lists,
            "seconds_each": self.each(self.seconds),
            "bytes_each": self.each(self.bytes as f64),
            "memory_grown_bytes": self.grown,
            "delay_us": self.delays.told(),
        })
    }
}
