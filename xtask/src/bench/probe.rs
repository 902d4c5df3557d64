//! How late a request comes out of a proxy: OPTIONS that are addressed to who sends them.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Result, ports};

/// One request in this time.
const EVERY: Duration = Duration::from_millis(2);

/// How long the last ones are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends requests to itself through a proxy.
pub(super) struct Probe {
    socket: UdpSocket,
    own: SocketAddr,
}

impl Probe {
    pub(super) fn through(proxy: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(ports::local(0))?;
        socket.connect(proxy)?;
        let own = socket.local_addr()?;
        Ok(Self { socket, own })
    }

    /// Sends one after the other for as long as it is wanted, answers each, and tells their delays.
    ///
    /// # Errors
    /// Some never came.
    pub(super) fn run_while(&self, wanted: impl Fn() -> bool) -> Result<Delays> {
        let mut under_way = HashMap::new();
        let mut delays = Vec::new();
        let (mut next, mut number) = (Instant::now(), 0_u64);
        let mut buffer = [0; 4096];
        let mut last = None;
        loop {
            let now = Instant::now();
            if last.is_none() && now >= next {
                if wanted() {
                    self.send(number)?;
                    under_way.insert(number, now);
                    number += 1;
                    // What could not be sent in time is not made up for: it would come in bursts.
                    next = now.max(next + EVERY);
                } else {
                    last = Some(now);
                }
            }
            if last.is_some_and(|last| under_way.is_empty() || now - last > PATIENCE) {
                break;
            }
            let wait = next.saturating_duration_since(now).max(Duration::from_micros(100));
            self.socket.set_read_timeout(Some(wait))?;
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    let Some(number) = number_of(&text) else { continue };
                    if text.starts_with("OPTIONS ") {
                        // A second copy is a retransmission: the first one counts.
                        if let Some(sent) = under_way.remove(&number) {
                            delays.push(sent.elapsed());
                        }
                        self.socket.send(answer(&text).as_bytes())?;
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match under_way.len() {
            0 => Ok(Delays::of(delays)),
            lost => Err(format!("{lost} of {number} requests never came").into()),
        }
    }

    fn send(&self, number: u64) -> Result<()> {
        let own = self.own;
        let request = format!(
            "OPTIONS sip:probe@{own} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-p{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:probe@{own}>;tag=p{number}\r\nTo: <sip:probe@{own}>\r\n\
             Call-ID: probe-{number}@{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        self.socket.send(request.as_bytes())?;
        Ok(())
    }
}

/// The number in the Call-ID.
fn number_of(message: &str) -> Option<u64> {
    let line = message.lines().find_map(|line| line.strip_prefix("Call-ID: probe-"))?;
    line.split('@').next()?.parse().ok()
}

/// 200 to a request (RFC 3261 §8.2.6).
fn answer(request: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
    let kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        copied.contains(&name)
    };
    let lines: String = request.lines().filter(kept).map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// How late requests were.
pub(super) struct Delays(Vec<Duration>);

impl Delays {
    /// What [`Delays::row`] tells.
    pub(super) const COLUMNS: [&'static str; 5] = ["OPTIONS", "p50 µs", "p99", "p99.9", "max"];

    fn of(mut delays: Vec<Duration>) -> Self {
        delays.sort_unstable();
        Self(delays)
    }

    /// The delay that a share of all does not exceed, in µs.
    fn at(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share) as usize;
        let delay = self.0.get(place.min(self.0.len().saturating_sub(1)));
        delay.map_or(0.0, |delay| delay.as_secs_f64() * 1e6)
    }

    fn shares(&self) -> [f64; 4] {
        [0.5, 0.99, 0.999, 1.0].map(|share| self.at(share))
    }

    pub(super) fn row(&self) -> Vec<String> {
        let shares = self.shares().map(|delay| format!("{delay:.0}"));
        std::iter::once(self.0.len().to_string()).chain(shares).collect()
    }

    pub(super) fn told(&self) -> Value {
        let [p50, p99, p99_9, max] = self.shares();
        json!({ "count": self.0.len(), "p50": p50, "p99": p99, "p99_9": p99_9, "max": max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_told_apart() {
        let delays = Delays::of((1..=1000).rev().map(Duration::from_micros).collect());
        assert_eq!(delays.row(), ["1000", "501", "991", "1000", "1000"]);
        assert_eq!(Delays::of(Vec::new()).row(), ["0", "0", "0", "0", "0"]);
    }

    #[test]
    fn an_answer_has_what_it_must_repeat() {
        let request = "OPTIONS sip:a SIP/2.0\r\nVia: x\r\nVia: y\r\nFrom: f\r\nTo: t\r\n\
                       Call-ID: probe-7@h\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 69\r\n\r\n";
        assert_eq!(number_of(request), Some(7));
        let answer = answer(request);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\nVia: x\r\nVia: y\r\nFrom: f\r\n"));
        assert!(!answer.contains("Max-Forwards"));
    }
}
