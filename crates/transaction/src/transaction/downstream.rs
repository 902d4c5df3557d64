//! Downstream: the branches that go out, and the replies that come in. RFC 3261 §16.7.

use duologue_sip::Tick;

use super::{Kind, MAX_BRANCHES, Refused, Transaction};
use crate::{
    Branch, BranchIndex, CancelReason, Effect, Effects, NewBranch, Received, Reply, Verdict,
    Winner, alarm::Alarm, branch::Outcome, forking::indexed, settings::Clocks,
};

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
        forking.waited = false;
        forking.guard = Alarm::OFF;
        if forking.branches.is_empty() {
            // Most requests go to one place; a vector's first growth makes room for four.
            forking.branches.reserve_exact(1);
        }
        forking.branches.push(Branch::new(now, new, self.kind, forking.round, &self.clocks));
        self.branch_count += 1;
        Ok(index)
    }

    /// A branch's transport broke (connection reset, ICMP): it fails with a 477 of our own.
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
        match reply.status {
            _ if reply.cancel && self.kind == Kind::Invite => Verdict::Absorbed,
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

    /// A 2xx shall not cancel the other branches (RFC 3841 §9.1, `allow-no-cancel`).
    pub fn set_no_cancel(&mut self, no_cancel: bool) {
        if let Some(forking) = &mut self.forking {
            forking.no_cancel = no_cancel;
        }
    }

    /// Keeps the round open for branches to come, at most for `fr_inv_timeout`. If none came by then
    /// it completes with a 408 of our own, whose [`Winner::branch`] does not exist.
    #[doc(alias = "t_wait_for_new_branches")]
    pub fn wait_for_branches(&mut self, now: Tick) {
        if let Some(forking) = &mut self.forking
            && !self.closed
            && !self.answered
            && !self.cancelled
        {
            forking.hold = Alarm::after(now, self.clocks.fr_inv);
            forking.guard = Alarm::OFF;
            forking.winner = None;
        }
    }

    /// Whether the round is kept open for branches to come.
    pub fn is_waiting(&self) -> bool {
        self.forking.as_ref().is_some_and(|forking| forking.hold != Alarm::OFF)
    }

    /// Ends that wait.
    #[doc(alias = "t_wait_no_more_branches")]
    pub fn stop_waiting(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(forking) = &mut self.forking
            && forking.hold != Alarm::OFF
        {
            forking.hold = Alarm::OFF;
            if forking.branches.is_empty() {
                forking.guard = Alarm::after(now, self.clocks.fr_inv);
            } else {
                // a round that nobody joined is over as well, or nothing would ever end it
                forking.waited |= !forking.has_active();
            }
            self.check(now, fx);
        }
    }

    /// Ends it as its time-out would: a round that nobody joined completes with a 408 of our own.
    pub fn give_up_waiting(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(forking) = &mut self.forking
            && forking.hold != Alarm::OFF
        {
            forking.hold = Alarm::OFF;
            forking.waited = true;
            self.check(now, fx);
        }
    }
}

// === Private ===

impl Transaction {
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
    pub(super) fn check(&mut self, now: Tick, fx: &mut Effects) {
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

    fn branch_mut(&mut self, index: BranchIndex) -> Option<(&Clocks, &mut Branch)> {
        let branch = self.forking.as_mut()?.branches.get_mut(usize::from(index.0))?;
        Some((&self.clocks, branch))
    }
}
