//! A transaction with its clock, and a record of what it asked for and when.

use duologue_sip::{Flow, Tick};
use duologue_transaction::*;

pub(crate) const SECRET: BranchKey = BranchKey::new(1, 2);
pub(crate) const WIRE: &[u8] = &[b'x'; 900];

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) tx: Transaction,
    pub(crate) fx: Effects,
    /// Each effect with its millisecond.
    pub(crate) log: Vec<(u64, Effect)>,
    pub(crate) over: Over,
}

pub(crate) fn key(method: &str) -> ServerKey {
    ServerKey::new(&SECRET, b"z9hG4bKclient", b"client.example:5060", method.as_bytes())
}

pub(crate) fn flow() -> Flow {
    Flow::datagram(0, "192.0.2.1:5060".parse().unwrap())
}

impl World {
    pub(crate) fn new(method: &str, over: Over, settings: &Settings) -> Self {
        let new = NewTransaction {
            id: TransactionId(1),
            key: key(method),
            flow: flow(),
            reliable: over == Over::Tcp,
            request: WIRE.into(),
        };
        Self::of(Transaction::new(Tick::ZERO, new, settings), over)
    }

    pub(crate) fn invite() -> Self {
        Self::new("INVITE", Over::Udp, &Settings::default())
    }

    pub(crate) fn bye() -> Self {
        Self::new("BYE", Over::Udp, &Settings::default())
    }

    pub(crate) fn local(kind: Kind) -> Self {
        let settings = Settings::default();
        Self::of(Transaction::local(Tick::ZERO, TransactionId(1), kind, &settings), Over::Udp)
    }

    fn of(tx: Transaction, over: Over) -> Self {
        Self { now: 0, tx, fx: Effects::new(), log: Vec::new(), over }
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick::from_millis(self.now)
    }

    pub(crate) fn new_branch(&self, minor: bool) -> NewBranch<'static> {
        NewBranch { wire: WIRE, flow: flow(), reliable: self.over == Over::Tcp, minor }
    }

    /// Adds that many branches.
    pub(crate) fn fork(&mut self, count: usize) {
        for _ in 0..count {
            let new = self.new_branch(false);
            self.tx.add_branch(self.tick(), new).unwrap();
        }
    }

    /// A reply, through both halves.
    pub(crate) fn reply(&mut self, branch: u8, status: u16, to_tag: &str) -> (Received, Verdict) {
        let (now, branch) = (self.tick(), BranchIndex(branch));
        let reply = Reply { status, to_tag: to_tag.as_bytes(), cancel: false };
        let received = self.tx.receive_reply(now, branch, reply, &mut self.fx);
        let verdict = match received {
            Received::Absorbed => Verdict::Absorbed,
            _ => self.tx.forward_reply(now, branch, reply, b"reply", &mut self.fx),
        };
        self.note();
        (received, verdict)
    }

    /// The reply to our CANCEL.
    pub(crate) fn cancel_reply(&mut self, branch: u8, status: u16) {
        let reply = Reply { status, to_tag: b"", cancel: true };
        let now = self.tick();
        let received = self.tx.receive_reply(now, BranchIndex(branch), reply, &mut self.fx);
        assert_eq!(received, Received::Absorbed);
        self.note();
    }

    /// A reply goes upstream.
    pub(crate) fn sent(&mut self, status: u16, to_tag: &str) {
        self.tx.reply_sent(self.tick(), status, to_tag.as_bytes(), b"sent", &mut self.fx);
        self.note();
    }

    pub(crate) fn again(&mut self) {
        self.tx.retransmission(self.tick(), &mut self.fx);
        self.note();
    }

    pub(crate) fn ack(&mut self) {
        self.tx.receive_ack(self.tick(), &mut self.fx);
        self.note();
    }

    pub(crate) fn cancel(&mut self) -> bool {
        let effective = self.tx.receive_cancel(self.tick(), &mut self.fx);
        self.note();
        effective
    }

    /// Lets the time pass.
    pub(crate) fn at(&mut self, millis: u64) -> &mut Self {
        while let Some(next) = self.tx.next_wake().filter(|next| next.as_millis() <= millis) {
            self.now = self.now.max(next.as_millis());
            self.tx.wake(self.tick(), &mut self.fx);
            self.note();
        }
        self.now = millis;
        self
    }

    /// When an effect came, and empties the record.
    pub(crate) fn take(&mut self, wanted: impl Fn(&Effect) -> bool) -> Vec<u64> {
        let log = std::mem::take(&mut self.log);
        log.into_iter().filter(|(_, effect)| wanted(effect)).map(|(when, _)| when).collect()
    }

    /// What came, and empties the record.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.log).into_iter().map(|(_, effect)| effect).collect()
    }

    /// When it is over, if it is by then.
    pub(crate) fn finished_by(&mut self, millis: u64) -> bool {
        self.at(millis);
        self.tx.is_finished()
    }

    fn note(&mut self) {
        let now = self.now;
        self.log.extend(self.fx.drain().map(|effect| (now, effect)));
    }
}

pub(crate) const RELAY: Verdict = Verdict::Relay { retransmission: false };

pub(crate) fn won(branch: u8, status: u16) -> Effect {
    Effect::Completed(Winner { branch: BranchIndex(branch), status, local: false })
}

pub(crate) fn won_locally(branch: u8, status: u16) -> Effect {
    Effect::Completed(Winner { branch: BranchIndex(branch), status, local: true })
}

pub(crate) fn cancels(branch: u8, reason: CancelReason) -> Effect {
    Effect::SendCancel(BranchIndex(branch), reason)
}

pub(crate) fn acks(branch: u8) -> Effect {
    Effect::SendAck(BranchIndex(branch))
}
