//! The work a transaction hands to its owner.

use crate::{BranchIndex, CancelReason, Winner};

/// One piece of work. It names bytes, it does not carry them: the transaction is asked for them
/// when the effect is carried out, so nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send [`Transaction::last_reply`](crate::Transaction::last_reply) to
    /// [`Transaction::flow`](crate::Transaction::flow) again.
    SendReply,
    /// Send [`Branch::wire`](crate::Branch::wire) to [`Branch::flow`](crate::Branch::flow) again.
    SendRequest(BranchIndex),
    /// Build the ACK of the reply at hand from the branch's request and send it (RFC 3261
    /// §17.1.1.3: its Request-URI, Via, From, Call-ID, CSeq number and Routes; the To of the reply).
    SendAck(BranchIndex),
    /// Build a CANCEL from the branch's request and send it (RFC 3261 §9.1: Request-URI, Via, From,
    /// To, Call-ID, CSeq number and Routes of the request). Comes again for each retransmission.
    SendCancel(BranchIndex, CancelReason),
    /// The branch got no final reply in time. Only news: what follows comes as effects of its own.
    TimedOut {
        /// The silent branch.
        branch: BranchIndex,
        /// A provisional reply had come (timer C, or F in Proceeding); if not, it was wholly silent
        /// and another of the target's addresses may be tried.
        answered: bool,
    },
    /// Every branch of the active set ended without success and nothing final went back. Run the
    /// failure route, then add branches or send a final reply.
    Completed(Winner),
    /// The request of our own ended: its best final reply, or a local one.
    LocalFinal(Winner),
    /// A negative INVITE reply was never acknowledged (timer H).
    AckMissing,
    /// For [`Settings::fr_inv_timeout`](crate::Settings::fr_inv_timeout) there was neither a branch
    /// to wait for nor a final reply. Answer now (500 or 408); shortly after, the transaction ends.
    Abandoned,
}

/// The effects of one step, in the order in which to carry them out. One of these lives with each
/// worker and is reused: a step allocates nothing once it has grown.
#[derive(Debug, Default)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes all effects out, oldest first, and keeps the allocation.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.0.drain(..)
    }

    /// The effect at a position: a loop over positions lets the owner pass this same list to the
    /// transaction while it works through it.
    pub fn get(&self, position: usize) -> Option<Effect> {
        self.0.get(position).copied()
    }

    /// Forgets all effects, keeps the allocation.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The effects, oldest first.
    pub fn as_slice(&self) -> &[Effect] {
        &self.0
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }
}
