//! Stands between a browser and the door, hands everything on as it is, and writes down what came and
//! how it was answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::page;
use crate::{Result, ports};

/// Where the tap has a page of its own.
pub(super) const PAGE: &str = "/page.html";

/// How long either side may be silent.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest request of a browser, in bytes.
const REQUEST_MAX: usize = 1 << 20;

/// A request that came, and its answer.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    /// The type of its body; empty if it says none.
    pub(super) kind: String,
    pub(super) status: u16,
}

#[derive(Default)]
struct Notes {
    seen: Vec<Seen>,
    page: String,
}

/// A tap that runs; it ends with the program.
pub(super) struct Tap {
    port: u16,
    notes: Arc<Mutex<Notes>>,
}

impl Tap {
    pub(super) fn before(door: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(ports::local(0))?;
        let port = listener.local_addr()?.port();
        let notes = Arc::<Mutex<Notes>>::default();
        let shared = Arc::clone(&notes);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // Browsers open connections that they do not use.
                    let _ = hand_on(stream, door, &notes);
                });
            }
        });
        Ok(Self { port, notes })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// All that came since [`Tap::forget`].
    pub(super) fn seen(&self) -> Vec<Seen> {
        locked(&self.notes).seen.clone()
    }

    pub(super) fn forget(&self) {
        locked(&self.notes).seen.clear();
    }

    /// Serves this text at [`PAGE`].
    pub(super) fn show(&self, text: String) {
        locked(&self.notes).page = text;
    }
}

fn locked(notes: &Mutex<Notes>) -> std::sync::MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request and its answer, on connections that end then.
fn hand_on(mut browser: TcpStream, door: SocketAddr, notes: &Mutex<Notes>) -> Result<()> {
    let (head, body) = read(&mut browser)?;
    let start = head.lines().next().unwrap_or_default();
    if start.split(' ').nth(1) == Some(PAGE) {
        let text = locked(notes).page.clone();
        browser.write_all(page::response(&text).as_bytes())?;
        return Ok(());
    }
    let kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("connection")
    };
    let lines: String = head.lines().filter(kept).map(|line| format!("{line}\r\n")).collect();
    let mut stream = TcpStream::connect_timeout(&door, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "{lines}Connection: close\r\n\r\n")?;
    stream.write_all(&body)?;
    let mut answer = Vec::new();
    // A stream that goes on is cut off: its beginning tells enough.
    let _ = stream.take(REQUEST_MAX as u64).read_to_end(&mut answer);
    let status = String::from_utf8_lossy(&answer);
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let method = start.split(' ').next().unwrap_or_default().to_owned();
    let kind = field(&head, "content-type").unwrap_or_default().to_owned();
    locked(notes).seen.push(Seen { method, kind, status });
    browser.write_all(&answer)?;
    Ok(())
}

/// Head and body of a request.
pub(super) fn read(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(LIMIT))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = field(&head, "content-length").map_or(Ok(0), str::parse::<usize>)?;
            if bytes.len() >= end + 4 + length {
                return Ok((head, bytes[end + 4..end + 4 + length].to_vec()));
            }
        }
        let length = stream.read(&mut buffer)?;
        if length == 0 || bytes.len() > REQUEST_MAX {
            return Err("it is no request".into());
        }
        bytes.extend_from_slice(&buffer[..length]);
    }
}

/// The value of a header field.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .next()
}
