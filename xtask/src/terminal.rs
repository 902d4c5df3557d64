//! The live tools: calls by SIPp stand in the running program, `duologue dialogs` lists them, and
//! `duologue top` runs in tmux, where keys are pressed and the screen is read.
//!
//! What must be seen stands in `tests/terminal`, with names in the place of ids, times and ports.

mod mask;
mod tmux;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::sipp::{self, Agent, Plan};
use crate::subject::{Running, Subject};
use crate::tally::{Tally, heading};
use crate::{Result, packages, paths, ports};
use mask::Mask;
use tmux::Terminal;

/// How long anything may take to be seen.
const LIMIT: Duration = Duration::from_secs(20);

/// How long the calls may stand.
const CALLS_LIMIT: Duration = Duration::from_secs(180);

/// How many calls stand.
const CALLS: u64 = 2;

/// Runs the tools and prints how it went; true if all went well.
///
/// # Errors
/// SIPp or tmux is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Terminals");
    run(&mut tally, false)?;
    Ok(tally.conclude())
}

/// Runs the tools and counts into `tally`; the program is taken as it is if it is `built`.
pub(crate) fn run(tally: &mut Tally, built: bool) -> Result<()> {
    let tools = [packages::SIPP, packages::TMUX];
    let ready = tally.check("SIPp and tmux are installed", || packages::require(&tools))
        && (built || tally.check("the program is built", || Subject::DuologueDialog.prepare()));
    let directory = &paths::fresh("terminal")?;
    let mut opened = None;
    if ready {
        tally.check("calls stand", || {
            opened = Some(Stage::open(directory)?);
            Ok(())
        });
    }
    let Some((stage, calls)) = opened else { return Ok(()) };
    tally.check("duologue dialogs lists them", || stage.listed());
    tally.check("duologue mi and duologue stats tell of them", || stage.told());
    tally.check("exit codes tell what went wrong", || stage.exit_codes());
    tally.check("duologue dialogs --end asks, and takes no for an answer", || stage.asks());
    let mut started = None;
    tally.check("duologue top shows them", || {
        let terminal = stage.top(120, 20)?;
        stage.shows(&terminal, "top.txt")?;
        started = Some(terminal);
        Ok(())
    });
    let Some(terminal) = started else { return Ok(()) };
    tally.check("it looks for what is written", || stage.search(&terminal));
    tally.check("it lives on a smaller terminal", || {
        terminal.resize(80, 24)?;
        stage.shows(&terminal, "top_80x24.txt")
    });
    tally.check("it ends calls, and both sides get their BYE", || stage.ended(&terminal, calls));
    tally.check("duologue dialogs --end takes yes for an answer", || stage.agreed());
    tally.check("it gives the terminal back", || left(&terminal, "q"));
    tally.check("it gives the terminal back on Ctrl-C", || left(&stage.top(80, 24)?, "C-c"));
    Ok(())
}

/// The program, and calls in it.
struct Stage {
    proxy: Running,
    management: SocketAddr,
    mask: Mask,
    directory: PathBuf,
}

impl Stage {
    /// All calls are confirmed when this returns.
    fn open(directory: &Path) -> Result<(Self, [Agent; 2])> {
        let proxy = Subject::DuologueDialog.start(directory)?;
        let management = proxy.management().ok_or("it has no management")?;
        let (caller, callee) = (proxy.caller(), proxy.callee());
        let mask = Mask::of([
            (management, "SERVER"),
            (ports::local(caller), "CALLER"),
            (ports::local(callee), "CALLEE"),
        ]);
        let stage = Self { proxy, management, mask, directory: directory.to_owned() };
        let calls = stage.calls()?;
        Ok((stage, calls))
    }

    /// Calls that wait for their BYE. All are confirmed when this returns.
    fn calls(&self) -> Result<[Agent; 2]> {
        let plan = |scenario| Plan {
            calls: Some(CALLS),
            rate: 10,
            limit: CALLS_LIMIT,
            ..Plan::one(scenario)
        };
        let (proxy, directory) = (&self.proxy, &self.directory);
        let (from, to) = (proxy.caller(), proxy.callee());
        let callee = sipp::callee(&plan("callee"), to, directory)?;
        let to = ports::local(to);
        let caller = sipp::caller(&plan("caller_awaits_bye"), from, proxy.sip(), to, directory)?;
        let deadline = Instant::now() + LIMIT;
        while proxy.held()?.active != CALLS {
            if Instant::now() > deadline {
                return Err(format!("there are {:?}", proxy.held()?).into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok([caller, callee])
    }

    /// One of our tools, run to its end.
    fn tool(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(paths::built("duologue"));
        command.args(arguments).env("DUOLOGUE_URL", format!("http://{}/mi", self.management));
        Ok(command.output()?)
    }

    /// What a tool prints that ends well.
    fn printed(&self, arguments: &[&str]) -> Result<String> {
        let output = self.tool(arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{arguments:?}: {}, {said}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn listed(&self) -> Result<()> {
        let columns = "--columns=id,state,callid,from_uri,to_uri";
        let table = self.printed(&["dialogs", columns])?;
        self.compare(&table, "dialogs.txt")?;
        let none = self.printed(&["dialogs", "--older-than", "1h", "--no-header"])?;
        let count = self.printed(&["dialogs", "--state", "confirmed", "--count"])?;
        let lines = self.printed(&["dialogs", "--ndjson"])?.lines().count();
        match (none.as_str(), count.trim(), lines) {
            ("", "2", 2) => Ok(()),
            told => Err(format!("of old ones, all, lines: {told:?}").into()),
        }
    }

    fn told(&self) -> Result<()> {
        let version = self.printed(&["mi", "version", "--compact"])?;
        if !version.starts_with("{\"Server\":\"Duologue (") {
            return Err(format!("version: {version}").into());
        }
        if self.printed(&["mi", "get_statistics", "active_dialogs"])?
            != "{\"dialog:active_dialogs\":2}\n"
        {
            return Err("mi does not count the calls".into());
        }
        let stats = self.printed(&["stats", "dialog:"])?;
        let counted =
            stats.lines().any(|line| line.split_whitespace().eq(["dialog:active_dialogs", "2"]));
        if counted { Ok(()) } else { Err(format!("stats: {stats}").into()) }
    }

    fn exit_codes(&self) -> Result<()> {
        let nobody = format!("--url=http://{}/mi", ports::local(ports::free_tcp()?));
        let table: [(&[&str], i32); 4] = [
            (&["mi", "dlg_end_dlg", "no-such-call"], 1),
            (&["mi", "ps", &nobody], 2),
            (&["dialogs", "--older-than", "soon"], 64),
            // No person is there to ask, and no filter is given.
            (&["dialogs", "--end"], 64),
        ];
        for (arguments, wanted) in table {
            let output = self.tool(arguments)?;
            if output.status.code() != Some(wanted) || output.stderr.is_empty() {
                return Err(format!("{arguments:?}: {output:?}, not {wanted}").into());
            }
        }
        Ok(())
    }

    /// `duologue top` on a terminal.
    fn top(&self, width: u16, height: u16) -> Result<Terminal> {
        let program = paths::built("duologue");
        let url = format!("--url=http://{}/mi", self.management);
        let top = format!("'{}' top '{url}' --interval 1s", program.display());
        Terminal::open(&self.directory, &top, width, height)
    }

    /// Whether a text is what a file says.
    fn compare(&self, text: &str, file: &str) -> Result<()> {
        let wanted = fs::read_to_string(paths::root().join("tests/terminal").join(file))?;
        let seen = self.mask.apply(text);
        if seen.trim_end() == wanted.trim_end() {
            return Ok(());
        }
        Err(format!("not what tests/terminal/{file} says, but:\n{seen}").into())
    }

    /// Waits until the screen is what a file says.
    fn shows(&self, terminal: &Terminal, file: &str) -> Result<()> {
        let mut difference = Ok(());
        terminal
            .until(LIMIT, |screen| {
                difference = self.compare(screen, file);
                difference.is_ok()
            })
            .map_err(|error| difference.err().unwrap_or(error))
    }

    fn search(&self, terminal: &Terminal) -> Result<()> {
        terminal.press(&["/", "n", "o", "b", "o", "d", "y", "Enter"])?;
        terminal.until(LIMIT, |screen| screen.contains("0 of 2 with /nobody"))?;
        terminal.press(&["Escape"])?;
        terminal.until(LIMIT, |screen| screen.contains("2 of 2"))
    }

    fn ended(&self, terminal: &Terminal, calls: [Agent; 2]) -> Result<()> {
        for left in (0..CALLS).rev() {
            terminal.press(&["e"])?;
            terminal.until(LIMIT, |screen| screen.contains("End this call?"))?;
            terminal.press(&["y"])?;
            let active = format!(" {left} active");
            terminal.until(LIMIT, |screen| {
                screen.contains(&active) && !screen.contains("End this call?")
            })?;
        }
        all_over(calls)
    }

    /// `duologue dialogs --end` asks a person; whoever does not say yes keeps the calls.
    fn asks(&self) -> Result<()> {
        for answer in [&["n", "Enter"][..], &["Enter"], &["m", "a", "y", "b", "e", "Enter"]] {
            let terminal = self.ends("--state confirmed")?;
            terminal.press(answer)?;
            terminal.until(LIMIT, |screen| screen.lines().any(|line| line == tmux::ENDED))?;
            let active = self.proxy.held()?.active;
            if active != CALLS {
                return Err(format!("{answer:?} left {active} calls").into());
            }
        }
        Ok(())
    }

    /// Whoever says yes ends them.
    fn agreed(&self) -> Result<()> {
        let calls = self.calls()?;
        let terminal = self.ends("--all")?;
        terminal.press(&["y", "Enter"])?;
        terminal.until(LIMIT, |screen| {
            screen.lines().any(|line| line == tmux::ENDED)
                && screen.split_whitespace().filter(|word| *word == "ending").count() == 2
        })?;
        all_over(calls)
    }

    /// `duologue dialogs --end` on a terminal, which has asked.
    fn ends(&self, which: &str) -> Result<Terminal> {
        let program = paths::built("duologue");
        let url = format!("--url=http://{}/mi", self.management);
        let line = format!("'{}' dialogs '{url}' --end {which}", program.display());
        let terminal = Terminal::open(&self.directory, &line, 100, 20)?;
        let question = format!("End {CALLS} dialogs? [y/N]");
        terminal.until(LIMIT, |screen| screen.contains(&question))?;
        Ok(terminal)
    }
}

/// Each call ended by a BYE, on both sides.
fn all_over(calls: [Agent; 2]) -> Result<()> {
    for agent in calls {
        let report = agent.finish()?;
        if report.successful != CALLS {
            return Err(format!("not every call got its BYE: {report:?}").into());
        }
    }
    Ok(())
}

/// A key ends `top`, and the shell that started it has its terminal as it was.
fn left(terminal: &Terminal, key: &str) -> Result<()> {
    terminal.until(LIMIT, |screen| screen.contains("duologue top"))?;
    terminal.press(&[key])?;
    terminal.until(LIMIT, |screen| {
        screen.lines().any(|line| line == tmux::ENDED)
            && screen.lines().any(|line| line == "icanon echo")
            && !screen.contains("CALL-ID")
    })
}
