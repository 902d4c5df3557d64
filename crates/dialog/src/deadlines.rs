//! Time: lifetimes, early and no-ACK timeouts, the way out (spec dialog.md §5, decisions D4, D8).

use crate::engine::{Cause, destroy};
use crate::pings::Pinged;
use crate::record::{Leaving, NEVER, Record};
use crate::table::Content;
use crate::{
    DialogFlags, DialogKey, Dialogs, ENDING_MAX, EndReason, Gone, Intent, MachineEvent,
    NoAckAction, Note, RouteHook, Settings, State, Step, Steps, Wish,
};
use duologue_sip::{Moment, Tick};
use std::time::Duration;

/// How long the on-timeout route may take to prolong the call, before it ends without its word.
const TIMEOUT_ROUTE_MAX: Duration = Duration::from_secs(60);

/// A dialog whose time has come: pass it to [`Dialogs::deadline`] as a job of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The dialog.
    pub key: DialogKey,
    /// The shell's word for the call that owns it.
    pub owner: u64,
}

impl Dialogs {
    /// The earliest moment at which [`wake`](Self::wake) may have something to tell; it may turn
    /// out to be nothing. `None` while no dialog has a deadline.
    ///
    /// Deadlines are whole seconds and this looks at every shard: ask once after each wake, not
    /// after each message.
    pub fn next_wake(&self) -> Option<Tick> {
        let seconds = self.inner.shards.iter().filter_map(|shard| shard.lock().wheel.next_second());
        seconds.min().map(|second| Tick::from_millis(second.saturating_mul(1000)))
    }

    /// Tells which dialogs are due. Nothing changes yet: each is a job for its call. A job that
    /// got lost is told again a second later.
    pub fn wake(&self, now: Tick, due: &mut Vec<Due>) {
        let second = now.as_millis() / 1000;
        let mut candidates = Vec::new();
        for shard in &self.inner.shards {
            let mut shard = shard.lock();
            candidates.clear();
            shard.wheel.turn(second, &mut candidates);
            for &slot in &candidates {
                match &shard.slots[slot as usize].content {
                    Content::Live(record) if record.deadline() <= now => {
                        due.push(Due { key: shard.key(slot), owner: record.owner });
                        shard.wheel.arm(slot, second + 1);
                    }
                    Content::Tomb(tombstone) if tombstone.until <= now => {
                        self.bury(&mut shard, slot);
                    }
                    // a later turn of the wheel
                    Content::Live(_) | Content::Tomb(_) => {}
                    Content::Free => shard.wheel.disarm(slot),
                }
            }
        }
    }

    /// Carries out what is due for this dialog; nothing if it was prolonged or ended meanwhile.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn deadline(&self, now: Moment, key: DialogKey, steps: &mut Steps) -> Result<(), Gone> {
        let settings = self.settings();
        let mut pinged = 0;
        let due = self.with_timer(key, |record| {
            let is_due = |at: &mut Tick| {
                let due = *at <= now.tick;
                if due {
                    *at = NEVER;
                }
                due
            };
            let guard = is_due(&mut record.guard_at);
            let ending = is_due(&mut record.ending_at);
            let lifetime = record.lifetime_at <= now.tick;
            let intent = Intent { key, owner: record.owner, wish: Wish::End };
            match record.state {
                // its delay is over, unless somebody reads it again; or nobody may any more
                State::Deleted if lifetime || (guard && record.is_idle()) => {
                    record.leaving = Leaving::Stays;
                    destroy(now, key, record, steps);
                }
                State::Unconfirmed | State::Early if guard => {
                    want_end(record, EndReason::EARLY_TIMEOUT, intent, steps);
                }
                State::ConfirmedNa if guard => {
                    steps.note(key, Note::NoAck);
                    if settings.noack_action == NoAckAction::Bye {
                        want_end(record, EndReason::NO_ACK, intent, steps);
                    }
                }
                _ => {}
            }
            if ending && record.state.is_answered() {
                return Some(MachineEvent::InternalEnd);
            }
            pinged += ping(record, now, key, settings, steps);
            if !lifetime || !record.state.is_answered() {
                return None;
            }
            match record.route(RouteHook::Timeout) {
                Some(route) if !record.expiring => {
                    record.expiring = true;
                    record.lifetime_at = now.tick + TIMEOUT_ROUTE_MAX;
                    steps.push(Step::Route(key, RouteHook::Timeout, route));
                    steps.push(Step::DecideExpiry(key));
                    None
                }
                _ => {
                    record.expiring = true;
                    Some(MachineEvent::Expired)
                }
            }
        })?;
        if pinged > 0 {
            self.shard(key.id.entry).counts.pings_sent += pinged;
        }
        match due {
            Some(MachineEvent::Expired) => self.expire(now, key, steps),
            Some(event) => self.apply(now, key, event, Cause::default(), steps).map(|_| ()),
            None => Ok(()),
        }
    }

    /// The on-timeout route has run: unless it prolonged the call, the call expires (§5.1).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn expire(&self, now: Moment, key: DialogKey, steps: &mut Steps) -> Result<(), Gone> {
        let mut shard = self.shard(key.id.entry);
        let record = shard.record(key)?;
        if !std::mem::take(&mut record.expiring) || !record.state.is_answered() {
            return Ok(());
        }
        record.lifetime_at = NEVER;
        // lessons 15: what raced is released on both sides, whether or not expiry sends BYEs
        let raced = record.flags.contains(
            DialogFlags::RACE_CONDITION_OCCURRED.union(DialogFlags::END_ON_RACE_CONDITION),
        );
        if !raced && !record.flags.contains(DialogFlags::BYE_ON_TIMEOUT) {
            let event = MachineEvent::Expired;
            let (_, change) =
                self.apply_locked(&mut shard, now, key, event, Cause::default(), steps)?;
            drop(shard);
            self.tell(change);
            return Ok(());
        }
        let reason =
            if raced { EndReason::SIP_RACE_CONDITION } else { EndReason::LIFETIME_TIMEOUT };
        // should the shell lose the step, the dialog ends all the same
        record.ending_at = record.ending_at.min(now.tick + ENDING_MAX);
        want_end(record, reason, Intent { key, owner: record.owner, wish: Wish::End }, steps);
        shard.counts.expired += 1;
        shard.rearm(key.slot);
        Ok(())
    }
}

/// Whichever side is due is pinged, or given up; how many pings go out.
fn ping(
    record: &mut Record,
    now: Moment,
    key: DialogKey,
    settings: &Settings,
    steps: &mut Steps,
) -> u64 {
    let mut sent = 0;
    for side in 0..2 {
        match record.ping(now.tick, key, side, settings) {
            Some(Pinged::Send(own)) => {
                steps.push(Step::Send(own));
                sent += 1;
            }
            Some(Pinged::Failed(reason)) => {
                let intent = Intent { key, owner: record.owner, wish: Wish::End };
                want_end(record, reason, intent, steps);
            }
            None => {}
        }
    }
    sent
}

/// The engine itself wants the dialog ended by messages, unless they are under way.
fn want_end(record: &mut Record, reason: EndReason, intent: Intent, steps: &mut Steps) {
    record.note_reason(reason);
    record.ending = true;
    if !record.ending_begun {
        steps.push(Step::End(intent));
    }
}
