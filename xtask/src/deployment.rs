//! The program with a script, on ports of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Daemon;
use crate::{Result, management, paths, ports};

/// How long the program may take to listen, to answer, or to forget a call.
const LIMIT: Duration = Duration::from_secs(30);

/// The program with the script of a directory; each start has a log of its own.
fn program(directory: &Path, starts: u32) -> Result<Daemon> {
    let mut command = Command::new(paths::built("duologue"));
    command.current_dir(directory).arg("-f").arg(directory.join("opensips.cfg"));
    let log = match starts {
        0 => "duologue.log".to_owned(),
        again => format!("duologue.{again}.log"),
    };
    Daemon::start("duologue", &mut command, &directory.join(log))
}

/// A running program, and the ports that its script and its peers have.
pub(crate) struct Deployment {
    process: Daemon,
    directory: PathBuf,
    /// How often it was started.
    starts: u32,
    /// Where it takes calls.
    pub(crate) sip: u16,
    /// Set aside for a caller.
    pub(crate) caller: u16,
    /// Set aside for a callee, the script's 5070.
    pub(crate) callee: u16,
    /// The script's UDP port 5077, whatever listens there.
    pub(crate) listener: u16,
    /// Where JSON-RPC is answered over HTTP.
    pub(crate) management: u16,
}

impl Deployment {
    /// Starts it with a copy of `script` in which the ports are free ones.
    pub(crate) fn start(script: &Path, directory: &Path) -> Result<Self> {
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
        let process = program(directory, 0)?;
        ports::await_udp(sip, LIMIT)?;
        let directory = directory.to_owned();
        Ok(Self { process, directory, starts: 1, sip, caller, callee, listener, management })
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.stop("KILL")?;
        Ok(())
    }

    /// Starts it once more, with the ports that it had; it may not listen yet when this returns.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.process = program(&self.directory, self.starts)?;
        self.starts += 1;
        Ok(())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it takes calls.
    pub(crate) fn listens(&self) -> Result<()> {
        ports::await_udp(self.sip, LIMIT)
    }

    /// How many dialogs are in a profile.
    pub(crate) fn profile_size(&self, name: &str) -> Result<u64> {
        let server = ports::local(self.management);
        let answer = management::call(server, "profile_get_size", &json!({"profile": name}))?;
        let size = answer.pointer("/Profile/count").and_then(Value::as_u64);
        size.ok_or_else(|| format!("profile_get_size says {answer}").into())
    }

    /// The callee registers, as SIPp's own scenario does not.
    pub(crate) fn register(&self) -> Result<()> {
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

    /// The value of a statistic.
    pub(crate) fn statistic(&self, name: &str) -> Result<u64> {
        let asked = json!({"statistics": [name]});
        let server = ports::local(self.management);
        let statistics = management::call(server, "get_statistics", &asked)?;
        let value = statistics.as_object().and_then(|all| all.values().next());
        value.and_then(Value::as_u64).ok_or_else(|| format!("no statistic {name}").into())
    }

    /// Its dialogs, as `dlg_list` tells them.
    pub(crate) fn calls(&self) -> Result<Value> {
        management::call(ports::local(self.management), "dlg_list", &json!([]))
    }

    /// No dialog is left, in its delay either.
    pub(crate) fn forgets(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let list = self.calls()?;
            if list["Dialogs"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("left in the list: {list}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until it has ended by itself, with success.
    pub(crate) fn ended(mut self, limit: Duration) -> Result<()> {
        let status = self.process.finish(limit)?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }

    /// Asks it to stop; an error if it does not, or not with success.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.process.stop("TERM")?;
        if status.success() { Ok(()) } else { Err(format!("it stopped with {status}").into()) }
    }
}
