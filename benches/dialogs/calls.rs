//! Calls at the engine's own door, as the road brings them, without messages.

use std::time::{Duration, Instant};

use duologue::dialog::{
    Dialog, DialogFlags, DialogMethod, Dialogs, Due, InviteFacts, MatchFacts, MatchMode,
    ReplyFacts, RequestFacts, Settings, Step, Steps,
};
use duologue::sip::{Flow, Moment, Tick};

use crate::latency::Latency;

/// How many calls begin in a second of virtual time. It says how many tombstones stand about: each
/// stands for 32 s.
const CALLS_PER_SECOND: usize = 1_000;

/// A table, and the time that goes with it.
pub(crate) struct Table {
    pub(crate) dialogs: Dialogs,
    now: Box<dyn Fn(usize) -> Moment>,
    /// Nobody else wakes the table.
    wakes: bool,
}

/// The moment so many ms after the beginning.
pub(crate) fn virtual_time(millis: u64) -> Moment {
    Moment { tick: Tick::from_millis(1_000 + millis), unix: 1_700_000_000 + millis / 1_000 }
}

impl Table {
    /// A table of its own, in which time passes with the calls.
    pub(crate) fn in_virtual_time() -> Self {
        let settings = Settings { hash_size: 1 << 16, ..Settings::default() };
        let now = |calls| virtual_time((calls * 1_000 / CALLS_PER_SECOND) as u64);
        Self { dialogs: Dialogs::new(settings, 7), now: Box::new(now), wakes: true }
    }

    /// A running server's table, with its clock.
    pub(crate) fn of(dialogs: Dialogs, clock: impl Fn() -> Moment + 'static) -> Self {
        Self { dialogs, now: Box::new(move |_| clock()), wakes: false }
    }

    /// Adds idle dialogs: answered and acknowledged.
    pub(crate) fn fill(&self, count: usize, lifetime: Option<fn(usize) -> u32>, now: Moment) {
        let mut steps = Steps::new();
        for number in 0..count {
            let lifetime = lifetime.map(|of| of(number));
            let call_id = call_id(number);
            let dialog = create(&self.dialogs, now, &call_id, lifetime, &mut steps);
            answer(&self.dialogs, now, &dialog, &call_id, &mut steps);
        }
        assert_eq!(self.dialogs.active_count(), count as u64);
    }

    /// Calls with numbers from `first` on.
    pub(crate) fn calls(&self, first: usize) -> Calls<'_> {
        Calls { table: self, first, made: 0, steps: Steps::new(), due: Vec::new() }
    }
}

/// One call after the other: created, answered, a request matched, ended.
pub(crate) struct Calls<'t> {
    table: &'t Table,
    first: usize,
    made: usize,
    steps: Steps,
    due: Vec<Due>,
}

impl Calls<'_> {
    /// Runs calls for so long; how many. Each operation is noted.
    pub(crate) fn run_for(&mut self, time: Duration, latency: &mut Latency) -> usize {
        let (begun, before) = (Instant::now(), self.made);
        while begun.elapsed() < time {
            self.call(latency);
        }
        self.made - before
    }

    /// Runs calls while it is wanted; how many.
    pub(crate) fn run_while(&mut self, wanted: impl Fn() -> bool, latency: &mut Latency) -> usize {
        let before = self.made;
        while wanted() {
            self.call(latency);
        }
        self.made - before
    }

    fn call(&mut self, latency: &mut Latency) {
        let Table { dialogs, now, wakes } = self.table;
        let now = now(self.made);
        let call_id = call_id(self.first + self.made);
        let steps = &mut self.steps;
        self.made += 1;
        let dialog = latency.of(|| create(dialogs, now, &call_id, None, steps));
        latency.of(|| answer(dialogs, now, &dialog, &call_id, steps));
        latency.of(|| within(dialogs, now, &dialog, &call_id, DialogMethod::Other, steps));
        latency.of(|| within(dialogs, now, &dialog, &call_id, DialogMethod::Bye, steps));
        if *wakes && self.made.is_multiple_of(16) {
            dialogs.wake(now.tick, &mut self.due);
            for due in self.due.drain(..) {
                let _ = dialogs.deadline(now, due.key, steps);
            }
        }
    }
}

type CallId = [u8; 30];

fn call_id(number: usize) -> CallId {
    format!("{number:012}-NzkxYm@127.0.0.1a").as_bytes().try_into().unwrap()
}

fn flow(port: u16) -> Flow {
    Flow::datagram(0, ([127, 0, 0, 1], port).into())
}

/// The INVITE: the dialog is there and its first branch has left.
fn create(
    dialogs: &Dialogs,
    now: Moment,
    call_id: &CallId,
    timeout: Option<u32>,
    steps: &mut Steps,
) -> Dialog {
    let invite = InviteFacts {
        call_id,
        from_tag: b"4f2c9a1b",
        to_tag: b"",
        from_uri: b"sip:alice@127.0.0.1:5070",
        to_uri: b"sip:bob@127.0.0.1:5080",
        from_display: b"",
        to_display: b"",
        cseq: 1,
        body: None,
        contact: b"sip:alice@127.0.0.1:5070",
        record_routes: &[],
        flow: flow(5070),
        timeout,
        owner: 1,
    };
    let dialog = dialogs.create(now, &invite, DialogFlags::empty(), steps).unwrap();
    dialogs.branch_sent(dialog.key(), 0, 1, steps).unwrap();
    walk(dialogs, steps);
    dialog
}

/// 180, 200 and ACK; the INVITE's transaction is gone.
fn answer(dialogs: &Dialogs, now: Moment, dialog: &Dialog, call_id: &CallId, steps: &mut Steps) {
    for status in [180, 200] {
        let reply = ReplyFacts {
            branch: 0,
            status,
            to_tag: b"9b7e33d0",
            cseq: 1,
            rseq: None,
            body: None,
            contact: b"sip:bob@127.0.0.1:5080",
            record_routes: &[],
            own_record_routes: 0,
            flow: flow(5080),
            mangled_from_uri: None,
            mangled_to_uri: None,
        };
        dialogs.reply_forwarded(dialog.key(), &reply, steps).unwrap();
        dialogs.reply_about_to_be_sent(now, dialog.key(), status, steps).unwrap();
    }
    within(dialogs, now, dialog, call_id, DialogMethod::Ack, steps);
    dialogs.transaction_ended(now, dialog.key(), steps).unwrap();
    walk(dialogs, steps);
}

/// A request of the caller: matched by its did, told, released.
fn within(
    dialogs: &Dialogs,
    now: Moment,
    dialog: &Dialog,
    call_id: &CallId,
    method: DialogMethod,
    steps: &mut Steps,
) {
    let did = dialog.id().did();
    let facts = MatchFacts {
        call_id,
        from_tag: b"4f2c9a1b",
        to_tag: b"9b7e33d0",
        did: Some(did.as_bytes()),
    };
    let matched = dialogs.match_request(&facts, MatchMode::DidOnly).unwrap();
    let request = RequestFacts::of(&matched, method, 1, flow(5070));
    dialogs.request_within(now, matched.key, &request, steps).unwrap();
    dialogs.release(now, matched.key, steps).unwrap();
    walk(dialogs, steps);
}

/// Fires what nobody listens to; DESTROY frees a dialog that has ended.
pub(crate) fn walk(dialogs: &Dialogs, steps: &mut Steps) {
    for step in steps.drain() {
        if let Step::Fire(firing) = step {
            dialogs.fire(&firing, None);
        }
    }
}
