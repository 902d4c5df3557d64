//! Contacts of an earlier process come back, and rows that somebody else wrote are taken over
//! (spec/modules.md §13, `restart_persistency`, `ul_sync`).
//!
//! What comes from a row is told to no journal and marked for nobody: it is no news.

use std::sync::Arc;

use duologue_sip::Tick;

use crate::location::Growth;
use crate::record::{Plan, sort};
use crate::shard::Shard;
use crate::table::Origin;
use crate::{Contact, ContactId, Cursor, Expires, Gone, KeyValue, RowState, Table};

/// What came of a contact that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is there again.
    There,
    /// It was there, and is now what its row says, unless it has changed since that was written.
    Known,
    /// It went since, or its user has a newer contact in its place: the row is to go.
    Outdated,
}

/// There is no room for it, with its user or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// What tells which of two stored contacts of one phone is newer. Moments before this process are all
/// the same; who ends later registered later then.
fn age(contact: &Contact) -> (Tick, Tick, ContactId) {
    let ends = match contact.expires {
        Expires::At(at) => at,
        Expires::Never => Tick::from_millis(u64::MAX),
    };
    (contact.modified, ends, contact.id)
}

impl Table {
    /// Puts a contact that was stored in its place, under the number that it had. `keys` are those of
    /// its user. Whether its time is over is for the caller to see.
    ///
    /// # Errors
    /// [`NoRoom`]: nothing has changed then.
    pub fn restore(
        &self,
        aor: &[u8],
        contact: Contact,
        keys: &[KeyValue],
    ) -> Result<Restored, NoRoom> {
        let slot = self.slot(aor);
        let mut shard = slot.shard.lock();
        if shard.marked.is_gone(contact.id) {
            return Ok(Restored::Outdated);
        }
        let known = shard.records.get_key_value(aor);
        let (aor, mut plan) = match known {
            Some((aor, record)) => (Arc::clone(aor), Plan::of(record)),
            None => (aor.into(), Plan::default()),
        };
        let settings = &self.shared.settings;
        let matches =
            |known: &Contact| settings.matching.is_same(known, &contact.uri, &contact.call_id);
        let same = |known: &Arc<Contact>| known.id == contact.id || matches(known);
        let mut restored = Restored::There;
        if let Some(at) = plan.contacts.iter().position(same) {
            let known = Arc::clone(&plan.contacts[at]);
            let is_newer = shard.row_state(known.id) != RowState::Synced || known.memory_only;
            match known.id == contact.id {
                true if is_newer => return Ok(Restored::Known),
                true => restored = Restored::Known,
                false if is_newer || age(&known) >= age(&contact) => {
                    return Ok(Restored::Outdated);
                }
                false => shard.marked.remove(known.id),
            }
            plan.drop(|other| Arc::ptr_eq(other, &known), Gone::Removed);
        } else if plan.contacts.len() >= settings.limits.contacts_per_user {
            return Err(NoRoom);
        }
        self.shared.reserve(contact.id);
        plan.insert(contact);
        sort(&mut plan.contacts, settings.newest_first);
        if !self.commit(&mut shard, &aor, plan, Origin::Row) {
            return Err(NoRoom);
        }
        self.restore_keys(&mut shard, &aor, keys);
        Ok(restored)
    }

    /// The keys of a user are what a row says, unless they have changed since it was written. What is
    /// beyond the limits is left out.
    fn restore_keys(&self, shard: &mut Shard, aor: &Arc<[u8]>, keys: &[KeyValue]) {
        let limits = &self.shared.settings.limits;
        let Some(record) = shard.records.get(aor) else { return };
        let has_keys = !record.keys.all().is_empty();
        let is_newer = |it: &Arc<Contact>| match shard.row_state(it.id) {
            RowState::Synced => false,
            RowState::Dirty => true,
            // Who registered anew has the keys of before, unless a script has given others.
            RowState::New => has_keys,
        };
        if record.keys.all() == keys || record.contacts.iter().any(is_newer) {
            return;
        }
        let Some(record) = shard.records.get_mut(aor) else { return };
        let mut restored = crate::keys::Keys::default();
        for (key, value) in keys {
            if restored.check(key, value, limits.keys_per_user).is_ok() {
                restored.set(key, value);
            }
        }
        let octets = restored.octets().cast_signed() - record.keys.octets().cast_signed();
        if self.shared.room.take(Growth { contacts: 0, octets }, limits) {
            record.keys = restored;
        }
    }

    /// Removes the contacts that should have a row, all of them or those of a user, and have none any
    /// more: somebody else removed it. How many that were.
    pub fn remove_rowless(&self, aor: Option<&[u8]>, has_row: impl Fn(ContactId) -> bool) -> usize {
        let mut removed = 0;
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let mut users = Vec::new();
            cursor = match aor {
                Some(aor) => {
                    users.extend(self.user(aor));
                    None
                }
                None => self.list(from, crate::limits::STEPS_PER_LOCK, &mut users),
            };
            for user in users {
                let contacts = user.contacts.iter().zip(&user.states);
                let rowless = contacts.filter(|(contact, state)| {
                    **state == RowState::Synced && !contact.memory_only && !has_row(contact.id)
                });
                let rowless: Vec<_> = rowless.map(|(contact, _)| Arc::clone(contact)).collect();
                removed += self.delete(&user.aor, &rowless, Gone::Removed);
            }
        }
        removed
    }

    /// Whether a user has the contact of this number.
    pub fn has_contact(&self, aor: &[u8], id: ContactId) -> bool {
        let shard = self.slot(aor).shard.lock();
        let record = shard.records.get(aor);
        record.is_some_and(|record| record.contacts.iter().any(|contact| contact.id == id))
    }
}
