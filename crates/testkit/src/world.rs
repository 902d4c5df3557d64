//! The world: one clock, one network, one seed, and everybody in it.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use duologue_sip::{Moment, Tick};

use crate::agent::Agent;
use crate::ladder::Ladder;
use crate::network::{Fault, Network, Weather};
use crate::packets::{Endpoint, Packets};
use crate::random::Random;
use crate::subject::{Datagram, Served, Subject};
use crate::text::Message;
use crate::user_agent::UserAgent;

/// [`World::settle`] ends when a subject sends nothing for this long. Longer than T2 (4 s), the longest pause
/// between two retransmissions, so that a subject between two of them is not taken for finished.
pub const QUIET: Duration = Duration::from_millis(4_500);

/// The longest conversation [`World::settle`] waits for, in virtual time.
pub const SETTLE_MAX: Duration = Duration::from_secs(600);

/// How long a verb of an [`Agent`] waits for what it needs (the INVITE to answer): 64·T1.
pub const PATIENCE: Duration = Duration::from_secs(32);

/// How many things may happen within one millisecond before the world calls it a livelock.
pub const EVENTS_PER_TICK_MAX: u32 = 100_000;

/// The wall clock at the world's first tick: 2026-01-01 00:00:00 UTC.
pub const UNIX_AT_START: u64 = 1_767_225_600;

/// A deterministic world in virtual time.
///
/// Cheap to clone; all clones (and all [`Agent`]s) mean the same world. A test that panics while it
/// holds a world prints the seed and the ladder of all messages.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) shared: Rc<RefCell<Shared>>,
}

impl World {
    /// A world in fair weather whose every chance comes from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let shared = Shared {
            seed,
            // An origin that is not zero finds code that takes zero for "never".
            now: Tick::from_millis(1_000),
            random: Random::seeded(seed),
            network: Network::default(),
            subjects: Vec::new(),
            agents: Vec::new(),
            ladder: Ladder::default(),
            last_sent: Tick::ZERO,
            tolerant: false,
            next_host: 11,
        };
        Self { shared: Rc::new(RefCell::new(shared)) }
    }

    // --- who is in it ---

    /// Puts a subject at 10.0.0.1:5060. Agents added later send through the first subject served.
    pub fn serve<S: Subject + 'static>(&self, subject: S) -> Served<S> {
        self.serve_at(&[SocketAddr::from(([10, 0, 0, 1], 5060))], subject)
    }

    /// Puts a subject that listens on several addresses; the first is the one it is known by.
    ///
    /// # Panics
    /// Without an address, or if one is taken.
    pub fn serve_at<S: Subject + 'static>(
        &self,
        addresses: &[SocketAddr],
        subject: S,
    ) -> Served<S> {
        let subject = Rc::new(RefCell::new(subject));
        let mut shared = self.shared.borrow_mut();
        let address = *addresses.first().expect("a subject listens somewhere");
        for (index, address) in addresses.iter().enumerate() {
            shared.claim(*address);
            let name = if index == 0 { "proxy".to_owned() } else { format!("proxy/{index}") };
            shared.ladder.column(name, *address);
        }
        let served = Rc::clone(&subject) as Rc<RefCell<dyn Subject>>;
        shared.subjects.push(Seat { addresses: addresses.to_vec(), subject: Kept(served) });
        Served { subject, address }
    }

    /// A user agent at the next free address (10.0.0.11:5060 and up). It sends its requests outside
    /// of dialogs through the first subject, or straight to their target if there is none.
    pub fn agent(&self, name: &str) -> Agent {
        let host = {
            let mut shared = self.shared.borrow_mut();
            shared.next_host = shared.next_host.checked_add(1).expect("fewer than 244 agents");
            shared.next_host - 1
        };
        self.agent_at(name, SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), 5060))
    }

    /// A user agent at a given address.
    ///
    /// # Panics
    /// If the address is taken.
    pub fn agent_at(&self, name: &str, address: SocketAddr) -> Agent {
        let mut shared = self.shared.borrow_mut();
        shared.claim(address);
        shared.ladder.column(name.to_owned(), address);
        let next_hop = shared.subjects.first().map(|seat| seat.addresses[0]);
        let salt = shared.random.bits();
        let index = shared.agents.len();
        shared.agents.push(UserAgent::new(name, address, next_hop, salt));
        drop(shared);
        Agent { world: self.clone(), index }
    }

    /// The usual cast: alice calls through the subject, bob is called.
    pub fn three_party<S: Subject + 'static>(&self, subject: S) -> (Agent, Served<S>, Agent) {
        let served = self.serve(subject);
        (self.agent("alice"), served, self.agent("bob"))
    }

    // --- what goes wrong ---

    /// The next packet of these is lost.
    pub fn lose_next(&self, packets: Packets) {
        self.fault_nth(0, Fault::Lose, packets);
    }

    /// The next packet of these arrives twice.
    pub fn duplicate_next(&self, packets: Packets) {
        self.fault_nth(0, Fault::Duplicate, packets);
    }

    /// The next packet of these takes this much longer.
    pub fn delay_next(&self, packets: Packets, by: Duration) {
        self.fault_nth(0, Fault::Delay(by), packets);
    }

    /// The next packet of these is overtaken by those sent within
    /// [`REORDER_HOLD`](crate::REORDER_HOLD) after it.
    pub fn reorder_next(&self, packets: Packets) {
        self.fault_nth(0, Fault::REORDER, packets);
    }

    /// Something happens to the packet of these that `skip` others precede. With
    /// [`Packets::any`] and a loop over `skip`, a test tries a fault on each message in turn.
    pub fn fault_nth(&self, skip: u32, fault: Fault, packets: Packets) {
        self.shared.borrow_mut().network.order(packets, fault, skip, 1);
    }

    /// All of these packets are lost from now on, until [`heal`](Self::heal).
    pub fn lose_all(&self, packets: Packets) {
        self.shared.borrow_mut().network.order(packets, Fault::Lose, 0, u32::MAX);
    }

    /// Forgets every fault that was ordered and has not happened yet.
    pub fn heal(&self) {
        self.shared.borrow_mut().network.clear_orders();
    }

    /// How many ordered faults have not happened yet: a loop over
    /// [`fault_nth`](Self::fault_nth) ends when its fault found no packet any more.
    pub fn faults_pending(&self) -> usize {
        self.shared.borrow().network.orders_open()
    }

    /// Changes latency and the chances of loss, duplication and reordering for all links.
    pub fn weather(&self, weather: Weather) {
        self.shared.borrow_mut().network.weather = weather;
    }

    // --- time ---

    /// Now. The world starts at tick 1000 and [`UNIX_AT_START`].
    pub fn now(&self) -> Tick {
        self.shared.borrow().now
    }

    /// Lets things happen until no packet is under way, no agent has anything left to repeat and
    /// the subject has sent nothing for [`QUIET`]; then checks what the agents received (see
    /// [`Agent::complaints`]). The clock stops at the last thing that happened. Timers of the
    /// subject that are further away (a dialog's lifetime, a ringing time-out) do not run: use
    /// [`run_for`](Self::run_for).
    ///
    /// # Panics
    /// When the talk goes on for [`SETTLE_MAX`]; when an agent received something malformed, unless
    /// [`tolerate`](Self::tolerate) was called.
    pub fn settle(&self) {
        let start = self.now();
        loop {
            let (next, busy, quiet_at) = {
                let shared = self.shared.borrow();
                let busy = shared.network.next_arrival().or(shared.next_retry()).is_some();
                (shared.next_event(), busy, shared.last_sent.max(start) + QUIET)
            };
            match next {
                Some(at) if busy || at <= quiet_at => self.step(at),
                _ => break,
            }
            assert!(
                self.now().since(start) < SETTLE_MAX,
                "the world does not settle within {SETTLE_MAX:?}"
            );
        }
        self.check();
    }

    /// Lets this much time pass, and everything happen that belongs to it.
    pub fn run_for(&self, span: Duration) {
        let end = self.now() + span;
        self.run_until(span, || false);
        self.shared.borrow_mut().now = end;
    }

    /// Lets things happen until `reached` is true; answers whether it came true within `limit`.
    pub fn run_until(&self, limit: Duration, mut reached: impl FnMut() -> bool) -> bool {
        let end = self.now() + limit;
        loop {
            if reached() {
                return true;
            }
            let next = self.shared.borrow().next_event();
            match next {
                Some(at) if at <= end => self.step(at),
                _ => return false,
            }
        }
    }

    // --- what was seen ---

    /// The ladder of all messages so far, one line each, with the seed on top.
    pub fn trace(&self) -> String {
        let shared = self.shared.borrow();
        shared.ladder.draw(shared.seed)
    }

    /// The ladder of the messages that went to or from one of these agents.
    pub fn trace_of(&self, agents: &[Agent]) -> String {
        let shared = self.shared.borrow();
        let among: Vec<_> = agents.iter().map(|agent| shared.agents[agent.index].address).collect();
        shared.ladder.draw_of(shared.seed, |address| among.contains(&address))
    }

    /// Every message sent so far that is among these packets, lost ones included.
    pub fn sent(&self, packets: &Packets) -> usize {
        self.shared.borrow().ladder.count(packets)
    }

    /// Agents may receive malformed messages from now on without failing the test.
    pub fn tolerate(&self) {
        self.shared.borrow_mut().tolerant = true;
    }

    /// The [complaints](Agent::complaints) of all agents, each with the agent's name in front.
    pub fn complaints(&self) -> Vec<String> {
        let shared = self.shared.borrow();
        let named = |agent: &UserAgent| {
            let name = agent.name.clone();
            agent.complaints.clone().into_iter().map(move |what| format!("{name}: {what}"))
        };
        shared.agents.iter().flat_map(named).collect()
    }

    /// Fails the test if any agent received something malformed.
    ///
    /// # Panics
    /// With the list of [complaints](Agent::complaints).
    pub fn check(&self) {
        if self.shared.borrow().tolerant {
            return;
        }
        let complaints: String =
            self.complaints().iter().map(|complaint| format!("\n  {complaint}")).collect();
        assert!(complaints.is_empty(), "malformed messages were received:{complaints}");
    }

    /// Runs a verb of an agent now and sends what came of it.
    pub(crate) fn act<T>(&self, agent: usize, verb: impl FnOnce(&mut UserAgent, Tick) -> T) -> T {
        let mut shared = self.shared.borrow_mut();
        let now = shared.now;
        let result = verb(&mut shared.agents[agent], now);
        shared.collect_from_agent(agent);
        result
    }

    /// Everything that is due at `at`, the time of the next event.
    fn step(&self, at: Tick) {
        let mut shared = self.shared.borrow_mut();
        shared.now = shared.now.max(at);
        let now = shared.now;
        let mut events = 0;
        while shared.next_event().is_some_and(|next| next <= now) {
            events += 1;
            if events > EVENTS_PER_TICK_MAX {
                drop(shared);
                panic!("the world stands still: {EVENTS_PER_TICK_MAX} events at {now:?}");
            }
            shared.happen(now);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Only the last clone speaks: agents hold clones too.
        if std::thread::panicking()
            && Rc::strong_count(&self.shared) == 1
            && let Ok(shared) = self.shared.try_borrow()
        {
            eprintln!("{}", shared.ladder.draw(shared.seed));
        }
    }
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) now: Tick,
    pub(crate) agents: Vec<UserAgent>,
    random: Random,
    network: Network,
    subjects: Vec<Seat>,
    ladder: Ladder,
    last_sent: Tick,
    tolerant: bool,
    next_host: u8,
}

/// A subject's place on the network.
#[derive(Debug)]
struct Seat {
    addresses: Vec<SocketAddr>,
    subject: Kept,
}

/// A subject need not be printable.
struct Kept(Rc<RefCell<dyn Subject>>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subject")
    }
}

impl Shared {
    fn next_event(&self) -> Option<Tick> {
        let wakes = self.subjects.iter().filter_map(|seat| seat.subject.0.borrow().next_wake());
        wakes.chain(self.next_retry()).chain(self.network.next_arrival()).min()
    }

    /// When an agent repeats something next, or gives up repeating it.
    fn next_retry(&self) -> Option<Tick> {
        self.agents.iter().filter_map(UserAgent::next_wake).min()
    }

    /// One event: first what arrives, then agents' timers, then the subjects' timers.
    fn happen(&mut self, now: Tick) {
        if let Some(datagram) = self.network.arrive(now) {
            return self.deliver(now, datagram);
        }
        if let Some(index) = self.agents.iter().position(|agent| is_due(agent.next_wake(), now)) {
            self.agents[index].wake(now);
            return self.collect_from_agent(index);
        }
        let due = |seat: &Seat| is_due(seat.subject.0.borrow().next_wake(), now);
        if let Some(index) = self.subjects.iter().position(due) {
            self.subjects[index].subject.0.borrow_mut().wake(moment(now));
            self.collect_from_subject(index);
        }
    }

    fn deliver(&mut self, now: Tick, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        if let Some(index) = self.agents.iter().position(|agent| agent.address == to) {
            self.agents[index].receive(now, from, &bytes);
            return self.collect_from_agent(index);
        }
        if let Some(index) = self.subjects.iter().position(|seat| seat.addresses.contains(&to)) {
            self.subjects[index].subject.0.borrow_mut().receive(moment(now), to, from, &bytes);
            self.collect_from_subject(index);
        }
        // Nobody lives there: gone, as on a real network.
    }

    fn collect_from_agent(&mut self, index: usize) {
        let from = self.agents[index].address;
        for (to, bytes) in std::mem::take(&mut self.agents[index].outbox) {
            self.send(Datagram { from, to, bytes });
        }
    }

    fn collect_from_subject(&mut self, index: usize) {
        let datagrams = self.subjects[index].subject.0.borrow_mut().take_datagrams();
        for datagram in datagrams {
            self.send(datagram);
        }
    }

    fn send(&mut self, datagram: Datagram) {
        self.last_sent = self.now;
        let message = Message::parse(&datagram.bytes).ok();
        let (from, to, size) = (datagram.from, datagram.to, datagram.bytes.len());
        let fate = self.network.send(self.now, &mut self.random, datagram);
        self.ladder.note(self.now, from, to, message, size, fate);
    }

    fn claim(&self, address: SocketAddr) {
        let agents = self.agents.iter().any(|agent| agent.address == address);
        let subjects = self.subjects.iter().any(|seat| seat.addresses.contains(&address));
        assert!(!agents && !subjects, "two cannot live at {address}");
    }
}

impl Endpoint for Agent {
    fn address(&self) -> SocketAddr {
        self.world.shared.borrow().agents[self.index].address
    }
}

fn is_due(wake: Option<Tick>, now: Tick) -> bool {
    wake.is_some_and(|wake| wake <= now)
}

fn moment(now: Tick) -> Moment {
    Moment { tick: now, unix: UNIX_AT_START + now.as_millis() / 1000 }
}
