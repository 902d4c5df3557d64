//! The transactions of a call, with what the script and the dialog attached to them.
//!
//! The machines and the response context are `duologue-transaction`'s; here is only what belongs to
//! *our* road: which routes are armed, which flags and AVPs go along, which dialog listens.

use std::sync::mpsc::Sender;

use duologue_dialog::{DialogKey, OwnLink, Within};
use duologue_script::{AvpList, RouteId};
use duologue_sip::{Edits, Flow, Tick};
use duologue_transaction::{BranchIndex, Match, ServerKey, Transaction, TransactionId};
use smallvec::SmallVec;

use crate::manners::Manners;
use crate::new_requests::Heard;

/// How many transactions one call may have at a time. Above it new ones are refused with 500. A call
/// that comes back to us again and again runs out of its 70 hops first (RFC 3261 §8.1.1.6).
pub const TRANSACTIONS_MAX: usize = 160;

/// All transactions of a call.
#[derive(Debug, Default)]
pub struct Transactions {
    entries: Vec<Entry>,
    next_id: u32,
}

/// One transaction and what hangs on it.
#[derive(Debug)]
pub struct Entry {
    /// The machines.
    pub transaction: Transaction,
    /// The dialog that this transaction reports to.
    pub dialog: Option<DialogLink>,
    /// What the script left; `None` if it left nothing, which is the usual case.
    pub attached: Option<Box<Attached>>,
    /// Whether the last reply upstream was made here.
    pub replied_locally: bool,
    /// How many phones are being woken for it, each to become a branch.
    pub sleeping: u32,
    /// The method of the request.
    method: MethodKind,
    /// Whether we record-routed, and on which branches (by bit) with two headers.
    record_routes: (u16, u64),
}

/// A request's method as far as its replies must repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MethodKind {
    Invite,
    Bye,
    /// The first eight bytes of any other name; enough to tell replies of one branch apart.
    Other([u8; 8]),
}

/// How a transaction concerns a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogLink {
    /// Which dialog.
    pub key: DialogKey,
    /// What the transaction is to it.
    pub role: DialogRole,
}

/// What a transaction is to its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogRole {
    /// The INVITE that made it: its replies drive the dialog's state.
    Initial,
    /// A request within it.
    Within(Within),
    /// A request that we made ourselves.
    Own(OwnLink),
    /// A message made up for a route of the dialog: it reads and changes nothing of its state.
    Reader,
}

/// What the script left on a transaction.
#[derive(Debug, Default)]
pub struct Attached {
    /// Message flags.
    pub flags: u32,
    /// AVPs.
    pub avps: AvpList,
    /// Armed routes.
    pub armed: Armed,
    /// The request route's changes to the message, kept if a failure route may branch again.
    pub edits: Edits,
    /// The Record-Route that the script asked for.
    pub record_route: crate::record_route::RecordRoute,
    /// Headers for local replies.
    pub reply_headers: Vec<u8>,
    /// The body of local replies.
    pub reply_body: Vec<u8>,
    /// Headers for every branch.
    pub request_headers: Vec<u8>,
    /// Headers for CANCELs.
    pub cancel_headers: Vec<u8>,
    /// Whether the caller's CANCEL hands its Reason on.
    pub passes_reason: bool,
    /// Max-Forwards as it left.
    pub max_forwards: Option<u32>,
    /// Who wants to hear how a request of our own was answered.
    pub asker: Option<Sender<Heard>>,
    /// How many branches are still to be injected before the wait for them ends.
    pub awaited: Option<u32>,
    /// What each branch was given, by its index.
    pub branches: Vec<BranchAttached>,
    /// Where the request came from.
    pub received_on: Option<Flow>,
    /// How the request is to travel.
    pub manners: Manners,
}

/// What the script left on one branch.
#[derive(Debug, Default)]
pub struct BranchAttached {
    /// The branch's Request-URI.
    pub uri: Box<[u8]>,
    /// Its flags.
    pub flags: u32,
    /// Its own onreply_route.
    pub on_reply: Option<RouteId>,
    /// Its next hop, if that is not the Request-URI.
    pub next_hop: Option<Box<[u8]>>,
    /// The Path that its contact was registered with.
    pub path: Option<Box<[u8]>>,
    /// Its q value × 1000; −1 unset.
    pub q: i32,
    /// `$bavp`.
    pub avps: AvpList,
    /// `$tm.branch.attr`.
    pub attrs: AvpList,
}

/// The routes that a script armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Armed {
    /// `t_on_failure`.
    pub failure: Option<RouteId>,
    /// `t_on_reply`.
    pub reply: Option<RouteId>,
    /// `t_on_branch`.
    pub branch: Option<RouteId>,
}

impl Transactions {
    /// No transactions; the first one gets the number `first`.
    pub fn starting_at(first: TransactionId) -> Self {
        Self { entries: Vec::new(), next_id: first.0 }
    }

    /// The number after the last one given out.
    pub fn following(&self) -> TransactionId {
        TransactionId(self.next_id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number for the next transaction; `None` at the limit.
    pub fn next_id(&mut self) -> Option<TransactionId> {
        if self.entries.len() >= TRANSACTIONS_MAX {
            return None;
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        Some(TransactionId(id))
    }

    /// Takes a transaction in.
    pub fn insert(&mut self, transaction: Transaction, method: &[u8]) -> &mut Entry {
        let method = MethodKind::of(method);
        let record_routes = (0, 0);
        // Most calls have one transaction at a time, and it stays for 32 s: without reserving, a
        // vector's first growth makes room for four.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(1);
        }
        self.entries.push(Entry {
            transaction,
            dialog: None,
            attached: None,
            replied_locally: false,
            sleeping: 0,
            method,
            record_routes,
        });
        self.entries.last_mut().expect("one was pushed just now")
    }

    /// The transaction with this number.
    pub fn get(&self, id: TransactionId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.transaction.id() == id)
    }

    /// The transaction with this number, to change it.
    pub fn get_mut(&mut self, id: TransactionId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.transaction.id() == id)
    }

    /// The server transaction that a request belongs to, newest first.
    pub fn find(&self, key: &ServerKey) -> Option<(TransactionId, Match)> {
        self.entries.iter().rev().find_map(|entry| {
            let how = entry.transaction.matches(key)?;
            Some((entry.transaction.id(), how))
        })
    }

    /// The INVITE's transaction that a CANCEL means (RFC 3261 §9.2), whether or not the CANCEL has
    /// one of its own by now.
    pub fn find_cancelled_by(&self, key: &ServerKey) -> Option<TransactionId> {
        let cancelled = |entry: &&Entry| entry.transaction.matches(key) == Some(Match::Cancel);
        self.entries.iter().rev().find(cancelled).map(|entry| entry.transaction.id())
    }

    /// The transactions one after the other, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut()
    }

    /// The transactions one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The earliest deadline of all.
    pub fn next_wake(&self) -> Option<Tick> {
        self.entries.iter().filter_map(|entry| entry.transaction.next_wake()).min()
    }

    /// The transactions whose deadline has come.
    pub fn due(&self, now: Tick) -> SmallVec<[TransactionId; 4]> {
        let due = |entry: &&Entry| entry.transaction.next_wake().is_some_and(|at| at <= now);
        self.entries.iter().filter(due).map(|entry| entry.transaction.id()).collect()
    }

    /// Takes all transactions out, finished or not.
    pub fn abandon(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// Takes one finished transaction out.
    pub fn take_finished(&mut self) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.transaction.is_finished())?;
        // The order stays: `find` relies on it.
        let entry = self.entries.remove(at);
        self.entries.shrink_to_fit();
        Some(entry)
    }
}

impl Entry {
    /// What the script left, made if it is not there yet.
    pub fn attach(&mut self) -> &mut Attached {
        self.attached.get_or_insert_with(Box::default)
    }

    /// What the script left on a branch, made if it is not there yet.
    pub fn attach_branch(&mut self, branch: BranchIndex) -> &mut BranchAttached {
        let branches = &mut self.attach().branches;
        let at = usize::from(branch.0);
        branches.resize_with(branches.len().max(at + 1), BranchAttached::default);
        &mut branches[at]
    }

    /// Whether a reply with this CSeq method can belong to the request (RFC 3261 §17.1.3).
    pub fn sent_method_is(&self, method: &[u8]) -> bool {
        self.method == MethodKind::of(method)
    }

    /// Notes how many Record-Route values we added on a branch.
    pub fn note_record_routes(&mut self, branch: BranchIndex, count: u16) {
        self.record_routes.0 = count.min(1);
        if count > 1 {
            self.record_routes.1 |= 1u64.checked_shl(branch.0.into()).unwrap_or_default();
        }
    }

    /// How many Record-Route values we added on a branch.
    pub fn own_record_routes(&self, branch: BranchIndex) -> u16 {
        let bit = 1u64.checked_shl(branch.0.into()).unwrap_or_default();
        self.record_routes.0 + u16::from(self.record_routes.1 & bit != 0)
    }

    /// Keeps what a branch was given.
    pub fn keep_branch(&mut self, branch: BranchIndex, kept: BranchAttached) {
        *self.attach_branch(branch) = kept;
    }

    /// Puts back what the branches of earlier rounds were given: one of them may win again.
    pub fn keep_earlier_branches(&mut self, earlier: Vec<BranchAttached>) {
        if earlier.is_empty() || self.transaction.is_closed() {
            return;
        }
        let branches = &mut self.attach().branches;
        branches.resize_with(branches.len().max(earlier.len()), BranchAttached::default);
        branches.iter_mut().zip(earlier).for_each(|(to, from)| *to = from);
    }

    /// What the script left on a branch.
    pub fn branch(&self, branch: BranchIndex) -> Option<&BranchAttached> {
        self.attached.as_ref()?.branches.get(usize::from(branch.0))
    }
}

impl MethodKind {
    fn of(method: &[u8]) -> Self {
        match method {
            b"INVITE" => Self::Invite,
            b"BYE" => Self::Bye,
            other => {
                let mut start = [0; 8];
                start.iter_mut().zip(other).for_each(|(to, from)| *to = *from);
                Self::Other(start)
            }
        }
    }
}
