//! Long lists in slices: a cursor over the shards.

use std::ops::Bound;
use std::sync::Arc;

use crate::limits::STEPS_PER_LOCK;
use crate::record::Record;
use crate::shard::Shard;
use crate::{Contact, KeyValue, RowState, Table};

/// Where a listing goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: usize,
    after: Option<Arc<[u8]>>,
}

/// A user as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The address of record.
    pub aor: Arc<[u8]>,
    /// The contacts, the first to be tried in front; some may be over and not yet removed.
    pub contacts: Vec<Arc<Contact>>,
    /// How each of them stands to its row, in the same order.
    pub states: Vec<RowState>,
    /// What scripts stored, sorted by key.
    pub keys: Vec<KeyValue>,
}

impl Table {
    /// Appends up to `limit` users from the cursor on. Returns where to go on, or `None` at the end.
    /// Start with `Cursor::default()`.
    ///
    /// A lock is held for a few users at a time, so that no registration waits. A user who is
    /// registered throughout is listed exactly once.
    pub fn list(&self, mut cursor: Cursor, limit: usize, into: &mut Vec<Listed>) -> Option<Cursor> {
        let end = into.len() + limit;
        while let Some(slot) = self.slots.get(cursor.shard) {
            if into.len() >= end {
                return Some(cursor);
            }
            let slice = STEPS_PER_LOCK.min(end - into.len());
            let before = into.len();
            let shard = slot.shard.lock();
            let from = cursor.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let users = shard.records.range::<[u8], _>((from, Bound::Unbounded)).take(slice);
            into.extend(users.map(|(aor, record)| Listed::of(&shard, aor, record)));
            cursor = match into.last() {
                Some(last) if into.len() - before == slice => {
                    Cursor { after: Some(Arc::clone(&last.aor)), ..cursor }
                }
                _ => Cursor { shard: cursor.shard + 1, after: None },
            };
        }
        None
    }

    /// One user, if registered.
    pub fn user(&self, aor: &[u8]) -> Option<Listed> {
        let shard = self.slot(aor).shard.lock();
        let (aor, record) = shard.records.get_key_value(aor)?;
        Some(Listed::of(&shard, aor, record))
    }
}

impl Listed {
    fn of(shard: &Shard, aor: &Arc<[u8]>, record: &Record) -> Self {
        Self {
            aor: Arc::clone(aor),
            contacts: record.contacts.to_vec(),
            states: record.contacts.iter().map(|contact| shard.row_state(contact.id)).collect(),
            keys: record.keys.all().to_vec(),
        }
    }
}
