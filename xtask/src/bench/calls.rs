//! CPU time per call: INVITE 180 200 ACK BYE 200, user and system time of the proxy alone.
//!
//! All subjects take their turn in each round, in a different order each time, so that whatever
//! the machine does besides hits all of them. Each starts fresh, is warmed up, and is measured
//! from its first call to some seconds after its last.
//!
//! Some of a call's work comes later: RFC 6026 keeps an answered INVITE for 32 s. So each subject
//! stays up until that is over, and the table's last part counts a whole round: all CPU time
//! since the start, less what the subject uses while idle, for each of all its calls.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Options, PATIENCE, load, machine, save, scratch, table};
use crate::Result;
use crate::accounting::CpuTime;
use crate::sipp::Report;
use crate::subject::{Running, Subject};

/// Calls before the first measurement: caches, page tables and pools are warm then.
const WARM_RATE: u32 = 1000;
const WARM_SECONDS: u64 = 2;

/// The search for the highest rate: where it starts, its steps, its end, and their length.
const SEARCH_FROM: u32 = 2000;
const SEARCH_STEP: f64 = 1.25;
const SEARCH_TO: u32 = 20_000;
const SEARCH_SECONDS: u64 = 3;

/// What is not over by then stumbled: 64·T1 and some room.
const SEARCH_PATIENCE: Duration = Duration::from_secs(40);

/// A rate is taken if this share of it was reached …
const REACHED: f64 = 0.97;

/// … and no more than this share of the calls needed a retransmission or failed.
const STUMBLED: f64 = 0.002;

/// "Near saturation" is this share of the lowest ceiling.
const NEAR: f64 = 0.9;

/// How long we watch a subject that nobody calls.
const IDLE: Duration = Duration::from_secs(2);

/// When everything of the last call is freed: 64·T1 and some room.
const FREED: Duration = Duration::from_secs(34);

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Microseconds of CPU per call.
    cpu: f64,
    failed: u64,
    repeats: u64,
    /// Calls per second that were really made.
    rate: f64,
    /// Milliseconds from INVITE to 200, on average.
    setup: f64,
}

type Samples = BTreeMap<(u32, usize), Vec<Sample>>;

/// A subject that has had its turn and stays up until all is freed.
struct Turn {
    place: usize,
    proxy: Running,
    started: Instant,
    at_start: CpuTime,
    /// Share of a CPU that it uses while nobody calls.
    idle: f64,
    calls: u64,
    ended: Instant,
    hold: Duration,
}

/// Runs all rounds, prints the table, writes `calls.json`.
pub(super) fn run(options: &Options, directory: &Path) -> Result<()> {
    let (rates, ceilings) = rates(options, directory)?;
    let mut samples = Samples::new();
    let count = options.subjects.len();
    let mut whole = vec![Vec::new(); count];
    for round in 0..options.rounds {
        let mut turns = Vec::new();
        let mut order: Vec<_> = options.subjects.iter().copied().enumerate().collect();
        order.rotate_left(round % count.max(1));
        for (place, subject) in order {
            let mut turn =
                Turn::start(place, subject, Duration::from_secs(options.hold), directory)?;
            for &rate in &rates {
                let sample = turn.measure(options, rate, directory)?;
                println!(
                    "round {}  {subject:16} {rate:>6}/s  {:7.1} µs/call  {} failed, {} repeats",
                    round + 1,
                    sample.cpu,
                    sample.failed,
                    sample.repeats
                );
                samples.entry((rate, place)).or_default().push(sample);
            }
            turns.push(turn);
        }
        for turn in turns {
            if let Some(values) = whole.get_mut(turn.place) {
                values.push(turn.conclude()?);
            }
        }
    }
    report(options, &samples, &whole, &ceilings, directory)
}

/// The rates asked for, with `max` resolved; and each subject's ceiling, if it was searched.
fn rates(options: &Options, directory: &Path) -> Result<(Vec<u32>, Vec<Option<u32>>)> {
    let mut ceilings = vec![None; options.subjects.len()];
    let mut rates = Vec::new();
    for rate in &options.rates {
        if rate != "max" {
            rates.push(rate.parse::<u32>().map_err(|_| format!("{rate} is not a rate"))?.max(1));
            continue;
        }
        for (subject, ceiling) in options.subjects.iter().zip(&mut ceilings) {
            let found = search(*subject, directory)?;
            println!("{subject:16} takes up to {found} calls/s on this machine, SIPp included");
            *ceiling = Some(found);
        }
        let lowest = ceilings.iter().flatten().min().copied().unwrap_or(SEARCH_FROM);
        // Rounded, so that the table has a readable heading.
        rates.push(((f64::from(lowest) * NEAR / 100.0).round() * 100.0) as u32);
    }
    Ok((rates, ceilings))
}

/// The highest rate at which calls still go through without stumbling.
fn search(subject: Subject, directory: &Path) -> Result<u32> {
    let proxy = subject.start(&scratch(directory, "search")?)?;
    let (mut rate, mut best) = (SEARCH_FROM, SEARCH_FROM);
    while rate <= SEARCH_TO {
        let scratch = scratch(directory, "search.calls")?;
        let load =
            load(&proxy, (rate, SEARCH_SECONDS), (Duration::ZERO, SEARCH_PATIENCE), &scratch);
        let Ok((caller, callee)) = load else { break };
        let stumbles = caller.failed + caller.repeats_sent + callee.repeats_sent;
        if caller.rate < f64::from(rate) * REACHED
            || stumbles as f64 > caller.calls as f64 * STUMBLED
        {
            break;
        }
        best = rate;
        rate = (f64::from(rate) * SEARCH_STEP) as u32;
    }
    proxy.stop()?;
    Ok(best)
}

impl Turn {
    /// Starts `subject`, sees what it costs idle, and warms it up.
    fn start(place: usize, subject: Subject, hold: Duration, directory: &Path) -> Result<Self> {
        let proxy = subject.start(&scratch(directory, &subject.to_string())?)?;
        let at_start = proxy.cpu()?;
        let started = Instant::now();
        sleep(IDLE);
        let idle = (proxy.cpu()? - at_start).seconds() / IDLE.as_secs_f64();
        let (calls, ended) = (0, started);
        let mut turn = Self { place, proxy, started, at_start, idle, calls, ended, hold };
        turn.load(WARM_RATE, WARM_SECONDS, &scratch(directory, "warm")?)?;
        Ok(turn)
    }

    fn measure(&mut self, options: &Options, rate: u32, directory: &Path) -> Result<Sample> {
        let scratch = scratch(directory, &format!("{}.{rate}", self.proxy.subject()))?;
        let before = self.proxy.cpu()?;
        let (caller, callee) = self.load(rate, options.seconds, &scratch)?;
        sleep(Duration::from_secs(options.linger));
        Ok(Sample {
            cpu: (self.proxy.cpu()? - before).per_call(caller.calls),
            failed: caller.failed,
            repeats: caller.repeats_sent + callee.repeats_sent,
            rate: caller.rate,
            setup: caller.setup.as_secs_f64() * 1e3,
        })
    }

    fn load(&mut self, rate: u32, seconds: u64, scratch: &Path) -> Result<(Report, Report)> {
        let reports = load(&self.proxy, (rate, seconds), (self.hold, PATIENCE), scratch)?;
        self.calls += reports.0.calls;
        self.ended = Instant::now();
        Ok(reports)
    }

    /// Waits until all calls are freed, stops, and gives the whole round's microseconds per call.
    fn conclude(self) -> Result<f64> {
        sleep(FREED.saturating_sub(self.ended.elapsed()));
        let used = (self.proxy.cpu()? - self.at_start).seconds();
        let idle = self.idle * self.started.elapsed().as_secs_f64();
        self.proxy.stop()?;
        Ok((used - idle) * 1e6 / self.calls.max(1) as f64)
    }
}

fn report(
    options: &Options,
    samples: &Samples,
    whole: &[Vec<f64>],
    ceilings: &[Option<u32>],
    directory: &Path,
) -> Result<()> {
    let mut rows = Vec::new();
    let mut figures = Vec::new();
    for (&(rate, place), taken) in samples {
        let (Some(subject), Some(ceiling)) = (options.subjects.get(place), ceilings.get(place))
        else {
            continue;
        };
        let spread = Spread::of(taken.iter().map(|sample| sample.cpu).collect());
        let failed: u64 = taken.iter().map(|sample| sample.failed).sum();
        let repeats: u64 = taken.iter().map(|sample| sample.repeats).sum();
        let reached = Spread::of(taken.iter().map(|sample| sample.rate).collect());
        let setup = Spread::of(taken.iter().map(|sample| sample.setup).collect());
        let peer = median_of(options, samples, rate, Subject::KamailioDialog);
        let relay = median_of(options, samples, rate, Subject::Relay);
        rows.push(vec![
            subject.to_string(),
            format!("{rate}/s"),
            format!("{:.0}", reached.median),
            format!("{:.1}", spread.median),
            format!("{:.1}–{:.1}", spread.least, spread.most),
            ratio(spread.median, peer),
            ratio(spread.median, relay),
            format!("{:.2}", setup.median),
            failed.to_string(),
            repeats.to_string(),
        ]);
        figures.push(json!({
            "subject": subject.to_string(),
            "rate": rate,
            "reached": reached.median,
            "ceiling": ceiling,
            "us_per_call": taken.iter().map(|sample| sample.cpu).collect::<Vec<_>>(),
            "median": spread.median,
            "least": spread.least,
            "most": spread.most,
            "setup_ms": setup.median,
            "failed": failed,
            "repeats": repeats,
        }));
    }
    let columns = [
        "subject",
        "rate",
        "reached",
        "µs/call",
        "spread",
        "×kamailio",
        "×relay",
        "setup ms",
        "failed",
        "repeats",
    ];
    println!();
    table::print(&columns, &rows);
    let mut rows = Vec::new();
    let mut rounds = Vec::new();
    for (subject, values) in options.subjects.iter().zip(whole) {
        let spread = Spread::of(values.clone());
        rows.push(vec![
            subject.to_string(),
            format!("{:.1}", spread.median),
            format!("{:.1}–{:.1}", spread.least, spread.most),
        ]);
        rounds.push(json!({
            "subject": subject.to_string(),
            "us_per_call": values,
            "median": spread.median,
        }));
    }
    println!("\nwhole rounds, until everything is freed, idle time taken off");
    table::print(&["subject", "µs/call", "spread"], &rows);
    let summary: Value = json!({
        "machine": machine(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "linger_seconds": options.linger,
        "hold_seconds": options.hold,
        "figures": figures,
        "whole_rounds": rounds,
    });
    save(directory, "calls.json", &summary)
}

fn median_of(options: &Options, samples: &Samples, rate: u32, subject: Subject) -> Option<f64> {
    let place = options.subjects.iter().position(|&other| other == subject)?;
    let taken = samples.get(&(rate, place))?;
    Some(Spread::of(taken.iter().map(|sample| sample.cpu).collect()).median)
}

fn ratio(value: f64, base: Option<f64>) -> String {
    base.map_or_else(|| "–".to_owned(), |base| format!("{:.2}", value / base))
}

/// The middle and the ends of some values.
#[derive(Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        Self {
            least: at(0),
            median: f64::midpoint(at(low), at(high)),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let odd = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(odd, Spread { least: 1.0, median: 2.0, most: 3.0 });
        let even = Spread::of(vec![4.0, 1.0, 2.0, 3.0]);
        assert_eq!(even, Spread { least: 1.0, median: 2.5, most: 4.0 });
    }
}
