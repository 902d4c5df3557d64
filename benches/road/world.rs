//! A proxy in memory between two peers who call each other through it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use duologue_script::Sources;
use duologue_server::module::Module;
use duologue_server::road::Load;
use duologue_server::worker::Worker;
use duologue_server::{Node, Overrides, Plan};
use duologue_sip::{Flow, Moment, Tick};

/// A proxy that stays in the route of each dialog and tracks it.
pub(crate) const SCRIPT: &str = include_str!("../../tests/sipp/proxy.cfg");
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
pub(crate) const STEPS: [&str; 7] = ["INVITE", "100", "180", "200", "ACK", "BYE", "200 (BYE)"];

/// What each message of a call took, and last what its timers did.
pub(crate) type Took = [Duration; STEPS.len() + 1];

/// A proxy in memory, and what its peers remember of the call that runs.
pub(crate) struct World {
    node: Node,
    worker: Worker,
    calls: u64,
    ticked: Tick,
    /// The Via lines of the request as it reached the callee.
    vias: String,
    /// The Record-Route lines that the callee saw.
    record_routes: String,
    /// The message of each call that a profiler looks at.
    watched: Option<usize>,
}

impl World {
    pub(crate) fn new(script: &str) -> Self {
        Self::with(script, &[])
    }

    pub(crate) fn with(script: &str, modules: &[&'static Module]) -> Self {
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
            watched: None,
        }
    }

    /// From now on the message of this name, one of [`STEPS`], goes through
    /// [`receive_watched`](Self::receive_watched).
    pub(crate) fn watch(&mut self, name: &str) {
        self.watched = STEPS.iter().position(|step| *step == name);
    }

    /// One call. Only the proxy's time counts, not that of its peers.
    pub(crate) fn call(&mut self) -> Took {
        self.calls += 1;
        let now = moment(self.calls);
        let mut took = Took::default();
        for (step, took) in took.iter_mut().take(STEPS.len()).enumerate() {
            let (bytes, from) = self.message(step);
            let begun = Instant::now();
            match self.watched == Some(step) {
                true => self.receive_watched(now, bytes.as_bytes(), from),
                false => self.receive(now, bytes.as_bytes(), from),
            }
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

    /// One message of a peer, with all that it leads to.
    pub(crate) fn receive(&mut self, now: Moment, bytes: &[u8], from: u16) {
        self.worker.receive(&self.node, now, bytes, flow(from), Load::Calm);
    }

    /// The same for the message that is watched. A function of its own, so that a profiler can count
    /// what happens in it.
    #[inline(never)]
    fn receive_watched(&mut self, now: Moment, bytes: &[u8], from: u16) {
        self.receive(now, bytes, from);
    }

    /// The INVITE of one more call, and where it comes from.
    pub(crate) fn next_invite(&mut self) -> (Moment, String, u16) {
        self.calls += 1;
        let (bytes, from) = self.message(0);
        (moment(self.calls), bytes, from)
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

pub(crate) fn without_dialogs() -> String {
    let kept = SCRIPT.lines().filter(|line| !line.ends_with(DIALOG_LINE));
    kept.flat_map(|line| [line, "\n"]).collect()
}
