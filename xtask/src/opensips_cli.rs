//! The client that operators of OpenSIPS know, `opensips-cli`, unchanged, over each door: it lists
//! dialogs, statistics and registrations of the running program and ends a real call.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::process::Daemon;
use crate::sipp::{self, Plan};
use crate::subject::Subject;
use crate::tally::{Tally, heading};
use crate::{Result, management, metrics, packages, paths, ports, process};

/// The package of the client.
const PACKAGE: &str = "opensipscli";

/// How long its installation may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// How long a command may take, the start of Python included.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// How long a call may take to be set up, or to end.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// How often two answers may differ because something was counted between them.
const TRIES: u32 = 5;

/// Runs all commands and prints how they went; true if all went well.
///
/// # Errors
/// SIPp or Python is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Commands by opensips-cli");
    run(&mut tally)?;
    Ok(tally.conclude())
}

/// Runs all commands and counts into `tally`.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let mut client = None;
    let ready = tally.check("SIPp is installed", || packages::require(&[packages::SIPP]))
        && tally.check("opensips-cli is installed", || {
            client = Some(install()?);
            Ok(())
        })
        && tally.check("promtool is installed", || packages::require(&[packages::PROMTOOL]))
        && tally.check("the program is built", || Subject::DuologueDialog.prepare());
    let Some(client) = client.filter(|_| ready) else { return Ok(()) };
    for socket in [Socket::Udp, Socket::Unix] {
        let directory = paths::fresh("opensips-cli-run")?;
        let mut house = None;
        tally.check(&format!("a phone registers, mi_datagram over {}", socket.name()), || {
            house = Some(House::open(client.clone(), directory, socket)?);
            Ok(())
        });
        let Some(house) = house else { continue };
        for way in house.ways() {
            tally.check(&format!("{}: a call is shown and ended", way.name), || house.call(&way));
            tally.check(&format!("{}: get_statistics", way.name), || {
                let asked = json!({"statistics": ["dialog:", "usrloc:"]});
                house.agrees(&way, &["get_statistics", "dialog:", "usrloc:"], &asked)
            });
            tally.check(&format!("{}: ul_dump", way.name), || {
                house.agrees(&way, &["ul_dump"], &json!([]))
            });
            tally.check(&format!("{}: a mistake is told", way.name), || house.told(&way));
        }
        tally.check("promtool is content with /metrics", || house.measured());
        tally.check("it stops when asked and leaves no files", || house.close());
    }
    Ok(())
}

/// The client, in an environment of its own that is kept.
fn install() -> Result<PathBuf> {
    packages::require(&[packages::PYTHON])?;
    let environment = paths::kept("opensips-cli")?.join("venv");
    let client = environment.join("bin/opensips-cli");
    if client.is_file() {
        return Ok(client);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&environment);
    let made = process::run(&mut make, INSTALL_LIMIT)?;
    if !made.success() {
        return Err(
            "`python3 -m venv` failed; please run: sudo apt-get install python3-venv".into()
        );
    }
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", PACKAGE]);
    let installed = process::run(&mut pip, INSTALL_LIMIT)?;
    if installed.success() && client.is_file() {
        return Ok(client);
    }
    Err(format!(
        "missing: the Python package {PACKAGE}. pip could not install it into {}: is its index \
         (pypi.org, or the one that pip is configured for) reachable from here?",
        environment.display()
    )
    .into())
}

/// Over what `mi_datagram` listens.
#[derive(Clone, Copy)]
enum Socket {
    Udp,
    Unix,
}

impl Socket {
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Unix => "a UNIX socket",
        }
    }
}

/// A way to a command, as the options of the client.
struct Way {
    name: &'static str,
    options: Vec<String>,
}

/// The program with a registered phone, and the client.
struct House {
    client: PathBuf,
    directory: PathBuf,
    socket: Socket,
    program: Deployment,
}

impl House {
    fn open(client: PathBuf, directory: PathBuf, socket: Socket) -> Result<Self> {
        let script = directory.join("doors.cfg");
        fs::write(&script, script_of(&directory, socket)?)?;
        let program = Deployment::start(&script, &directory)?;
        program.register()?;
        Ok(Self { client, directory, socket, program })
    }

    /// The doors that this program has and the one before it had not.
    fn ways(&self) -> Vec<Way> {
        let way = |name, options: &[(&str, String)]| Way {
            name,
            options: options.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        };
        let datagram = "datagram".to_owned();
        match self.socket {
            Socket::Unix => vec![way(
                "datagram, UNIX",
                &[
                    ("communication_type", datagram),
                    ("datagram_unix_socket", path(&self.directory, "mi_socket")),
                ],
            )],
            Socket::Udp => vec![
                way(
                    "fifo",
                    &[
                        ("communication_type", "fifo".to_owned()),
                        ("fifo_file", path(&self.directory, "mi_fifo")),
                        ("fifo_reply_dir", path(&self.directory, "")),
                    ],
                ),
                way(
                    "http",
                    &[
                        ("communication_type", "http".to_owned()),
                        ("url", format!("http://{}/mi", ports::local(self.program.management))),
                    ],
                ),
                way(
                    "datagram, UDP",
                    &[
                        ("communication_type", datagram),
                        ("datagram_ip", "127.0.0.1".to_owned()),
                        ("datagram_port", self.program.listener.to_string()),
                    ],
                ),
            ],
        }
    }

    /// Runs `mi` with these words; what the client printed, and whether it was content.
    fn mi(&self, way: &Way, words: &[&str]) -> Result<(bool, String)> {
        let mut client = Command::new(&self.client);
        // Without the settings that its user may have.
        client.env("HOME", &self.directory).current_dir(&self.directory);
        for option in &way.options {
            client.args(["-o", option]);
        }
        client.args(["-x", "mi"]).args(words);
        let log = self.directory.join("client.txt");
        let status = Daemon::start("opensips-cli", &mut client, &log)?.finish(COMMAND_LIMIT)?;
        Ok((status.success(), fs::read_to_string(log)?))
    }

    /// The same, as the JSON document that it is when all went well.
    fn answer(&self, way: &Way, words: &[&str]) -> Result<Value> {
        let (well, text) = self.mi(way, words)?;
        let document = serde_json::from_str(&text).ok().filter(|_| well);
        document.ok_or_else(|| format!("{words:?}: {text}").into())
    }

    /// What the program says to us.
    fn ours(&self, method: &str, params: &Value) -> Result<Value> {
        management::call(ports::local(self.program.management), method, params)
    }

    /// The client shows what the program told us just before, or just after.
    fn agrees(&self, way: &Way, words: &[&str], params: &Value) -> Result<()> {
        let mut last = String::new();
        for _ in 0..TRIES {
            let before = timeless(self.ours(words[0], params)?);
            let shown = timeless(self.answer(way, words)?);
            let after = timeless(self.ours(words[0], params)?);
            if shown == before || shown == after {
                return Ok(());
            }
            last = format!("it shows {shown}, not {after}");
        }
        Err(last.into())
    }

    /// A call is set up, shown, and ended from the middle.
    fn call(&self, way: &Way) -> Result<()> {
        let plan = |scenario| Plan { limit: CALL_LIMIT * 4, ..Plan::one(scenario) };
        let (callee, directory) = (self.program.callee, &self.directory);
        let answers = sipp::callee(&plan("callee"), callee, directory)?;
        let (sip, to) = (ports::local(self.program.sip), ports::local(callee));
        let asks =
            sipp::caller(&plan("caller_awaits_bye"), self.program.caller, sip, to, directory)?;
        let dialog = self.established()?;
        self.agrees(way, &["dlg_list"], &json!([]))?;
        let shown = self.answer(way, &["dlg_list"])?;
        let id = dialog["ID"].as_str().ok_or("a dialog without an ID")?;
        if shown["Dialogs"][0]["ID"] != id {
            return Err(format!("{id} is not in {shown}").into());
        }
        let done = self.answer(way, &["dlg_end_dlg", &format!("dialog_id={id}")])?;
        if done != "OK" {
            return Err(format!("dlg_end_dlg: {done}").into());
        }
        // Both sides heard it.
        for (side, report) in [("caller", asks.finish()?), ("callee", answers.finish()?)] {
            report.expect_flawless(side, 1)?;
        }
        self.program.forgets()?;
        self.agrees(way, &["dlg_list"], &json!([]))
    }

    /// The one call there is, once it is answered.
    fn established(&self) -> Result<Value> {
        let deadline = Instant::now() + CALL_LIMIT;
        loop {
            let list = self.ours("dlg_list", &json!([]))?;
            if list["Dialogs"][0]["state"] == 4 {
                return Ok(list["Dialogs"][0].clone());
            }
            if Instant::now() > deadline {
                return Err(format!("no call is established: {list}").into());
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// The client is told what is wrong, and tells it.
    fn told(&self, way: &Way) -> Result<()> {
        let (well, text) = self.mi(way, &["dlg_end_dlg", "dialog_id=nobody"])?;
        let told = text.contains("Requested Dialog not found");
        if told { Ok(()) } else { Err(format!("content: {well}, it says: {text}").into()) }
    }

    /// The page of metrics is as its readers want it, and tells the calls that there were.
    fn measured(&self) -> Result<()> {
        let server = ports::local(self.program.management);
        let page = management::read(server, "/metrics")?;
        metrics::check(&page, &self.directory)?;
        let calls = self.ways().len() as f64;
        for sample in [
            "duologue_dialog_processed_dialogs_total",
            "duologue_call_setup_seconds_count",
            "duologue_call_duration_seconds_count",
        ] {
            metrics::expect(&page, sample, calls)?;
        }
        metrics::expect(&page, "duologue_usrloc_registered_users", 1.0)?;
        for path in ["/healthz", "/readyz"] {
            management::read(server, path)?;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        self.program.stop()?;
        for name in ["mi_fifo", "mi_socket"] {
            if self.directory.join(name).exists() {
                return Err(format!("{name} is still there").into());
            }
        }
        Ok(())
    }
}

/// The same without the seconds that a registration has left: they pass while Python starts.
fn timeless(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(members) => {
            members.retain(|name, _| name != "Expires");
            members.values_mut().for_each(|value| *value = timeless(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = timeless(item.take())),
        _ => {}
    }
    answer
}

/// The built-in script with all doors.
fn script_of(directory: &Path, socket: Socket) -> Result<String> {
    let script = fs::read_to_string(paths::root().join("src/default.cfg"))?;
    let socket = match socket {
        // The port that a deployment gives to whatever listens.
        Socket::Udp => "udp:127.0.0.1:5077".to_owned(),
        Socket::Unix => path(directory, "mi_socket"),
    };
    let doors = format!(
        "loadmodule \"mi_http.so\"\nloadmodule \"mi_fifo.so\"\nloadmodule \"mi_datagram.so\"\n\
         modparam(\"mi_fifo\", \"fifo_name\", \"{}\")\nmodparam(\"mi_fifo\", \"reply_dir\", \"{}\")\n\
         modparam(\"mi_datagram\", \"socket_name\", \"{socket}\")\n",
        path(directory, "mi_fifo"),
        path(directory, ""),
    );
    let script = script.replace("sqlite:duologue.sqlite", &paths::database(directory));
    Ok(script.replace("loadmodule \"mi_http.so\"\n", &doors))
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}
