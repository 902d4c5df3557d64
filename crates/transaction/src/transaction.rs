//! The transaction: a server side, a forking set, and the rules between them.

use std::time::Duration;

use duologue_sip::{Flow, Tick};

use crate::{
    Branch, BranchIndex, CancelReason, Effect, Effects, Match, NewBranch, Received, Reply,
    RequestKind, ServerKey, Settings, Verdict, Winner,
    alarm::Alarm,
    branch::Outcome,
    forking::{Forking, indexed},
    server::Server,
    settings::{Clocks, millis},
    tags::ToTags,
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

// === Requests: feed from upstream ===

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

    /// A transaction for a request of our own, without a server side: [`Effect::LocalFinal`] tells
    /// how it ended. The ACK of a 2xx is up to the owner.
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

    /// The request came again: the last reply is resent, if that helps.
    pub fn retransmission(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.receive_again(now, &self.clocks, fx);
        }
    }

    /// The ACK of our negative reply came: its retransmissions end.
    pub fn receive_ack(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.receive_ack(now, &self.clocks, fx);
        }
    }

    /// A CANCEL of this INVITE came; answering it is up to the owner. Branches with a provisional
    /// reply are cancelled now, the others when they get one (RFC 3261 §16.10, §9.1). False if it
    /// came too late to have an effect.
    ///
    /// With no branch at all there is nobody to say 487: the owner does.
    pub fn receive_cancel(&mut self, now: Tick, fx: &mut Effects) -> bool {
        if self.kind != Kind::Invite || self.closed || self.answered {
            return false;
        }
        self.cancelled = true;
        self.cancel_branches(now, None, CancelReason::Caller, fx);
        true
    }
}

// === Branches and replies: feed from downstream ===

impl Transaction {
    /// The index the next branch will have, for its Via.
    ///
    /// # Errors
    /// As [`add_branch`](Self::add_branch).
    pub fn next_branch(&self) -> Result<BranchIndex, Refused> {
        if self.closed || self.answered {
            return Err(Refused::Answered);
        }
        if self.cancelled {
            return Err(Refused::Cancelled);
        }
        match &self.forking {
            None => Err(Refused::Answered),
            // RFC 3261 §16.7 step 5: no new branches after a 6xx.
            Some(forking) if forking.blocked => Err(Refused::Declined),
            Some(forking) if forking.branches.len() >= MAX_BRANCHES => Err(Refused::Full),
            Some(_) => Ok(BranchIndex(self.branch_count)),
        }
    }

    /// A request was sent with [`next_branch`](Self::next_branch) in its Via. Parallel branches are
    /// added in one go, before any of their replies; after [`Effect::Completed`] they open a new
    /// round. Send first: a branch that could not be sent at all is better not added, since the
    /// failure of a lone branch completes its set.
    ///
    /// # Errors
    /// See [`Refused`]. Nothing changes then.
    pub fn add_branch(&mut self, now: Tick, new: NewBranch<'_>) -> Result<BranchIndex, Refused> {
        let index = self.next_branch()?;
        let Some(forking) = &mut self.forking else { return Err(Refused::Answered) };
        forking.winner = None;
        forking.guard = Alarm::OFF;
        forking.branches.push(Branch::new(now, new, self.kind, forking.round, &self.clocks));
        self.branch_count += 1;
        Ok(index)
    }

    /// A branch's transport broke (connection reset, ICMP): it fails with a 503 of our own.
    pub fn transport_failed(&mut self, now: Tick, branch: BranchIndex, fx: &mut Effects) {
        if let Some(forking) = &mut self.forking
            && let Some(it) = forking.branches.get_mut(usize::from(branch.0))
        {
            it.transport_failed(now, branch, &self.clocks, fx);
            self.check(now, fx);
        }
    }

    /// The transaction layer's half of a reply: call it before any route runs. Request
    /// retransmissions stop, a negative reply to an INVITE is acknowledged with [`Effect::SendAck`],
    /// a wanted CANCEL goes out.
    pub fn receive_reply(
        &mut self,
        now: Tick,
        branch: BranchIndex,
        reply: Reply<'_>,
        fx: &mut Effects,
    ) -> Received {
        let passed = match &mut self.forking {
            Some(forking) => match forking.branches.get_mut(usize::from(branch.0)) {
                Some(it) => it.receive(now, branch, &reply, &self.clocks, fx),
                None => false,
            },
            // Shrunk: timer M still lets further 2xx pass (RFC 6026 §7.2).
            None => {
                self.kind == Kind::Invite
                    && branch.0 < self.branch_count
                    && !reply.cancel
                    && (200..300).contains(&reply.status)
            }
        };
        match reply.status {
            _ if !passed => Received::Absorbed,
            ..=199 => Received::Provisional,
            200..=299 => Received::Success { retransmission: self.answers.contains(reply.to_tag) },
            _ => Received::Failure,
        }
    }

    /// The proxy core's half of a reply (RFC 3261 §16.7), after the reply routes. `wire` is the
    /// reply as it should be kept if it becomes a candidate. Not called for a dropped provisional,
    /// which then is not relayed and restarts no timer.
    pub fn forward_reply(
        &mut self,
        now: Tick,
        branch: BranchIndex,
        reply: Reply<'_>,
        wire: &[u8],
        fx: &mut Effects,
    ) -> Verdict {
        if reply.cancel {
            return Verdict::Absorbed;
        }
        match reply.status {
            100..=199 => self.forward_provisional(now, branch, reply.status),
            200..=299 => self.forward_success(now, branch, reply, fx),
            300..=699 => self.forward_failure(now, branch, reply.status, wire, fx),
            _ => Verdict::Absorbed,
        }
    }

    /// Cancels one branch, or all, that have no final reply yet (INVITE only).
    #[doc(alias = "t_cancel_branch")]
    pub fn cancel_branches(
        &mut self,
        now: Tick,
        only: Option<BranchIndex>,
        reason: CancelReason,
        fx: &mut Effects,
    ) {
        let Some(forking) = &mut self.forking else { return };
        for (index, branch) in indexed(&mut forking.branches) {
            if only.is_none_or(|only| only == index) && branch.is_pending() {
                branch.cancel(now, index, reason, &self.clocks, fx);
            }
        }
    }

    /// Cancels every branch that has no final reply yet, except one (INVITE only).
    pub fn cancel_others(
        &mut self,
        now: Tick,
        except: BranchIndex,
        reason: CancelReason,
        fx: &mut Effects,
    ) {
        if let Some(forking) = &mut self.forking {
            forking.cancel_pending(now, Some(except), reason, &self.clocks, fx);
        }
    }
}

// === Replies that went back ===

impl Transaction {
    /// A reply went upstream, relayed or made here. Its bytes are copied if they may have to be
    /// sent again; a 2xx to an INVITE is not, its sender repeats it (RFC 6026 §7.1).
    ///
    /// A final reply while branches are still waited for cancels them.
    pub fn reply_sent(
        &mut self,
        now: Tick,
        status: u16,
        to_tag: &[u8],
        wire: &[u8],
        fx: &mut Effects,
    ) {
        let Some(server) = &mut self.server else { return };
        server.sent(now, status, wire, &self.clocks, fx);
        self.last_status = status;
        if status < 200 {
            return;
        }
        if self.kind == Kind::Invite && status < 300 {
            self.answers.insert(to_tag);
        }
        let keep_ringing =
            status < 300 && self.forking.as_ref().is_some_and(|forking| forking.no_cancel);
        if !self.closed && !self.answered && !keep_ringing {
            self.cancel_branches(now, None, CancelReason::Script, fx);
        }
        self.closed = true;
        if let Some(forking) = &mut self.forking {
            forking.guard = Alarm::OFF;
            forking.hold = Alarm::OFF;
            forking.winner = None;
        }
    }

    /// The last reply could not be sent. A non-INVITE transaction ends (RFC 3261 §17.2.4); an
    /// INVITE stays, its retransmission may find another way (RFC 6026 §7.1).
    pub fn reply_failed(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.transport_failed(now, &self.clocks, fx);
        }
    }

    /// Gives up what is no longer needed: call it when a job that touched the transaction is over
    /// and its effects are carried out. True if all is gone that can go: then the request and the
    /// branches are no more, and what stays recognises late messages in less than 300 bytes.
    pub fn shrink(&mut self) -> bool {
        let Some(forking) = &mut self.forking else { return true };
        if !self.closed {
            return false;
        }
        forking.request = Box::default();
        forking.branches.iter_mut().for_each(Branch::shed);
        if !forking.branches.iter().all(Branch::is_quiet) {
            return false;
        }
        let ends = forking.branches.iter().map(Branch::lifetime);
        self.linger = ends.filter(|&end| end != Alarm::OFF).max().unwrap_or(Alarm::OFF);
        self.forking = None;
        true
    }
}

// === Time ===

impl Transaction {
    /// Runs every timer that is due. Late is harmless: a missed retransmission is sent once.
    pub fn wake(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.wake(now, &self.clocks, fx);
        }
        if self.linger.is_due(now) {
            self.linger = Alarm::OFF;
        }
        let Some(forking) = &mut self.forking else { return };
        for (index, branch) in indexed(&mut forking.branches) {
            branch.wake(now, index, &self.clocks, fx);
        }
        if forking.hold.is_due(now) {
            forking.hold = Alarm::OFF;
        }
        if forking.guard.is_due(now) {
            self.abandon(now, fx);
        }
        self.check(now, fx);
    }

    /// When [`wake`](Self::wake) has something to do. Ask again after each call.
    pub fn next_wake(&self) -> Option<Tick> {
        let server = self.server.as_ref().map_or(Alarm::OFF, Server::next_wake);
        let forking = self.forking.as_ref().map_or(Alarm::OFF, |forking| forking.next_wake());
        server.min(forking).min(self.linger).tick()
    }

    /// Nothing can happen any more: drop it.
    pub fn is_finished(&self) -> bool {
        let server = self.server.as_ref().map_or(self.closed, Server::is_terminated);
        let branches = match &self.forking {
            Some(forking) => forking.branches.iter().all(Branch::is_terminated),
            None => self.linger == Alarm::OFF,
        };
        server && branches
    }

    /// `$T_fr_timeout`: the time-out of branches that are added from now on.
    pub fn set_fr_timeout(&mut self, span: Duration) {
        self.clocks.fr = millis(span);
    }

    /// `$T_fr_inv_timeout`: counts from the next provisional reply that is forwarded.
    pub fn set_fr_inv_timeout(&mut self, span: Duration) {
        self.clocks.fr_inv = millis(span);
    }

    /// Keeps the round open for branches to come, at most for `fr_inv_timeout`.
    #[doc(alias = "t_wait_for_new_branches")]
    pub fn wait_for_branches(&mut self, now: Tick) {
        if let Some(forking) = &mut self.forking
            && !self.closed
        {
            forking.hold = Alarm::after(now, self.clocks.fr_inv);
        }
    }

    /// Ends that wait.
    #[doc(alias = "t_wait_no_more_branches")]
    pub fn stop_waiting(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(forking) = &mut self.forking {
            forking.hold = Alarm::OFF;
            self.check(now, fx);
        }
    }

    /// A 2xx shall not cancel the other branches (RFC 3841 §9.1, `allow-no-cancel`).
    pub fn set_no_cancel(&mut self, no_cancel: bool) {
        if let Some(forking) = &mut self.forking {
            forking.no_cancel = no_cancel;
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

    /// One branch.
    pub fn branch(&self, index: BranchIndex) -> Option<&Branch> {
        self.branches().get(usize::from(index.0))
    }

    /// How many bytes it holds, itself and on the heap.
    pub fn memory(&self) -> usize {
        let server = self.server.as_ref().map_or(0, Server::heap);
        let forking =
            self.forking.as_ref().map_or(0, |forking| size_of::<Forking>() + forking.heap());
        size_of::<Self>() + server + forking + self.answers.heap()
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

    /// RFC 3261 §16.7 step 4: 100 stays here; step 5: other provisionals go on while no final did.
    fn forward_provisional(&mut self, now: Tick, branch: BranchIndex, status: u16) -> Verdict {
        let Some(it) = self.branch_mut(branch) else { return Verdict::Absorbed };
        let wanted = it.1.is_pending();
        it.1.refresh(now, status, it.0);
        if status == 100 || !wanted || self.closed || self.answered {
            return Verdict::Absorbed;
        }
        Verdict::Relay { retransmission: false }
    }

    /// RFC 3261 §16.7 step 5: every 2xx to an INVITE is forwarded, the first one to anything else;
    /// step 10: the other branches are cancelled.
    fn forward_success(
        &mut self,
        now: Tick,
        branch: BranchIndex,
        reply: Reply<'_>,
        fx: &mut Effects,
    ) -> Verdict {
        if branch.0 >= self.branch_count {
            return Verdict::Absorbed;
        }
        let mut was_pending = false;
        if let Some((clocks, it)) = self.branch_mut(branch) {
            was_pending = it.is_pending();
            if was_pending {
                it.settle(now, Outcome::Success, clocks);
            }
        }
        if self.kind == Kind::Other && (self.closed || self.answered || !was_pending) {
            return Verdict::Absorbed;
        }
        let retransmission = self.kind == Kind::Invite && self.answers.insert(reply.to_tag);
        if !self.answered && !self.closed {
            self.answered = true;
            if let Some(forking) = &mut self.forking {
                forking.guard = Alarm::after(now, self.clocks.fr_inv);
                forking.winner = None;
                forking.hold = Alarm::OFF;
                if !forking.no_cancel {
                    let reason = CancelReason::Answered;
                    forking.cancel_pending(now, Some(branch), reason, &self.clocks, fx);
                }
            }
            if self.server.is_none() {
                self.close_local(Winner { branch, status: reply.status, local: false }, fx);
            }
        }
        Verdict::Relay { retransmission }
    }

    /// RFC 3261 §16.7 step 5: a negative reply waits for the others; a 6xx ends the waiting.
    fn forward_failure(
        &mut self,
        now: Tick,
        branch: BranchIndex,
        status: u16,
        wire: &[u8],
        fx: &mut Effects,
    ) -> Verdict {
        let over = self.closed || self.answered;
        let Some((clocks, it)) = self.branch_mut(branch) else { return Verdict::Absorbed };
        if !it.is_pending() {
            return Verdict::Absorbed;
        }
        it.settle(now, Outcome::Failure { status, local: false }, clocks);
        if over {
            return Verdict::Absorbed;
        }
        it.store(wire);
        if let Some(forking) = &mut self.forking {
            forking.blocked |= status >= 600 && self.clocks.block_on_6xx;
        }
        self.check(now, fx);
        Verdict::Stored
    }

    /// Tells the owner if the round just ended without success.
    fn check(&mut self, now: Tick, fx: &mut Effects) {
        if self.closed || self.answered {
            return;
        }
        let Some(forking) = &mut self.forking else { return };
        let Some(winner) = forking.complete(now, self.cancelled, &self.clocks, fx) else { return };
        if self.server.is_some() {
            forking.guard = Alarm::after(now, self.clocks.fr_inv);
            fx.push(Effect::Completed(winner));
        } else {
            self.close_local(winner, fx);
        }
    }

    fn close_local(&mut self, winner: Winner, fx: &mut Effects) {
        self.closed = true;
        if let Some(forking) = &mut self.forking {
            forking.guard = Alarm::OFF;
            forking.hold = Alarm::OFF;
        }
        fx.push(Effect::LocalFinal(winner));
    }

    /// The owner let the guard go off: it gets one reminder, and `fr_timeout` to act on it.
    fn abandon(&mut self, now: Tick, fx: &mut Effects) {
        let Some(forking) = &mut self.forking else { return };
        forking.guard = Alarm::OFF;
        if !forking.abandoned {
            forking.abandoned = true;
            fx.push(Effect::Abandoned);
            if self.server.is_some() {
                forking.guard = Alarm::after(now, self.clocks.fr);
                return;
            }
        }
        self.closed = true;
        self.server.iter_mut().for_each(Server::terminate);
    }

    fn branch_mut(&mut self, index: BranchIndex) -> Option<(&Clocks, &mut Branch)> {
        let branch = self.forking.as_mut()?.branches.get_mut(usize::from(index.0))?;
        Some((&self.clocks, branch))
    }
}
