//! Caller, proxy and callee over a network that loses or doubles any one message.

use std::collections::BTreeMap;

use duologue_sip::Tick;
use duologue_transaction::*;

use crate::world::{flow, key};

const DELAY: u64 = 10;
const ANSWERS_AT: u64 = 2_000;
const FIRST: BranchIndex = BranchIndex(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Request,
    Ack,
    EndToEndAck,
    Cancel,
    Reply { status: u16, cancel: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Caller,
    Proxy,
    Callee,
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Lost,
    Doubled,
    Late,
}

/// Which call is played.
#[derive(Clone, Copy, Debug)]
struct Plot {
    method: &'static str,
    status: u16,
    cancel_at: Option<u64>,
}

struct Network {
    now: u64,
    plot: Plot,
    fault: (usize, Fault),
    sent: usize,
    flying: BTreeMap<(u64, usize), (Node, Node, Message)>,
    caller: Transaction,
    proxy: Option<Transaction>,
    callee: Option<Transaction>,
    /// The final code that the caller was told.
    told: Vec<u16>,
    /// The callee repeats a 2xx until its ACK (RFC 3261 §13.3.1.4).
    unacknowledged: Option<u64>,
}

impl Network {
    fn new(plot: Plot, fault: (usize, Fault)) -> Self {
        let kind = if plot.method == "INVITE" { Kind::Invite } else { Kind::Other };
        let id = TransactionId(1);
        Self {
            now: 0,
            plot,
            fault,
            sent: 0,
            flying: BTreeMap::new(),
            caller: Transaction::local(Tick::ZERO, id, kind, &Settings::default()),
            proxy: None,
            callee: None,
            told: Vec::new(),
            unacknowledged: None,
        }
    }

    fn tick(&self) -> Tick {
        Tick::from_millis(self.now)
    }

    fn send(&mut self, from: Node, to: Node, message: Message) {
        self.sent += 1;
        let arrivals: &[u64] = match self.fault {
            (which, Fault::Lost) if which == self.sent => &[],
            (which, Fault::Late) if which == self.sent => &[DELAY + 700],
            (which, Fault::Doubled) if which == self.sent => &[DELAY, DELAY + 1],
            _ => &[DELAY],
        };
        for delay in arrivals {
            self.flying.insert((self.now + delay, self.sent), (from, to, message));
        }
    }

    fn exists(&self, node: Node) -> bool {
        match node {
            Node::Caller => true,
            Node::Proxy => self.proxy.is_some(),
            Node::Callee => self.callee.is_some(),
        }
    }

    /// Everybody is done and forgets the call.
    fn is_over(&self) -> bool {
        let ended = |it: &Option<Transaction>| it.as_ref().is_some_and(Transaction::is_finished);
        let all_ended = self.caller.is_finished() && ended(&self.proxy) && ended(&self.callee);
        all_ended && self.flying.is_empty() && self.unacknowledged.is_none()
    }

    fn node(&mut self, node: Node) -> &mut Transaction {
        match node {
            Node::Caller => &mut self.caller,
            Node::Proxy => self.proxy.as_mut().unwrap(),
            Node::Callee => self.callee.as_mut().unwrap(),
        }
    }

    /// Carries out what a node's transaction asked for.
    fn carry_out(&mut self, node: Node, mut fx: Effects) {
        let downstream = if node == Node::Caller { Node::Proxy } else { Node::Callee };
        let upstream = if node == Node::Callee { Node::Proxy } else { Node::Caller };
        let mut position = 0;
        while let Some(effect) = fx.get(position) {
            position += 1;
            match effect {
                Effect::SendRequest(_) => self.send(node, downstream, Message::Request),
                Effect::SendAck(_) => self.send(node, downstream, Message::Ack),
                Effect::SendCancel(..) => self.send(node, downstream, Message::Cancel),
                Effect::SendReply => {
                    let status = self.node(node).last_status_sent();
                    self.send(node, upstream, Message::Reply { status, cancel: false });
                }
                Effect::Completed(winner) => self.answer(node, winner.status, &mut fx),
                Effect::LocalFinal(winner) => self.told.push(winner.status),
                Effect::TimedOut { .. } => {}
                Effect::AckMissing | Effect::Abandoned => panic!("{effect:?}"),
            }
        }
        self.node(node).shrink();
    }

    /// A reply goes upstream.
    fn answer(&mut self, node: Node, status: u16, fx: &mut Effects) {
        let upstream = if node == Node::Callee { Node::Proxy } else { Node::Caller };
        self.send(node, upstream, Message::Reply { status, cancel: false });
        let now = self.tick();
        self.node(node).reply_sent(now, status, b"tag", b"reply", fx);
    }

    fn place_call(&mut self) {
        let new = NewBranch { wire: b"request", flow: flow(), reliable: false, minor: false };
        self.caller.add_branch(Tick::ZERO, new).unwrap();
        self.send(Node::Caller, Node::Proxy, Message::Request);
    }

    fn receive(&mut self, from: Node, to: Node, message: Message) {
        let (now, mut fx) = (self.tick(), Effects::new());
        match message {
            Message::Reply { status, cancel } => {
                let reply = Reply { status, to_tag: b"tag", cancel };
                let transaction = self.node(to);
                if transaction.receive_reply(now, FIRST, reply, &mut fx) != Received::Absorbed {
                    let verdict = transaction.forward_reply(now, FIRST, reply, b"reply", &mut fx);
                    let relay = matches!(verdict, Verdict::Relay { .. });
                    if relay && to == Node::Proxy {
                        self.answer(to, status, &mut fx);
                    } else if relay && status >= 200 && self.plot.method == "INVITE" {
                        self.send(to, from, Message::EndToEndAck);
                    }
                }
            }
            Message::EndToEndAck if to == Node::Proxy => {
                return self.send(to, Node::Callee, message);
            }
            Message::EndToEndAck => return self.unacknowledged = None,
            Message::Request => self.receive_request(to, &mut fx),
            Message::Ack => self.node(to).receive_ack(now, &mut fx),
            Message::Cancel => {
                self.send(to, from, Message::Reply { status: 200, cancel: true });
                let effective = self.node(to).receive_cancel(now, &mut fx);
                if effective && to == Node::Callee {
                    self.answer(to, 487, &mut fx);
                }
            }
        }
        self.carry_out(to, fx);
    }

    fn receive_request(&mut self, to: Node, fx: &mut Effects) {
        let (now, method) = (self.tick(), self.plot.method);
        let slot = if to == Node::Proxy { &mut self.proxy } else { &mut self.callee };
        if let Some(known) = slot {
            return known.retransmission(now, fx);
        }
        let new = NewTransaction {
            id: TransactionId(1),
            key: key(method),
            flow: flow(),
            reliable: false,
            request: b"request".as_slice().into(),
        };
        let transaction = slot.insert(Transaction::new(now, new, &Settings::default()));
        if to == Node::Proxy {
            let new = NewBranch { wire: b"request", flow: flow(), reliable: false, minor: false };
            transaction.add_branch(now, new).unwrap();
            self.send(to, Node::Callee, Message::Request);
        }
        if method == "INVITE" {
            self.answer(to, if to == Node::Proxy { 100 } else { 180 }, fx);
        }
    }

    /// What the people do.
    fn act(&mut self) {
        let (now, mut fx) = (self.tick(), Effects::new());
        if self.plot.cancel_at == Some(self.now) {
            self.caller.cancel_branches(now, None, CancelReason::Script, &mut fx);
            self.carry_out(Node::Caller, fx);
            fx = Effects::new();
        }
        let repeat = self.unacknowledged == Some(self.now);
        if self.callee.is_some() && (self.now == ANSWERS_AT || repeat) {
            let status = self.plot.status;
            if repeat || !self.node(Node::Callee).is_closed() {
                self.answer(Node::Callee, status, &mut fx);
                let answers_invite = self.plot.method == "INVITE" && status < 300;
                self.unacknowledged = answers_invite.then_some(self.now + 500);
            }
            self.carry_out(Node::Callee, fx);
        }
    }

    /// Plays the call millisecond by millisecond, until nothing is left to do.
    fn play(mut self) -> (usize, Vec<u16>) {
        self.place_call();
        while !self.is_over() {
            assert!(self.now < 200_000, "the call never ends");
            while let Some(next) = self.flying.first_entry().filter(|next| next.key().0 <= self.now)
            {
                let (from, to, message) = next.remove();
                self.receive(from, to, message);
            }
            self.act();
            for node in [Node::Caller, Node::Proxy, Node::Callee] {
                let now = self.tick();
                if self.exists(node) && self.node(node).next_wake().is_some_and(|at| at <= now) {
                    let mut fx = Effects::new();
                    self.node(node).wake(now, &mut fx);
                    self.carry_out(node, fx);
                }
            }
            self.now += 1;
        }
        (self.sent, self.told)
    }
}

/// Plays the plot without faults, then with each fault in each message.
fn whatever_happens_to_one_message(plot: Plot, outcomes: &[u16]) {
    let (messages, told) = Network::new(plot, (0, Fault::Lost)).play();
    assert_eq!(told.len(), 1);
    assert!(outcomes.contains(&told[0]));
    for which in 1..=messages {
        for fault in [Fault::Lost, Fault::Doubled, Fault::Late] {
            let (_, told) = Network::new(plot, (which, fault)).play();
            assert_eq!(told.len(), 1, "message {which} {fault:?}: told {told:?}");
            assert!(outcomes.contains(&told[0]), "message {which} {fault:?}: told {told:?}");
        }
    }
}

#[test]
fn a_call_is_answered() {
    let plot = Plot { method: "INVITE", status: 200, cancel_at: None };
    whatever_happens_to_one_message(plot, &[200]);
}

#[test]
fn a_call_is_refused() {
    let plot = Plot { method: "INVITE", status: 486, cancel_at: None };
    whatever_happens_to_one_message(plot, &[486]);
}

#[test]
fn a_call_is_cancelled() {
    let plot = Plot { method: "INVITE", status: 200, cancel_at: Some(1_000) };
    whatever_happens_to_one_message(plot, &[487]);
}

/// The CANCEL crosses the 200: either may win, but both sides hear of one end only.
#[test]
fn a_cancel_crosses_the_answer() {
    for cancel_at in [ANSWERS_AT - 15, ANSWERS_AT - 5, ANSWERS_AT, ANSWERS_AT + 5] {
        let plot = Plot { method: "INVITE", status: 200, cancel_at: Some(cancel_at) };
        whatever_happens_to_one_message(plot, &[200, 487]);
    }
}

#[test]
fn a_bye_is_answered() {
    let plot = Plot { method: "BYE", status: 200, cancel_at: None };
    whatever_happens_to_one_message(plot, &[200]);
}
