//! `cargo xtask test`: everything that must hold before a change is taken.

use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use crate::subject::Subject;
use crate::tally::{Tally, heading};
use crate::{
    Result, browser, commands, crashes, databases, deployments, e2e, examples, faults, interop,
    opensips_cli, packages, paths, process, terminal,
};

/// Formatting takes no longer than this.
const FORMAT_LIMIT: Duration = Duration::from_secs(120);

/// Building from nothing, or running all unit tests, takes no longer than this.
const CARGO_LIMIT: Duration = Duration::from_secs(1800);

/// How often the program is killed in each mode: `cargo xtask crashes` does it two hundred times.
const KILLS: u32 = 20;

/// What to prove.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out the calls through running programs, and database servers.
    #[arg(long, conflicts_with = "only")]
    skip_e2e: bool,
    /// Run one part alone.
    #[arg(long)]
    only: Option<Part>,
    /// Five seconds of load instead of sixty.
    #[arg(long)]
    quick: bool,
    /// Take the program as it is, without building it.
    #[arg(long)]
    no_build: bool,
    /// The proxy that the calls go through (implies `--only e2e` unless it is ours).
    #[arg(long, default_value = "duologue-dialog")]
    subject: Subject,
}

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Formatting and lints.
    Lint,
    /// Unit tests, snapshots, whole calls in virtual time.
    Unit,
    /// Schedules of threads, tried out one by one.
    Threads,
    /// Calls through the running program with SIPp.
    E2e,
    /// Calls through the programs of `examples/` with SIPp.
    Examples,
    /// Calls through scripts of the size that operators run.
    Deployments,
    /// Calls that go on after the program was killed (only if asked for).
    Crashes,
    /// Calls that go on while their database is in trouble (only if asked for).
    Faults,
    /// Calls between two baresip through the default script.
    Interop,
    /// Commands over each door by `opensips-cli`.
    OpensipsCli,
    /// Every management command while a call stands.
    Commands,
    /// The live tools on terminals, while calls stand.
    Terminal,
    /// A foreign page in a real browser.
    Browser,
    /// The store on SQLite, PostgreSQL and MariaDB.
    Databases,
}

impl Part {
    /// Whether it runs only if somebody asks for it: crashes and faults come at moments of chance, and
    /// `tests/restart` plays them in virtual time.
    fn is_asked_for(self) -> bool {
        matches!(self, Self::Crashes | Self::Faults)
    }

    /// Whether it needs running programs beside the tests.
    fn sends_calls(self) -> bool {
        !matches!(self, Self::Lint | Self::Unit | Self::Threads)
    }
}

/// Runs the chosen parts; false if anything failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut tally = Tally::new();
    if options.wants(Part::Lint) {
        heading("Formatting");
        let mut cargo = cargo(&["fmt", "--all", "--check"]);
        tally.check("cargo fmt", || succeed(&mut cargo, FORMAT_LIMIT));
        heading("Lints");
        let mut cargo = cargo_lint();
        tally.check("cargo clippy", || succeed(&mut cargo, CARGO_LIMIT));
    }
    if options.wants(Part::Unit) {
        heading("Unit tests");
        unit_tests(&mut tally);
    }
    if options.wants(Part::Threads) {
        heading("Schedules of threads");
        interleavings(&mut tally)?;
    }
    if options.wants(Part::E2e) {
        heading(&format!("Calls through {}", options.subject));
        let ready = tally.check("SIPp is installed", || packages::require(&[packages::SIPP]))
            && (options.no_build
                || tally.check("the program is built", || options.subject.prepare()));
        if ready {
            e2e::run(&mut tally, options.subject, options.quick)?;
        }
    }
    if options.wants(Part::Examples) {
        heading("Examples");
        if tally.check("SIPp is installed", || packages::require(&[packages::SIPP])) {
            examples::run(&mut tally)?;
        }
    }
    if options.wants(Part::Deployments) {
        heading("Deployments");
        deployments::run(&mut tally)?;
    }
    if options.wants(Part::Crashes) {
        heading("Crashes");
        crashes::run(&mut tally, KILLS, 1)?;
    }
    if options.wants(Part::Faults) {
        heading("Databases in trouble");
        faults::run(&mut tally)?;
    }
    if options.wants(Part::Interop) {
        heading("Telephones");
        interop::run(&mut tally)?;
    }
    if options.wants(Part::OpensipsCli) {
        heading("Commands by opensips-cli");
        opensips_cli::run(&mut tally)?;
    }
    if options.wants(Part::Commands) {
        heading("Every command while a call stands");
        commands::run(&mut tally, options.no_build)?;
    }
    if options.wants(Part::Databases) {
        heading("Databases");
        databases::run(&mut tally)?;
    }
    if options.wants(Part::Terminal) {
        heading("Terminals");
        terminal::run(&mut tally, options.no_build)?;
    }
    if options.wants(Part::Browser) {
        heading("A foreign page in a browser");
        browser::run(&mut tally, options.no_build)?;
    }
    Ok(tally.conclude())
}

impl Options {
    fn wants(&self, part: Part) -> bool {
        match self.only {
            Some(only) => only == part,
            None if !self.subject.is_ours() => part == Part::E2e,
            None if part.is_asked_for() => false,
            None => !part.sends_calls() || !self.skip_e2e,
        }
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::root()).args(arguments);
    cargo
}

fn cargo_lint() -> Command {
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn succeed(command: &mut Command, limit: Duration) -> Result<()> {
    let status = process::run(command, limit)?;
    if status.success() { Ok(()) } else { Err(status.to_string().into()) }
}

fn unit_tests(tally: &mut Tally) {
    let mut cargo = cargo(&["test", "--workspace", "--no-fail-fast"]);
    cargo.env("INSTA_UPDATE", "no");
    counted_tests(tally, "cargo test", &mut cargo);
}

/// The tests that try out schedules of threads: built apart, with locks that a scheduler owns.
fn interleavings(tally: &mut Tally) -> Result<()> {
    let directory = paths::kept("shuttle")?;
    let packages = ["test", "--package", "duologue-dialog", "--package", "duologue-server"];
    let tests: [(&str, &[&str]); 2] = [
        ("interleavings of dialogs", &["--test", "interleavings"]),
        ("interleavings of calls", &["--lib", "interleavings::"]),
    ];
    for (name, chosen) in tests {
        let mut cargo = cargo(&packages);
        cargo.args(chosen).env("RUSTFLAGS", "--cfg shuttle").env("CARGO_TARGET_DIR", &directory);
        counted_tests(tally, name, &mut cargo);
    }
    Ok(())
}

/// Runs tests by cargo, and adds what they count.
pub(crate) fn counted_tests(tally: &mut Tally, name: &str, cargo: &mut Command) {
    let mut counted = Counted::default();
    let outcome = process::run_seeing(cargo, CARGO_LIMIT, |line| counted.see(line));
    tally.add(name, counted.passed, counted.failed);
    match outcome {
        Ok(status) if status.success() => {}
        // The tests that failed are counted already; anything else did not even run.
        Ok(_) if counted.failed > 0 => {}
        Ok(status) => tally.fail(format!("{name}: {status}")),
        Err(error) => tally.fail(format!("{name}: {error}")),
    }
}

/// The sum over all lines `test result: ok. 3 passed; 0 failed; …`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    passed: u64,
    failed: u64,
}

impl Counted {
    fn see(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number = |what: &str| {
            let before = result.split(what).next().unwrap_or_default();
            before.trim_end().rsplit(' ').next().and_then(|text| text.parse::<u64>().ok())
        };
        self.passed += number("passed").unwrap_or(0);
        self.failed += number("failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_programs_are_added() {
        let mut counted = Counted::default();
        counted.see("test result: ok. 12 passed; 0 failed; 1 ignored; finished in 0.1s");
        counted.see("test tests::something ... ok");
        counted.see("test result: FAILED. 3 passed; 2 failed; 0 ignored; finished in 0.1s");
        assert_eq!(counted, Counted { passed: 15, failed: 2 });
    }
}
