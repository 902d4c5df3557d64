//! Long lists in slices: a cursor over the shards (spec dialog.md §13.1, decision D23).

use crate::record::Record;
use crate::table::{Content, Shard};
use crate::{Dialog, DialogKey, Dialogs, Selection, Snapshot};
use duologue_sip::Moment;
use std::fmt;
use std::str::FromStr;

/// Where a listing goes on. As text it may be given to whoever reads the list, and come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: usize,
    slot: usize,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.shard, self.slot)
    }
}

/// The text is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    /// Any two numbers will do: behind the end nothing is listed.
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (shard, slot) = text.split_once('.').ok_or(BadCursor)?;
        let number = |text: &str| text.parse().map_err(|_| BadCursor);
        Ok(Self { shard: number(shard)?, slot: number(slot)? })
    }
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
    pub fn list(&self, cursor: Cursor, limit: usize, into: &mut Vec<Snapshot>) -> Option<Cursor> {
        self.walk(cursor, limit, into, |key, record| Some(Snapshot::of(key, record)))
    }

    /// Like [`list`](Self::list), of those dialogs that are meant.
    #[doc(alias = "dlg_briefing")]
    pub fn select(
        &self,
        now: Moment,
        selection: &Selection,
        cursor: Cursor,
        limit: usize,
        into: &mut Vec<Snapshot>,
    ) -> Option<Cursor> {
        self.walk(cursor, limit, into, |key, record| {
            selection.admits(now, record).then(|| Snapshot::of(key, record))
        })
    }

    /// How many dialogs are meant. Nothing is copied.
    pub fn count_selected(&self, now: Moment, selection: &Selection) -> usize {
        let mut count = 0;
        self.walk(Cursor::default(), usize::MAX, &mut Vec::<()>::new(), |_, record| {
            count += usize::from(selection.admits(now, record));
            None
        });
        count
    }

    /// Appends up to `limit` dialogs from the cursor on that have not ended and have this value: by
    /// its text, whether it was stored as text or as a number. Returns where to go on, or `None` at
    /// the end; a slice may be short without being the last. It looks at every dialog, a few
    /// hundred under a lock.
    #[doc(alias = "get_dialogs_by_val")]
    pub fn with_value(
        &self,
        cursor: Cursor,
        (name, value): (&[u8], &[u8]),
        limit: usize,
        into: &mut Vec<Dialog>,
    ) -> Option<Cursor> {
        let has = |record: &Record| {
            let stored = record.values.as_deref().and_then(|values| values.get(name));
            !record.state.is_ended() && stored.is_some_and(|stored| stored.reads_as(value))
        };
        self.walk(cursor, limit, into, |key, record| has(record).then(|| self.handle(key)))
    }

    /// Appends up to `limit` of what is picked of the dialogs from the cursor on; says where to go
    /// on.
    fn walk<T>(
        &self,
        mut cursor: Cursor,
        limit: usize,
        into: &mut Vec<T>,
        mut pick: impl FnMut(DialogKey, &Record) -> Option<T>,
    ) -> Option<Cursor> {
        let end = into.len().saturating_add(limit);
        while let Some(shard) = self.inner.shards.get(cursor.shard) {
            let shard = shard.lock();
            let stop = shard.slots.len().min(cursor.slot.saturating_add(SLOTS_PER_LOCK));
            while cursor.slot < stop && into.len() < end {
                if let Some(record) = shard.listed(cursor.slot) {
                    into.extend(pick(shard.key(cursor.slot as u32), record));
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
            Content::Live(record) if !record.is_unlinked() => Some(record),
            _ => None,
        }
    }
}
