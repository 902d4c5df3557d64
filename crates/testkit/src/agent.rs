//! An agent: the test's handle to one scripted user agent, with the verbs of telephony.

use std::net::SocketAddr;

use duologue_sip::Tick;

use crate::packets::{Endpoint, Kind, Packets};
use crate::text::Message;
use crate::user_agent::{Manners, UserAgent};
use crate::world::{PATIENCE, World};

/// A scripted user agent, caller or callee. [`World::agent`] makes one.
///
/// Verbs act at once, at the present moment of the virtual clock, and what they send is under way
/// when they return. A verb that needs something first (an INVITE to answer, an answer to hang up
/// on) lets the world run until it is there and fails the test after [`PATIENCE`].
///
/// Left alone, an agent does what RFC 3261 asks of it: it retransmits, sends ACK, answers CANCEL
/// with 487, and BYE, OPTIONS, re-INVITE, UPDATE, INFO and the rest with 200. Only a call's first
/// INVITE waits for the test. [`manual`](Self::manual) leaves every reply to the test.
///
/// A verb about calls means the agent's latest call.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(crate) world: World,
    pub(crate) index: usize,
}

/// Where an agent's latest call stands, as that agent sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallState {
    /// There was no call yet.
    #[default]
    Idle,
    /// INVITE sent, nothing but perhaps a 100 came back.
    Calling,
    /// A 101–199 came (caller), or the INVITE (callee).
    Ringing,
    /// The callee sent its 2xx and waits for the ACK.
    Answered,
    /// Established: the caller got and acknowledged a 2xx, the callee got the ACK.
    Talking,
    /// Ended by BYE from either side.
    Ended,
    /// Never came to be; with the status that ended it (408 also if nobody answered at all).
    Failed(u16),
}

/// A message an agent received.
#[derive(Clone, Debug)]
pub struct Received {
    /// When.
    pub at: Tick,
    /// From which address.
    pub from: SocketAddr,
    /// The message.
    pub message: Message,
    /// Whether the very same bytes had come before.
    pub again: bool,
}

/// A message an agent sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Tick,
    /// To which address.
    pub to: SocketAddr,
    /// The message.
    pub message: Message,
    /// Whether it is a retransmission.
    pub again: bool,
}

// === calling ===

impl Agent {
    /// Calls another agent: an INVITE with a small SDP offer to its [`uri`](Self::uri).
    pub fn invite(&self, callee: &Self) {
        self.invite_uri(&callee.uri());
    }

    /// Calls a URI; for a fork, one that the subject turns into several targets.
    pub fn invite_uri(&self, uri: &str) {
        self.invite_with(uri, |invite| invite);
    }

    /// Calls a URI with an INVITE that the test may edit before it leaves.
    pub fn invite_with(&self, uri: &str, edit: impl FnOnce(Message) -> Message) {
        self.act(|agent, now| agent.invite(now, uri, edit));
    }

    /// Gives the call up. The CANCEL leaves at once if a provisional response has come, otherwise
    /// as soon as one does (RFC 3261 §9.1). If a 2xx crosses it, the agent sends ACK and BYE.
    pub fn cancels(&self) {
        self.act(UserAgent::cancel);
    }

    /// Ends the established call with BYE, on every dialog of it (a fork may have several). Waits
    /// until the call is [`Talking`](CallState::Talking): a callee must have its ACK first
    /// (RFC 3261 §15).
    pub fn hangs_up(&self) {
        self.waits("an established call", |agent| agent.state() == CallState::Talking);
        self.act(UserAgent::hang_up);
    }

    /// Ends the call with BYE on whatever dialogs there are, early ones included, without waiting.
    pub fn hangs_up_now(&self) {
        self.act(UserAgent::hang_up);
    }

    /// Sends a re-INVITE in the established call; waits until it is established.
    pub fn reinvites(&self) {
        self.requests("INVITE");
    }

    /// Sends a request of this method in the established call; waits until it is established.
    pub fn requests(&self, method: &str) {
        self.requests_with(method, |request| request);
    }

    /// As [`requests`](Self::requests), with the request edited before it leaves.
    pub fn requests_with(&self, method: &str, edit: impl FnOnce(Message) -> Message) {
        self.waits("an established call", |agent| agent.state() == CallState::Talking);
        self.act(|agent, now| agent.request_in_dialog(now, method, edit));
    }

    /// Sends a request of this method within an early dialog of the call; nothing if there is none.
    pub fn requests_early(&self, method: &str) {
        self.act(|agent, now| agent.request_early(now, method));
    }

    /// Gives up its latest re-INVITE, if that still waits for its answer and a provisional response
    /// has come (RFC 3261 §9.1).
    pub fn cancels_reinvite(&self) {
        self.act(UserAgent::cancel_reinvite);
    }

    /// Sends a request of this method outside of any dialog to a URI.
    pub fn sends(&self, method: &str, uri: &str) {
        self.sends_with(method, uri, |request| request);
    }

    /// As [`sends`](Self::sends), with the request edited before it leaves.
    pub fn sends_with(&self, method: &str, uri: &str, edit: impl FnOnce(Message) -> Message) {
        self.act(|agent, now| agent.request_alone(now, method, uri, edit));
    }

    /// Sends bytes as they are; nothing is remembered and nothing retransmitted.
    pub fn sends_raw(&self, to: &impl Endpoint, bytes: &[u8]) {
        let to = to.address();
        self.act(|agent, _| agent.outbox.push((to, bytes.to_vec())));
    }

    /// Sends the ACKs that were [withheld](Self::withholds_acks), and withholds no more.
    pub fn acks(&self) {
        self.act(UserAgent::release_acks);
    }
}

// === answering ===

impl Agent {
    /// 180 Ringing to the unanswered INVITE; waits for one.
    pub fn rings(&self) {
        self.replies_to("INVITE", 180);
    }

    /// A provisional response to the unanswered INVITE that asks for PRACK and is repeated until
    /// that comes (RFC 3262); waits for an INVITE. Nothing is sent while an earlier one waits.
    pub fn rings_reliably(&self, status: u16) {
        self.waits("an unanswered INVITE request", |agent| agent.unanswered("INVITE").is_some());
        self.act(|agent, now| {
            if let Some(server) = agent.unanswered("INVITE") {
                agent.reply_reliably(now, server, status);
            }
        });
    }

    /// The next request of this method that comes without credentials gets a 401
    /// (RFC 3261 §22.1).
    pub fn challenges(&self, method: &str) {
        self.act(|agent, _| agent.challenging.push(method.to_owned()));
    }

    /// 200 OK to the unanswered INVITE; waits for one. The 200 is repeated until its ACK comes.
    pub fn answers(&self) {
        self.replies_to("INVITE", 200);
    }

    /// A final refusal to the unanswered INVITE; waits for one.
    pub fn rejects(&self, status: u16) {
        self.replies_to("INVITE", status);
    }

    /// Replies to the oldest unanswered request; waits for one.
    pub fn replies(&self, status: u16) {
        self.replies_to("", status);
    }

    /// Replies to the oldest unanswered request of a method; waits for one.
    pub fn replies_to(&self, method: &str, status: u16) {
        self.replies_with(method, status, |response| response);
    }

    /// As [`replies_to`](Self::replies_to), with the response edited before it leaves. The empty
    /// method means any.
    pub fn replies_with(&self, method: &str, status: u16, edit: impl FnOnce(Message) -> Message) {
        let what = format!("an unanswered {method} request");
        self.waits(&what, |agent| agent.unanswered(method).is_some());
        self.act(|agent, now| {
            if let Some(server) = agent.unanswered(method) {
                agent.reply(now, server, status, edit);
            }
        });
    }
}

// === manners ===

impl Agent {
    /// From now on the test decides each reply ([`replies_to`](Self::replies_to)); ACKs are still
    /// sent, retransmissions still answered with what was replied before.
    pub fn manual(&self) {
        self.manners(|manners| manners.manual = true);
    }

    /// From now on the agent is dead: it records what arrives, and sends nothing.
    pub fn silent(&self) {
        self.manners(|manners| manners.silent = true);
    }

    /// No longer [`silent`](Self::silent); what it missed it has missed.
    pub fn speaks(&self) {
        self.manners(|manners| manners.silent = false);
    }

    /// From now on it supports reliable provisional responses: its INVITEs say so, and those that
    /// ask for it get their PRACK (RFC 3262 §4).
    pub fn pracks(&self) {
        self.manners(|manners| manners.pracks = true);
    }

    /// From now on a challenged request goes out again with credentials and a higher CSeq number
    /// (RFC 3261 §22.2).
    pub fn has_password(&self) {
        self.manners(|manners| manners.has_password = true);
    }

    /// From now on INVITE, UPDATE and INFO within a dialog wait for the test's reply.
    pub fn hesitates(&self) {
        self.manners(|manners| manners.hesitates = true);
    }

    /// From now on a CANCEL gets its 200, and the INVITE waits on: the callee answers all the same.
    pub fn ignores_cancels(&self) {
        self.manners(|manners| manners.ignores_cancels = true);
    }

    /// Back to the manners an agent starts with.
    pub fn polite(&self) {
        self.manners(|manners| *manners = Manners::default());
    }

    /// From now on every INVITE is answered by itself, with 180 and 200 at once.
    pub fn answers_always(&self) {
        self.manners(|manners| manners.answers_always = true);
    }

    /// From now on an INVITE is answered with 100 at once.
    pub fn sends_trying(&self) {
        self.manners(|manners| manners.trying = true);
    }

    /// From now on 2xx are not acknowledged, until [`acks`](Self::acks).
    pub fn withholds_acks(&self) {
        self.manners(|manners| manners.withholds_acks = true);
    }

    /// From now on, when a fork brings several 2xx, all but the first get ACK and BYE
    /// (RFC 3261 §13.2.2.4). Without this the agent keeps them all.
    pub fn keeps_one_answer(&self) {
        self.manners(|manners| manners.keeps_one_answer = true);
    }

    /// Requests outside of dialogs go to this address from now on, instead of the first subject.
    pub fn through(&self, next_hop: &impl Endpoint) {
        let next_hop = next_hop.address();
        self.act(|agent, _| agent.next_hop = Some(next_hop));
    }

    /// Requests outside of dialogs carry these `Route` values from now on, for example
    /// `<sip:10.0.0.1;lr>` (RFC 3261 §8.1.1.1).
    pub fn preloads(&self, routes: &[&str]) {
        let routes = routes.iter().map(|route| (*route).to_owned()).collect();
        self.act(|agent, _| agent.preloaded = routes);
    }
}

// === questions ===

impl Agent {
    /// The name given to [`World::agent`].
    pub fn name(&self) -> String {
        self.look(|agent| agent.name.clone())
    }

    /// The URI it is called by, also its `Contact`: `sip:NAME@ADDRESS:PORT`.
    pub fn uri(&self) -> String {
        self.look(UserAgent::uri)
    }

    /// The packets from this agent to `to`.
    pub fn to(&self, to: &impl Endpoint) -> Packets {
        Packets::between(self, to)
    }

    /// Where its latest call stands.
    pub fn state(&self) -> CallState {
        self.look(UserAgent::state)
    }

    /// Whether a request of this method (empty: any) waits for its final reply.
    pub fn owes(&self, method: &str) -> bool {
        self.look(|agent| agent.unanswered(method).is_some())
    }

    /// How its latest call's INVITE was answered in the end: the first final status received or
    /// sent, 408 if the INVITE timed out.
    pub fn final_status(&self) -> Option<u16> {
        self.look(|agent| agent.calls.last()?.final_status)
    }

    /// The final status of its latest request of this method, 408 if it timed out.
    pub fn status_of(&self, method: &str) -> Option<u16> {
        self.look(|agent| {
            let last = agent.clients.iter().rfind(|client| client.method == method)?;
            last.final_status
        })
    }

    /// The `Call-ID` of its latest call, empty if there was none.
    pub fn call_id(&self) -> String {
        self.look(|agent| agent.calls.last().map(|call| call.call_id.clone()).unwrap_or_default())
    }

    /// The established and not yet ended dialogs of its latest call.
    pub fn dialogs(&self) -> usize {
        self.look(UserAgent::confirmed_legs)
    }

    /// What it received of a kind ([`Kind::named`]: `"BYE"`, `"200 INVITE"`, `""` for all),
    /// retransmissions included, oldest first.
    pub fn received(&self, kind: &str) -> Vec<Received> {
        let kind = Kind::named(kind);
        let of_kind = |received: &&Received| kind.matches(&received.message);
        self.look(|agent| agent.inbox.iter().filter(of_kind).cloned().collect())
    }

    /// How many different messages of a kind it received: retransmissions do not count.
    pub fn count(&self, kind: &str) -> usize {
        self.received(kind).iter().filter(|received| !received.again).count()
    }

    /// How many messages of a kind it received that had come before, byte for byte.
    pub fn repeats(&self, kind: &str) -> usize {
        self.received(kind).iter().filter(|received| received.again).count()
    }

    /// The latest message of a kind it received.
    ///
    /// # Panics
    /// If there is none.
    pub fn last(&self, kind: &str) -> Message {
        let last = self.received(kind).pop();
        let Some(last) = last else { panic!("{} received no {kind}", self.name()) };
        last.message
    }

    /// What it sent of a kind, retransmissions included, oldest first.
    pub fn sent(&self, kind: &str) -> Vec<Sent> {
        let kind = Kind::named(kind);
        let of_kind = |sent: &&Sent| kind.matches(&sent.message);
        self.look(|agent| agent.sent.iter().filter(of_kind).cloned().collect())
    }

    /// How many messages of a kind it had to send again.
    pub fn retransmissions(&self, kind: &str) -> usize {
        self.sent(kind).iter().filter(|sent| sent.again).count()
    }

    /// What was wrong with the messages it received, a sentence each: missing or doubled mandatory
    /// headers, a `Content-Length` that does not fit, a response with a foreign or a second `Via`,
    /// tags or `CSeq` that do not belong, a `Max-Forwards` nobody decremented, a `Route` left over.
    /// [`World::settle`] fails the test if there are any.
    pub fn complaints(&self) -> Vec<String> {
        self.look(|agent| agent.complaints.clone())
    }
}

// === inside ===

impl Agent {
    fn act<T>(&self, verb: impl FnOnce(&mut UserAgent, Tick) -> T) -> T {
        self.world.act(self.index, verb)
    }

    fn look<T>(&self, question: impl FnOnce(&UserAgent) -> T) -> T {
        question(&self.world.shared.borrow().agents[self.index])
    }

    fn manners(&self, change: impl FnOnce(&mut Manners)) {
        self.act(|agent, _| change(&mut agent.manners));
    }

    fn waits(&self, what: &str, there: impl Fn(&UserAgent) -> bool) {
        let came = self.world.run_until(PATIENCE, || self.look(&there));
        assert!(came, "{} waited {PATIENCE:?} for {what}", self.name());
    }
}
