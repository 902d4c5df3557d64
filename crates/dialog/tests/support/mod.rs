//! A shell in miniature: plays messages at the engine, walks its steps, and writes down what
//! happened in order.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use duologue_dialog::*;
use duologue_sip::{Flow, Moment, Tick};
use std::sync::{Arc, Mutex};

pub type Log = Arc<Mutex<Vec<String>>>;

pub struct World {
    pub dialogs: Dialogs,
    pub now: Moment,
    pub log: Log,
    pub ends: Vec<Intent>,
    /// What the engine wants sent, BYEs aside.
    pub sent: Vec<OwnRequest>,
    /// Every other due timer gets lost on its way to the call.
    pub lose_jobs: bool,
    steps: Steps,
}

/// A message that can be read and takes headers.
pub struct Draft {
    pub status: Option<u16>,
    pub headers: Vec<String>,
}

impl EventMessage for Draft {
    fn status(&self) -> Option<u16> {
        self.status
    }
    fn method(&self) -> &[u8] {
        b"INVITE"
    }
    fn header(&self, _: &str) -> Option<&[u8]> {
        None
    }
    fn body(&self) -> &[u8] {
        b""
    }
    fn append_header(&mut self, name: &str, _: &[u8]) -> Result<(), NotMutable> {
        self.headers.push(name.to_owned());
        Ok(())
    }
}

pub fn flow(port: u16) -> Flow {
    Flow::datagram(0, ([127, 0, 0, 1], port).into())
}

pub fn invite<'a>(call_id: &'a str, from_tag: &'a str) -> InviteFacts<'a> {
    InviteFacts {
        call_id: call_id.as_bytes(),
        from_tag: from_tag.as_bytes(),
        to_tag: b"",
        from_uri: b"sip:alice@127.0.0.1:5061",
        to_uri: b"sip:bob@127.0.0.1:5060",
        from_display: b"",
        to_display: b"",
        body: None,
        cseq: 10,
        contact: b"sip:alice@127.0.0.1:5061",
        record_routes: &[],
        flow: flow(5061),
        timeout: None,
        owner: 77,
    }
}

pub fn reply<'a>(branch: u16, status: u16, to_tag: &'a str) -> ReplyFacts<'a> {
    ReplyFacts {
        branch,
        status,
        to_tag: to_tag.as_bytes(),
        cseq: 10,
        rseq: None,
        body: None,
        contact: b"sip:bob@127.0.0.1:5062",
        record_routes: &[],
        own_record_routes: 0,
        flow: flow(5062),
        mangled_from_uri: None,
        mangled_to_uri: None,
    }
}

/// A reply to a request within the dialog, from the callee's address.
pub fn response<'a>(status: u16) -> ResponseFacts<'a> {
    ResponseFacts { status, contact: b"", flow: flow(5062), reliable: false, body: None }
}

pub fn sdp(bytes: &str) -> Option<BodyFacts<'_>> {
    Some(BodyFacts { content_type: b"application/sdp", bytes: bytes.as_bytes() })
}

impl World {
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        Self::over(Dialogs::new(settings, 7))
    }

    /// A world over a table that others use too.
    pub fn over(dialogs: Dialogs) -> Self {
        let log = Log::default();
        let sink = log.clone();
        dialogs.on_created(move |event| {
            sink.lock().unwrap().push("CREATED".into());
            let sink = sink.clone();
            let all = DialogEvents::all();
            let _ = event.dialog().on(all, move |event| {
                let line = tell(event);
                sink.lock().unwrap().push(line);
            });
        });
        Self {
            dialogs,
            now: Moment { tick: Tick::from_millis(1000), unix: 1_000_000 },
            log,
            ends: Vec::new(),
            sent: Vec::new(),
            lose_jobs: false,
            steps: Steps::new(),
        }
    }

    /// What happened since the last look.
    pub fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub fn create(&mut self, call_id: &str, tag: &str, flags: DialogFlags) -> Dialog {
        self.create_from(&invite(call_id, tag), flags)
    }

    pub fn create_from(&mut self, invite: &InviteFacts<'_>, flags: DialogFlags) -> Dialog {
        let dialog = self.dialogs.create(self.now, invite, flags, &mut self.steps).unwrap();
        self.walk();
        dialog
    }

    /// A dialog with one branch, nothing relayed back yet.
    pub fn call(&mut self, call_id: &str) -> Dialog {
        let dialog = self.create(call_id, "a", DialogFlags::empty());
        self.branch(&dialog, 1);
        dialog
    }

    /// A call that is answered and acknowledged; what was seen is forgotten.
    pub fn answered(&mut self, call_id: &str) -> Dialog {
        let dialog = self.call(call_id);
        self.reply(&dialog, 180, "b");
        self.reply(&dialog, 200, "b");
        self.request(&dialog, DialogMethod::Ack, 10, "a", "b");
        self.seen();
        dialog
    }

    pub fn branch(&mut self, dialog: &Dialog, branch: u16) {
        let _ = self.dialogs.branch_sent(dialog.key(), branch, 10, &mut self.steps);
        self.walk();
    }

    pub fn reply(&mut self, dialog: &Dialog, status: u16, tag: &str) {
        self.reply_with(dialog, &reply(1, status, tag));
    }

    pub fn reply_with(&mut self, dialog: &Dialog, facts: &ReplyFacts<'_>) {
        let _ = self.dialogs.reply_forwarded(dialog.key(), facts, &mut self.steps);
        self.walk();
        self.sent(dialog, facts.status);
    }

    /// A reply is about to be relayed: what was learnt of it.
    pub fn forwarded(&mut self, dialog: &Dialog, facts: &ReplyFacts<'_>) -> Forwarded {
        let forwarded = self.dialogs.reply_forwarded(dialog.key(), facts, &mut self.steps);
        self.walk();
        forwarded.unwrap()
    }

    /// A reply is sent of which the engine learns no more than the status.
    pub fn sent(&mut self, dialog: &Dialog, status: u16) {
        let key = dialog.key();
        let _ = self.dialogs.reply_about_to_be_sent(self.now, key, status, &mut self.steps);
        self.walk();
    }

    pub fn transaction_ended(&mut self, dialog: &Dialog) {
        let _ = self.dialogs.transaction_ended(self.now, dialog.key(), &mut self.steps);
        self.walk();
    }

    pub fn cancelled(&mut self, dialog: &Dialog) {
        let _ = self.dialogs.cancelled(self.now, dialog.key());
    }

    /// A request within: matched, fed and released.
    pub fn request(
        &mut self,
        dialog: &Dialog,
        method: DialogMethod,
        cseq: u32,
        from: &str,
        to: &str,
    ) -> Option<Matched> {
        let matched = self.matched(dialog, from, to).ok()?;
        let mut facts = RequestFacts::of(&matched, method, cseq, flow(5061));
        facts.contact = b"sip:moved@10.0.0.1";
        let _ = self.feed(&matched, &facts);
        Some(matched)
    }

    pub fn feed(
        &mut self,
        matched: &Matched,
        facts: &RequestFacts<'_>,
    ) -> Result<NewNumbers, Gone> {
        let fed = self.dialogs.request_within(self.now, matched.key, facts, &mut self.steps);
        self.walk();
        if fed.is_ok() {
            let _ = self.dialogs.release(self.now, matched.key, &mut self.steps);
            self.walk();
        }
        fed
    }

    pub fn matched(&self, dialog: &Dialog, from: &str, to: &str) -> Result<Matched, NoMatch> {
        let did = dialog.id().did();
        let facts = MatchFacts {
            call_id: b"unused",
            from_tag: from.as_bytes(),
            to_tag: to.as_bytes(),
            did: Some(did.as_bytes()),
        };
        let call_id = match dialog.snapshot() {
            Ok(snapshot) => snapshot.call_id,
            Err(Gone) => b"call".as_slice().into(),
        };
        self.dialogs.match_request(&MatchFacts { call_id: &call_id, ..facts }, MatchMode::DidOnly)
    }

    /// Time passes, second by second; whatever is due is done.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.tick = self.now.tick + std::time::Duration::from_secs(1);
            self.now.unix += 1;
            self.wake();
        }
    }

    pub fn wake(&mut self) {
        let mut due = Vec::new();
        self.dialogs.wake(self.now.tick, &mut due);
        for Due { key, owner } in due {
            assert_eq!(owner, 77);
            if self.lose_jobs && self.now.unix.is_multiple_of(2) {
                continue;
            }
            let _ = self.dialogs.deadline(self.now, key, &mut self.steps);
            self.walk();
        }
    }

    /// Ends an answered dialog: the BYEs it wants sent.
    pub fn byes(&mut self, dialog: &Dialog) -> Vec<OwnRequest> {
        match self.dialogs.begin_end(self.now, dialog.key(), Byes::Both) {
            Ok(EndPlan::Byes(byes)) => byes,
            other => panic!("an answered call ends by BYEs, not by {other:?}"),
        }
    }

    /// A request of ours has its outcome.
    pub fn settled(&mut self, own: &OwnRequest, outcome: Outcome) {
        let mut steps = std::mem::take(&mut self.steps);
        let ended = self.dialogs.own_request_ended(self.now, own.link, outcome, None, &mut steps);
        self.steps = steps;
        for panic in ended.unwrap_or_default() {
            let line = format!("panic in {}: {}", panic.event, panic.message);
            self.log.lock().unwrap().push(line);
        }
        self.walk();
    }

    fn walk(&mut self) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.drain() {
            let line = match step {
                Step::Fire(firing) => {
                    let mut draft = Draft { status: None, headers: Vec::new() };
                    let panics = self.dialogs.fire(&firing, Some(&mut draft));
                    for panic in panics {
                        let line = format!("panic in {}: {}", panic.event, panic.message);
                        self.log.lock().unwrap().push(line);
                    }
                    continue;
                }
                Step::Changed(c) => format!("{} -> {}", c.old.number(), c.new.number()),
                Step::Route(_, hook, number) => format!("route {hook:?} {number}"),
                Step::DecideExpiry(key) => {
                    let mut more = Steps::new();
                    let _ = self.dialogs.expire(self.now, key, &mut more);
                    std::mem::swap(&mut self.steps, &mut more);
                    self.walk();
                    continue;
                }
                Step::End(intent) => {
                    self.ends.push(intent);
                    "end".into()
                }
                Step::Send(own) => {
                    let line = format!("send {} to {}", text(&own.method), own.link.leg);
                    self.sent.push(*own);
                    line
                }
                Step::Refuse(_, status) => format!("refuse {status}"),
                Step::Report(key) => {
                    let _ = self.dialogs.report_end(key);
                    continue;
                }
                Step::ReleaseLate(_) => "release late".into(),
                Step::Note(_, note) => format!("note {note:?}"),
            };
            self.log.lock().unwrap().push(line);
        }
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn tell(event: &mut Event<'_>) -> String {
    match event {
        Event::Created(_) => "CREATED".into(),
        Event::Loaded(_) => "LOADED".into(),
        Event::Early(_) => "EARLY".into(),
        Event::Confirmed(_) => "CONFIRMED".into(),
        Event::Failed(e) => match e.cause {
            FailCause::Status(status) => format!("FAILED {status}"),
            FailCause::TransactionEnded => "FAILED".into(),
        },
        Event::RequestWithin(e) => {
            format!("REQ_WITHIN {} {}", e.direction.as_str(), e.dst_leg)
        }
        Event::ResponseForwarded(e) => format!("RESPONSE_FWDED {:?}", e.leg),
        Event::ResponseWithin(e) => {
            format!("RESPONSE_WITHIN {} {}", e.direction.as_str(), e.dst_leg)
        }
        Event::Terminated(e) => format!("TERMINATED {}", e.reason),
        Event::Expired(_) => "EXPIRED".into(),
        Event::Destroy(_) => "DESTROY".into(),
        _ => "?".into(),
    }
}
