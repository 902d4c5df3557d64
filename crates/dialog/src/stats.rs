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

    /// What the shard adds to a statistic; nothing to those of the whole table.
    const fn of(&self, which: Statistic) -> u64 {
        let [_, unconfirmed, early, confirmed_na, confirmed, deleted] = self.members;
        match which {
            Statistic::ActiveDialogs => confirmed_na + confirmed,
            Statistic::EarlyDialogs => early,
            Statistic::UnconfirmedDialogs => unconfirmed,
            Statistic::DialogsLingering => deleted,
            Statistic::ProcessedDialogs => self.processed,
            Statistic::ExpiredDialogs => self.expired,
            Statistic::FailedDialogs => self.failed,
            Statistic::LateAnswers => self.late_answers,
            Statistic::BogusEvents => self.bogus,
            Statistic::ProfileLinksRefused => self.links_refused,
            Statistic::Races => self.races,
            Statistic::ByesFailed => self.byes_failed,
            Statistic::PingsSent => self.pings_sent,
            Statistic::PingsAnswered => self.pings_answered,
            Statistic::PingsFailed => self.pings_failed,
            Statistic::DialogsTombstones | Statistic::CallbackPanics => 0,
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

/// The statistics under two names each: as a field of what is read at once, and as what can be read
/// alone.
macro_rules! statistics {
    ($($(#[$doc:meta])* $field:ident = $variant:ident,)*) => {
        /// The statistics of a table, added up over its shards.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $field: u64,)*
        }

        /// One of the [`Statistics`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Statistic {
            $($(#[$doc])* $variant,)*
        }

        impl Statistics {
            fn of(read: impl Fn(Statistic) -> u64) -> Self {
                Self { $($field: read(Statistic::$variant),)* }
            }
        }
    };
}

statistics! {
    /// Dialogs in states 3 and 4.
    active_dialogs = ActiveDialogs,
    /// Dialogs in state 2.
    early_dialogs = EarlyDialogs,
    /// Dialogs in state 1.
    unconfirmed_dialogs = UnconfirmedDialogs,
    /// Dialogs in state 5 that somebody may still read.
    dialogs_lingering = DialogsLingering,
    /// Tombstones that route late requests.
    dialogs_tombstones = DialogsTombstones,
    /// Dialogs created.
    processed_dialogs = ProcessedDialogs,
    /// Dialogs whose lifetime ran out.
    expired_dialogs = ExpiredDialogs,
    /// Dialogs that ended unanswered, and failed creations.
    failed_dialogs = FailedDialogs,
    /// 2xx that came after the dialog had failed (decision D3).
    late_answers = LateAnswers,
    /// Events that their dialog's state did not expect.
    bogus_events = BogusEvents,
    /// Profile links refused because a bound was hit.
    profile_links_refused = ProfileLinksRefused,
    /// Answers that crossed a CANCEL or an early BYE (§2.4.4).
    races = Races,
    /// BYEs of ours that got no 2xx.
    byes_failed = ByesFailed,
    /// Pings sent.
    pings_sent = PingsSent,
    /// Pings that were answered, whatever the answer.
    pings_answered = PingsAnswered,
    /// Pings that nobody answered, or by a peer that does not know the call.
    pings_failed = PingsFailed,
    /// Callbacks that panicked.
    callback_panics = CallbackPanics,
}

impl Dialogs {
    /// The statistics, read shard by shard.
    pub fn statistics(&self) -> Statistics {
        let shards: Vec<Counts> = self.inner.shards.iter().map(|it| it.lock().counts).collect();
        Statistics::of(|which| self.total(which, shards.iter().copied()))
    }

    /// One statistic alone.
    pub fn statistic(&self, which: Statistic) -> u64 {
        self.total(which, self.inner.shards.iter().map(|shard| shard.lock().counts))
    }

    /// A statistic of these shards, or of the whole table.
    fn total(&self, which: Statistic, shards: impl Iterator<Item = Counts>) -> u64 {
        match which {
            Statistic::DialogsTombstones => self.tombstones() as u64,
            Statistic::CallbackPanics => self.inner.panics(),
            _ => shards.map(|counts| counts.of(which)).sum(),
        }
    }

    /// `$DLG_count`: dialogs in states 3 and 4.
    pub fn active_count(&self) -> u64 {
        self.statistic(Statistic::ActiveDialogs)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the members are their states.
    #[test]
    fn gauges_are_read_by_state() {
        let mut counts = Counts::default();
        counts.enter(State::Unconfirmed);
        counts.enter(State::Confirmed);
        counts.enter(State::ConfirmedNa);
        counts.moved(State::Unconfirmed, State::Early);
        counts.enter(State::Deleted);
        counts.races += 7;
        let read = |which| counts.of(which);
        assert_eq!((read(Statistic::ActiveDialogs), read(Statistic::EarlyDialogs)), (2, 1));
        assert_eq!(
            (read(Statistic::UnconfirmedDialogs), read(Statistic::DialogsLingering)),
            (0, 1)
        );
        assert_eq!(read(Statistic::Races), 7);
    }
}
