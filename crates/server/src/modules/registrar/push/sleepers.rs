//! Who sleeps, who waits for whom, and when the next thing is to be done about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use duologue_sip::Tick;
use duologue_usrloc::ContactId;

use crate::waiting::Completion;

/// How many phones are kept in mind. One more is called and found as others are, and not woken
/// before its binding ends.
pub(super) const SLEEPERS_MAX: usize = 1 << 20;

/// All of it, in one place.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    phones: HashMap<ContactId, Sleeper>,
    /// By whom they are for, so that a registration finds its own at once, and in their order.
    waits: BTreeMap<(ContactId, u64), Wait>,
    deadlines: BTreeSet<(Tick, Due)>,
    next: u64,
}

/// A phone that can be woken, by the number of its contact.
#[derive(Clone, Debug)]
pub(super) struct Sleeper {
    /// Where it is registered.
    pub(super) table: Arc<str>,
    /// And for whom.
    pub(super) aor: Arc<[u8]>,
    /// When it is to be looked at next.
    pub(super) look_at: Tick,
}

/// Something that waits until a phone registers again.
#[derive(Debug)]
pub(super) struct Wait {
    deadline: Tick,
    pub(super) completion: Completion,
    pub(super) what: What,
}

/// What that is.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A call that rings there, too, once it is awake.
    Branch(super::waking::Ringing),
    /// A request within a dialog.
    Request,
}

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Phone(ContactId),
    Wait(ContactId, u64),
}

/// What has come to its time.
#[derive(Debug)]
pub(super) enum Over {
    /// A phone is to be looked at; it is forgotten unless it is put back.
    Phone(ContactId, Sleeper),
    /// A wait was in vain.
    Wait(Wait),
}

impl Sleepers {
    /// Keeps a phone in mind, or looks at it at another time; false if there is no room.
    pub(super) fn keep(&mut self, contact: ContactId, sleeper: Sleeper) -> bool {
        if self.phones.len() >= SLEEPERS_MAX && !self.phones.contains_key(&contact) {
            return false;
        }
        self.deadlines.insert((sleeper.look_at, Due::Phone(contact)));
        if let Some(before) = self.phones.insert(contact, sleeper.clone())
            && before.look_at != sleeper.look_at
        {
            self.deadlines.remove(&(before.look_at, Due::Phone(contact)));
        }
        true
    }

    /// A phone, by the number of its contact.
    pub(super) fn phone(&self, contact: ContactId) -> Option<&Sleeper> {
        self.phones.get(&contact)
    }

    /// Lets something wait for a phone.
    pub(super) fn wait(
        &mut self,
        contact: ContactId,
        deadline: Tick,
        completion: Completion,
        what: What,
    ) {
        let number = self.next;
        self.next += 1;
        self.deadlines.insert((deadline, Due::Wait(contact, number)));
        self.waits.insert((contact, number), Wait { deadline, completion, what });
    }

    /// All that waited for a phone.
    pub(super) fn woken(&mut self, contact: ContactId) -> Vec<Wait> {
        let mut woken = Vec::new();
        while let Some((&(of, number), _)) = self.waits.range((contact, 0)..).next()
            && of == contact
            && let Some(wait) = self.waits.remove(&(of, number))
        {
            self.deadlines.remove(&(wait.deadline, Due::Wait(of, number)));
            woken.push(wait);
        }
        woken
    }

    /// When something comes to its time.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// What has come to its time, one after the other.
    pub(super) fn over(&mut self, now: Tick) -> Option<Over> {
        while let Some(&(at, due)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            let over = match due {
                Due::Phone(id) => self.phones.remove(&id).map(|it| Over::Phone(id, it)),
                Due::Wait(of, number) => self.waits.remove(&(of, number)).map(Over::Wait),
            };
            if over.is_some() {
                return over;
            }
        }
        None
    }
}
