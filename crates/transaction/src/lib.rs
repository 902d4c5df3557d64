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
//! # A call in one page
//!
//! ```
//! use duologue_sip::{Flow, Tick};
//! use duologue_transaction::*;
//!
//! let (secret, settings) = (BranchKey::new(0x5eed, 0xfeed), Settings::default());
//! let caller = Flow::datagram(0, "192.0.2.1:5060".parse()?);
//! let callee = Flow::datagram(0, "192.0.2.2:5060".parse()?);
//! let (now, mut fx) = (Tick::ZERO, Effects::new());
//!
//! // An INVITE came in: nobody knows it yet.
//! let key = ServerKey::new(&secret, b"z9hG4bK776", b"192.0.2.1:5060", b"INVITE");
//! let request = b"INVITE sip:bob@example.com SIP/2.0\r\n...".as_slice().into();
//! let new = NewTransaction { id: TransactionId(1), key, flow: caller, reliable: false, request };
//! let mut call = Transaction::new(now, new, &settings);
//! call.reply_sent(now, 100, b"", b"SIP/2.0 100 Giving it a try\r\n...", &mut fx);
//!
//! // It goes on to the callee, with our branch on top.
//! let id = BranchId { transaction: call.id(), branch: call.next_branch()? };
//! let mut via = Vec::new();
//! secret.encode(b"call-id@caller", id, &mut via);
//! let wire = b"INVITE sip:bob@192.0.2.2 SIP/2.0\r\n...";
//! call.add_branch(now, NewBranch { wire, flow: callee, reliable: false, minor: false })?;
//!
//! // The callee answers. The reply proves by its Via branch where it belongs.
//! let id = secret.decode(b"call-id@caller", &via).ok_or("a forged branch")?;
//! let answer = Reply { status: 200, to_tag: b"314159", cancel: false };
//! let received = call.receive_reply(now, id.branch, answer, &mut fx);
//! assert_eq!(received, Received::Success { retransmission: false });
//! let verdict = call.forward_reply(now, id.branch, answer, b"SIP/2.0 200 OK...", &mut fx);
//! assert_eq!(verdict, Verdict::Relay { retransmission: false });
//! call.reply_sent(now, 200, b"314159", b"SIP/2.0 200 OK...", &mut fx);
//!
//! // Nothing else to do, little to keep, and for 64·T1 something to recognise.
//! assert!(fx.is_empty() && call.shrink() && call.memory() <= 300);
//! assert_eq!(call.next_wake(), Some(Tick::from_millis(32_000)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
pub use outcome::{SEND_FAILED, Winner};
pub use reply::{Received, Reply, Verdict};
pub use settings::Settings;
pub use transaction::{Kind, MAX_BRANCHES, NewTransaction, Refused, Transaction, TransactionId};
pub use via::{BranchId, BranchKey};
