//! The user agent behind an [`Agent`](crate::Agent): RFC 3261 as a telephone sees it, without I/O.
//!
//! Bytes and time come in, [`UserAgent::outbox`] fills. It follows the RFC closely where a proxy
//! could tell the difference and is plain everywhere else: it forgets nothing, since a test is
//! short, and looks things up by walking over them, since a test is small.

mod answering;
mod calling;
mod challenge;
mod client;
mod leg;
mod reliable;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use duologue_sip::Tick;

use crate::agent::{CallState, Received, Sent};
use crate::text::Message;
use crate::wellformed;
pub(crate) use client::Client;
pub(crate) use leg::{Leg, LegState};
pub(crate) use reliable::Reliable;
pub(crate) use server::Server;

/// RFC 3261 §17.1.1.1: the estimated round trip.
pub(crate) const T1: Duration = Duration::from_millis(500);

/// RFC 3261 §17.1.2.2: the longest pause between two retransmissions.
pub(crate) const T2: Duration = Duration::from_secs(4);

/// RFC 3261 §17: how long a request or a response is repeated.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);

/// A user agent.
#[derive(Debug)]
pub(crate) struct UserAgent {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) next_hop: Option<SocketAddr>,
    pub(crate) preloaded: Vec<String>,
    pub(crate) manners: Manners,
    pub(crate) calls: Vec<Call>,
    pub(crate) legs: Vec<Leg>,
    pub(crate) clients: Vec<Client>,
    pub(crate) servers: Vec<Server>,
    /// Reliable provisional responses sent, acknowledged ones included.
    pub(crate) reliables: Vec<Reliable>,
    /// Methods whose next request without credentials is challenged.
    pub(crate) challenging: Vec<String>,
    pub(crate) inbox: Vec<Received>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) complaints: Vec<String>,
    pub(crate) outbox: Vec<(SocketAddr, Vec<u8>)>,
    salt: u64,
    names: u32,
}

/// How an agent behaves when the test does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) manual: bool,
    pub(crate) silent: bool,
    pub(crate) answers_always: bool,
    pub(crate) trying: bool,
    pub(crate) withholds_acks: bool,
    pub(crate) keeps_one_answer: bool,
    pub(crate) pracks: bool,
    pub(crate) has_password: bool,
    pub(crate) hesitates: bool,
    pub(crate) ignores_cancels: bool,
}

/// A call, made or taken: what its first INVITE led to.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) call_id: String,
    pub(crate) state: CallState,
    pub(crate) final_status: Option<u16>,
    /// The caller gave it up; an answer that crosses is ended at once.
    pub(crate) given_up: bool,
}

impl UserAgent {
    pub(crate) fn new(
        name: &str,
        address: SocketAddr,
        next_hop: Option<SocketAddr>,
        salt: u64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            address,
            next_hop,
            preloaded: Vec::new(),
            manners: Manners::default(),
            calls: Vec::new(),
            legs: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            reliables: Vec::new(),
            challenging: Vec::new(),
            inbox: Vec::new(),
            sent: Vec::new(),
            complaints: Vec::new(),
            outbox: Vec::new(),
            salt,
            names: 0,
        }
    }

    /// A datagram arrived.
    pub(crate) fn receive(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => return self.complain(now, &malformed.0),
        };
        let again = self.inbox.iter().any(|old| old.from == from && old.message == message);
        for complaint in wellformed::complaints(&message, self.address, from) {
            self.complain(now, &complaint);
        }
        self.inbox.push(Received { at: now, from, message: message.clone(), again });
        if self.manners.silent {
            return;
        }
        if message.is_response() {
            self.receive_response(now, &message);
        } else {
            self.receive_request(now, from, message);
        }
    }

    /// A deadline has passed.
    pub(crate) fn wake(&mut self, now: Tick) {
        for client in 0..self.clients.len() {
            self.wake_client(now, client);
        }
        for server in 0..self.servers.len() {
            self.wake_server(now, server);
        }
        for reliable in 0..self.reliables.len() {
            self.wake_reliable(now, reliable);
        }
    }

    /// The next deadline: a retransmission, or giving up.
    pub(crate) fn next_wake(&self) -> Option<Tick> {
        let clients = self.clients.iter().filter_map(|client| client.repeat.next());
        let servers = self.servers.iter().filter_map(|server| server.repeat.next());
        let reliables = self.reliables.iter().filter_map(|reliable| reliable.repeat.next());
        clients.chain(servers).chain(reliables).min()
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:{}@{}", self.name, self.address)
    }

    pub(crate) fn state(&self) -> CallState {
        self.calls.last().map(|call| call.state).unwrap_or_default()
    }

    pub(crate) fn confirmed_legs(&self) -> usize {
        let Some(call) = self.calls.len().checked_sub(1) else { return 0 };
        let confirmed = |leg: &&Leg| leg.call == call && leg.state == LegState::Confirmed;
        self.legs.iter().filter(confirmed).count()
    }

    fn send(&mut self, now: Tick, to: SocketAddr, message: &Message, again: bool) {
        if self.manners.silent {
            return;
        }
        self.sent.push(Sent { at: now, to, message: message.clone(), again });
        self.outbox.push((to, message.to_bytes()));
    }

    fn complain(&mut self, now: Tick, what: &str) {
        self.complaints.push(format!("at {} ms: {what}", now.as_millis()));
    }

    /// A name nobody else has: readable in a ladder, different for each seed.
    fn fresh(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{}-{what}{}-{:08x}", self.name, self.names, self.salt as u32)
    }

    fn sdp(&self) -> Vec<u8> {
        let (ip, version) = (self.address.ip(), if self.address.is_ipv4() { "IP4" } else { "IP6" });
        format!(
            "v=0\r\no={} 1 1 IN {version} {ip}\r\ns=-\r\nc=IN {version} {ip}\r\nt=0 0\r\n\
             m=audio 40000 RTP/AVP 0\r\n",
            self.name
        )
        .into_bytes()
    }
}

/// When a message is sent again, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeat {
    at: Option<Tick>,
    pause: Duration,
    pause_max: Duration,
    until: Option<Tick>,
}

/// What a deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Repeat,
    GiveUp,
}

impl Repeat {
    /// Starts: after T1, then in doubling pauses up to `pause_max`, for 64·T1 in all.
    pub(crate) fn start(now: Tick, pause_max: Duration) -> Self {
        Self { at: Some(now + T1), pause: T1, pause_max, until: Some(now + GIVE_UP) }
    }

    /// No more, neither repeating nor giving up.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// From the next time on, the longest pause applies (RFC 3261 §17.1.2.2, Proceeding).
    pub(crate) fn slow_down(&mut self) {
        self.pause = self.pause_max;
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.at.into_iter().chain(self.until).min()
    }

    /// What is due; a repetition due moves on to the next.
    pub(crate) fn due(&mut self, now: Tick) -> Due {
        if self.until.is_some_and(|until| until <= now) {
            self.stop();
            return Due::GiveUp;
        }
        if self.at.is_some_and(|at| at <= now) {
            self.pause = (self.pause * 2).min(self.pause_max);
            self.at = Some(now + self.pause);
            return Due::Repeat;
        }
        Due::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(pause_max: Duration) -> Vec<u64> {
        let mut repeat = Repeat::start(Tick::ZERO, pause_max);
        let mut times = Vec::new();
        while let Some(at) = repeat.next() {
            times.push(at.as_millis());
            repeat.due(at);
        }
        times
    }

    // RFC 3261 §17.1.1.2: timer A doubles without bound; seven INVITEs in all, then timer B.
    #[test]
    fn an_invite_is_repeated_in_doubling_pauses() {
        assert_eq!(times(GIVE_UP), [500, 1_500, 3_500, 7_500, 15_500, 31_500, 32_000]);
    }

    // RFC 3261 §17.1.2.2: timer E doubles up to T2, until timer F.
    #[test]
    fn other_requests_are_repeated_at_least_every_t2() {
        let expected =
            [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000];
        assert_eq!(times(T2), expected);
    }
}
