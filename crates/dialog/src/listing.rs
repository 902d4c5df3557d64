//! Long lists in slices: a cursor over the shards (spec dialog.md §13.1, decision D23).

use crate::record::Record;
use crate::table::{Content, Shard};
use crate::{Dialog, Dialogs, Snapshot};

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: usize,
    slot: usize,
}

/// How many slots one slice may look at under a shard's lock before it lets go.
const SLOTS_PER_LOCK: usize = 256;

impl Dialogs {
    /// Appends up to `limit` snapshots from the cursor on. Returns where to go on, or `None` at the
    /// end. Start with `Cursor::default()`.
    ///
    /// A lock is held for a few hundred dialogs at a time, so that no call waits. A dialog that
    /// lives throughout is listed exactly once; ended ones are listed while somebody may read them.
    #[doc(alias = "dlg_list")]
    pub fn list(
        &self,
        mut cursor: Cursor,
        limit: usize,
        into: &mut Vec<Snapshot>,
    ) -> Option<Cursor> {
        let end = into.len() + limit;
        while let Some(shard) = self.inner.shards.get(cursor.shard) {
            let shard = shard.lock();
            let stop = shard.slots.len().min(cursor.slot + SLOTS_PER_LOCK);
            while cursor.slot < stop && into.len() < end {
                if let Some(record) = shard.listed(cursor.slot) {
                    into.push(Snapshot::of(shard.key(cursor.slot as u32), record));
                }
                cursor.slot += 1;
            }
            if cursor.slot >= shard.slots.len() {
                cursor = Cursor { shard: cursor.shard + 1, slot: 0 };
            }
            if into.len() >= end {
                return (cursor.shard < self.inner.shards.len()).then_some(cursor);
            }
        }
        None
    }

    /// Appends up to `limit` dialogs from the cursor on that have not ended and have this value: by
    /// its text, whether it was stored as text or as a number. Returns where to go on, or `None` at
    /// the end; a slice may be short without being the last. It looks at every dialog, a few
    /// hundred under a lock.
    #[doc(alias = "get_dialogs_by_val")]
    pub fn with_value(
        &self,
        mut cursor: Cursor,
        (name, value): (&[u8], &[u8]),
        limit: usize,
        into: &mut Vec<Dialog>,
    ) -> Option<Cursor> {
        let end = into.len() + limit;
        let has = |record: &Record| {
            let stored = record.values.as_deref().and_then(|values| values.get(name));
            !record.state.is_ended() && stored.is_some_and(|stored| stored.reads_as(value))
        };
        while let Some(shard) = self.inner.shards.get(cursor.shard) {
            let shard = shard.lock();
            let stop = shard.slots.len().min(cursor.slot + SLOTS_PER_LOCK);
            while cursor.slot < stop && into.len() < end {
                if shard.listed(cursor.slot).is_some_and(has) {
                    into.push(self.handle(shard.key(cursor.slot as u32)));
                }
                cursor.slot += 1;
            }
            if cursor.slot >= shard.slots.len() {
                cursor = Cursor { shard: cursor.shard + 1, slot: 0 };
            }
            if into.len() >= end {
                return (cursor.shard < self.inner.shards.len()).then_some(cursor);
            }
        }
        None
    }

    /// Where a listing goes on behind so many dialogs, which are not copied; `None` at the end. It
    /// looks at every shard, but only in the last one at dialogs, so the pages of a long list cost
    /// the same wherever they are.
    ///
    /// A dialog whose DESTROY is running may be counted, though it is not listed.
    pub fn skip(&self, mut cursor: Cursor, mut count: usize) -> Option<Cursor> {
        while let Some(shard) = self.inner.shards.get(cursor.shard) {
            let shard = shard.lock();
            let next_shard = Cursor { shard: cursor.shard + 1, slot: 0 };
            let live = shard.counts.live();
            if cursor.slot == 0 && live <= count {
                count -= live;
                cursor = next_shard;
                continue;
            }
            let stop = shard.slots.len().min(cursor.slot + SLOTS_PER_LOCK);
            while cursor.slot < stop && count > 0 {
                count -= usize::from(shard.listed(cursor.slot).is_some());
                cursor.slot += 1;
            }
            if cursor.slot >= shard.slots.len() {
                cursor = next_shard;
            } else if count == 0 {
                return Some(cursor);
            }
        }
        None
    }
}

impl Shard {
    /// What is listed of this slot.
    fn listed(&self, slot: usize) -> Option<&Record> {
        match &self.slots[slot].content {
            Content::Live(record) if !record.unlinked => Some(record),
            _ => None,
        }
    }
}
