//! The transaction: a server side, a forking set, and the rules between them.

mod downstream;
mod lifetime;
mod upstream;

use duologue_sip::{Flow, Tick};

use crate::{
    Branch, BranchIndex, Match, RequestKind, ServerKey, Settings, Winner, alarm::Alarm,
    forking::Forking, server::Server, settings::Clocks, tags::ToTags,
};

/// How many branches a transaction may have, over all rounds of serial forking. Each costs its
/// request's bytes and about 200 more until it is over.
pub const MAX_BRANCHES: usize = 64;

/// A transaction's number within its call; part of the Via branches of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u32);

/// Which of the two families of machines a transaction uses. An ACK has no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// INVITE.
    Invite,
    /// Everything else, CANCEL included.
    Other,
}

/// A request that just came in.
#[derive(Debug)]
pub struct NewTransaction {
    /// Its number within the call.
    pub id: TransactionId,
    /// By which its retransmissions, ACK and CANCEL are known.
    pub key: ServerKey,
    /// Where its replies go.
    pub flow: Flow,
    /// The transport does not lose messages: replies are not retransmitted.
    pub reliable: bool,
    /// The request as received, for whoever asks later ([`Transaction::request`]).
    pub request: Box<[u8]>,
}

/// Why no branch may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A final reply went back, or is on its way.
    Answered,
    /// The caller cancelled.
    Cancelled,
    /// A 6xx came.
    Declined,
    /// There are [`MAX_BRANCHES`].
    Full,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answered => "the transaction has its final reply",
            Self::Cancelled => "the caller has cancelled",
            Self::Declined => "a branch has declined for all (6xx)",
            Self::Full => "the transaction has its maximum of branches",
        })
    }
}

impl std::error::Error for Refused {}

/// One server transaction with all the branches it was forked to, or a request of our own. The
/// [crate's page](crate) tells in which order to call what.
///
/// Its methods are of four kinds: what comes from and goes upstream, what goes and comes from
/// downstream, time and memory, and look-ups; a file for each.
#[derive(Debug)]
pub struct Transaction {
    id: TransactionId,
    kind: Kind,
    key: Option<ServerKey>,
    flow: Option<Flow>,
    server: Option<Server>,
    clocks: Clocks,
    forking: Option<Box<Forking>>,
    /// After shrinking: when the last branch would have ended.
    linger: Alarm,
    answers: ToTags,
    last_status: u16,
    branch_count: u8,
    cancelled: bool,
    /// A 2xx was given to the owner to relay.
    answered: bool,
    /// A final reply went back; for a request of our own: was reported.
    closed: bool,
}

impl Transaction {
    /// A transaction for a request that came in. An INVITE's `100` is the owner's to send, and to
    /// report with [`reply_sent`](Self::reply_sent).
    #[doc(alias = "t_newtran")]
    pub fn new(now: Tick, new: NewTransaction, settings: &Settings) -> Self {
        let kind = match new.key.kind() {
            RequestKind::Invite => Kind::Invite,
            _ => Kind::Other,
        };
        Self {
            key: Some(new.key),
            flow: Some(new.flow),
            server: Some(Server::new(kind, new.reliable)),
            ..Self::bare(now, new.id, kind, new.request, settings)
        }
    }

    /// A transaction for a request of our own, without a server side: [`Effect::LocalFinal`](crate::Effect::LocalFinal)
    /// tells how it ended. The ACK of a 2xx is up to the owner.
    #[doc(alias = "t_uac")]
    pub fn local(now: Tick, id: TransactionId, kind: Kind, settings: &Settings) -> Self {
        Self::bare(now, id, kind, Box::default(), settings)
    }

    /// Whether a request belongs here, and as what. RFC 3261 §17.2.3, §9.2.
    pub fn matches(&self, key: &ServerKey) -> Option<Match> {
        let own = self.key.as_ref().filter(|own| own.same_place(key))?;
        match (own.kind(), key.kind()) {
            (own, received) if own == received => Some(Match::Retransmission),
            (RequestKind::Invite, RequestKind::Cancel) => Some(Match::Cancel),
            (RequestKind::Invite, RequestKind::Ack) => Some(match &self.server {
                Some(server) if server.is_accepted() => Match::AckOfSuccess,
                _ => Match::AckOfFailure,
            }),
            _ => None,
        }
    }
}

// === Looking ===

impl Transaction {
    /// Its number within the call.
    pub const fn id(&self) -> TransactionId {
        self.id
    }

    /// INVITE or not.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where replies go; `None` for a request of our own.
    pub const fn flow(&self) -> Option<Flow> {
        self.flow
    }

    /// The request as received; empty once shrunk, and for a request of our own.
    pub fn request(&self) -> &[u8] {
        self.forking.as_ref().map_or(&[], |forking| &forking.request)
    }

    /// The reply to send again; empty if there is none.
    pub fn last_reply(&self) -> &[u8] {
        self.server.as_ref().map_or(&[], Server::reply)
    }

    /// The last code sent upstream, zero before the first.
    pub const fn last_status_sent(&self) -> u16 {
        self.last_status
    }

    /// Whether a final reply went upstream; for a request of our own: whether its end was reported.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the caller cancelled in time.
    #[doc(alias = "t_was_cancelled")]
    pub const fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    /// The winner of the completed round, until branches are added or a final reply is sent.
    pub fn winner(&self) -> Option<Winner> {
        self.forking.as_ref().and_then(|forking| forking.winner)
    }

    /// All branches of all rounds, by index; empty once shrunk.
    pub fn branches(&self) -> &[Branch] {
        self.forking.as_ref().map_or(&[], |forking| &forking.branches)
    }

    /// The branches of the active set: those of the latest round, by index. When it is over they
    /// stay the active set until others are added.
    pub fn active_branches(&self) -> impl Iterator<Item = BranchIndex> + '_ {
        let latest = self.branches().last().map(Branch::round);
        let indexed = (0..).map(BranchIndex).zip(self.branches());
        indexed.filter(move |(_, branch)| Some(branch.round()) == latest).map(|(index, _)| index)
    }

    /// One branch.
    pub fn branch(&self, index: BranchIndex) -> Option<&Branch> {
        self.branches().get(usize::from(index.0))
    }
}

// === Private ===

impl Transaction {
    fn bare(
        now: Tick,
        id: TransactionId,
        kind: Kind,
        request: Box<[u8]>,
        settings: &Settings,
    ) -> Self {
        let clocks = Clocks::new(settings);
        let guard = Alarm::after(now, clocks.fr_inv);
        Self {
            id,
            kind,
            key: None,
            flow: None,
            server: None,
            clocks,
            forking: Some(Box::new(Forking::new(request, guard))),
            linger: Alarm::OFF,
            answers: ToTags::default(),
            last_status: 0,
            branch_count: 0,
            cancelled: false,
            answered: false,
            closed: false,
        }
    }
}
