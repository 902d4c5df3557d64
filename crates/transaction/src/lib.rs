//! SIP transactions without I/O: RFC 3261 §9, §16.7, §16.10 and §17 with the corrections of RFC 6026.
//!
//! The crate has one thing to hold, the [`Transaction`]: what RFC 3261 §16.7 calls a *response
//! context*. It is one server transaction (the request that came in, the reply that goes back)
//! together with a growing set of client branches (the requests that went out), their CANCELs and
//! all their timers. A request of our own is the same thing [without](Transaction::local) a server
//! side.
//!
//! # The contract
//!
//! The owner passes messages in and the time with them, and finds work in [`Effects`]. Nothing is
//! sent, awaited or looked up here, and nothing is copied that need not be retransmitted.
//!
//! 1. **A request came in.** Build its [`ServerKey`], ask the call's transactions
//!    [`matches`](Transaction::matches). No match: [`Transaction::new`]. A match says which of
//!    [`retransmission`](Transaction::retransmission), [`receive_ack`](Transaction::receive_ack) or
//!    [`receive_cancel`](Transaction::receive_cancel) is due.
//! 2. **A branch goes out.** Ask [`next_branch`](Transaction::next_branch) for its index, write it
//!    into the Via with [`BranchKey`], send, then [`add_branch`](Transaction::add_branch).
//! 3. **A reply came in.** Its Via branch, once [verified](BranchKey::decode), names transaction and
//!    branch. First [`receive_reply`](Transaction::receive_reply), which is the transaction layer:
//!    retransmissions stop, a negative INVITE reply is acknowledged at once. Then the reply routes
//!    run; a dropped provisional ends here. Then
//!    [`forward_reply`](Transaction::forward_reply), which is the proxy's core: relay now, keep as a
//!    candidate, cancel the others, complete the set.
//! 4. **A reply goes back**, relayed or made here: send it, then
//!    [`reply_sent`](Transaction::reply_sent).
//! 5. **After each of these** carry out the [`Effect`]s in their order, and call
//!    [`shrink`](Transaction::shrink) when the job is over: after a 2xx it leaves less than 300
//!    bytes for RFC 6026's timers L and M.
//! 6. **Time passes.** [`wake`](Transaction::wake) at [`next_wake`](Transaction::next_wake), drop
//!    the transaction when it [`is_finished`](Transaction::is_finished).
//!
//! When all branches have failed, [`Effect::Completed`] names the winner and the transaction waits:
//! a failure route may add branches (serial forking) or answer itself; else the owner relays the
//! winner's reply, [`Branch::reply`], or a local one if that is `None`.
//!
//! End-to-end ACKs and statelessly forwarded messages have no state here, only a
//! [branch identifier](BranchKey::stateless).
//!
//! # Where to look
//!
//! The four machines of RFC 3261 §17 are tables in `machine`, each a `match` from state and event to
//! the next state and actions; the snapshots beside them print every cell.

mod alarm;
mod branch;
mod cancel;
mod effect;
mod forking;
mod key;
pub mod machine;
mod outcome;
mod reply;
mod server;
mod settings;
mod tags;
mod transaction;
mod via;

pub use branch::{Branch, BranchIndex, NewBranch};
pub use cancel::CancelReason;
pub use effect::{Effect, Effects};
pub use key::{Match, RequestKind, ServerKey};
pub use outcome::Winner;
pub use reply::{Received, Reply, Verdict};
pub use settings::Settings;
pub use transaction::{Kind, MAX_BRANCHES, NewTransaction, Refused, Transaction, TransactionId};
pub use via::{BranchId, BranchKey};
