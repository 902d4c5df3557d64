//! Which dialogs differ from what is stored of them (spec dialog.md §11.2, decision D18).
//!
//! Nobody writes while a call runs. A change marks its dialog, once however many follow; who keeps
//! dialogs takes them when it has time, each as it is then. So the newest version wins, a store that
//! is slow or away costs a mark per dialog, and no call waits.

use crate::record::Record;
use crate::stored::Stored;
use crate::sync::Ordering;
use crate::table::{Content, SHARDS, Shard, Slot};
use crate::{DialogEvents, DialogFlags, DialogId, DialogKey, Dialogs, SavedKind};
use bitflags::bitflags;
use duologue_sip::Moment;

/// How many parts a table has, to be [taken from](Dialogs::take_stale) one after the other.
pub const STALE_PARTS: usize = SHARDS;

/// How many dialogs of a part may be gone before their end was taken. Beyond, [`Stale::Lost`] tells.
pub const ENDED_PER_PART_MAX: usize = 1 << 15;

/// A dialog whose row is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Write this, over what may be there.
    Changed {
        /// The dialog.
        key: DialogKey,
        /// As it is now.
        stored: Box<Stored>,
        /// Whether it has no row yet.
        first: bool,
        /// Whether somebody hears SAVED once it is written ([`Dialogs::saved`]).
        tells: bool,
    },
    /// Callbacks want to store values before it is written: run
    /// [`write_values`](Dialogs::write_values) and then
    /// [`take_one_stale`](Dialogs::take_one_stale) in the turn of its call.
    Asks {
        /// The dialog.
        key: DialogKey,
    },
    /// Remove its row.
    Ended {
        /// Its name.
        id: DialogId,
        /// Where somebody hears SAVED once it is removed: the way to the dialog, which is held until
        /// [`Dialogs::release`] says so behind that.
        tells: Option<DialogKey>,
    },
    /// More ended than are remembered: rows without a dialog are to be removed.
    Lost,
}

bitflags! {
    /// Where a dialog stands with who stores it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Keeping: u8 {
        /// It has a row, or is about to have one.
        const KEPT = 1;
        /// It waits to be taken.
        const LISTED = 2;
    }
}

/// The dialogs of a part that are to be taken.
#[derive(Default)]
pub(crate) struct Marked {
    slots: Vec<u32>,
    ended: Vec<DialogId>,
    lost: bool,
}

impl Marked {
    pub(crate) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<u32>() + self.ended.capacity() * size_of::<DialogId>()
    }
}

impl Dialogs {
    /// From now on changes are marked, for one follower as long as the table lives; false if there
    /// is one. `wake` is called, with a lock held, when there is something to take for the first time
    /// since [`take_stale`](Self::take_stale) was called for part 0: it wakes somebody, no more.
    ///
    /// What is up already counts as changed.
    pub fn follow(&self, wake: impl Fn() + Send + Sync + 'static) -> bool {
        let first = self.inner.follower.set(Box::new(wake)).is_ok();
        if first {
            self.doubt_all();
        }
        first
    }

    /// Nothing is known of the rows any more: every dialog counts as changed.
    pub fn doubt_all(&self) {
        for key in self.keys() {
            let _ = self.with(key, |record| record.flags |= DialogFlags::CHANGED);
        }
    }

    /// Takes what is stale in a part, at most `max` of it; true if there is more. Bounded work under
    /// the part's lock: a call waits for a few of them at most.
    pub fn take_stale(&self, now: Moment, part: usize, max: usize, out: &mut Vec<Stale>) -> bool {
        if part == 0 {
            // before looking: what is marked from here on wakes again
            self.inner.marked.store(0, Ordering::SeqCst);
        }
        let mut shard = self.shard(part as u32);
        if std::mem::take(&mut shard.marked.lost) {
            out.push(Stale::Lost);
        }
        for _ in 0..max {
            if let Some(id) = shard.marked.ended.pop() {
                out.push(Stale::Ended { id, tells: None });
            } else if let Some(slot) = shard.marked.slots.pop() {
                out.extend(shard.take_marked(now, slot));
            } else {
                return false;
            }
        }
        !(shard.marked.slots.is_empty() && shard.marked.ended.is_empty())
    }

    /// Takes one dialog that [asked](Stale::Asks) to be told before it is written.
    pub fn take_one_stale(&self, now: Moment, key: DialogKey) -> Option<Stale> {
        let mut shard = self.shard(key.id.entry);
        let record = shard.record(key).ok()?;
        let listed = record.keeping.contains(Keeping::LISTED);
        record.keeping.remove(Keeping::LISTED);
        listed.then(|| record.take_changed(now, key))?
    }

    /// Marks the dialog in a slot if its row is not what it should be.
    pub(crate) fn mark(&self, shard: &mut Shard, slot: u32) {
        let Some(wake) = self.inner.follower.get() else { return };
        let Shard { slots, marked, .. } = shard;
        let Some(Slot { content: Content::Live(record), marked: is_marked, .. }) =
            slots.get_mut(slot as usize)
        else {
            return;
        };
        if record.keeping.contains(Keeping::LISTED) || !record.is_stale() {
            return;
        }
        record.keeping |= Keeping::LISTED;
        // A dialog before may have left the slot here: however many calls it had, it stands here once.
        if !std::mem::replace(is_marked, true) {
            marked.slots.push(slot);
        }
        if self.inner.marked.swap(1, Ordering::SeqCst) == 0 {
            wake();
        }
    }

    /// A dialog goes whose end nobody has taken yet.
    pub(crate) fn mark_gone(&self, shard: &mut Shard, key: DialogKey) {
        let stale = shard.record(key).is_ok_and(|record| record.is_kept() && record.is_stale());
        if !stale || self.inner.follower.get().is_none() {
            return;
        }
        let Marked { ended, lost, .. } = &mut shard.marked;
        if ended.len() < ENDED_PER_PART_MAX { ended.push(key.id) } else { *lost = true }
    }

    /// Whether a dialog ended whose row is still there: it must not come back from that. Where more
    /// ended than are remembered, any may have.
    pub(crate) fn has_just_ended(&self, id: DialogId) -> bool {
        let marked = &self.shard(id.entry).marked;
        marked.lost || marked.ended.contains(&id)
    }

    /// Whether a dialog that ends now must stay until its row is removed: somebody hears SAVED.
    pub(crate) fn awaits_removal(&self, record: &Record) -> bool {
        self.inner.follower.get().is_some()
            && record.is_kept()
            && record.wanted.contains(DialogEvents::SAVED)
    }
}

impl Shard {
    fn take_marked(&mut self, now: Moment, slot: u32) -> Option<Stale> {
        self.slots[slot as usize].marked = false;
        let key = self.key(slot);
        let record = self.record(key).ok()?;
        if !record.keeping.contains(Keeping::LISTED) {
            return None;
        }
        if !record.state.is_ended() && record.wanted.contains(DialogEvents::WRITE_VALUES) {
            // it stays listed until it is taken
            return Some(Stale::Asks { key });
        }
        record.keeping.remove(Keeping::LISTED);
        record.take_changed(now, key)
    }
}

impl Record {
    const fn is_kept(&self) -> bool {
        self.keeping.contains(Keeping::KEPT)
    }

    /// Whether its row is not what it should be.
    pub(crate) fn is_stale(&self) -> bool {
        let changed = DialogFlags::CHANGED.union(DialogFlags::VALUES_CHANGED);
        match self.state {
            state if state.is_answered() => self.flags.intersects(changed),
            state if state.is_ended() => {
                self.is_kept() && !self.flags.contains(DialogFlags::DB_DELETED)
            }
            _ => false,
        }
    }

    fn take_changed(&mut self, now: Moment, key: DialogKey) -> Option<Stale> {
        if !self.is_stale() {
            return None;
        }
        let tells = self.wanted.contains(DialogEvents::SAVED);
        if self.state.is_ended() {
            self.flags |= DialogFlags::DB_DELETED;
            return Some(Stale::Ended { id: key.id, tells: tells.then_some(key) });
        }
        self.flags.remove(DialogFlags::TRANSIENT);
        let first = !self.is_kept();
        self.keeping |= Keeping::KEPT;
        let stored = Box::new(Stored::of(now, key, self));
        Some(Stale::Changed { key, stored, first, tells })
    }

    /// It came from its row.
    pub(crate) fn is_as_stored(&mut self) {
        self.flags.remove(DialogFlags::TRANSIENT);
        self.keeping = Keeping::KEPT;
    }
}

impl Stale {
    /// What SAVED tells of it once it is done.
    pub const fn saved_kind(&self) -> Option<SavedKind> {
        match self {
            Self::Changed { first: true, .. } => Some(SavedKind::Insert),
            Self::Changed { first: false, .. } => Some(SavedKind::Update),
            Self::Ended { .. } => Some(SavedKind::Delete),
            Self::Asks { .. } | Self::Lost => None,
        }
    }
}
