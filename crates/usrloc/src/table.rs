//! A table: the users of one name space.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use duologue_sip::Tick;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use crate::keys::KeyError;
use crate::limits::SHARD_BITS_MAX;
use crate::location::{Growth, Shared};
use crate::record::{Plan, Record, Rules, Step};
use crate::shard::{Shard, Slot};
use crate::{Contact, ContactId, Entry, Event, Gone, Refused, Update, Updated};

/// Contacts of a user, the first to be tried in front.
pub type Contacts = SmallVec<[Arc<Contact>; 4]>;

/// The users of one name space and their contacts; part of a [`Location`](crate::Location).
#[derive(Debug)]
pub struct Table {
    name: Arc<str>,
    pub(crate) slots: Box<[Slot]>,
    pub(crate) shared: Arc<Shared>,
    users: AtomicUsize,
    contacts: AtomicUsize,
    expired: AtomicU64,
}

/// How many there are in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStatistics {
    /// Users with at least one contact.
    pub users: usize,
    /// Their contacts; some may be over and not yet removed.
    pub contacts: usize,
    /// Contacts that nobody refreshed in time, since the start.
    pub expired: u64,
}

impl Table {
    pub(crate) fn new(name: &str, shared: Arc<Shared>) -> Self {
        let bits = shared.settings.hash_bits.min(SHARD_BITS_MAX);
        Self {
            name: name.into(),
            slots: (0..1usize << bits).map(|_| Slot::default()).collect(),
            shared,
            users: AtomicUsize::new(0),
            contacts: AtomicUsize::new(0),
            expired: AtomicU64::new(0),
        }
    }

    /// The name.
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many there are.
    pub fn statistics(&self) -> TableStatistics {
        TableStatistics {
            users: self.users.load(Relaxed),
            contacts: self.contacts.load(Relaxed),
            expired: self.expired.load(Relaxed),
        }
    }

    // --- Reading ------------------------------------------------------------------------------

    /// The contacts of a user that are bound at `now`.
    pub fn contacts(&self, aor: &[u8], now: Tick) -> Contacts {
        let shard = self.slot(aor).shard.lock();
        let Some(record) = shard.records.get(aor) else { return Contacts::new() };
        record.contacts.iter().filter(|contact| contact.is_bound(now)).cloned().collect()
    }

    /// What a script stored with a user under this key.
    pub fn key(&self, aor: &[u8], key: &[u8]) -> Option<Box<[u8]>> {
        let shard = self.slot(aor).shard.lock();
        shard.records.get(aor)?.keys.get(key).map(Into::into)
    }

    // --- Changing -----------------------------------------------------------------------------

    /// Carries an update out, as a whole or not at all.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub fn update(&self, aor: &[u8], now: Tick, update: Update<'_>) -> Result<Updated, Refused> {
        let slot = self.slot(aor);
        let outcome = self.update_in(&mut slot.shard.lock(), aor, now, update);
        self.tell(slot);
        outcome
    }

    fn update_in(
        &self,
        shard: &mut Shard,
        aor: &[u8],
        now: Tick,
        update: Update<'_>,
    ) -> Result<Updated, Refused> {
        let settings = &self.shared.settings;
        let rules = Rules {
            matching: &settings.matching,
            cseq_delay: settings.cseq_delay,
            newest_first: settings.newest_first,
            contacts_max: settings.limits.contacts_per_user,
        };
        let nobody = Record::default();
        let (aor, record) = match shard.records.get_key_value(aor) {
            Some((aor, record)) => (Arc::clone(aor), record),
            None => (aor.into(), &nobody),
        };
        let plan = record.plan(now, update, rules, || self.shared.next_id())?;
        let updated = Updated { contacts: plan.contacts.to_vec(), own: plan.own.clone() };
        match self.commit(shard, &aor, plan, Origin::Request) {
            true => Ok(updated),
            false => Err(Refused::Full),
        }
    }

    /// Removes those contacts of a user that `which` picks, and counts them. A contact that is
    /// refreshed at the same moment stays.
    pub fn remove(&self, aor: &[u8], now: Tick, which: impl Fn(&Contact) -> bool) -> usize {
        let mut picked = self.contacts(aor, now);
        picked.retain(|contact| which(contact));
        self.delete(aor, &picked, Gone::Removed)
    }

    /// Removes a user with all contacts; false if there was none.
    pub fn remove_user(&self, aor: &[u8]) -> bool {
        let slot = self.slot(aor);
        let known = |shard: &Shard| shard.records.get(aor).map(|record| record.contacts.to_vec());
        let all = known(&slot.shard.lock());
        all.is_some_and(|all| self.delete(aor, &all, Gone::Removed) > 0)
    }

    /// Notes how long a contact took to answer a ping; false if it is there no more.
    pub fn set_latency(&self, aor: &[u8], id: ContactId, latency_us: u32) -> bool {
        let slot = self.slot(aor);
        let known = self.set_latency_in(&mut slot.shard.lock(), aor, id, latency_us);
        self.tell(slot);
        known
    }

    fn set_latency_in(
        &self,
        shard: &mut Shard,
        aor: &[u8],
        id: ContactId,
        latency_us: u32,
    ) -> bool {
        let Some(record) = shard.records.get_mut(aor) else { return false };
        let Some(contact) = record.contacts.iter_mut().find(|contact| contact.id == id) else {
            return false;
        };
        Arc::make_mut(contact).latency_us = latency_us;
        let measured = Event::Measured(Arc::clone(contact));
        if let Some((aor, _)) = shard.records.get_key_value(aor) {
            let aor = Arc::clone(aor);
            self.note(shard, &aor, measured);
        }
        true
    }

    /// Stores a value with a user.
    ///
    /// # Errors
    /// [`KeyError`]; nothing has changed then.
    pub fn set_key(&self, aor: &[u8], key: &[u8], value: &[u8]) -> Result<(), KeyError> {
        let slot = self.slot(aor);
        let outcome = self.set_key_in(&mut slot.shard.lock(), aor, key, value);
        self.tell(slot);
        outcome
    }

    fn set_key_in(
        &self,
        shard: &mut Shard,
        aor: &[u8],
        key: &[u8],
        value: &[u8],
    ) -> Result<(), KeyError> {
        let limits = &self.shared.settings.limits;
        let record = shard.records.get_mut(aor).ok_or(KeyError::NoUser)?;
        record.keys.check(key, value, limits.keys_per_user)?;
        let growth = Growth { contacts: 0, octets: record.keys.growth(key, value) };
        if !self.shared.room.take(growth, limits) {
            return Err(KeyError::Full);
        }
        record.keys.set(key, value);
        self.keys_changed(shard, aor);
        Ok(())
    }

    /// Removes what is stored with a user under this key; false if there was nothing.
    pub fn remove_key(&self, aor: &[u8], key: &[u8]) -> bool {
        let slot = self.slot(aor);
        let freed = {
            let mut shard = slot.shard.lock();
            let freed = shard.records.get_mut(aor).and_then(|record| record.keys.remove(key));
            if freed.is_some() {
                self.keys_changed(&mut shard, aor);
            }
            freed
        };
        let Some(freed) = freed else { return false };
        let growth = Growth { contacts: 0, octets: -freed.cast_signed() };
        self.shared.room.take(growth, &self.shared.settings.limits);
        self.tell(slot);
        true
    }

    fn keys_changed(&self, shard: &mut Shard, aor: &[u8]) {
        if let Some((aor, record)) = shard.records.get_key_value(aor) {
            let aor = Arc::clone(aor);
            let has_journal = self.shared.journal.get().is_some();
            let keys = has_journal.then(|| Event::Keys(record.keys.all().into()));
            self.mark_user(shard, &aor);
            keys.into_iter().for_each(|keys| self.note(shard, &aor, keys));
        }
    }

    // --- The inside ---------------------------------------------------------------------------

    pub(crate) fn slot(&self, aor: &[u8]) -> &Slot {
        let (k0, k1) = self.shared.key;
        let mut hasher = SipHasher13::new_with_keys(k0, k1);
        hasher.write(aor);
        // The number of slots is a power of two.
        let mask = self.slots.len() as u64 - 1;
        &self.slots[(hasher.finish() & mask) as usize]
    }

    /// Removes contacts that are still what they were, and counts them.
    pub(crate) fn delete(&self, aor: &[u8], picked: &[Arc<Contact>], why: Gone) -> usize {
        if picked.is_empty() {
            return 0;
        }
        let slot = self.slot(aor);
        let deleted = {
            let mut shard = slot.shard.lock();
            let Some((aor, record)) = shard.records.get_key_value(aor) else { return 0 };
            let aor = Arc::clone(aor);
            let mut plan = Plan::of(record);
            plan.drop(|known| picked.iter().any(|picked| Arc::ptr_eq(picked, known)), why);
            let deleted = plan.steps.len();
            self.commit(&mut shard, &aor, plan, Origin::Request);
            deleted
        };
        self.tell(slot);
        deleted
    }

    /// Removes the contacts of a user that are over, and counts them.
    pub(crate) fn delete_expired(&self, shard: &mut Shard, aor: &Arc<[u8]>, now: Tick) -> usize {
        let Some(record) = shard.records.get(aor) else { return 0 };
        let mut plan = Plan::of(record);
        plan.drop(|known| !known.is_bound(now), Gone::Expired);
        let deleted = plan.steps.len();
        self.commit(shard, aor, plan, Origin::Request);
        deleted
    }

    /// Puts a plan into effect; false if there is no room for what it adds.
    pub(crate) fn commit(
        &self,
        shard: &mut Shard,
        aor: &Arc<[u8]>,
        plan: Plan,
        origin: Origin,
    ) -> bool {
        let is_news = origin == Origin::Request;
        let record = shard.records.get(aor);
        let user = user_octets(aor);
        let (is_new, ends) = (record.is_none(), plan.contacts.is_empty());
        let keys = record.map_or(0, |record| record.keys.octets());
        if is_new && ends {
            return true;
        }
        let mut growth: Growth = plan.steps.iter().map(Step::growth).sum();
        growth.octets += match (is_new, ends) {
            (true, _) => user.cast_signed(),
            (false, true) => -(user + keys).cast_signed(),
            (false, false) => 0,
        };
        if !self.shared.room.take(growth, &self.shared.settings.limits) {
            return false;
        }
        if is_new {
            self.users.fetch_add(1, Relaxed);
            if is_news {
                self.note(shard, aor, Event::AorInserted);
            }
        }
        for step in plan.steps {
            shard.follow(aor, &step);
            if matches!(step, Step::Deleted(_, Gone::Expired)) {
                self.expired.fetch_add(1, Relaxed);
            }
            if is_news {
                self.mark(shard, aor, &step);
                self.note(shard, aor, step.into());
            }
        }
        match growth.contacts {
            more @ 0.. => self.contacts.fetch_add(more.unsigned_abs(), Relaxed),
            fewer => self.contacts.fetch_sub(fewer.unsigned_abs(), Relaxed),
        };
        if ends {
            shard.records.remove(aor);
            self.users.fetch_sub(1, Relaxed);
            self.note(shard, aor, Event::AorDeleted);
        } else {
            shard.records.entry(Arc::clone(aor)).or_default().contacts = plan.contacts;
        }
        true
    }

    /// Writes a change down for the journal, if there is one.
    fn note(&self, shard: &mut Shard, aor: &Arc<[u8]>, event: Event) {
        if self.shared.journal.get().is_some() {
            let number = self.shared.next_number();
            let (table, aor) = (Arc::clone(&self.name), Arc::clone(aor));
            shard.untold.push(Entry { number, table, aor, event });
        }
    }
}

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody asked for it, or time did.
    Request,
    /// It was read: the journal and who keeps contacts need not hear of it.
    Row,
}

/// What a user is counted as, without contacts and keys: the name, in the table and among the
/// deadlines, and what every record takes.
pub(crate) const fn user_octets(aor: &[u8]) -> usize {
    aor.len() + 160
}

impl From<Step> for Event {
    fn from(step: Step) -> Self {
        match step {
            Step::Inserted(is) => Self::Inserted(is),
            Step::Updated { is, .. } => Self::Updated(is),
            Step::Deleted(was, why) => Self::Deleted(was, why),
        }
    }
}
