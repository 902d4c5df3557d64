//! The promises of dialogs under real threads: thousands of interleaved calls, as many workers as
//! cores, callbacks that call back in, operators that list and end (spec/dialog.md §3, §7, §9).
//!
//! One node, no socket, no sleep: datagrams go into the workers, what they send goes to peers that
//! answer at once, and time passes when the test says so. Which thread does what is left to
//! chance; what must hold holds in any case. Should nothing move any more, the test says so.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod air;
mod ledger;
mod peers;
#[path = "../world/mod.rs"]
mod world;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use air::{Air, Work};
use duologue::dialog::State;
use duologue::script::Sources;
use duologue::server::call::Ending;
use duologue::server::intents::{connect_intents, end_dialog};
use duologue::server::net::{Failure, Packets, Transport};
use duologue::server::road::Load;
use duologue::server::worker::Worker;
use duologue::sip::{Flow, Moment, Tick};
use duologue::{Node, Overrides, Plan};
use ledger::Ledger;
use peers::{CALLER, Peers, Plot, call_of};

/// How many calls there are.
const CALLS: usize = 2_400;

/// Who injects them.
const INJECTORS: usize = 2;

/// Who lists and ends meanwhile.
const OPERATORS: usize = 2;

/// Real time after which the storm hangs. It takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many datagrams it takes for a millisecond to pass while calls come in.
const DATAGRAMS_PER_MILLISECOND: u64 = 16;

/// How far time goes at once, when it is all that still moves.
const STEP_MILLIS: u64 = 250;

/// All is over within ten minutes: 40 s of ringing, 60 s of talking, 40 s until a BYE is given up,
/// 32 s for the last transaction and 32 s for tombstones.
const STEPS_MAX: usize = 2_400;

/// A lifetime that ends some calls, and a ringing time that ends others.
const SETTINGS: &str = r#"
    modparam("dialog", "default_timeout", 60)
    modparam("tm", "fr_inv_timeout", 40)
"#;

/// What all threads share.
struct Storm {
    node: Arc<Node>,
    air: Arc<Air>,
    peers: Arc<Peers>,
    /// The time in ms, and how many datagrams were handled.
    tick: AtomicU64,
    handled: AtomicU64,
}

#[test]
fn promises_hold_in_a_storm() {
    let storm = Arc::new(OnceLock::new());
    let (done, heard) = mpsc::channel();
    let runner = {
        let storm = Arc::clone(&storm);
        thread::spawn(move || {
            let storm = storm.get_or_init(Storm::new);
            let _ = done.send(storm.rage());
        })
    };
    match heard.recv_timeout(PATIENCE) {
        Ok(faults) => {
            let some: Vec<_> = faults.iter().take(10).collect();
            assert!(faults.is_empty(), "{} faults, among them {some:#?}", faults.len());
        }
        Err(RecvTimeoutError::Timeout) => {
            panic!(
                "nothing moves any more: {}",
                storm.get().map_or(String::new(), Storm::describe)
            );
        }
        Err(RecvTimeoutError::Disconnected) => resume_unwind(runner.join().unwrap_err()),
    }
}

impl Storm {
    fn new() -> Self {
        let script = world::script_to(SETTINGS, "", "");
        let plan = Plan::load("storm.cfg", &Script(script), &[], Overrides::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let sockets = plan.sockets().unwrap();
        let node = Arc::new(plan.build(sockets, 2 * cores() + 1, moment(0), 7).unwrap());
        connect_intents(&node);
        Self {
            node,
            air: Arc::default(),
            peers: Arc::new(Peers::new(CALLS)),
            tick: AtomicU64::new(0),
            handled: AtomicU64::new(0),
        }
    }

    /// Plays everything, until nothing is left of it; what was wrong.
    fn rage(&self) -> Vec<String> {
        let ledger = Ledger::keep(&self.node.dialogs);
        thread::scope(|scope| {
            for index in 0..cores() {
                scope.spawn(move || self.receive(index));
                scope.spawn(move || self.help(cores() + index));
            }
            for operator in 0..OPERATORS {
                let ledger = &ledger;
                scope.spawn(move || self.operate(operator, ledger));
            }
            for injector in 0..INJECTORS {
                scope.spawn(move || self.inject(injector));
            }
            self.let_time_pass();
            self.stop();
        });
        let mut faults = ledger.verdict(CALLS, &self.node.dialogs.statistics());
        if !self.is_over() {
            faults.push(format!("something is left: {}", self.describe()));
        }
        faults.extend(self.node.dialogs.audit().err());
        self.node.dialogs.shutdown();
        faults
    }

    /// Every third call's INVITE comes twice.
    fn inject(&self, injector: usize) {
        for call in (injector..CALLS).step_by(INJECTORS) {
            let copies = if call.is_multiple_of(3) { 2 } else { 1 };
            self.air.put((0..copies).map(|_| Work::Datagram(CALLER, peers::invite(call))));
        }
    }

    /// A receiver's life. Every other datagram comes from a socket that has a backlog.
    fn receive(&self, index: usize) {
        let _guard = StopAll(self);
        let mut worker = self.worker(index);
        while let Some(work) = self.air.take() {
            match work {
                Work::Datagram(from, bytes) => {
                    let handled = self.handled.fetch_add(1, Relaxed);
                    if handled.is_multiple_of(DATAGRAMS_PER_MILLISECOND)
                        && self.tick.fetch_add(1, Relaxed).is_multiple_of(DATAGRAMS_PER_MILLISECOND)
                    {
                        self.air.put([Work::Wake]);
                    }
                    let load = if handled.is_multiple_of(2) { Load::Calm } else { Load::Backlog };
                    let flow = Flow::datagram(0, from);
                    worker.receive(&self.node, self.now(), &bytes, flow, load);
                }
                Work::Wake => worker.wake(&self.node, self.now()),
            }
            worker.flush(&self.node);
            self.air.done();
        }
    }

    fn help(&self, index: usize) {
        let _guard = StopAll(self);
        self.worker(index).help(&self.node, || self.now());
    }

    /// Somebody who looks at everything and ends some of what nobody else would.
    fn operate(&self, operator: usize, ledger: &Ledger) {
        let _guard = StopAll(self);
        let dialogs = &self.node.dialogs;
        while !self.air.is_closed() {
            ledger::list(dialogs, |dialog| {
                let Ok(call_id) = dialog.call_id() else { return };
                let Some(call) = call_of(&call_id) else {
                    return ledger.fault(format!("a handle reads {}", call_id.escape_ascii()));
                };
                let _ = dialog.store_value("operator", i32::try_from(operator).unwrap());
                let _ = dialog.snapshot().map(|snapshot| dialogs.mi_context(&snapshot));
                let unending = matches!(Plot::of(call), Plot::Stays | Plot::Rings);
                if dialog.state() != Ok(State::Unconfirmed)
                    && (unending && call % 16 < 8 || call.is_multiple_of(13))
                {
                    let ending = Ending {
                        extra_headers: (*b"X-Operator: yes\r\n").into(),
                        ..Ending::default()
                    };
                    end_dialog(&self.node, dialog, "an operator", ending);
                }
            });
            let statistics = dialogs.statistics();
            if statistics.processed_dialogs > CALLS as u64 {
                ledger.fault(format!("too many dialogs: {statistics:?}"));
            }
            let _ = self.node.calls.is_settled();
            thread::yield_now();
        }
    }

    /// Waits for the calls of the moment, lets time pass, and so on until nothing is left.
    fn let_time_pass(&self) {
        for _ in 0..STEPS_MAX {
            self.air.settle();
            if self.air.is_closed() || self.is_over() {
                return;
            }
            self.tick.fetch_add(STEP_MILLIS, Relaxed);
            self.air.put([Work::Wake]);
        }
    }

    fn is_over(&self) -> bool {
        let Node { calls, dialogs, queue, .. } = &*self.node;
        dialogs.statistics().processed_dialogs >= CALLS as u64
            && calls.is_empty()
            && calls.next_due().is_none()
            && dialogs.is_empty()
            && dialogs.next_wake().is_none()
            && queue.is_empty()
    }

    fn stop(&self) {
        self.air.close();
        self.node.queue.stop();
    }

    fn describe(&self) -> String {
        let (waiting, in_hand) = self.air.under_way();
        let Node { calls, dialogs, queue, .. } = &*self.node;
        format!(
            "{waiting} datagrams wait, {in_hand} are in hand, {} calls, {} handed over, at {} ms; \
             {dialogs:?}",
            calls.len(),
            queue.len(),
            self.tick.load(Relaxed),
        )
    }

    fn worker(&self, index: usize) -> Worker {
        let mut worker = Worker::new(index);
        let wire = Wire { air: Arc::clone(&self.air), peers: Arc::clone(&self.peers) };
        worker.transports = Some([Arc::new(wire)].into_iter().collect());
        worker
    }

    fn now(&self) -> Moment {
        moment(self.tick.load(Relaxed))
    }
}

/// A thread that panics takes the others along, so that the panic is told.
struct StopAll<'s>(&'s Storm);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// What stands in for the socket: the peers hear what is sent, and answer.
struct Wire {
    air: Arc<Air>,
    peers: Arc<Peers>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Transport for Wire {
    fn send(&self, packets: Packets<'_>, _: &mut Vec<Failure>) {
        for packet in packets.iter() {
            let answers = self.peers.hear(packet.flow.peer, packet.bytes);
            self.air.put(answers.into_iter().map(|(from, bytes)| Work::Datagram(from, bytes)));
        }
    }
}

/// The script as its own only file.
struct Script(String);

impl Sources for Script {
    fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
        Ok(self.0.clone())
    }
}

fn moment(millis: u64) -> Moment {
    let millis = 1_000 + millis;
    Moment { tick: Tick::from_millis(millis), unix: 1_700_000_000 + millis / 1_000 }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(2, usize::from).max(2)
}
