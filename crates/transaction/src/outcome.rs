//! Choosing the best reply: RFC 3261 §16.7 step 6 in the order of spec/modules.md §1.4.

use crate::BranchIndex;

/// The branch whose reply stands for its whole set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner {
    /// The winning branch; its [`reply`](crate::Branch::reply) is `None` if `local`. There is no
    /// such branch if the round waited in vain for branches
    /// ([`wait_for_branches`](crate::Transaction::wait_for_branches)).
    pub branch: BranchIndex,
    /// The winning code, as received. A 503 becomes a 500 upstream unless that translation is off
    /// (RFC 3261 §16.7 step 6): the owner's business, since the failure route must see the 503.
    pub status: u16,
    /// The code was made here (time-out, transport error), no message was received.
    pub local: bool,
}

/// The code of a branch whose request could not be sent.
pub const SEND_FAILED: u16 = 477;

/// How good a final reply is: the lowest number wins, on a tie the first branch.
pub(crate) const fn priority(status: u16, cancelled: bool) -> u16 {
    match status {
        // The caller took the call back, so the reply that says so is the one to give.
        487 if cancelled => 0,
        600..=699 => status - 300,
        300..=399 => status + 100,
        401 => 500,
        407 => 501,
        415 => 502,
        420 => 503,
        484 => 504,
        408 => 800,
        503 => 801,
        SEND_FAILED => 802,
        400..=599 => status + 200,
        _ => u16::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §1.4: the winning branch has the lowest priority number.
    #[test]
    fn six_hundreds_win_then_redirections_then_challenges_then_the_rest() {
        let best_first = [
            600, 603, 606, 300, 302, 401, 407, 415, 420, 484, 400, 404, 486, 499, 500, 504, 408,
            503, 477, 200,
        ];
        let priorities = best_first.map(|status| priority(status, false));
        assert!(priorities.is_sorted_by(|a, b| a < b), "{priorities:?}");
    }

    #[test]
    fn a_487_wins_outright_once_the_caller_cancelled() {
        assert!(priority(487, true) < priority(603, true));
        assert!(priority(487, false) > priority(486, false));
    }
}
