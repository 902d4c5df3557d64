//! What is stored of a dialog that is in memory (spec dialog.md §11.4): the table was read again
//! while calls run. Memory is the truth, and most of all where it has what is not written yet; a row
//! may know better only where somebody else wrote it.

use crate::record::{NEVER, Record};
use crate::{DialogFlags, Dialogs, Stored, StoredLeg};
use duologue_sip::Moment;
use std::time::Duration;

impl Dialogs {
    /// Takes over what the row of a known dialog has and memory has not: the later timeout, the
    /// higher numbers, values (those of the row win) and profiles. A row that is further on gives its
    /// state, timeout, flags and routes as well. One that is behind gives nothing, nor does one of a
    /// dialog that changed since it was written; false then.
    pub fn merge(&self, now: Moment, stored: &Stored) -> bool {
        let Some(dialog) = self.by_id(stored.id) else { return false };
        let key = dialog.key();
        let mut moved = None;
        let merged = self.with_timer(key, |record| {
            let (known, row) = (record.state, stored.state);
            // an INVITE that is under way here is answered here
            if !known.is_answered() || known.number() > row.number() || record.is_stale() {
                return false;
            }
            if row.is_answered() && known != row {
                moved = Some((known, row));
                record.follow_row(now, stored);
                record.start_pings(now.tick, key, self.settings());
            }
            record.raise_to(now, stored);
            true
        });
        if merged != Ok(true) {
            return false;
        }
        if let Some((old, new)) = moved {
            self.shard(key.id.entry).counts.moved(old, new);
        }
        let known = |name: &[u8]| dialog.fetch_value(name).ok().flatten();
        let news = stored.values.iter().filter(|(name, value)| known(name).as_ref() != Some(value));
        for (name, value) in news.collect::<Vec<_>>().into_iter().rev() {
            // what has no room is left out
            let _ = dialog.store_value(name, value.clone());
        }
        let linked = dialog.profiles().unwrap_or_default();
        for link in stored.profiles.iter().rev().filter(|link| !linked.contains(link)) {
            self.link_again(&dialog, link);
        }
        true
    }
}

impl Record {
    /// The ACK passed somewhere else.
    fn follow_row(&mut self, now: Moment, stored: &Stored) {
        self.state = stored.state;
        self.guard_at = NEVER;
        let kept = self.flags.intersection(DialogFlags::FROM_DB);
        self.flags = stored.flags.difference(DialogFlags::TRANSIENT) | kept | DialogFlags::CHANGED;
        self.routes = Some(Box::new(stored.routes)).filter(|it| it.iter().any(Option::is_some));
        self.expire_at(now, stored.timeout_ts);
    }

    /// Nothing goes back: neither the end of the call nor its numbers.
    fn raise_to(&mut self, now: Moment, stored: &Stored) {
        if stored.timeout_ts > self.timeout_ts.into() && !self.timeout_is_fixed() {
            self.expire_at(now, stored.timeout_ts);
        }
        let same = |(leg, row): &(&mut crate::leg::Leg, &StoredLeg)| leg.tag() == &*row.tag;
        for (leg, row) in self.legs.iter_mut().zip(&stored.legs).filter(same) {
            let before = [leg.r_cseq, leg.inv_cseq, leg.last_gen_cseq];
            leg.r_cseq = leg.r_cseq.max(row.cseq);
            leg.inv_cseq = leg.inv_cseq.max(row.inv_cseq);
            leg.last_gen_cseq = leg.last_gen_cseq.max(row.last_gen_cseq);
            if before != [leg.r_cseq, leg.inv_cseq, leg.last_gen_cseq] {
                self.flags |= DialogFlags::CHANGED;
            }
        }
    }

    fn expire_at(&mut self, now: Moment, unix: u64) {
        let left = unix.saturating_sub(now.unix);
        self.timeout_ts = u32::try_from(unix).unwrap_or(u32::MAX);
        self.lifetime_at = now.tick + Duration::from_secs(left);
        self.expiring = false;
        self.flags |= DialogFlags::CHANGED;
    }
}
