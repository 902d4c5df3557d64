//! The table of dialogs: shards, slots and two indexes.
//!
//! A shard is picked by the low bits of `h_entry`, which are those of the Call-ID's hash for every
//! `hash_size`; within it nothing depends on `h_entry` (decision D30). A dialog is reached by its
//! slot (from a [`DialogKey`]), by its id, or by its Call-ID under a keyed hash, since peers choose
//! Call-IDs. Locks are leaves: nothing of the user's runs while one is held.

use crate::callbacks::Globals;
use crate::durations::Durations;
use crate::numbering::Numbering;
use crate::profiles::Registry;
use crate::record::{Leaving, NEVER, Record};
use crate::settings::{DIALOGS_PER_CALL_ID_MAX, TOMBSTONE_SECONDS};
use crate::stale::Marked;
use crate::stats::Counts;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, RwLock};
use crate::tombstone::Tombstone;
use crate::user_flags::UserFlags;
use crate::wheel::Wheel;
use crate::{Dialog, DialogId, Intent, JOURNALS_MAX, Journal, Settings, State, entry_of};
use duologue_sip::Tick;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How many shards there are; a power of two. Each costs 4 KB for its wheel.
pub(crate) const SHARDS: usize = 32;

/// The dialog is no longer in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dialog is gone")
    }
}

impl std::error::Error for Gone {}

/// The way to one dialog: its id, its place, and the generation of that place. Copied freely; it
/// keeps nothing alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DialogKey {
    /// The public name.
    pub id: DialogId,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// All dialogs: a cheap handle to share among threads.
///
/// The methods come in four kinds. *Look*: `by_did`, `by_id`, `by_callid`, `list`, `statistics`.
/// *Feed*, by whoever runs the call, one at a time per dialog: `create`, `branch_sent`,
/// `reply_forwarded`, `reply_about_to_be_sent`, `transaction_ended`, `cancelled`,
/// `request_within`, `release`, `deadline`… *Collect*: each of those fills [`Steps`](crate::Steps)
/// to be walked in order. *Time*: `next_wake`, `wake`.
#[derive(Clone)]
pub struct Dialogs {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) hash_size: u32,
    pub(crate) hash_keys: (u64, u64),
    pub(crate) shards: Box<[Mutex<Shard>]>,
    pub(crate) globals: RwLock<Globals>,
    pub(crate) profiles: Registry,
    pub(crate) user_flags: UserFlags,
    /// How many slots are registered.
    pub(crate) slots: AtomicUsize,
    pub(crate) live: AtomicUsize,
    tombstones: AtomicUsize,
    transitions: AtomicU64,
    panics: AtomicU64,
    pub(crate) journals: [OnceLock<Arc<dyn Journal>>; JOURNALS_MAX],
    pub(crate) mailbox: OnceLock<Box<dyn Fn(Intent) + Send + Sync>>,
    pub(crate) intents: Mutex<VecDeque<Intent>>,
    /// Who keeps dialogs: to be woken.
    pub(crate) follower: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// 1 if the follower was woken and has not begun to take.
    pub(crate) marked: AtomicUsize,
}

/// What a slot holds.
pub(crate) enum Content {
    Free,
    Live(Box<Record>),
    Tomb(Box<Tombstone>),
}

pub(crate) struct Slot {
    pub(crate) content: Content,
    pub(crate) call_id_hash: u64,
    pub(crate) id: DialogId,
    pub(crate) generation: u32,
    /// Whether it stands in the list of marked slots, for this dialog or one before.
    pub(crate) marked: bool,
}

pub(crate) struct Shard {
    pub(crate) slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    by_call_id: HashTable<u32>,
    /// The number of the next dialog of an entry.
    next_id: Box<[u32]>,
    numbering: Numbering,
    pub(crate) wheel: Wheel,
    pub(crate) counts: Counts,
    pub(crate) durations: Durations,
    pub(crate) marked: Marked,
}

/// Why a dialog could not be put into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Table,
    CallId,
    /// The id is taken.
    Known,
}

impl fmt::Debug for Dialogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogs").field("live", &self.inner.live).finish_non_exhaustive()
    }
}

impl Dialogs {
    /// An empty table. The seed starts the id counters and keys the hashes: take it from the
    /// system's randomness, or fix it to replay a run.
    pub fn new(settings: Settings, seed: u64) -> Self {
        let hash_size = settings.hash_size_used();
        let entries = (hash_size as usize).div_ceil(SHARDS);
        let mut numbers = SplitMix(seed);
        let numbering = Numbering::new(settings.node_id);
        let hash_keys = (numbers.next(), numbers.next());
        let shards = (0..SHARDS)
            .map(|_| {
                Mutex::new(Shard {
                    slots: Vec::new(),
                    free: Vec::new(),
                    by_id: HashTable::new(),
                    by_call_id: HashTable::new(),
                    next_id: (0..entries).map(|_| numbers.next() as u32).collect(),
                    numbering,
                    wheel: Wheel::new(),
                    counts: Counts::default(),
                    durations: Durations::new(),
                    marked: Marked::default(),
                })
            })
            .collect();
        let inner = Inner {
            settings,
            hash_size,
            hash_keys,
            shards,
            globals: RwLock::default(),
            profiles: Registry::default(),
            user_flags: UserFlags::default(),
            slots: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            tombstones: AtomicUsize::new(0),
            transitions: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            journals: [const { OnceLock::new() }; JOURNALS_MAX],
            mailbox: OnceLock::new(),
            intents: Mutex::default(),
            follower: OnceLock::new(),
            marked: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The settings of the table.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The name of the did parameter in Record-Route (§4.3).
    #[doc(alias = "get_rr_param")]
    pub fn rr_param(&self) -> &str {
        &self.settings().rr_param
    }

    /// The handle behind a key. The dialog may be gone: each reading method tells.
    pub fn handle(&self, key: DialogKey) -> Dialog {
        Dialog::new(self.clone(), key)
    }

    pub(crate) fn shard(&self, entry: u32) -> MutexGuard<'_, Shard> {
        self.inner.shards[entry as usize % SHARDS].lock()
    }

    pub(crate) fn hash(&self, call_id: &[u8]) -> u64 {
        let (k0, k1) = self.inner.hash_keys;
        SipHasher13::new_with_keys(k0, k1).hash(call_id)
    }

    /// Reads or changes a record under the leaf lock.
    pub(crate) fn with<R>(
        &self,
        key: DialogKey,
        f: impl FnOnce(&mut Record) -> R,
    ) -> Result<R, Gone> {
        let mut shard = self.shard(key.id.entry);
        let result = shard.record(key).map(f)?;
        self.mark(&mut shard, key.slot);
        Ok(result)
    }

    /// Like `with`, and the deadline is armed anew.
    pub(crate) fn with_timer<R>(
        &self,
        key: DialogKey,
        f: impl FnOnce(&mut Record) -> R,
    ) -> Result<R, Gone> {
        let mut shard = self.shard(key.id.entry);
        let result = shard.record(key).map(f)?;
        shard.rearm(key.slot);
        self.mark(&mut shard, key.slot);
        Ok(result)
    }

    /// Every key in the table, collected shard by shard.
    pub(crate) fn keys(&self) -> Vec<DialogKey> {
        let mut keys = Vec::new();
        for shard in &self.inner.shards {
            let shard = shard.lock();
            keys.extend(
                (0..shard.slots.len() as u32)
                    .filter(|&slot| {
                        matches!(&shard.slots[slot as usize].content,
                            Content::Live(record) if !record.is_unlinked())
                    })
                    .map(|slot| shard.key(slot)),
            );
        }
        keys
    }

    /// Puts a new record into the table and gives it its id.
    pub(crate) fn insert(&self, call_id: &[u8], record: Box<Record>) -> Result<DialogKey, NoRoom> {
        let entry = entry_of(call_id, self.inner.hash_size);
        self.claim(|| self.shard(entry).insert(entry, self.hash(call_id), record))
    }

    /// Puts a record into the table that has an id already.
    pub(crate) fn insert_as(
        &self,
        id: DialogId,
        call_id: &[u8],
        record: Box<Record>,
    ) -> Result<DialogKey, NoRoom> {
        self.claim(|| self.shard(id.entry).insert_as(id, self.hash(call_id), record))
    }

    fn claim(&self, put: impl FnOnce() -> Result<DialogKey, NoRoom>) -> Result<DialogKey, NoRoom> {
        let inner = &*self.inner;
        let claimed = inner.live.fetch_add(1, Ordering::Relaxed);
        let result = if claimed >= inner.settings.dialogs_max { Err(NoRoom::Table) } else { put() };
        if result.is_err() {
            inner.live.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    /// Takes a dialog out of the indexes and leaves a tombstone. False if somebody did already.
    pub(crate) fn unlink(&self, key: DialogKey, now: Tick) -> bool {
        let inner = &*self.inner;
        let mut shard = self.shard(key.id.entry);
        let Ok(record) = shard.record(key) else { return false };
        if record.is_unlinked() {
            return false;
        }
        record.leaving = Leaving::Unlinked;
        let until = now + Duration::from_secs(TOMBSTONE_SECONDS.into());
        let tombstone = Tombstone::of(record, until);
        let hash = shard.slots[key.slot as usize].call_id_hash;
        shard.wheel.disarm(key.slot);
        shard.remove_from_indexes(key.slot);
        let Some(tombstone) = tombstone else { return true };
        if inner.tombstones.fetch_add(1, Ordering::Relaxed) >= inner.settings.tombstones_max {
            inner.tombstones.fetch_sub(1, Ordering::Relaxed);
            return true;
        }
        let slot = shard.place(key.id, hash, Content::Tomb(Box::new(tombstone)));
        shard.wheel.arm(slot, second_of(until));
        true
    }

    /// Frees the slot of an unlinked dialog and hands its record over, to be dropped outside.
    pub(crate) fn free(&self, key: DialogKey) -> Option<Content> {
        let mut shard = self.shard(key.id.entry);
        let state = shard.record(key).ok()?.state;
        self.mark_gone(&mut shard, key);
        shard.counts.leave(state);
        self.inner.live.fetch_sub(1, Ordering::Relaxed);
        Some(shard.vacate(key.slot))
    }

    /// Drops every callback and forgets every dialog, without an event: the process is going
    /// down. Returns how many answered or early dialogs were open. Callbacks that captured a
    /// handle would otherwise keep the table alive.
    pub fn shutdown(&self) -> usize {
        let globals = std::mem::take(&mut *self.inner.globals.write());
        let mut open = 0;
        for shard in &self.inner.shards {
            let mut leaving = Vec::new();
            {
                let mut shard = shard.lock();
                for slot in 0..shard.slots.len() as u32 {
                    match &shard.slots[slot as usize].content {
                        Content::Free => continue,
                        Content::Tomb(_) => self.bury(&mut shard, slot),
                        Content::Live(record) => {
                            let (state, unlinked) = (record.state, record.is_unlinked());
                            open += usize::from(!state.is_ended());
                            shard.counts.leave(state);
                            shard.wheel.disarm(slot);
                            if !unlinked {
                                shard.remove_from_indexes(slot);
                            }
                            self.inner.live.fetch_sub(1, Ordering::Relaxed);
                            leaving.push(shard.vacate(slot));
                        }
                    }
                }
            }
            // closures are dropped here, where no lock is held
            drop(leaving);
        }
        drop(globals);
        open
    }

    /// The tombstone in this slot served its time.
    pub(crate) fn bury(&self, shard: &mut Shard, slot: u32) {
        shard.wheel.disarm(slot);
        shard.remove_from_indexes(slot);
        shard.vacate(slot);
        self.inner.tombstones.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many tombstones there are.
    pub(crate) fn tombstones(&self) -> usize {
        self.inner.tombstones.load(Ordering::Relaxed)
    }
}

impl Inner {
    pub(crate) fn next_transition(&self) -> u64 {
        self.transitions.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Shard {
    pub(crate) fn key(&self, slot: u32) -> DialogKey {
        let Slot { id, generation, .. } = self.slots[slot as usize];
        DialogKey { id, slot, generation }
    }

    pub(crate) fn record(&mut self, key: DialogKey) -> Result<&mut Record, Gone> {
        match self.slots.get_mut(key.slot as usize) {
            Some(Slot { content: Content::Live(record), generation, id, .. })
                if *generation == key.generation && *id == key.id =>
            {
                Ok(record)
            }
            _ => Err(Gone),
        }
    }

    pub(crate) fn tombstone(&mut self, key: DialogKey) -> Option<&mut Tombstone> {
        match self.slots.get_mut(key.slot as usize)? {
            Slot { content: Content::Tomb(tomb), generation, id, .. }
                if *generation == key.generation && *id == key.id =>
            {
                Some(tomb)
            }
            _ => None,
        }
    }

    pub(crate) fn slot_of_id(&self, id: DialogId) -> Option<u32> {
        self.by_id.find(hash_id(id), |&slot| self.slots[slot as usize].id == id).copied()
    }

    /// The slots whose Call-ID has this hash: few, and nearly always the right ones.
    pub(crate) fn slots_of_call_id(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        self.by_call_id
            .iter_hash(hash)
            .copied()
            .filter(move |&slot| self.slots[slot as usize].call_id_hash == hash)
    }

    /// Creation order within an entry: below zero if the one in this slot is the older.
    pub(crate) fn order(&self, slot: u32, beside: u32) -> i32 {
        let id = |slot: u32| self.slots[slot as usize].id.id;
        self.numbering.order(id(slot), id(beside))
    }

    /// Arms the wheel for the earliest deadline of a dialog.
    pub(crate) fn rearm(&mut self, slot: u32) {
        let Some(Slot { content: Content::Live(record), .. }) = self.slots.get(slot as usize)
        else {
            return;
        };
        let deadline = record.deadline();
        if record.is_unlinked() || deadline == NEVER {
            self.wheel.disarm(slot);
        } else {
            self.wheel.arm(slot, second_of(deadline));
        }
    }

    fn insert(&mut self, entry: u32, hash: u64, record: Box<Record>) -> Result<DialogKey, NoRoom> {
        if self.slots_of_call_id(hash).count() >= DIALOGS_PER_CALL_ID_MAX {
            return Err(NoRoom::CallId);
        }
        let id = self.next_id(entry).ok_or(NoRoom::Table)?;
        self.counts.enter(State::Unconfirmed);
        self.counts.processed += 1;
        let slot = self.place(id, hash, Content::Live(record));
        Ok(self.key(slot))
    }

    fn insert_as(
        &mut self,
        id: DialogId,
        hash: u64,
        record: Box<Record>,
    ) -> Result<DialogKey, NoRoom> {
        if self.slot_of_id(id).is_some() {
            return Err(NoRoom::Known);
        }
        if self.slots_of_call_id(hash).count() >= DIALOGS_PER_CALL_ID_MAX {
            return Err(NoRoom::CallId);
        }
        // §11.3: new ones count on above it; an entry of a larger `hash_size` has no counter
        if let Some(next) = self.next_id.get_mut(id.entry as usize / SHARDS)
            && self.numbering.order(self.numbering.id(*next), id.id) <= 0
        {
            *next = id.id.wrapping_add(1);
        }
        self.counts.enter(record.state);
        let slot = self.place(id, hash, Content::Live(record));
        Ok(self.key(slot))
    }

    /// The next id of an entry that nobody has: the counter may have come round.
    fn next_id(&mut self, entry: u32) -> Option<DialogId> {
        let at = entry as usize / SHARDS;
        // of one id more than there are, one is free
        (0..=self.by_id.len()).find_map(|_| {
            let count = self.next_id[at];
            self.next_id[at] = count.wrapping_add(1);
            let id = DialogId { entry, id: self.numbering.id(count) };
            self.slot_of_id(id).is_none().then_some(id)
        })
    }

    pub(crate) fn place(&mut self, id: DialogId, hash: u64, content: Content) -> u32 {
        let slot = if let Some(slot) = self.free.pop() {
            let cell = &mut self.slots[slot as usize];
            let (generation, marked) = (cell.generation, cell.marked);
            *cell = Slot { content, call_id_hash: hash, id, generation, marked };
            slot
        } else {
            self.slots.push(Slot { content, call_id_hash: hash, id, generation: 0, marked: false });
            (self.slots.len() - 1) as u32
        };
        let slots = &self.slots;
        self.by_id.insert_unique(hash_id(id), slot, |&s| hash_id(slots[s as usize].id));
        self.by_call_id.insert_unique(hash, slot, |&s| slots[s as usize].call_id_hash);
        slot
    }

    fn remove_from_indexes(&mut self, slot: u32) {
        let Slot { id, call_id_hash, .. } = self.slots[slot as usize];
        if let Ok(entry) = self.by_id.find_entry(hash_id(id), |&s| s == slot) {
            entry.remove();
        }
        if let Ok(entry) = self.by_call_id.find_entry(call_id_hash, |&s| s == slot) {
            entry.remove();
        }
    }

    fn vacate(&mut self, slot: u32) -> Content {
        let cell = &mut self.slots[slot as usize];
        cell.generation = cell.generation.wrapping_add(1);
        self.free.push(slot);
        std::mem::replace(&mut cell.content, Content::Free)
    }

    /// Bytes of the shard's own structures, without records.
    pub(crate) fn memory(&self) -> usize {
        // a hashbrown table spends one control byte per bucket
        let index = |table: &HashTable<u32>| table.capacity() * 8 / 7 * 5;
        self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * 4
            + index(&self.by_id)
            + index(&self.by_call_id)
            + self.next_id.len() * 4
            + self.wheel.memory()
            + self.marked.memory()
    }
}

/// The first whole second at or after a tick.
pub(crate) fn second_of(tick: Tick) -> u64 {
    tick.as_millis().div_ceil(1000)
}

/// Ids are ours, so a cheap spread will do.
fn hash_id(id: DialogId) -> u64 {
    let spread = id.db_id().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ (spread >> 29)
}

/// Numbers from a seed (Steele, Lea and Flood's SplitMix64).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
