//! A user's contacts, and what an update makes of them.
//!
//! Planning is a calculation without effects: it either yields the new contacts and the steps that
//! lead to them, or refuses and nothing has happened.

use std::sync::Arc;
use std::time::Duration;

use duologue_sip::Tick;
use smallvec::SmallVec;

use crate::keys::Keys;
use crate::matching::same_uri;
use crate::update::Ask;
use crate::{Change, Contact, ContactId, Gone, Matching, Refused, Update};

/// What is stored of a user.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Ordered: the first to be tried in front. Most users have one phone.
    pub(crate) contacts: SmallVec<[Arc<Contact>; 1]>,
    pub(crate) keys: Keys,
}

/// The rules by which updates are planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'r> {
    pub(crate) matching: &'r Matching,
    pub(crate) cseq_delay: Duration,
    pub(crate) newest_first: bool,
    pub(crate) contacts_max: usize,
}

/// What an update would do.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) contacts: SmallVec<[Arc<Contact>; 1]>,
    pub(crate) steps: Vec<Step>,
    pub(crate) own: Vec<ContactId>,
}

/// One change of a contact.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Inserted(Arc<Contact>),
    Updated { was: Arc<Contact>, is: Arc<Contact> },
    Deleted(Arc<Contact>, Gone),
}

/// How old a request is to a contact that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Newer,
    Again,
    Older,
}

impl Record {
    /// What `update` makes of the contacts; `next_id` numbers new ones.
    pub(crate) fn plan(
        &self,
        now: Tick,
        update: Update<'_>,
        rules: Rules<'_>,
        next_id: impl Fn() -> ContactId,
    ) -> Result<Plan, Refused> {
        let mut plan = Plan::of(self);
        plan.drop(|known| !known.is_bound(now), Gone::Expired);
        let age = |known: &Contact| match update.ordered {
            true => Age::of(known, update.call_id, update.cseq, now, rules.cseq_delay),
            false => Age::Newer,
        };
        let mut inserted = false;
        match update.ask {
            // RFC 3261 §10.3, step 6: each binding must be older than the request, or none goes.
            Ask::RemoveAll => {
                if plan.contacts.iter().any(|known| age(known) == Age::Older) {
                    return Err(Refused::OldRequest);
                }
                plan.drop(|known| age(known) == Age::Newer, Gone::Removed);
            }
            Ask::Changes(changes) => {
                let matching = update.matching.as_ref().unwrap_or(rules.matching);
                for change in changes {
                    let at = {
                        let uri = change.uri();
                        let same = |known: &Arc<Contact>| match update.ordered {
                            true => matching.is_same(known, uri, update.call_id),
                            false => same_uri(&known.uri, uri),
                        };
                        plan.contacts.iter().position(same)
                    };
                    let known = at.map(|at| Arc::clone(&plan.contacts[at]));
                    match (at.zip(known), change) {
                        (Some((at, known)), change) => match age(&known) {
                            Age::Older => return Err(Refused::OldRequest),
                            Age::Again => plan.own.push(known.id),
                            Age::Newer => plan.change(at, known, change, now),
                        },
                        (None, Change::Set(new)) => {
                            let id = next_id();
                            plan.insert(Contact { id, modified: now, ..new });
                            inserted = true;
                        }
                        (None, Change::Remove(_)) => {}
                    }
                }
            }
        }
        let allowed = update.contacts_max.unwrap_or(usize::MAX).min(rules.contacts_max);
        while inserted && plan.contacts.len() > allowed {
            if !update.displaces || !plan.displace_oldest() {
                return Err(Refused::TooManyContacts);
            }
        }
        sort(&mut plan.contacts, rules.newest_first);
        Ok(plan)
    }
}

impl Plan {
    /// The contacts of a record, with nothing planned yet.
    pub(crate) fn of(record: &Record) -> Self {
        Self { contacts: record.contacts.clone(), ..Self::default() }
    }

    /// Removes those contacts that `which` picks.
    pub(crate) fn drop(&mut self, which: impl Fn(&Arc<Contact>) -> bool, why: Gone) {
        let steps = &mut self.steps;
        self.contacts.retain(|known| {
            let picked = which(known);
            if picked {
                steps.push(Step::Deleted(Arc::clone(known), why));
            }
            !picked
        });
    }

    fn change(&mut self, at: usize, was: Arc<Contact>, change: Change, now: Tick) {
        match change {
            Change::Set(new) => {
                // What was measured of the phone is still true.
                let (id, latency_us) = (was.id, was.latency_us);
                let is = Arc::new(Contact { id, latency_us, modified: now, ..new });
                self.own.push(id);
                self.contacts[at] = Arc::clone(&is);
                self.steps.push(Step::Updated { was, is });
            }
            Change::Remove(_) => {
                self.contacts.remove(at);
                self.steps.push(Step::Deleted(was, Gone::Removed));
            }
        }
    }

    pub(crate) fn insert(&mut self, contact: Contact) {
        let contact = Arc::new(contact);
        self.own.push(contact.id);
        self.contacts.push(Arc::clone(&contact));
        self.steps.push(Step::Inserted(contact));
    }

    /// Removes the contact that was refreshed the longest time ago; false if all are the update's.
    fn displace_oldest(&mut self) -> bool {
        let others = self.contacts.iter().enumerate();
        let others = others.filter(|(_, contact)| !self.own.contains(&contact.id));
        let oldest = others.min_by_key(|(_, contact)| (contact.modified, contact.id));
        let Some((at, _)) = oldest else { return false };
        let gone = self.contacts.remove(at);
        self.steps.push(Step::Deleted(gone, Gone::Displaced));
        true
    }
}

impl Change {
    fn uri(&self) -> &[u8] {
        match self {
            Self::Set(contact) => &contact.uri,
            Self::Remove(uri) => uri,
        }
    }
}

impl Age {
    /// RFC 3261 §10.3, step 7: only requests of one Call-ID have an order. spec/modules.md §12: one
    /// with the same CSeq is a retransmission for a while, and afterwards a mistake.
    fn of(known: &Contact, call_id: &[u8], cseq: u32, now: Tick, cseq_delay: Duration) -> Self {
        if *known.call_id != *call_id || cseq > known.cseq {
            Self::Newer
        } else if cseq == known.cseq && now.since(known.modified) <= cseq_delay {
            Self::Again
        } else {
            Self::Older
        }
    }
}

/// The highest q in front, those without one last; among equals by the time of the last refresh.
pub(crate) fn sort(contacts: &mut [Arc<Contact>], newest_first: bool) {
    contacts.sort_by(|a, b| {
        let by_time = (a.modified, a.id).cmp(&(b.modified, b.id));
        b.q.cmp(&a.q).then(if newest_first { by_time.reverse() } else { by_time })
    });
}
