//! The forking set of a transaction: its branches, round by round, and when a round is over.

use duologue_sip::Tick;

use crate::{
    Branch, BranchIndex, CancelReason, Effects, Winner, alarm::Alarm, branch::Outcome,
    outcome::priority, settings::Clocks,
};

/// What a transaction drops when it shrinks: the request and its branches.
#[derive(Debug)]
pub(crate) struct Forking {
    pub(crate) request: Box<[u8]>,
    pub(crate) branches: Vec<Branch>,
    /// The round that new branches join. Earlier rounds are history.
    pub(crate) round: u8,
    /// The round's winner, while nobody has decided what to do about it.
    pub(crate) winner: Option<Winner>,
    /// A 6xx came: it wins at once and there are no more branches.
    pub(crate) blocked: bool,
    /// A 2xx does not cancel the other branches (`Request-Disposition: no-cancel`).
    pub(crate) no_cancel: bool,
    /// Goes off when the owner neither branched nor answered.
    pub(crate) guard: Alarm,
    /// The guard went off once.
    pub(crate) abandoned: bool,
    /// Until then the round stays open for branches to be injected.
    pub(crate) hold: Alarm,
    /// The wait for injected branches passed: it counts as a branch that timed out.
    pub(crate) waited: bool,
}

impl Forking {
    pub(crate) fn new(request: Box<[u8]>, guard: Alarm) -> Self {
        Self {
            request,
            branches: Vec::new(),
            round: 0,
            winner: None,
            blocked: false,
            no_cancel: false,
            guard,
            abandoned: false,
            hold: Alarm::OFF,
            waited: false,
        }
    }

    /// Cancels every INVITE branch that is waited for, except one.
    pub(crate) fn cancel_pending(
        &mut self,
        now: Tick,
        except: Option<BranchIndex>,
        reason: CancelReason,
        clocks: &Clocks,
        fx: &mut Effects,
    ) {
        for (index, branch) in indexed(&mut self.branches) {
            if Some(index) != except && branch.is_pending() {
                branch.cancel(now, index, reason, clocks, fx);
            }
        }
    }

    /// The winner, if the round just ended: no branch of it is pending, or a 6xx came.
    pub(crate) fn complete(
        &mut self,
        now: Tick,
        cancelled: bool,
        clocks: &Clocks,
        fx: &mut Effects,
    ) -> Option<Winner> {
        if self.winner.is_some() || !self.is_over() {
            return None;
        }
        let winner = self.best(cancelled).or_else(|| self.in_vain(cancelled))?;
        self.winner = Some(winner);
        self.waited = false;
        self.round = self.round.saturating_add(1);
        let reason = if self.blocked { CancelReason::Declined } else { CancelReason::Script };
        self.cancel_pending(now, None, reason, clocks, fx);
        Some(winner)
    }

    pub(crate) fn next_wake(&self) -> Alarm {
        let own = self.guard.min(self.hold);
        self.branches.iter().map(Branch::next_wake).fold(own, Alarm::min)
    }

    pub(crate) fn heap(&self) -> usize {
        self.request.len()
            + self.branches.capacity() * size_of::<Branch>()
            + self.branches.iter().map(Branch::heap).sum::<usize>()
    }

    /// Minor branches are not waited for, unless there is nothing else.
    fn is_over(&self) -> bool {
        if self.blocked {
            return true;
        }
        let pending = |minor| self.active().any(|(_, b)| b.is_minor() == minor && b.is_pending());
        let has_major = self.active().any(|(_, branch)| !branch.is_minor());
        self.hold == Alarm::OFF && !pending(false) && (has_major || !pending(true))
    }

    /// The best negative reply of the round.
    fn best(&self, cancelled: bool) -> Option<Winner> {
        self.active()
            .filter_map(|(branch, it)| match it.outcome() {
                Outcome::Failure { status, local } => Some(Winner { branch, status, local }),
                _ => None,
            })
            .min_by_key(|winner| priority(winner.status, cancelled))
    }

    /// The winner of a round that waited for branches which nobody injected.
    fn in_vain(&self, cancelled: bool) -> Option<Winner> {
        let branch = BranchIndex(u8::try_from(self.branches.len()).ok()?);
        let status = if cancelled { 487 } else { 408 };
        self.waited.then_some(Winner { branch, status, local: true })
    }

    /// Whether the round has branches.
    pub(crate) fn has_active(&self) -> bool {
        self.active().next().is_some()
    }

    fn active(&self) -> impl Iterator<Item = (BranchIndex, &Branch)> {
        let round = self.round;
        (0..)
            .map(BranchIndex)
            .zip(&self.branches)
            .filter(move |(_, branch)| branch.round() == round)
    }
}

/// The branches with their indexes.
pub(crate) fn indexed(branches: &mut [Branch]) -> impl Iterator<Item = (BranchIndex, &mut Branch)> {
    (0..).map(BranchIndex).zip(branches)
}
