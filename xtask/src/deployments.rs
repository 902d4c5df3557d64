//! Scripts of the size that operators run (`tests/deployments`): each loads without a warning, and
//! calls go through it from end to end.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Daemon;
use crate::sipp::{self, Agent, Plan};
use crate::subject::Subject;
use crate::tally::{Tally, heading};
use crate::{Result, management, packages, paths, ports};

/// How many calls go through each script, and how many of them begin in a second.
const CALLS: u64 = 20;
const RATE: u32 = 5;

/// How long the program may take to check a script, to listen, or to forget a call.
const LIMIT: Duration = Duration::from_secs(30);

/// What a script must have counted afterwards.
const COUNTED: &[(&str, &str)] = &[
    ("events", "calls:started"),
    ("events", "calls:ended"),
    ("prack_update", "updates:done"),
    ("trunking", "trunk:failed_over"),
];

/// The scenarios of a script whose callers or callees are not the plain ones.
const CASTS: &[(&str, &str, &str)] = &[("prack_update", "caller_reinvited", "callee_updates")];

/// Runs all scripts and prints how they went; true if all went well.
///
/// # Errors
/// SIPp is missing and cannot be installed.
pub(crate) fn alone() -> Result<bool> {
    let mut tally = Tally::new();
    heading("Deployments");
    run(&mut tally)?;
    Ok(tally.conclude())
}

/// Runs all scripts and counts into `tally`.
pub(crate) fn run(tally: &mut Tally) -> Result<()> {
    let ready = tally.check("SIPp is installed", || packages::require(&[packages::SIPP]))
        && tally.check("the program is built", || Subject::DuologueDialog.prepare());
    if !ready {
        return Ok(());
    }
    let directory = paths::fresh("deployments")?;
    let mut scripts: Vec<PathBuf> = fs::read_dir(paths::root().join("tests/deployments"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    scripts.sort();
    for script in &scripts {
        let name = script.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let checked = tally.check(&format!("{name}: it loads without a warning"), || loads(script));
        if checked {
            tally.check(&format!("{name}: {CALLS} calls go through"), || {
                carries_calls(name, script, &directory)
            });
        }
    }
    Ok(())
}

/// The program has nothing to say about the script.
fn loads(script: &Path) -> Result<()> {
    let mut check = Command::new(paths::built("duologue"));
    let output = check.args(["-C", "-f"]).arg(script).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && said.is_empty() { Ok(()) } else { Err(said.into()) }
}

fn carries_calls(name: &str, script: &Path, directory: &Path) -> Result<()> {
    let directory = &directory.join(name);
    fs::create_dir_all(directory)?;
    let deployment = Deployment::start(script, directory)?;
    let cast = CASTS.iter().find(|(of, ..)| *of == name);
    let (calls, called) = cast.map_or(("caller", "callee"), |(_, calls, called)| (calls, called));
    let callee = Plan { calls: None, ..Plan::one(called) };
    let callee = sipp::callee(&callee, deployment.callee, directory)?;
    let text = fs::read_to_string(script)?;
    let registers = text.contains("registrar.so");
    if registers {
        deployment.register()?;
    }
    let hold = Duration::from_millis(100);
    let plan = Plan { calls: Some(CALLS), rate: RATE, hold, limit: LIMIT, ..Plan::one(calls) };
    // Who registers is called at the proxy, others where they are.
    let to = if registers { deployment.sip } else { deployment.callee };
    let sip = ports::local(deployment.sip);
    let caller = sipp::caller(&plan, deployment.caller, sip, ports::local(to), directory)?;
    let caller = caller.finish()?;
    let answered = callee.stop()?;
    if caller.successful != CALLS || answered.successful != CALLS {
        let errors = [calls, called].map(|side| Agent::first_error(directory, side));
        let why = errors.into_iter().flatten().next().unwrap_or_default();
        return Err(format!("caller {caller:?}, callee {answered:?}: {why}").into());
    }
    deployment.forgets()?;
    deployment.counted(name)?;
    deployment.stop()
}

/// The program with a script, on ports of its own.
struct Deployment {
    process: Daemon,
    sip: u16,
    caller: u16,
    callee: u16,
    management: u16,
}

impl Deployment {
    fn start(script: &Path, directory: &Path) -> Result<Self> {
        let [sip, caller, callee] = ports::free_udp()?;
        let management = ports::free_tcp()?;
        let mut text = fs::read_to_string(script)?;
        let [nobody, nobody_else, listener] = ports::free_udp()?;
        let moved = BTreeMap::from([
            ("127.0.0.1:5060", sip),
            ("127.0.0.1:5070", callee),
            ("127.0.0.1:5077", listener),
            ("127.0.0.1:5078", nobody),
            ("127.0.0.1:5079", nobody_else),
        ]);
        for (place, port) in moved {
            text = text.replace(place, &format!("127.0.0.1:{port}"));
        }
        let text = text.replace("\"port\", 8888", &format!("\"port\", {management}"));
        let file = directory.join("opensips.cfg");
        fs::write(&file, text)?;
        let mut command = Command::new(paths::built("duologue"));
        command.arg("-f").arg(&file);
        let process = Daemon::start("duologue", &mut command, &directory.join("duologue.log"))?;
        ports::await_udp(sip, LIMIT)?;
        Ok(Self { process, sip, caller, callee, management })
    }

    /// The callee registers, as SIPp's own scenario does not.
    fn register(&self) -> Result<()> {
        let socket = UdpSocket::bind(ports::local(0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        let (own, sip) = (socket.local_addr()?, ports::local(self.sip));
        let contact = ports::local(self.callee);
        let request = format!(
            "REGISTER sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-deploy\r\n\
             Max-Forwards: 70\r\nFrom: <sip:service@{sip}>;tag=1\r\nTo: <sip:service@{sip}>\r\n\
             Call-ID: deployment@{own}\r\nCSeq: 1 REGISTER\r\nContact: <sip:service@{contact}>\r\n\
             Expires: 600\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(request.as_bytes(), sip)?;
        let mut answer = [0; 4096];
        let (length, _) = socket.recv_from(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer[..length]);
        match answer.starts_with("SIP/2.0 200 ") && answer.contains(&contact.to_string()) {
            true => Ok(()),
            false => Err(format!("it did not take the registration: {answer}").into()),
        }
    }

    fn statistic(&self, name: &str) -> Result<u64> {
        let asked = json!({"statistics": [name]});
        let server = ports::local(self.management);
        let statistics = management::call(server, "get_statistics", &asked)?;
        let value = statistics.as_object().and_then(|all| all.values().next());
        value.and_then(Value::as_u64).ok_or_else(|| format!("no statistic {name}").into())
    }

    /// No dialog is left, in its delay either.
    fn forgets(&self) -> Result<()> {
        let server = ports::local(self.management);
        let deadline = Instant::now() + LIMIT;
        loop {
            let list = management::call(server, "dlg_list", &json!([]))?;
            if list["Dialogs"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("left in the list: {list}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn counted(&self, name: &str) -> Result<()> {
        for (_, statistic) in COUNTED.iter().filter(|(of, _)| *of == name) {
            let count = self.statistic(statistic)?;
            if count != CALLS {
                return Err(format!("{statistic} is {count}").into());
            }
        }
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        let status = self.process.stop("TERM")?;
        if status.success() { Ok(()) } else { Err(format!("it stopped with {status}").into()) }
    }
}
