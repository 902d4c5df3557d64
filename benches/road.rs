//! What the whole road costs, from a datagram to what waits in the outbox, without a socket: a call
//! INVITE 100 180 200 ACK BYE 200 through the proxy script of the end-to-end tests.
//!
//! Budget: about 3 µs per message.
#![allow(clippy::unwrap_used)] // In a benchmark, too, an error is a failure.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use duologue_script::{Args, Called, RouteKinds, Sources};
use duologue_server::context::Context;
use duologue_server::module::{Function, Module};
use duologue_server::road::Load;
use duologue_server::worker::Worker;
use duologue_server::{Node, Overrides, Plan};
use duologue_sip::{Flow, Moment, Tick};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A proxy that stays in the route of each dialog and tracks it.
const SCRIPT: &str = include_str!("../tests/sipp/proxy.cfg");
/// The lines of the script that deal with dialogs end in this.
const DIALOG_LINE: &str = "# dialogs";
/// How often the proxy's timers are asked, in the time of the calls.
const TIMER_STEP: Duration = Duration::from_millis(16);
/// The ports of the two.
const CALLER: u16 = 5070;
const CALLEE: u16 = 5080;
/// Between two calls: 2,000 of them in a second, so that as many ended transactions linger as do
/// in a proxy with that load.
const CALLS_PER_SECOND: u64 = 2_000;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// What the proxy is sent in one call, in order. The callee's 100 goes no further.
const STEPS: [&str; 7] = ["INVITE", "100", "180", "200", "ACK", "BYE", "200 (BYE)"];

/// What each message of a call took, and last what its timers did.
type Took = [Duration; STEPS.len() + 1];

/// A proxy in memory, and what its peers remember of the call that runs.
struct World {
    node: Node,
    worker: Worker,
    calls: u64,
    ticked: Tick,
    /// The Via lines of the request as it reached the callee.
    vias: String,
    /// The Record-Route lines that the callee saw.
    record_routes: String,
}

impl World {
    fn new(script: &str) -> Self {
        Self::with(script, &[])
    }

    fn with(script: &str, modules: &[&'static Module]) -> Self {
        let files = Inline(script.to_owned());
        let plan = Plan::load("proxy.cfg", &files, modules, Overrides::default()).unwrap();
        let sockets = plan.sockets().unwrap();
        let now = moment(0);
        Self {
            node: plan.build(sockets, 1, now, 7).expect("the modules start"),
            worker: Worker::new(0),
            calls: 0,
            ticked: now.tick,
            vias: String::new(),
            record_routes: String::new(),
        }
    }

    /// One call. Only the proxy's time counts, not that of its peers.
    fn call(&mut self) -> Took {
        self.calls += 1;
        let now = moment(self.calls);
        let mut took = Took::default();
        for (step, took) in took.iter_mut().take(STEPS.len()).enumerate() {
            let (bytes, from) = self.message(step);
            let begun = Instant::now();
            self.worker.receive(&self.node, now, bytes.as_bytes(), flow(from), Load::Calm);
            *took = begun.elapsed();
            self.observe(step);
            let begun = Instant::now();
            self.worker.outbox.clear();
            *took += begun.elapsed();
        }
        if now.tick.since(self.ticked) >= TIMER_STEP {
            let begun = Instant::now();
            self.worker.wake(&self.node, now);
            self.worker.outbox.clear();
            took[STEPS.len()] = begun.elapsed();
            self.ticked = now.tick;
        }
        took
    }

    /// What the caller (port 5070) or the callee (5080) sends.
    fn message(&self, step: usize) -> (String, u16) {
        match step {
            0 => (self.request("INVITE", 1, OFFER), CALLER),
            1 => (self.reply("100 Trying", "INVITE", 1, ""), CALLEE),
            2 => (self.reply("180 Ringing", "INVITE", 1, ""), CALLEE),
            3 => (self.reply("200 OK", "INVITE", 1, OFFER), CALLEE),
            4 => (self.request("ACK", 1, ""), CALLER),
            5 => (self.request("BYE", 2, ""), CALLER),
            _ => (self.reply("200 OK", "BYE", 2, ""), CALLEE),
        }
    }

    fn request(&self, method: &str, cseq: u32, body: &str) -> String {
        let call = self.calls;
        let initial = method == "INVITE";
        let to_tag = if initial { String::new() } else { format!(";tag=callee{call}") };
        let routes = if initial { String::new() } else { self.route_set() };
        format!(
            "{method} sip:bob@127.0.0.1:5080 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{call}-{method}\r\n{routes}\
             From: \"Alice\" <sip:alice@127.0.0.1:5070>;tag=caller{call}\r\n\
             To: \"Bob\" <sip:bob@127.0.0.1:5080>{to_tag}\r\n\
             Call-ID: {call}-84721NzkxYmE1@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@127.0.0.1:5070>\r\n\
             Max-Forwards: 70\r\n\
             Subject: Performance Test\r\n{content}\
             Content-Length: {length}\r\n\r\n{body}",
            content = content_type(body),
            length = body.len(),
        )
    }

    fn reply(&self, status: &str, method: &str, cseq: u32, body: &str) -> String {
        let Self { calls: call, vias, record_routes, .. } = self;
        format!(
            "SIP/2.0 {status}\r\n{vias}{record_routes}\
             From: \"Alice\" <sip:alice@127.0.0.1:5070>;tag=caller{call}\r\n\
             To: \"Bob\" <sip:bob@127.0.0.1:5080>;tag=callee{call}\r\n\
             Call-ID: {call}-84721NzkxYmE1@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:bob@127.0.0.1:5080>\r\n{content}\
             Content-Length: {length}\r\n\r\n{body}",
            content = content_type(body),
            length = body.len(),
        )
    }

    /// The caller's route set; there is one proxy, so nothing to reverse.
    fn route_set(&self) -> String {
        self.record_routes.replace("Record-Route:", "Route:")
    }

    /// Checks that the proxy did what it should, and keeps what a peer would need.
    fn observe(&mut self, step: usize) {
        let sent = self.worker.outbox.iter().find(|(to, _)| match STEPS[step] {
            "INVITE" | "ACK" | "BYE" => to.peer.port() == CALLEE,
            _ => to.peer.port() == CALLER,
        });
        let Some((_, bytes)) = sent else {
            assert_eq!(STEPS[step], "100", "a message was not relayed: {}", STEPS[step]);
            return;
        };
        if STEPS[step] == "INVITE" || STEPS[step] == "BYE" {
            let text = std::str::from_utf8(bytes).unwrap();
            self.vias = lines(text, "Via:");
            if STEPS[step] == "INVITE" {
                self.record_routes = lines(text, "Record-Route:");
            }
        }
    }
}

/// The script as its own only file.
struct Inline(String);

impl Sources for Inline {
    fn read(&self, path: &str, from: Option<&str>) -> Result<String, String> {
        self.0.read(path, from)
    }
}

fn moment(calls: u64) -> Moment {
    let millis = calls * 1_000 / CALLS_PER_SECOND;
    Moment { tick: Tick::from_millis(1_000 + millis), unix: 1_700_000_000 + millis / 1_000 }
}

fn flow(port: u16) -> Flow {
    Flow::datagram(0, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn lines(message: &str, name: &str) -> String {
    message.split_inclusive("\r\n").filter(|line| line.starts_with(name)).collect()
}

fn content_type(body: &str) -> &'static str {
    if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" }
}

fn without_dialogs() -> String {
    let kept = SCRIPT.lines().filter(|line| !line.ends_with(DIALOG_LINE));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Whole calls, and then each of their messages.
fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    for (name, script) in [("with dialogs", SCRIPT), ("without dialogs", &without_dialogs())] {
        let mut world = World::new(script);
        group.throughput(Throughput::Elements(STEPS.len() as u64));
        group.bench_function(name, |b| {
            b.iter_custom(|count| (0..count).map(|_| world.call().iter().sum::<Duration>()).sum());
        });
    }
    group.finish();

    let mut group = c.benchmark_group("message");
    let mut world = World::new(SCRIPT);
    for (step, name) in STEPS.iter().chain(&["timers"]).enumerate() {
        group.bench_function(*name, |b| {
            b.iter_custom(|count| (0..count).map(|_| world.call()[step]).sum());
        });
    }
    group.finish();
}

/// The script's own share: the decisions about an INVITE, without what it asks others to do. It is
/// measured from within a call, by a function that a module of ours adds to the language.
fn script(c: &mut Criterion) {
    let decisions = SCRIPT
        .replace("t_relay()", "is_method(\"INVITE\")")
        .replace("create_dialog();", "")
        .replace("record_route();", "")
        .replace("route {", "loadmodule \"measure.so\"\nroute { measure(); }\nroute[standard] {");
    let mut world = World::with(&decisions, &[&MEASURE]);
    c.bench_function("script alone", |b| {
        b.iter_custom(|count| {
            RUNS.store(count, Ordering::Relaxed);
            world.calls += 1;
            let (bytes, from) = world.message(0);
            let now = moment(world.calls);
            world.worker.receive(&world.node, now, bytes.as_bytes(), flow(from), Load::Calm);
            Duration::from_nanos(NANOS.load(Ordering::Relaxed))
        });
    });
}

/// How often `measure()` is to run the script.
static RUNS: AtomicU64 = AtomicU64::new(0);
/// How long that took.
static NANOS: AtomicU64 = AtomicU64::new(0);

static MEASURE: Module = Module {
    name: "measure",
    functions: &[Function::new("measure", &[], RouteKinds::REQUEST, measure)],
    configure: |_| Ok(Box::new(())),
    ..Module::EMPTY
};

fn measure(context: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let script = context.turn.node.script();
    let mut routes = script.program.routes();
    let (route, _) = routes.find(|(_, info)| info.name == "standard").unwrap();
    let begun = Instant::now();
    for _ in 0..RUNS.load(Ordering::Relaxed) {
        context.draft.clear();
        black_box(context.run(route));
    }
    NANOS.store(begun.elapsed().as_nanos().try_into().unwrap(), Ordering::Relaxed);
    Called::Value(1)
}

criterion_group!(benches, calls, script);
criterion_main!(benches);
