//! Statistics (spec dialog.md §2.5, §14.3): gauges are membership, counters only rise.

use crate::table::Content;
use crate::{Dialogs, Outcome, State};

/// What a shard counts. Gauges change in `enter`, `leave` and `moved` alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    members: [u64; 6],
    pub(crate) processed: u64,
    pub(crate) expired: u64,
    pub(crate) failed: u64,
    pub(crate) late_answers: u64,
    pub(crate) bogus: u64,
    pub(crate) links_refused: u64,
    pub(crate) races: u64,
    pub(crate) byes_failed: u64,
    pub(crate) pings_sent: u64,
    pub(crate) pings_answered: u64,
    pub(crate) pings_failed: u64,
}

impl Counts {
    pub(crate) const fn enter(&mut self, state: State) {
        self.members[state as usize] += 1;
    }

    pub(crate) const fn leave(&mut self, state: State) {
        let members = &mut self.members[state as usize];
        *members = members.saturating_sub(1);
    }

    pub(crate) const fn ping_ended(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Reply(408 | 481) | Outcome::TimedOut | Outcome::NotSent => {
                self.pings_failed += 1;
            }
            Outcome::Reply(_) => self.pings_answered += 1,
        }
    }

    /// How many dialogs the shard has.
    pub(crate) fn live(&self) -> usize {
        self.members.iter().sum::<u64>() as usize
    }

    pub(crate) const fn moved(&mut self, old: State, new: State) {
        self.leave(old);
        self.enter(new);
    }
}

/// The statistics of a table, added up over its shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Dialogs in states 3 and 4.
    pub active_dialogs: u64,
    /// Dialogs in state 2.
    pub early_dialogs: u64,
    /// Dialogs in state 1.
    pub unconfirmed_dialogs: u64,
    /// Dialogs in state 5 that somebody may still read.
    pub dialogs_lingering: u64,
    /// Tombstones that route late requests.
    pub dialogs_tombstones: u64,
    /// Dialogs created.
    pub processed_dialogs: u64,
    /// Dialogs whose lifetime ran out.
    pub expired_dialogs: u64,
    /// Dialogs that ended unanswered, and failed creations.
    pub failed_dialogs: u64,
    /// 2xx that came after the dialog had failed (decision D3).
    pub late_answers: u64,
    /// Events that their dialog's state did not expect.
    pub bogus_events: u64,
    /// Profile links refused because a bound was hit.
    pub profile_links_refused: u64,
    /// Answers that crossed a CANCEL or an early BYE (§2.4.4).
    pub races: u64,
    /// BYEs of ours that got no 2xx.
    pub byes_failed: u64,
    /// Pings sent.
    pub pings_sent: u64,
    /// Pings that were answered, whatever the answer.
    pub pings_answered: u64,
    /// Pings that nobody answered, or by a peer that does not know the call.
    pub pings_failed: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
}

impl Dialogs {
    /// The statistics, read shard by shard.
    pub fn statistics(&self) -> Statistics {
        let mut sum = Statistics {
            dialogs_tombstones: self.tombstones() as u64,
            callback_panics: self.inner.panics(),
            ..Statistics::default()
        };
        for shard in &self.inner.shards {
            let counts = shard.lock().counts;
            let members = |state: State| counts.members[state as usize];
            sum.active_dialogs += members(State::ConfirmedNa) + members(State::Confirmed);
            sum.early_dialogs += members(State::Early);
            sum.unconfirmed_dialogs += members(State::Unconfirmed);
            sum.dialogs_lingering += members(State::Deleted);
            sum.processed_dialogs += counts.processed;
            sum.expired_dialogs += counts.expired;
            sum.failed_dialogs += counts.failed;
            sum.late_answers += counts.late_answers;
            sum.bogus_events += counts.bogus;
            sum.profile_links_refused += counts.links_refused;
            sum.races += counts.races;
            sum.byes_failed += counts.byes_failed;
            sum.pings_sent += counts.pings_sent;
            sum.pings_answered += counts.pings_answered;
            sum.pings_failed += counts.pings_failed;
        }
        sum
    }

    /// `$DLG_count`: dialogs in states 3 and 4.
    pub fn active_count(&self) -> u64 {
        self.statistics().active_dialogs
    }

    /// Checks the gauges and profiles against a count of the table: the first difference in words.
    /// While calls run, what changes during the count may differ.
    pub fn audit(&self) -> Result<(), String> {
        let (mut armed, mut links) = (0, 0);
        for (number, shard) in self.inner.shards.iter().enumerate() {
            let shard = shard.lock();
            let mut members = [0; 6];
            for slot in &shard.slots {
                if let Content::Live(record) = &slot.content {
                    members[record.state as usize] += 1;
                    links += record.links().map_or(0, |links| links.len());
                }
            }
            if members != shard.counts.members {
                return Err(format!(
                    "shard {number}: counted {members:?}, gauges say {:?}",
                    shard.counts.members
                ));
            }
            armed += shard.wheel.armed();
        }
        let kept = self.len() + self.tombstones();
        if armed > kept {
            return Err(format!("{armed} deadlines for {kept} dialogs and tombstones"));
        }
        let mut counted = 0;
        for members in self.inner.profiles.all() {
            counted += members.audit()?;
        }
        if counted != links {
            return Err(format!("profiles count {counted} links, dialogs have {links}"));
        }
        Ok(())
    }

    /// How many dialogs the table holds, ended ones included.
    pub fn len(&self) -> usize {
        self.inner.live.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether the table holds no dialog.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the table, its dialogs and tombstones take, as handed to the allocator.
    pub fn memory(&self) -> usize {
        self.inner
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                let contents = shard.slots.iter().map(|slot| match &slot.content {
                    Content::Free => 0,
                    Content::Live(record) => record.memory(),
                    Content::Tomb(tombstone) => tombstone.memory(),
                });
                contents.sum::<usize>() + shard.memory()
            })
            .chain(self.inner.profiles.all().iter().map(|members| members.memory()))
            .sum()
    }
}
