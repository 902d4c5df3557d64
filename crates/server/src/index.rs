//! From a Call-ID to its call: one look-up per message, by a keyed hash.
//!
//! Attackers choose Call-IDs, so the hash has a secret key. Each shard also owns the timer wheel of
//! its calls: a call that ends leaves the table and the wheel under one lock.

use std::hash::Hasher;
use std::sync::Arc;

use duologue_sip::Tick;
use duologue_transaction::TransactionId;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::call::{Armed, Body, Call, Job, Offer};
use crate::sync::{self, AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::wheel::Wheel;

/// How many shards the index has: enough that workers seldom meet at one.
const SHARDS: usize = 64;

/// A Call-ID with its keyed hash.
#[derive(Clone, Debug)]
pub struct CallKey {
    hash: u64,
    call_id: Box<[u8]>,
}

impl CallKey {
    /// The Call-ID's bytes as received.
    pub fn call_id(&self) -> &[u8] {
        &self.call_id
    }

    /// The keyed hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What `$T_id` shows of it.
    pub(crate) fn shown(&self) -> u64 {
        self.hash >> 33
    }
}

/// All calls of a node.
#[derive(Debug)]
pub struct CallIndex {
    shards: Box<[Shard]>,
    key: (u64, u64),
    len: AtomicUsize,
    deepest: AtomicUsize,
    calls_max: usize,
}

#[derive(Debug)]
struct Shard {
    /// The earliest deadline of the wheel in ms, so that the driver need not lock to look.
    next_due: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    calls: HashTable<Arc<Call>>,
    wheel: Wheel<Arc<Call>>,
    /// Where the transactions of new calls are numbered from. A call is made again under its Call-ID
    /// after all its transactions have gone; its Via branches must not come again with it
    /// (RFC 3261 §8.1.1.7), or the peer takes the next INFO for the last one.
    first_transaction: u32,
}

/// What came of bringing a message to its call.
#[derive(Debug)]
pub(crate) enum Entered {
    /// The caller holds the token.
    Run(Arc<Call>),
    /// The message waits its turn.
    Queued,
    /// The call's queue is full.
    Overflow,
    /// There is no such call and none was to be made.
    Unknown,
    /// The table is full.
    Full,
}

impl CallIndex {
    /// An empty index that holds at most `calls_max` calls and hashes under `key`.
    pub fn new(key: (u64, u64), calls_max: usize) -> Self {
        let shard = || Shard {
            next_due: AtomicU64::new(u64::MAX),
            inner: Mutex::new(Inner {
                calls: HashTable::new(),
                wheel: Wheel::new(),
                first_transaction: 0,
            }),
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            key,
            len: AtomicUsize::new(0),
            deepest: AtomicUsize::new(0),
            calls_max,
        }
    }

    /// How many calls are alive.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// The most jobs that ever waited for one call while somebody ran it;
    /// [`JOBS_MAX`](crate::call::JOBS_MAX) are not exceeded but by jobs of our own.
    pub fn deepest(&self) -> usize {
        self.deepest.load(Ordering::Relaxed)
    }

    /// Whether every transaction of every call has its final reply: what is left only lingers. Calls
    /// that somebody is running count as unsettled.
    pub fn is_settled(&self) -> bool {
        self.shards.iter().all(|shard| {
            let inner = shard.inner.lock();
            inner.calls.iter().all(|call| call.is_settled())
        })
    }

    /// Whether no call is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keyed hash of a Call-ID.
    pub fn hash(&self, call_id: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(call_id);
        hasher.finish()
    }

    /// Brings a job to the call of `call_id`; `make` says whether to make the call if it is unknown.
    /// `job` is asked for a copy only when the call is being run by somebody else.
    pub(crate) fn enter(
        &self,
        call_id: &[u8],
        make: bool,
        mut job: impl FnMut() -> Job,
    ) -> Entered {
        let room = if make { self.calls_max } else { 0 };
        match self.enter_with(call_id, room, |call| call.offer(&mut job)) {
            Entered::Full if !make => Entered::Unknown,
            entered => entered,
        }
    }

    /// Brings a job of our own to the call of `call_id`, whatever is full.
    pub(crate) fn enter_own(&self, call_id: &[u8], job: impl Fn() -> Job) -> Entered {
        self.enter_with(call_id, usize::MAX, |call| call.offer_own(&job))
    }

    fn enter_with(
        &self,
        call_id: &[u8],
        room: usize,
        mut offer: impl FnMut(&Call) -> Offer,
    ) -> Entered {
        let hash = self.hash(call_id);
        loop {
            let Some(call) = self.find_or_make(hash, call_id, room) else { return Entered::Full };
            match offer(&call) {
                Offer::Run => return Entered::Run(call),
                Offer::Queued(waiting) => {
                    self.deepest.fetch_max(waiting, Ordering::Relaxed);
                    return Entered::Queued;
                }
                Offer::Overflow => return Entered::Overflow,
                // Its remover is about to take it out of the table.
                Offer::Closed => sync::yield_now(),
            }
        }
    }

    /// The call of `call_id`, if alive.
    pub fn find(&self, call_id: &[u8]) -> Option<Arc<Call>> {
        self.find_or_make(self.hash(call_id), call_id, 0)
    }

    /// A call by the part of its hash that `$T_id` shows.
    pub(crate) fn find_shown(&self, shown: u64) -> Option<Arc<Call>> {
        // One bit of the shard's number is not shown.
        let shards = [shown << 1, shown << 1 | 1].map(|part| part as usize % SHARDS);
        shards.into_iter().find_map(|shard| {
            let inner = self.shards[shard].inner.lock();
            inner.calls.iter().find(|call| call.key().shown() == shown).map(Arc::clone)
        })
    }

    /// The call, made if it is unknown and fewer than `room` are alive.
    fn find_or_make(&self, hash: u64, call_id: &[u8], room: usize) -> Option<Arc<Call>> {
        let mut inner = self.shard(hash).inner.lock();
        let same = |call: &Arc<Call>| call.key().hash == hash && *call.key().call_id == *call_id;
        if let Some(call) = inner.calls.find(hash, same) {
            return Some(Arc::clone(call));
        }
        if self.len() >= room {
            return None;
        }
        let call = Call::new(
            CallKey { hash, call_id: call_id.into() },
            TransactionId(inner.first_transaction),
        );
        inner.calls.insert_unique(hash, Arc::clone(&call), |call| call.key().hash);
        self.len.fetch_add(1, Ordering::Relaxed);
        Some(call)
    }

    /// Sees to it that `call` is woken at `at` or before: a timer that stands earlier is left alone
    /// and will be moved on when it fires.
    pub(crate) fn arm(&self, call: &Arc<Call>, timer: &mut Option<Armed>, at: Tick) {
        if timer.is_some_and(|armed| armed.at <= at) {
            return;
        }
        let shard = self.shard(call.key().hash);
        let mut inner = shard.inner.lock();
        if let Some(armed) = timer.take() {
            inner.wheel.cancel(armed.key);
        }
        let key = inner.wheel.arm(at, Arc::clone(call));
        *timer = Some(Armed { key, at });
        shard.note_next_due(&inner.wheel);
    }

    /// Takes an ended call, whose inbox is closed, out of table and wheel.
    pub(crate) fn remove(&self, call: &Arc<Call>, body: &mut Body) {
        let hash = call.key().hash;
        let mut inner = self.shard(hash).inner.lock();
        if let Some(armed) = body.timer.take() {
            inner.wheel.cancel(armed.key);
        }
        // The numbers wrap; half of them ahead is later.
        let following = body.transactions.following().0;
        if following.wrapping_sub(inner.first_transaction) <= u32::MAX / 2 {
            inner.first_transaction = following;
        }
        if let Ok(entry) = inner.calls.find_entry(hash, |other| Arc::ptr_eq(other, call)) {
            entry.remove();
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The earliest moment at which some call wants to be woken.
    pub fn next_due(&self) -> Option<Tick> {
        let earliest = self.shards.iter().map(|shard| shard.next_due.load(Ordering::Acquire)).min();
        earliest.filter(|&due| due != u64::MAX).map(Tick::from_millis)
    }

    /// Collects the calls whose timer has come.
    pub(crate) fn expire(&self, now: Tick, due: &mut Vec<Arc<Call>>) {
        for shard in &self.shards {
            if shard.next_due.load(Ordering::Acquire) <= now.as_millis() {
                let mut inner = shard.inner.lock();
                inner.wheel.expire(now, due);
                shard.note_next_due(&inner.wheel);
            }
        }
    }

    fn shard(&self, hash: u64) -> &Shard {
        // The table inside a shard uses the top seven and the low bits; take some from the middle.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl Shard {
    fn note_next_due(&self, wheel: &Wheel<Arc<Call>>) {
        let due = wheel.next_due().map_or(u64::MAX, Tick::as_millis);
        self.next_due.store(due, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_queue_is_remembered() {
        let index = CallIndex::new((1, 2), 8);
        let enter = |call_id| index.enter(call_id, true, || Job::Wake);
        let Entered::Run(call) = enter(b"busy") else { panic!("it is nobody's") };
        assert_eq!(index.deepest(), 0, "who runs a call does not wait");
        for _ in 0..3 {
            assert!(matches!(enter(b"busy"), Entered::Queued));
        }
        while call.next_job().is_some() {}
        assert!(matches!(enter(b"busy"), Entered::Queued));
        assert!(matches!(enter(b"another"), Entered::Run(_)));
        assert_eq!(index.deepest(), 3);
    }

    /// RFC 3261 §8.1.1.7: a branch is never used twice, though the Call-ID comes again.
    #[test]
    fn a_call_made_again_numbers_its_transactions_on() {
        let index = CallIndex::new((1, 2), 8);
        let enter = || match index.enter(b"call", true, || Job::Wake) {
            Entered::Run(call) => call,
            other => panic!("{other:?}"),
        };
        let call = enter();
        let first = call.body().transactions.next_id();
        assert!(call.close().is_none());
        index.remove(&call, &mut call.body());
        let again = enter();
        assert!(again.body().transactions.next_id() > first);
    }
}
