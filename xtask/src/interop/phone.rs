//! A telephone: baresip without sound, ruled by the JSON commands of its `ctrl_tcp`.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Daemon;
use crate::{Result, ports};

/// How long it may take to start, and to hear of something.
const LIMIT: Duration = Duration::from_secs(10);

/// Where Debian puts the modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// A telephone that runs; dropping it ends it.
pub(super) struct Phone {
    name: String,
    address: SocketAddr,
    control: Mutex<Control>,
    _process: Daemon,
}

/// What came over the control connection and was not looked at yet.
struct Control {
    stream: TcpStream,
    bytes: Vec<u8>,
    events: Vec<Value>,
}

impl Phone {
    /// Starts a telephone that registers as `name` with the proxy.
    pub(super) fn start(name: &str, proxy: SocketAddr, directory: &Path) -> Result<Self> {
        let [sip] = ports::free_udp()?;
        let control = ports::free_tcp()?;
        let [rtp, rtp_end] = rtp_ports(sip);
        let home = directory.join(name);
        fs::create_dir_all(&home)?;
        fs::write(
            home.join("config"),
            format!(
                "module_path {MODULES}\n\
                 sip_listen 127.0.0.1:{sip}\n\
                 rtp_ports {rtp}-{rtp_end}\n\
                 audio_source aubridge,{name}\n\
                 audio_player aubridge,{name}\n\
                 audio_alert aubridge,{name}-alert\n\
                 module g711.so\n\
                 module aubridge.so\n\
                 module_app account.so\n\
                 module_app menu.so\n\
                 module_app ctrl_tcp.so\n\
                 ctrl_tcp_listen 127.0.0.1:{control}\n"
            ),
        )?;
        fs::write(
            home.join("accounts"),
            format!("<sip:{name}@{proxy};transport=udp>;regint=60;answermode=manual\n"),
        )?;
        let mut command = Command::new("baresip");
        command.arg("-4").arg("-f").arg(&home);
        let log = directory.join(format!("{name}.log"));
        let process = Daemon::start("baresip", &mut command, &log)?;
        let control = Control::connect(ports::local(control))?;
        Ok(Self {
            name: name.to_owned(),
            address: ports::local(sip),
            control: Mutex::new(control),
            _process: process,
        })
    }

    /// The user it registers.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it takes SIP.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was heard so far does not concern what comes.
    pub(super) fn forgets(&self) -> Result<()> {
        let mut control = self.control()?;
        control.listen()?;
        control.events.clear();
        Ok(())
    }

    /// Calls a URI.
    pub(super) fn dials(&self, uri: &str) -> Result<()> {
        self.control()?.say("dial", uri)
    }

    /// Accepts the call that rings.
    pub(super) fn accepts(&self) -> Result<()> {
        self.control()?.say("accept", "")
    }

    /// Ends the call, whatever state it is in.
    pub(super) fn hangs_up(&self) -> Result<()> {
        self.control()?.say("hangup", "")
    }

    /// Takes its registration back and goes.
    pub(super) fn leaves(&self) -> Result<()> {
        self.control()?.say("quit", "")
    }

    /// Waits for an event of this type, and takes it away; gives its parameter.
    pub(super) fn hears(&self, event: &str) -> Result<String> {
        let mut control = self.control()?;
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = control.events.iter().position(|heard| heard["type"] == event) {
                let heard = control.events.remove(at);
                return Ok(heard["param"].as_str().unwrap_or_default().to_owned());
            }
            if Instant::now() > deadline {
                let types: Vec<_> = control.events.iter().map(|heard| &heard["type"]).collect();
                return Err(format!("{} did not hear {event}, but {types:?}", self.name).into());
            }
            control.listen()?;
        }
    }

    fn control(&self) -> Result<std::sync::MutexGuard<'_, Control>> {
        self.control.lock().map_err(|_| "a check panicked".into())
    }
}

impl Control {
    fn connect(address: SocketAddr) -> Result<Self> {
        let deadline = Instant::now() + LIMIT;
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("baresip's control port: {error}").into());
                }
                Err(_) => sleep(Duration::from_millis(50)),
            }
        };
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self { stream, bytes: Vec::new(), events: Vec::new() })
    }

    /// Sends a command as a netstring.
    fn say(&mut self, command: &str, params: &str) -> Result<()> {
        let text = json!({"command": command, "params": params}).to_string();
        write!(self.stream, "{}:{text},", text.len())?;
        Ok(())
    }

    /// Takes in what comes within a moment.
    fn listen(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err("baresip closed its control connection".into()),
            Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some((document, length)) = netstring(&self.bytes)? {
            let document: Value = serde_json::from_slice(document)?;
            if document["event"] == true {
                self.events.push(document);
            }
            self.bytes.drain(..length);
        }
        Ok(())
    }
}

/// The first netstring (`LENGTH:BYTES,`) and how long it is with its frame, once it is there.
fn netstring(bytes: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let Some(colon) = bytes.iter().position(|&byte| byte == b':') else { return Ok(None) };
    let length: usize = std::str::from_utf8(&bytes[..colon])?.parse()?;
    let end = colon + 1 + length;
    Ok(bytes.get(end).map(|_| (&bytes[colon + 1..end], end + 1)))
}

/// Ports for the media, off those that are drawn for SIP.
fn rtp_ports(sip: u16) -> [u16; 2] {
    let first = 10_000 + sip % 20_000 / 20 * 20;
    [first, first + 18]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_are_whole_or_awaited() {
        assert_eq!(netstring(b"3:abc,9:").unwrap(), Some((&b"abc"[..], 6)));
        for part in [&b""[..], b"3", b"3:ab", b"3:abc"] {
            assert_eq!(netstring(part).unwrap(), None);
        }
        assert!(netstring(b"x:abc,").is_err());
    }
}
