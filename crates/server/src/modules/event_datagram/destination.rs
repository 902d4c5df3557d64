//! Where the datagrams of one subscriber go.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::net::SocketAddr as UnixAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a name that could not be looked up is not tried again.
const RETRY: Duration = Duration::from_secs(30);

/// The two kinds of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    Unix,
}

/// Where the datagrams of one subscriber go.
#[derive(Debug)]
pub(super) struct Destination {
    /// As it was subscribed, without its transport.
    pub(super) text: Box<str>,
    pub(super) target: Target,
    /// The last datagram did not leave: told once, until one does again.
    failing: AtomicBool,
}

#[derive(Debug)]
pub(super) enum Target {
    Udp(SocketAddr),
    /// A name: looked up by the thread that sends, never by a call.
    Named(Mutex<Lookup>),
    Unix(UnixAddr),
}

/// What came of looking up a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup {
    NotYet,
    Found(SocketAddr),
    Failed(Instant),
}

impl Destination {
    /// The destination of an address as scripts write it.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        let target = match kind {
            Kind::Udp => udp(text)?,
            Kind::Unix => Target::Unix(
                UnixAddr::from_pathname(text).map_err(|error| format!("unix:{text}: {error}"))?,
            ),
        };
        Ok(Self { text: text.into(), target, failing: AtomicBool::new(false) })
    }

    /// Notes what came of sending; true if that is news.
    pub(super) fn note(&self, left: bool) -> bool {
        self.failing.swap(!left, Relaxed) == left
    }

    /// Whether the last datagram did not leave.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }
}

/// host:port, [v6]:port
fn udp(text: &str) -> Result<Target, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => Err(format!("udp:{text}: a port is missing")),
            _ => Ok(Target::Udp(address)),
        };
    }
    let named = text.rsplit_once(':').is_some_and(|(host, port)| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        !host.is_empty() && host.bytes().all(letters) && port.parse::<u16>().is_ok_and(|it| it > 0)
    });
    if !named {
        return Err(format!("udp:{text} is not udp:host:port"));
    }
    Ok(Target::Named(Mutex::new(Lookup::NotYet)))
}

/// The address of a name. It waits for whoever is asked.
pub(super) fn look_up(text: &str, lookup: &Mutex<Lookup>) -> io::Result<SocketAddr> {
    let known = *lookup.lock();
    match known {
        Lookup::Found(address) => return Ok(address),
        Lookup::Failed(at) if at.elapsed() < RETRY => {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name is not known"));
        }
        Lookup::NotYet | Lookup::Failed(_) => {}
    }
    let found = text.to_socket_addrs().and_then(|mut addresses| {
        addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address"))
    });
    *lookup.lock() = match &found {
        Ok(address) => Lookup::Found(*address),
        Err(_) => Lookup::Failed(Instant::now()),
    };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec/modules.md §27: udp:host:port and unix:/path.
    #[test]
    fn addresses_are_understood_or_refused() {
        let target = |kind, text| Destination::parse(kind, text).map(|it| it.target);
        assert!(matches!(target(Kind::Udp, "127.0.0.1:8888"), Ok(Target::Udp(_))));
        assert!(matches!(target(Kind::Udp, "[::1]:8888"), Ok(Target::Udp(_))));
        assert!(matches!(target(Kind::Udp, "events.example.org:8888"), Ok(Target::Named(_))));
        for text in ["127.0.0.1", "127.0.0.1:0", ":1", "host:", "host:70000", "a b:1", "::1:x"] {
            assert!(target(Kind::Udp, text).is_err(), "{text}");
        }
        assert!(matches!(target(Kind::Unix, "/tmp/events"), Ok(Target::Unix(_))));
        let long = format!("/{}", "x".repeat(200));
        assert!(target(Kind::Unix, &long).is_err());
    }

    #[test]
    fn names_are_looked_up_once() {
        let lookup = Mutex::new(Lookup::NotYet);
        let found = look_up("localhost:77", &lookup).unwrap();
        assert!(found.ip().is_loopback() && found.port() == 77);
        assert!(matches!(*lookup.lock(), Lookup::Found(address) if address == found));
        let refused = Mutex::new(Lookup::Failed(Instant::now()));
        assert!(look_up("localhost:77", &refused).is_err(), "not before its time");
    }

    #[test]
    fn trouble_is_news_once() {
        let destination = Destination::parse(Kind::Udp, "127.0.0.1:1").unwrap();
        assert!(!destination.note(true));
        assert!(destination.note(false));
        assert!(!destination.note(false));
        assert!(destination.is_failing());
        assert!(destination.note(true));
    }
}
