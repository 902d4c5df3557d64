//! Whether what is counted is what is there.

use crate::location::Growth;
use crate::table::user_octets;
use crate::{Expires, Location, Table};

impl Location {
    /// Counts everything, and compares with the counters that are kept. For tests: it looks at every
    /// user, and expects that nobody changes anything meanwhile.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn audit(&self) -> Result<(), String> {
        let mut there = Growth::default();
        for table in self.tables() {
            let found = table.audit()?;
            there.contacts += found.contacts;
            there.octets += found.octets;
        }
        let counted = self.room();
        if counted == there {
            Ok(())
        } else {
            Err(format!("there is {there:?}, counted is {counted:?}"))
        }
    }
}

impl Table {
    fn audit(&self) -> Result<Growth, String> {
        let (mut users, mut contacts, mut octets) = (0, 0, 0);
        for slot in &self.slots {
            let shard = slot.shard.lock();
            let mut timed = 0;
            for (aor, record) in &shard.records {
                if record.contacts.is_empty() {
                    return Err(format!("{} has no contact", String::from_utf8_lossy(aor)));
                }
                users += 1;
                contacts += record.contacts.len();
                octets += user_octets(aor) + record.keys.octets();
                octets += record.contacts.iter().map(|contact| contact.octets()).sum::<usize>();
                let timed_of = |contact: &&std::sync::Arc<crate::Contact>| {
                    matches!(contact.expires, Expires::At(_))
                };
                timed += record.contacts.iter().filter(timed_of).count();
            }
            if shard.deadlines() != timed {
                return Err(format!("{timed} contacts end, {} deadlines stand", shard.deadlines()));
            }
            for (aor, id) in shard.marked.ids() {
                let record = shard.records.get(aor);
                if !record.is_some_and(|it| it.contacts.iter().any(|contact| contact.id == id)) {
                    return Err(format!("contact {} is marked and gone", id.0));
                }
            }
            if !shard.untold.is_empty() {
                return Err(format!("{} changes were not told", shard.untold.len()));
            }
        }
        let counted = self.statistics();
        if (counted.users, counted.contacts) != (users, contacts) {
            return Err(format!("{users} users with {contacts} contacts, counted: {counted:?}"));
        }
        Ok(Growth { contacts: contacts.cast_signed(), octets: octets.cast_signed() })
    }
}
