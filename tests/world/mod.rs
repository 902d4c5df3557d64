//! The proxy in virtual time: a script on the real road, between the testkit's user agents.
//!
//! Nothing is opened and nobody sleeps: datagrams go into the worker, what it wants to send is
//! taken from its outbox, and its timers run when the world's clock says so.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod notes;
pub(crate) mod operator;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::script::Sources;
use duologue::server::intents::connect_intents;
use duologue::server::module::Module;
use duologue::server::net::{Failure, Packets, Transport};
use duologue::server::road::Load;
use duologue::server::worker::Worker;
use duologue::sip::{Flow, Moment, Tick};
use duologue::{Node, Overrides, Plan};
use duologue_testkit::{Agent, Datagram, Served, Subject, UNIX_AT_START, World};

/// How long after a call its transactions and its dialog must be gone: longer than the 32 s that
/// a client waits for an answer or a server for late ACKs (RFC 3261 Timers B and H, RFC 6026
/// Timers L and M).
pub(crate) const CALL_FORGOTTEN: Duration = Duration::from_secs(40);

/// How long the trace that routes late requests of an ended dialog may stay after that
/// (spec dialog.md: tombstones live 32 s).
pub(crate) const TRACE_FORGOTTEN: Duration = Duration::from_secs(32);

/// Carol's place: the fourth of the cast.
pub(crate) const CAROL: &str = "sip:carol@10.0.0.13:5060";

/// The modules of the scripts below, and the one socket.
const MODULES: &str = r#"
    socket = udp:10.0.0.1:5060
    loadmodule "proto_udp.so"
    loadmodule "signaling.so"
    loadmodule "sl.so"
    loadmodule "tm.so"
    loadmodule "rr.so"
    loadmodule "maxfwd.so"
    loadmodule "sipmsgops.so"
    loadmodule "dialog.so"
"#;

/// What every proxy does before it decides where a call goes.
const MANNERS: &str = r#"
    if (!mf_process_maxfwd_header(10)) {
        sl_send_reply(483, "Too Many Hops");
        exit;
    }
    if (has_totag()) {
        loose_route();
        route(within);
        if (!t_relay())
            sl_reply_error();
        exit;
    }
    if (is_method("CANCEL")) {
        if (t_check_trans())
            t_relay();
        exit;
    }
    t_check_trans();
    if (is_method("INVITE")) {
        create_dialog();
    }
    record_route();
"#;

/// A script whose new requests go where `targets` says, and whose calls are tracked; `rest` holds
/// further routes. `targets` may leave the request as it is.
pub(crate) fn script_to(settings: &str, targets: &str, rest: &str) -> String {
    let within = if rest.contains("route[within]") { "" } else { "route[within] { return; }" };
    format!(
        "{MODULES}\n{settings}\nroute {{\n{MANNERS}\n{targets}\n    if (!t_relay())\n        \
         sl_reply_error();\n}}\n{within}\n{rest}\n"
    )
}

/// The script that relays each call to its Request-URI.
pub(crate) fn plain() -> String {
    script_to("", "", "")
}

/// The script that rings several places at once.
pub(crate) fn forking(others: &[&str]) -> String {
    let branches: String =
        others.iter().map(|uri| format!("    append_branch(\"{uri}\");\n")).collect();
    script_to("", &branches, "")
}

/// A proxy as the world sees it.
pub(crate) struct Proxy {
    /// What its workers share.
    pub(crate) node: Arc<Node>,
    /// Its way out.
    pub(crate) wire: Arc<Wire>,
    worker: Worker,
}

/// What stands in for the sockets: keeps what is sent until the world takes it.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    sent: Mutex<Vec<(Flow, Vec<u8>)>>,
    unreachable: Mutex<Vec<SocketAddr>>,
}

impl Wire {
    /// From now on the kernel has no route to this peer.
    pub(crate) fn cut(&self, peer: SocketAddr) {
        self.unreachable.lock().unwrap().push(peer);
    }
}

impl Transport for Wire {
    fn send(&self, packets: Packets<'_>, failures: &mut Vec<Failure>) {
        let unreachable = self.unreachable.lock().unwrap();
        let mut sent = self.sent.lock().unwrap();
        for packet in packets.iter() {
            if unreachable.contains(&packet.flow.peer) {
                failures.push(Failure { index: packet.index, errno: NETWORK_UNREACHABLE });
            } else {
                sent.push((packet.flow, packet.bytes.to_vec()));
            }
        }
    }
}

/// ENETUNREACH of Linux.
const NETWORK_UNREACHABLE: i32 = 101;

impl Proxy {
    /// The proxy of a script.
    pub(crate) fn new(script: &str) -> Self {
        Self::with_modules(script, &[])
    }

    /// The proxy of a script that uses modules from elsewhere.
    pub(crate) fn with_modules(script: &str, modules: &[&'static Module]) -> Self {
        let plan = Plan::load(NAME, &Text(script), modules, Overrides::default());
        Self::of(plan.unwrap_or_else(|error| panic!("{error}")))
    }

    /// The proxy of a plan.
    pub(crate) fn of(plan: Plan) -> Self {
        Self::with_secret(plan, 7)
    }

    /// The proxy of a script, whose Via branches no other proxy of the same world makes.
    pub(crate) fn another(script: &str) -> Self {
        let plan = Plan::load(NAME, &Text(script), &[], Overrides::default());
        Self::with_secret(plan.unwrap_or_else(|error| panic!("{error}")), 8)
    }

    /// The proxy of a plan, whose Via branches no proxy with another secret makes.
    pub(crate) fn with_secret(plan: Plan, secret: u64) -> Self {
        let sockets = plan.sockets().unwrap_or_else(|error| panic!("{error}"));
        let now = Moment { tick: Tick::from_millis(1_000), unix: UNIX_AT_START };
        let node = plan.build(sockets, 1, now, secret).unwrap_or_else(|error| panic!("{error}"));
        let node = Arc::new(node);
        connect_intents(&node);
        let wire = Arc::new(Wire::default());
        let mut worker = Worker::new(0);
        worker.transports = Some(node.sockets.iter().map(|_| Arc::clone(&wire)).collect());
        Self { node, wire, worker }
    }

    /// Lets everything happen that can happen now.
    fn run(&mut self, now: Moment) {
        loop {
            self.worker.run_waiting(&self.node, now);
            self.worker.flush(&self.node);
            if self.node.queue.is_empty() {
                return;
            }
        }
    }

    /// No transaction is left and no dialog, and the gauges agree.
    pub(crate) fn assert_call_forgotten(&self) {
        assert!(self.node.calls.is_empty(), "{} calls are left", self.node.calls.len());
        assert_eq!(self.node.calls.next_due(), None, "a call waits for its time");
        assert!(self.node.queue.is_empty(), "a call waits for a worker");
        assert_eq!(self.node.dialogs.len(), 0, "dialogs are left");
        assert_eq!(self.node.dialogs.audit(), Ok(()));
    }

    /// Nothing at all is left that would ever want to run.
    pub(crate) fn assert_asleep(&self) {
        self.assert_call_forgotten();
        assert_eq!(self.next_wake(), None);
    }
}

impl Subject for Proxy {
    fn receive(&mut self, now: Moment, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let socket = self.node.sockets.iter().find(|(_, socket)| socket.address() == local);
        let (socket, _) = socket.expect("the world delivers to our sockets");
        self.worker.receive(&self.node, now, bytes, Flow::datagram(socket, from), Load::Calm);
        self.run(now);
    }

    fn wake(&mut self, now: Moment) {
        self.worker.wake(&self.node, now);
        self.run(now);
    }

    fn next_wake(&self) -> Option<Tick> {
        // What came in from outside of a turn (an operator's command) wants to run at once.
        if !self.node.queue.is_empty() {
            return Some(Tick::ZERO);
        }
        let node = &self.node;
        let due = [node.calls.next_due(), node.dialogs.next_wake(), node.next_task()];
        due.into_iter().flatten().min()
    }

    fn take_datagrams(&mut self) -> Vec<Datagram> {
        let node = &self.node;
        let sent = std::mem::take(&mut *self.wire.sent.lock().unwrap());
        let datagram = |(flow, bytes): (Flow, Vec<u8>)| {
            let socket = node.sockets.get(flow.socket).expect("a flow names a socket of the table");
            Datagram { from: socket.address(), to: flow.peer, bytes }
        };
        sent.into_iter().map(datagram).collect()
    }
}

/// The name of the one script there is.
pub(crate) const NAME: &str = "test.cfg";

/// The one script there is.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Sources for Text<'_> {
    fn read(&self, path: &str, _: Option<&str>) -> Result<String, String> {
        match path {
            NAME => Ok(self.0.to_owned()),
            _ => Err("the test includes nothing".to_owned()),
        }
    }
}

/// The usual cast around a script: alice calls, bob is called.
pub(crate) fn cast(seed: u64, script: &str) -> (World, Agent, Served<Proxy>, Agent) {
    let world = World::seeded(seed);
    let (alice, proxy, bob) = world.three_party(Proxy::new(script));
    (world, alice, proxy, bob)
}

/// An answered call; everybody has heard of it.
pub(crate) fn answered(world: &World, alice: &Agent, bob: &Agent) {
    alice.invite(bob);
    bob.rings();
    bob.answers();
    world.settle();
}

/// Lets everything come to its end and looks whether it did.
pub(crate) fn forgotten(world: &World, proxy: &Served<Proxy>) {
    world.settle();
    world.run_for(CALL_FORGOTTEN);
    world.check();
    proxy.borrow().assert_call_forgotten();
    world.run_for(TRACE_FORGOTTEN);
    proxy.borrow().assert_asleep();
}
