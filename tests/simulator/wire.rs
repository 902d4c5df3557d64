//! The proxy, watched at its way out: what it sends within a dialog is numbered as RFC 3261 asks.
//!
//! The network shuffles and loses; here everything is still in the order of sending.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::sip::{Moment, Tick};
use duologue_testkit::{Datagram, Message, Subject};

use crate::faults::{Faults, lock};
use crate::world::Proxy;

/// Call-ID, From tag and To tag of a request: one direction of one dialog.
pub(crate) type Way = [String; 3];

/// A proxy and what it sent.
pub(crate) struct Watched {
    pub(crate) proxy: Proxy,
    pub(crate) log: Log,
}

/// How long after its end a dialog's numbers are known (decision D26: tombstones live 32 s). Later
/// requests pass as they are.
const REMEMBERED: Duration = Duration::from_secs(31);

/// What was sent. Cheap to clone; all clones mean the same.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    kept: Arc<Mutex<Kept>>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Kept {
    now: Option<Moment>,
    ways: HashMap<Way, Numbers>,
    /// When the dialogs of these ways ended, for those that did.
    ended: HashMap<Way, Tick>,
    /// Numbers of INVITEs: by Call-ID and From tag.
    invites: HashMap<[String; 2], HashSet<u32>>,
}

/// The numbers that one side of a dialog was sent.
#[derive(Debug, Default)]
struct Numbers {
    branches: HashMap<String, u32>,
    taken: HashSet<u32>,
    /// The highest number of a request of the proxy's own.
    own: Option<u32>,
    /// A BYE was sent.
    bye: bool,
}

impl Log {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { kept: Arc::default(), faults }
    }

    /// The present moment, for those who need one to ask a dialog.
    pub(crate) fn now(&self) -> Option<Moment> {
        lock(&self.kept).now
    }

    /// Whether a person's call ended so long ago that the proxy has forgotten its numbers: whoever
    /// still talks in it may then repeat one of the proxy's. People of call 7 are called `alice7`,
    /// `bob7` and `carol7`, and alice makes up the Call-ID.
    pub(crate) fn forgotten(&self, person: &str) -> bool {
        let number = person.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let caller = format!("alice{number}-");
        let kept = lock(&self.kept);
        let now = kept.now.map_or(Tick::ZERO, |now| now.tick);
        let ended = kept.ended.iter().filter(|(way, _)| way[0].starts_with(&caller));
        let last = ended.map(|(_, ended)| *ended).max();
        last.is_some_and(|last| now.since(last) > REMEMBERED)
    }

    /// Whether a BYE was sent that way.
    pub(crate) fn sent_bye(&self, way: &Way) -> bool {
        lock(&self.kept).ways.get(way).is_some_and(|numbers| numbers.bye)
    }

    /// A dialog ended whose directions these are.
    pub(crate) fn ended(&self, ways: impl IntoIterator<Item = Way>) {
        let mut kept = lock(&self.kept);
        if let Some(now) = kept.now {
            kept.ended.extend(ways.into_iter().map(|way| (way, now.tick)));
        }
    }

    fn note(&self, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            return self.faults.add("the proxy sent what is no SIP message");
        };
        let Some(method) = message.method() else { return };
        let from = [message.call_id(), message.from_tag()].map(str::to_owned);
        let [call_id, from_tag] = from.clone();
        let way = [call_id, from_tag, message.to_tag().to_owned()];
        let number = message.cseq().0;
        let mut kept = lock(&self.kept);
        let now = kept.now.map_or(Tick::ZERO, |now| now.tick);
        let forgotten = kept.ended.get(&way).is_some_and(|ended| now.since(*ended) > REMEMBERED);
        if method == "INVITE" {
            kept.invites.entry(from).or_default().insert(number);
        } else if method == "ACK" && !forgotten {
            let known = kept.invites.get(&from).is_some_and(|numbers| numbers.contains(&number));
            self.faults.hold(known, || format!("{way:?}: ACK {number} is of no INVITE"));
        }
        if forgotten || message.to_tag().is_empty() || matches!(method, "ACK" | "CANCEL") {
            return;
        }
        let told = kept.ways.entry(way.clone()).or_default().take(&message);
        if let Err(what) = told {
            self.faults.add(format!("{way:?}: {} {number} {what}", message.title()));
        }
    }
}

impl Numbers {
    /// RFC 3261 §12.2.1.1: numbers rise. What the proxy relays keeps its sender's order, which the
    /// network may have changed; what it sends itself is above all before.
    fn take(&mut self, request: &Message) -> Result<(), String> {
        let number = request.cseq().0;
        let branch = request.branch().to_owned();
        if let Some(before) = self.branches.insert(branch, number) {
            let same = before == number;
            return if same { Ok(()) } else { Err(format!("had number {before} before")) };
        }
        self.bye |= request.method() == Some("BYE");
        let fresh = self.taken.insert(number);
        let own = request.list("Via").len() == 1;
        let highest = self.taken.iter().copied().max().unwrap_or(number);
        let before = self.own;
        if own {
            self.own = Some(number);
        }
        if !fresh {
            return Err("repeats a number".to_owned());
        }
        if own && number < highest {
            return Err(format!("of our own is below {highest}"));
        }
        if let Some(own) = before.filter(|own| number <= *own) {
            return Err(format!("is not above our own {own}"));
        }
        Ok(())
    }
}

impl Subject for Watched {
    fn receive(&mut self, now: Moment, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        lock(&self.log.kept).now = Some(now);
        self.proxy.receive(now, local, from, bytes);
    }

    fn wake(&mut self, now: Moment) {
        lock(&self.log.kept).now = Some(now);
        self.proxy.wake(now);
    }

    fn next_wake(&self) -> Option<Tick> {
        self.proxy.next_wake()
    }

    fn take_datagrams(&mut self) -> Vec<Datagram> {
        let datagrams = self.proxy.take_datagrams();
        datagrams.iter().for_each(|datagram| self.log.note(&datagram.bytes));
        datagrams
    }
}
