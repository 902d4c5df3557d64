//! The system's log: datagrams to its local socket, in the form that its C library sends
//! (RFC 3164 §4.1).

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use jiff::Zoned;

use super::line::time;

/// Where the system's log listens.
const SOCKET: &str = "/dev/log";

/// What stands around the text of a line.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    facility: u8,
    name: String,
}

impl Envelope {
    /// With a name, else that of the program.
    pub(super) fn new(facility: u8, name: Option<String>) -> Self {
        let program = || {
            let path = std::env::args_os().next().map(PathBuf::from)?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        let name = name.or_else(program).unwrap_or_else(|| "duologue".to_owned());
        Self { facility, name }
    }

    /// `<PRI>Mon DD HH:MM:SS name[pid]: text`.
    pub(super) fn around(&self, level: i32, text: &str, now: &Zoned) -> String {
        let priority = u16::from(self.facility) * 8 + severity(level);
        let (name, pid) = (&self.name, std::process::id());
        format!("<{priority}>{} {name}[{pid}]: {text}", time(now))
    }
}

/// The severity of a level (RFC 3164 §4.1.1).
fn severity(level: i32) -> u16 {
    match level {
        i32::MIN..=-3 => 1,
        -2 => 2,
        -1 | 0 => 3,
        1 => 4,
        2 => 5,
        3 => 6,
        4.. => 7,
    }
}

/// The socket; it is opened with the first line, and anew when the system's log was restarted.
#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Default for Syslog {
    fn default() -> Self {
        Self::at(PathBuf::from(SOCKET))
    }
}

impl Syslog {
    fn at(path: PathBuf) -> Self {
        let mut log = Self { path, socket: None };
        // Now, for later there may be no way to it (`chroot`).
        let _ = log.open();
        log
    }

    fn open(&mut self) -> io::Result<&UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        Ok(self.socket.insert(socket))
    }
}

impl Write for Syslog {
    /// One line is one datagram. A line that cannot leave is lost: there is nobody left to tell.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = self.socket.as_ref().is_some_and(|socket| socket.send(line).is_ok());
        if !sent && let Ok(socket) = self.open() {
            let _ = socket.send(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §2.3, §13.
    #[test]
    fn lines_arrive_with_facility_and_severity() {
        let instant = jiff::Timestamp::from_second(1_704_103_200).unwrap();
        let now = instant.to_zoned(jiff::tz::TimeZone::UTC);
        let envelope = Envelope::new(16, Some("edge".to_owned()));
        let pid = std::process::id();
        let line = envelope.around(1, "WARNING:x", &now);
        assert_eq!(line, format!("<132>Jan  1 10:00:00 edge[{pid}]: WARNING:x"));

        let folder = std::env::temp_dir().join(format!("duologue-syslog-{pid}"));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("log");
        let mut log = Syslog::at(path.clone());
        log.write_all(b"nobody hears it").unwrap();
        for round in 0..2 {
            // The second round: the system's log was restarted.
            let _ = std::fs::remove_file(&path);
            let system = UnixDatagram::bind(&path).unwrap();
            log.write_all(line.as_bytes()).unwrap();
            let mut bytes = [0; 200];
            let len = system.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..len], line.as_bytes(), "round {round}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
