//! Calls: SIPp as caller and callee on the loopback address, and what it counted.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Daemon;
use crate::{Result, paths, ports};

/// How long a callee may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Socket buffers of SIPp in bytes: its own default drops datagrams at a thousand calls a second.
const SOCKET_BUFFER: &str = "2000000";

/// Calls that SIPp may hold at once; far above what any of our runs reaches.
const CALLS_AT_ONCE: &str = "1000000";

/// What an agent shall do.
pub(crate) struct Plan<'a> {
    /// The scenario: the name of a file in `tests/sipp` or `examples/sipp`, without its ending,
    /// or one that SIPp brings.
    pub(crate) scenario: &'a str,
    /// How many calls; a callee without a number goes on until it is stopped.
    pub(crate) calls: Option<u64>,
    /// New calls in a second (callers only).
    pub(crate) rate: u32,
    /// The length of scenario pauses.
    pub(crate) hold: Duration,
    /// When the agent gives up.
    pub(crate) limit: Duration,
    /// Whether an unexpected message leaves a call alive.
    pub(crate) patient: bool,
    /// Whether it tells who asks that it is there, and 481 of calls that are over.
    pub(crate) answers_pings: bool,
}

impl<'a> Plan<'a> {
    /// One call by `scenario`, within seconds.
    pub(crate) fn one(scenario: &'a str) -> Self {
        Self {
            scenario,
            calls: Some(1),
            rate: 1,
            hold: Duration::from_millis(100),
            limit: Duration::from_secs(20),
            patient: false,
            answers_pings: false,
        }
    }
}

/// A running SIPp.
pub(crate) struct Agent {
    process: Daemon,
    scenario: String,
    directory: PathBuf,
    limit: Duration,
}

/// What SIPp counted in a whole run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Calls begun.
    pub(crate) calls: u64,
    /// Calls that went by the scenario to its end.
    pub(crate) successful: u64,
    /// Calls that did not.
    pub(crate) failed: u64,
    /// Messages that this side had to send again, since no answer came.
    pub(crate) repeats_sent: u64,
    /// Messages that reached this side again.
    pub(crate) repeats_received: u64,
    /// Messages that no call was waiting for.
    pub(crate) unexpected: u64,
    /// Calls begun in a second, over the whole run.
    pub(crate) rate: f64,
    /// How long the measured answer took, on average (`rtd` in the scenario).
    pub(crate) setup: Duration,
}

/// A callee on `port`, listening when this returns.
pub(crate) fn callee(plan: &Plan<'_>, port: u16, directory: &Path) -> Result<Agent> {
    let agent = start(plan, port, directory, &[])?;
    ports::await_udp(port, START_LIMIT)?;
    Ok(agent)
}

/// A caller on `port` that calls `callee` and sends everything to `proxy`.
pub(crate) fn caller(
    plan: &Plan<'_>,
    port: u16,
    proxy: SocketAddr,
    callee: SocketAddr,
    directory: &Path,
) -> Result<Agent> {
    let (rate, hold) = (plan.rate.to_string(), plan.hold.as_millis().to_string());
    let (proxy, callee) = (proxy.to_string(), callee.to_string());
    let more = ["-rsa", &proxy, &callee, "-r", &rate, "-d", &hold, "-l", CALLS_AT_ONCE];
    start(plan, port, directory, &more)
}

fn start(plan: &Plan<'_>, port: u16, directory: &Path, more: &[&str]) -> Result<Agent> {
    let scenario = plan.scenario;
    let limit = plan.limit.as_secs();
    let mut command = Command::new("sipp");
    match paths::scenario(scenario) {
        Some(file) => command.arg("-sf").arg(file),
        None => command.args(["-sn", scenario]),
    };
    command
        .current_dir(directory)
        .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin"])
        .args(["-buff_size", SOCKET_BUFFER, "-timeout_error", "-timeout", &format!("{limit}s")])
        .args(["-trace_counts", "-trace_stat", "-stf", &format!("{scenario}.statistics.csv")])
        .args(["-trace_err", "-error_file", &format!("{scenario}.errors.txt")])
        .args(more);
    if !more.contains(&"-d") {
        command.args(["-d", &plan.hold.as_millis().to_string()]);
    }
    if let Some(calls) = plan.calls {
        command.args(["-m", &calls.to_string()]);
    }
    if plan.patient {
        command.args(["-default_behaviors", "all,-abortunexp"]);
    }
    if plan.answers_pings {
        // Calls that are over have no quiet time in which nobody answers for them.
        command.args(["-aa", "-deadcall_wait", "0"]);
        if more.contains(&"-rsa") {
            command.arg("-oocsf").arg(paths::sipp("gone.xml"));
        }
    }
    let log = directory.join(format!("{scenario}.txt"));
    let process = Daemon::start(&format!("sipp {scenario}"), &mut command, &log)?;
    Ok(Agent {
        process,
        scenario: scenario.to_owned(),
        directory: directory.to_owned(),
        limit: plan.limit + START_LIMIT,
    })
}

impl Agent {
    /// Waits until all planned calls are over.
    pub(crate) fn finish(mut self) -> Result<Report> {
        self.process.finish(self.limit)?;
        self.report()
    }

    /// Ends a callee that would go on for ever.
    pub(crate) fn stop(mut self) -> Result<Report> {
        self.process.stop("USR1")?;
        self.report()
    }

    /// Ends an agent that would go on for ever, once its calls are over.
    pub(crate) fn ended(mut self, limit: Duration) -> Result<Ended> {
        self.process.signal("USR1")?;
        self.process.finish(limit)?;
        let file = format!("{}_{}_counts.csv", self.scenario, self.process.id());
        Ended::read(&fs::read_to_string(self.directory.join(file))?)
    }

    /// What it has counted so far, as of its last line of statistics.
    fn report(&self) -> Result<Report> {
        let file = self.directory.join(format!("{}.statistics.csv", self.scenario));
        let statistics = fs::read_to_string(file)?;
        let counts =
            self.directory.join(format!("{}_{}_counts.csv", self.scenario, self.process.id()));
        let counts = fs::read_to_string(counts)?;
        Report::read(&statistics, &counts).map_err(|error| {
            format!("{} wrote no usable statistics ({error})", self.scenario).into()
        })
    }

    /// The first error that it wrote down, shortened to a line.
    pub(crate) fn first_error(directory: &Path, scenario: &str) -> Option<String> {
        let text = fs::read_to_string(directory.join(format!("{scenario}.errors.txt"))).ok()?;
        let line = text.lines().nth(1)?;
        Some(line.rsplit('\t').next().unwrap_or(line).to_owned())
    }
}

/// How far the calls of an agent came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Calls begun.
    pub(crate) begun: u64,
    /// Calls that were acknowledged.
    pub(crate) up: u64,
    /// Calls whose BYE was answered.
    pub(crate) whole: u64,
    /// BYEs sent or received.
    pub(crate) byes: u64,
}

impl Ended {
    fn read(counts: &str) -> Result<Self> {
        let row = last_row(counts)?;
        let passed = |name: &str| -> Vec<u64> {
            let endings = [format!("_{name}_Sent"), format!("_{name}_Recv")];
            let is_step = |column: &str| endings.iter().any(|it| column.ends_with(it));
            let steps = row.iter().filter(|(column, _)| is_step(column));
            steps.filter_map(|(_, value)| value.parse().ok()).collect()
        };
        let first = |name: &str| passed(name).first().copied().ok_or("no such step");
        // What is answered after a call's end comes before its steps.
        let last = |name: &str| passed(name).last().copied().ok_or("no such step");
        let (begun, up) = (first("INVITE")?, first("ACK")?);
        Ok(Self { begun, up, whole: last("200")?, byes: last("BYE")? })
    }
}

impl Report {
    /// Whether all of `calls` went by the book: none failed, nothing had to be sent twice.
    pub(crate) fn expect_flawless(&self, side: &str, calls: u64) -> Result<()> {
        let flawless = self.successful == calls
            && self.failed == 0
            && self.repeats_sent == 0
            && self.repeats_received == 0
            && self.unexpected == 0;
        if flawless { Ok(()) } else { Err(format!("{side}, of {calls} calls: {self:?}").into()) }
    }

    fn read(statistics: &str, counts: &str) -> Result<Self> {
        let total = |name: &str| -> Result<f64> {
            let row = last_row(statistics)?;
            let field = row.iter().find(|(column, _)| *column == name).ok_or(name)?;
            Ok(field.1.parse()?)
        };
        let mut report = Self {
            calls: total("TotalCallCreated")? as u64,
            successful: total("SuccessfulCall(C)")? as u64,
            failed: total("FailedCall(C)")? as u64,
            rate: total("CallRate(C)")?,
            setup: clock(last_row(statistics)?, "ResponseTime1(C)"),
            ..Self::default()
        };
        // Columns are named STEP_MESSAGE_WHAT; only a step's first column (`Sent` or `Recv`)
        // tells in which direction its repeats went.
        let mut outbound = false;
        for (column, value) in last_row(counts)? {
            let (Some((_, what)), Ok(value)) = (column.rsplit_once('_'), value.parse::<u64>())
            else {
                continue;
            };
            match what {
                "Sent" => outbound = true,
                "Recv" => outbound = false,
                "Retrans" if outbound => report.repeats_sent += value,
                "Retrans" => report.repeats_received += value,
                "Unexp" => report.unexpected += value,
                _ => {}
            }
        }
        Ok(report)
    }
}

/// A column of hours, minutes, seconds and microseconds, all with colons between them; zero without.
fn clock(row: Vec<(&str, &str)>, name: &str) -> Duration {
    let time = row.iter().find(|(column, _)| *column == name).map_or("", |(_, value)| value);
    let parts: Vec<u64> = time.split(':').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [hours, minutes, seconds, micros] => {
            let seconds = (hours * 60 + minutes) * 60 + seconds;
            Duration::from_secs(seconds) + Duration::from_micros(micros)
        }
        _ => Duration::ZERO,
    }
}

/// The last complete row of a table with `;` between its fields, each with its column's name.
fn last_row(table: &str) -> Result<Vec<(&str, &str)>> {
    let mut lines = table.lines().filter(|line| !line.is_empty());
    let columns = lines.next().ok_or("an empty table")?;
    let row = lines.next_back().ok_or("a table without rows")?;
    Ok(columns.split(';').zip(row.split(';')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_followed_to_their_end() {
        let counts = "CurrentTime;0_INVITE_Sent;1_200_Recv;2_ACK_Sent;3_BYE_Sent;4_200_Recv;\
                      4_200_Unexp\nnow;9;8;7;6;5;1\n";
        assert_eq!(Ended::read(counts).unwrap(), Ended { begun: 9, up: 7, whole: 5, byes: 6 });
    }

    #[test]
    fn repeats_are_told_apart_by_direction() {
        let statistics = "TotalCallCreated;SuccessfulCall(C);FailedCall(C);CallRate(C)\n\
                          0;0;0;0\n9;8;1;99.5\n";
        let counts = "CurrentTime;0_INVITE_Sent;0_INVITE_Retrans;1_200_Recv;1_200_Retrans;\
                      1_200_Unexp\nnow;9;2;8;3;1\n";
        let report = Report::read(statistics, counts).unwrap();
        assert_eq!((report.calls, report.successful, report.failed), (9, 8, 1));
        assert_eq!((report.repeats_sent, report.repeats_received, report.unexpected), (2, 3, 1));
        assert!(report.expect_flawless("caller", 9).is_err());
    }
}
