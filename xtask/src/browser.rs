//! A web page of somebody else in a real browser, on the machine where the program runs: whatever it
//! sends to the management door changes nothing, and it reads nothing there.
//!
//! The page (`tests/browser/page.html`) tries every way it has. Between browser and door stands a
//! [`tap`], which tells that each attempt was really made and how the door answered. The same page,
//! served from the door's own origin, succeeds: so it is not by accident that others fail.

mod page;
mod tap;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::Daemon;
use crate::subject::{Running, Subject};
use crate::tally::{Tally, heading};
use crate::{Result, management, packages, paths};
use page::Page;
use tap::{Seen, Tap};

/// How long the browser may take for a page.
const LIMIT: Duration = Duration::from_secs(90);

/// How long a line of the log may take to be in its file.
const WRITTEN: Duration = Duration::from_secs(5);

/// The threshold of `xlog()` that pages try to set; it is another one before.
const LEVEL: i64 = 4;

/// A name that leads here although it is not ours, as a page makes it that rebinds its own name.
const REBOUND: &str = "rebound.example";

/// What pages of others report: a browser hides the answer of a request that it was made to send
/// without asking, and of all others it says nothing but that they failed.
const REPORT: &str = "\
fetch: refused
fetch of text: refused
fetch of JSON: refused
fetch with credentials: refused
fetch without CORS: opaque
fetch of JSON without CORS: opaque
request of text: refused
request of JSON: refused
form of text: sent
form: sent
form in parts: sent
beacon of text: sent
beacon of JSON: sent
image: refused
script: refused
reading: refused
following: refused
done
";

/// What must have come to the door from a page of another origin: method and type of the body.
const ATTEMPTS: [(&str, &str); 6] = [
    ("POST", "text/plain"),
    ("POST", "application/x-www-form-urlencoded"),
    ("POST", "multipart/form-data"),
    ("OPTIONS", ""),
    ("GET", ""),
    ("POST", ""),
];

/// Runs the browser and prints how it went; true if all went well.
///
/// # Errors
/// Chromium is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("A foreign page in a browser");
    run(&mut tally, false)?;
    Ok(tally.conclude())
}

/// Runs the browser and counts into `tally`; the program is taken as it is if it is `built`.
pub(crate) fn run(tally: &mut Tally, built: bool) -> Result<()> {
    let ready = tally.check("Chromium is installed", || packages::require(&[packages::CHROMIUM]))
        && (built || tally.check("the program is built", || Subject::DuologueDialog.prepare()));
    if !ready {
        return Ok(());
    }
    let directory = &paths::fresh("browser")?;
    let mut opened = None;
    tally.check("the program runs", || {
        opened = Some(Stage::open(directory)?);
        Ok(())
    });
    let Some(stage) = opened else { return Ok(()) };
    tally.check("a page of another port changes nothing", || {
        stage.refused("127.0.0.1", "127.0.0.1")
    });
    tally.check("a page of another site changes nothing", || {
        stage.refused("localhost", "127.0.0.1")
    });
    tally.check("a page that rebinds its name changes nothing", || stage.refused(REBOUND, REBOUND));
    tally.check("a program that is no browser does", || stage.without_a_browser());
    tally.check("a page of the door's own origin does", || stage.same_origin());
    Ok(())
}

/// The program, and what stands between it and the browser.
struct Stage {
    _program: Running,
    management: SocketAddr,
    tap: Tap,
    log: PathBuf,
    directory: PathBuf,
}

impl Stage {
    fn open(directory: &Path) -> Result<Self> {
        let program = Subject::DuologueDialog.start(directory)?;
        let management = program.management().ok_or("it has no management")?;
        let tap = Tap::before(management)?;
        let log = directory.join(format!("{}.log", Subject::DuologueDialog));
        Ok(Self { _program: program, management, tap, log, directory: directory.to_owned() })
    }

    /// A page at a host, which aims at another one (or the same, at another port): it fails.
    fn refused(&self, host: &str, target: &str) -> Result<()> {
        let before = self.level()?;
        if before == LEVEL {
            return Err(format!("the level is {LEVEL} before anybody set it").into());
        }
        self.tap.forget();
        let page = Page::aiming_at(&self.url(target))?;
        let report = self.browse(&format!("http://{host}:{}/", page.port()))?;
        if report != REPORT {
            return Err(format!("the page reports\n{report}").into());
        }
        let seen = self.tap.seen();
        for (method, kind) in ATTEMPTS {
            if !seen.iter().any(|seen| seen.method == method && seen.kind.starts_with(kind)) {
                return Err(format!("no {method} of {kind:?} came: {seen:?}").into());
            }
        }
        if let Some(passed) = seen.iter().find(|seen| seen.status != 403) {
            return Err(format!("it passed: {passed:?}").into());
        }
        if self.level()? != before || self.audited()? != 0 {
            return Err("something was changed".into());
        }
        println!("         {} requests of the page were answered with 403", seen.len());
        Ok(())
    }

    /// The same command without an `Origin`, as `curl` sends it; then everything is as it was.
    fn without_a_browser(&self) -> Result<()> {
        let before = self.level()?;
        for level in [LEVEL, before] {
            management::call(self.management, "xlog_level", &json!([level]))?;
            if self.level()? != level {
                return Err(format!("the level is not {level}").into());
            }
        }
        // Lines are written by a thread of their own.
        let until = Instant::now() + WRITTEN;
        loop {
            match self.audited()? {
                2 => return Ok(()),
                lines if Instant::now() > until => {
                    return Err(format!("the audit has {lines} lines, not 2").into());
                }
                _ => sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The same page, from where the door is: its JSON is taken.
    fn same_origin(&self) -> Result<()> {
        self.tap.forget();
        self.tap.show(page::text(&self.url("127.0.0.1"))?);
        let url = format!("http://127.0.0.1:{}{}", self.tap.port(), tap::PAGE);
        let report = self.browse(&url)?;
        let answer =
            format!("answered 200 {{\"jsonrpc\":\"2.0\",\"result\":{{\"New xLog level\":{LEVEL}}}");
        let taken =
            |way: &str| report.lines().any(|line| line.starts_with(&format!("{way}: {answer}")));
        if !taken("fetch of JSON") || !taken("request of JSON") || self.level()? != LEVEL {
            return Err(format!("the page reports\n{report}").into());
        }
        // Even there, what is not called JSON is not taken.
        let text = |seen: &&Seen| seen.method == "POST" && seen.kind.starts_with("text/plain");
        match self.tap.seen().iter().filter(text).find(|seen| seen.status != 415) {
            None => Ok(()),
            Some(passed) => Err(format!("it passed: {passed:?}").into()),
        }
    }

    /// Where the page shall send its commands.
    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/mi", self.tap.port())
    }

    /// What the page at a URL reports once it is done.
    fn browse(&self, url: &str) -> Result<String> {
        let profile = self.directory.join("profile");
        if profile.exists() {
            fs::remove_dir_all(&profile)?;
        }
        let mut chromium = Command::new("chromium");
        chromium
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--host-resolver-rules=MAP {REBOUND} 127.0.0.1"))
            .args(["--virtual-time-budget=30000", "--dump-dom", url]);
        let log = self.directory.join("chromium.txt");
        let ended = Daemon::start("chromium", &mut chromium, &log)?.finish(LIMIT)?;
        let text = fs::read_to_string(&log)?;
        let report =
            text.split_once("<pre id=\"report\">").and_then(|(_, rest)| rest.split_once("</pre>"));
        match report {
            Some((report, _)) if report.ends_with("done\n") => Ok(report.to_owned()),
            _ => Err(format!("{ended}, and the page is\n{text}").into()),
        }
    }

    /// What pages try to set.
    fn level(&self) -> Result<i64> {
        let answer = management::call(self.management, "xlog_level", &json!([]))?;
        answer["xLog Level"].as_i64().ok_or_else(|| format!("xlog_level: {answer}").into())
    }

    /// How many commands that change something were run or refused.
    fn audited(&self) -> Result<usize> {
        let log = fs::read_to_string(&self.log)?;
        Ok(log.lines().filter(|line| line.contains(":audit: ")).count())
    }
}
