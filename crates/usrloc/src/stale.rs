//! Which contacts differ from what is stored of them (spec/modules.md §13, `State` of `ul_dump`).
//!
//! Nobody writes while a registration is answered. A change marks its contact, once however many
//! follow; who keeps contacts takes them when it has time, each as it is then. So the newest version
//! wins, a store that is slow or away costs a mark per contact, and no phone waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::record::Step;
use crate::shard::Shard;
use crate::{Contact, ContactId, KeyValue, Location, Table};

/// How many contacts of a shard may be gone before that was taken. Beyond, [`Stale::Lost`] tells.
pub(crate) const GONE_PER_SHARD_MAX: usize = 1 << 10;

/// How a contact stands to its row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowState {
    /// It has none yet.
    New,
    /// It has changed since its row was written.
    Dirty,
    /// They are the same; or nobody keeps contacts.
    #[default]
    Synced,
}

/// A row that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Write this, over what may be there, and say so ([`Table::saved`]).
    Changed {
        /// Whose contact it is.
        aor: Arc<[u8]>,
        /// As it is now.
        contact: Arc<Contact>,
        /// The keys of its user.
        keys: Vec<KeyValue>,
    },
    /// Remove the row of this contact.
    Gone(ContactId),
    /// More went than are remembered: rows without a contact are to be removed.
    Lost,
}

/// Who is woken when something is marked.
pub(crate) struct Follower {
    wake: Box<dyn Fn() + Send + Sync>,
    woken: AtomicBool,
}

/// What of a shard is to be taken, and what was taken and is not yet written.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    contacts: BTreeMap<ContactId, Mark>,
    /// Those of them that wait to be taken.
    waiting: Vec<ContactId>,
    gone: Vec<ContactId>,
    lost: bool,
}

#[derive(Debug)]
struct Mark {
    aor: Arc<[u8]>,
    row: HasRow,
    waits: bool,
}

/// What is known of the row of a contact that differs from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HasRow {
    /// There is none.
    No,
    /// It may be about to be written.
    Perhaps,
    /// There is one.
    Yes,
}

impl Location {
    /// From now on changes are marked, for one follower as long as the location lives; false if there
    /// is one. `wake` is called, with a lock held, when there is something to take for the first time
    /// since [`taking`](Self::taking): it wakes somebody, no more.
    ///
    /// Who is registered already counts as new.
    pub fn follow(&self, wake: impl Fn() + Send + Sync + 'static) -> bool {
        let follower = Follower { wake: Box::new(wake), woken: AtomicBool::new(false) };
        let first = self.shared.follower.set(follower).is_ok();
        for slot in self.tables().filter(|_| first).flat_map(|table| &table.slots) {
            let mut shard = slot.shard.lock();
            let Shard { records, marked, .. } = &mut *shard;
            for (aor, record) in &*records {
                record.contacts.iter().for_each(|contact| marked.mark(aor, contact, HasRow::No));
            }
        }
        first
    }

    /// Somebody is about to take what is marked: what is marked from here on wakes again.
    pub fn taking(&self) {
        if let Some(follower) = self.shared.follower.get() {
            follower.woken.store(false, Ordering::SeqCst);
        }
    }
}

impl Table {
    /// Takes what is stale from a shard on, at most `max` of it; where to go on, or `None` at the end.
    /// Begin with 0. Bounded work under the lock of a shard: a registration waits for no more than
    /// `max` of them.
    pub fn take_stale(&self, mut from: usize, max: usize, into: &mut Vec<Stale>) -> Option<usize> {
        let end = into.len() + max;
        while let Some(slot) = self.slots.get(from) {
            let mut shard = slot.shard.lock();
            while into.len() < end
                && let Some(stale) = shard.take_stale()
            {
                into.push(stale);
            }
            if into.len() >= end {
                return Some(from);
            }
            from += 1;
        }
        None
    }

    /// The row of a contact was written as it was when it was taken last.
    pub fn saved(&self, aor: &[u8], id: ContactId) {
        let mut shard = self.slot(aor).shard.lock();
        let Some(mark) = shard.marked.contacts.get_mut(&id) else { return };
        mark.row = HasRow::Yes;
        if !mark.waits {
            shard.marked.contacts.remove(&id);
        }
    }

    /// Marks what a step leads to, if anybody keeps contacts.
    pub(crate) fn mark(&self, shard: &mut Shard, aor: &Arc<[u8]>, step: &Step) {
        let Some(follower) = self.shared.follower.get() else { return };
        match step {
            Step::Inserted(is) => shard.marked.mark(aor, is, HasRow::No),
            Step::Updated { was, is } if is.memory_only && !was.memory_only => {
                shard.marked.remove(is.id);
            }
            Step::Updated { was, is } if was.memory_only => {
                shard.marked.mark(aor, is, HasRow::No);
            }
            Step::Updated { is, .. } => shard.marked.mark(aor, is, HasRow::Yes),
            Step::Deleted(was, _) if was.memory_only => {}
            Step::Deleted(was, _) => shard.marked.remove(was.id),
        }
        follower.wake();
    }

    /// Marks all contacts of a user: each row has the user's keys.
    pub(crate) fn mark_user(&self, shard: &mut Shard, aor: &Arc<[u8]>) {
        let Some(follower) = self.shared.follower.get() else { return };
        let Shard { records, marked, .. } = shard;
        let contacts = records.get(aor).into_iter().flat_map(|record| &record.contacts);
        contacts.for_each(|contact| marked.mark(aor, contact, HasRow::Yes));
        follower.wake();
    }
}

impl Shard {
    /// How a contact stands to its row.
    pub(crate) fn row_state(&self, id: ContactId) -> RowState {
        match self.marked.contacts.get(&id).map(|mark| mark.row) {
            None => RowState::Synced,
            Some(HasRow::Yes) => RowState::Dirty,
            Some(HasRow::No | HasRow::Perhaps) => RowState::New,
        }
    }

    fn take_stale(&mut self) -> Option<Stale> {
        if std::mem::take(&mut self.marked.lost) {
            return Some(Stale::Lost);
        }
        if let Some(id) = self.marked.gone.pop() {
            return Some(Stale::Gone(id));
        }
        while let Some(id) = self.marked.waiting.pop() {
            // Who has gone meanwhile has no mark any more.
            let Some(mark) = self.marked.contacts.get_mut(&id) else { continue };
            let Some(record) = self.records.get(&mark.aor) else { continue };
            let Some(contact) = record.contacts.iter().find(|it| it.id == id) else { continue };
            mark.waits = false;
            if mark.row == HasRow::No {
                mark.row = HasRow::Perhaps;
            }
            return Some(Stale::Changed {
                aor: Arc::clone(&mark.aor),
                contact: Arc::clone(contact),
                keys: record.keys.all().to_vec(),
            });
        }
        None
    }
}

impl Marked {
    /// The contacts that are not what their rows are, and whose they are.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&[u8], ContactId)> {
        self.contacts.iter().map(|(id, mark)| (&*mark.aor, *id))
    }

    /// Whether the row of this contact is to be removed.
    pub(crate) fn is_gone(&self, id: ContactId) -> bool {
        self.gone.contains(&id)
    }

    fn mark(&mut self, aor: &Arc<[u8]>, contact: &Contact, row: HasRow) {
        if contact.memory_only {
            return;
        }
        let new = || Mark { aor: Arc::clone(aor), row, waits: false };
        let mark = self.contacts.entry(contact.id).or_insert_with(new);
        if !std::mem::replace(&mut mark.waits, true) {
            self.waiting.push(contact.id);
        }
    }

    /// The row of a contact has to go, if there may be one.
    pub(crate) fn remove(&mut self, id: ContactId) {
        let mark = self.contacts.remove(&id);
        if mark.as_ref().is_some_and(|mark| mark.waits) {
            self.waiting.retain(|waiting| *waiting != id);
        }
        if mark.is_some_and(|mark| mark.row == HasRow::No) {
            return;
        }
        if self.gone.len() < GONE_PER_SHARD_MAX {
            self.gone.push(id);
        } else {
            self.gone.clear();
            self.lost = true;
        }
    }
}

impl Follower {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            (self.wake)();
        }
    }
}
