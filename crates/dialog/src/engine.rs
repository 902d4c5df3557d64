//! Carries out the effects of a transition, in the order of spec dialog.md §2.3.

use crate::ENDING_MAX;
use crate::cseq::CSEQ_MAX;
use crate::leg::LegState;
use crate::machine::{Effect, transition};
use crate::record::{Leaving, NEVER, Record, unix_seconds};
use crate::settings::LINGER_SECONDS_MAX;
use crate::stats::Counts;
use crate::table::{Content, Shard, Slot};
use crate::{
    Change, Changed, DialogFlags, DialogKey, Dialogs, Direction, EndReason, Fire, Gone, Intent,
    LateAnswer, MachineEvent, Note, RequestFacts, RouteHook, Settings, State, Step, Steps, Wish,
};
use duologue_sip::Moment;
use std::time::Duration;

/// What an event brings along.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cause<'a> {
    /// The status of a failure; `None` for none.
    pub(crate) status: Option<u16>,
    pub(crate) request: Option<&'a RequestFacts<'a>>,
}

impl Dialogs {
    /// Feeds one event to the machine of a dialog.
    pub(crate) fn apply(
        &self,
        now: Moment,
        key: DialogKey,
        event: MachineEvent,
        cause: Cause<'_>,
        steps: &mut Steps,
    ) -> Result<State, Gone> {
        let mut shard = self.shard(key.id.entry);
        let result = self.apply_locked(&mut shard, now, key, event, cause, steps);
        drop(shard);
        result.map(|(state, change)| {
            self.tell(change);
            state
        })
    }

    pub(crate) fn apply_locked(
        &self,
        shard: &mut Shard,
        now: Moment,
        key: DialogKey,
        event: MachineEvent,
        cause: Cause<'_>,
        steps: &mut Steps,
    ) -> Result<(State, Option<Change>), Gone> {
        shard.record(key)?;
        let Shard { slots, counts, durations, .. } = &mut *shard;
        let Slot { content: Content::Live(record), .. } = &mut slots[key.slot as usize] else {
            return Err(Gone);
        };
        let old = record.state;
        let step = transition(old, event);
        record.state = step.next;
        if !old.is_ended() && step.next.is_ended() && self.awaits_removal(record) {
            record.holds = record.holds.saturating_add(1);
        }
        counts.moved(old, step.next);
        durations.moved(record, old, now.tick);
        let mut run = Run {
            now,
            key,
            event,
            old,
            cause,
            dialogs: self,
            settings: self.settings(),
            record,
            counts,
            steps,
            change: None,
        };
        for &effect in step.effects {
            run.carry_out(effect);
        }
        let change = run.change;
        shard.rearm(key.slot);
        self.mark(shard, key.slot);
        Ok((step.next, change))
    }
}

/// One transition being carried out.
struct Run<'a> {
    now: Moment,
    key: DialogKey,
    event: MachineEvent,
    old: State,
    cause: Cause<'a>,
    dialogs: &'a Dialogs,
    settings: &'a Settings,
    record: &'a mut Record,
    counts: &'a mut Counts,
    steps: &'a mut Steps,
    change: Option<Change>,
}

impl Run<'_> {
    fn carry_out(&mut self, effect: Effect) {
        let key = self.key;
        match effect {
            Effect::Tell => self.tell(),
            Effect::CheckRace => self.check_race(),
            Effect::StartLifetime => self.start_lifetime(),
            Effect::StopNoAck => self.record.guard_at = NEVER,
            Effect::StopTimers => {
                self.record.lifetime_at = NEVER;
                self.record.guard_at = NEVER;
                self.record.ending_at = NEVER;
                self.record.timeout_ts = 0;
                self.record.stop_pings();
            }
            Effect::MarkBye => self.record.flags |= DialogFlags::HAS_BYE,
            Effect::MarkNew => self.record.flags |= DialogFlags::NEW,
            Effect::NoteReason => self.note_reason(),
            Effect::TakeTimeout => self.take_timeout(),
            Effect::NoteCseq => self.note_cseq(),
            Effect::TakeContact => self.take_contact(),
            Effect::StartPings => self.record.start_pings(self.now.tick, key, self.settings),
            Effect::EndLeg => self.end_leg(),
            Effect::EndLateLeg if self.record.ending_begun => self.ask_for_end(),
            Effect::EndLateLeg => {}
            Effect::AnswerRoute => self.route(RouteHook::Answer),
            Effect::HangupRoute => self.route(RouteHook::Hangup),
            Effect::FireEarly => self.steps.fire(key, Fire::Early),
            Effect::FireConfirmed => self.steps.fire(key, Fire::Confirmed),
            Effect::FireFailed => {
                self.steps.fire(key, Fire::Failed(self.cause.status));
                self.steps.push(Step::Report(key));
            }
            Effect::FireRequestWithin => {
                if let Some(request) = self.cause.request {
                    self.steps.fire(key, Fire::RequestWithin(request.direction, request.dst_leg));
                }
            }
            Effect::FireTerminated => {
                let bye = self.cause.request.map(|request| (request.direction, request.dst_leg));
                self.steps.fire(key, Fire::Terminated(bye));
            }
            Effect::FireExpired => self.steps.fire(key, Fire::Expired),
            Effect::CountFailed => self.counts.failed += 1,
            Effect::CountExpired => self.counts.expired += 1,
            Effect::LateAnswer => self.late_answer(),
            Effect::Linger => linger(self.settings, self.now, key, self.record, self.steps),
            Effect::Bogus => {
                self.counts.bogus += 1;
                self.steps.note(key, Note::Bogus(self.old, self.event));
            }
        }
    }

    fn tell(&mut self) {
        let (key, old, new) = (self.key, self.old, self.record.state);
        let number = self.dialogs.inner.next_transition();
        self.record.flags |= DialogFlags::CHANGED;
        self.steps.push(Step::Changed(Changed { key, old, new, number }));
        if self.dialogs.is_recorded() {
            self.change = Some(Change::of(number, key.id, self.record, old));
        }
    }

    /// §2.4.4: the answer crossed a CANCEL or an early BYE.
    fn check_race(&mut self) {
        let flags = self.record.flags;
        if flags.intersects(DialogFlags::WAS_CANCELLED | DialogFlags::HAS_BYE) {
            let released = flags.contains(DialogFlags::END_ON_RACE_CONDITION);
            if released {
                self.record.lifetime = self.settings.race_condition_timeout;
            }
            self.record.flags |= DialogFlags::RACE_CONDITION_OCCURRED;
            self.counts.races += 1;
            self.steps.note(self.key, Note::Raced(released));
        }
        // the CANCEL lost: it is not what will end this call
        if self.record.reason == Some(EndReason::CANCELLED) {
            self.record.reason = None;
        }
    }

    fn start_lifetime(&mut self) {
        let lifetime = self.record.lifetime;
        self.record.start_ts = unix_seconds(self.now);
        self.record.arm_lifetime(self.now, lifetime);
        self.record.guard_at = self
            .settings
            .noack_timeout
            .map_or(NEVER, |seconds| self.now.tick + Duration::from_secs(seconds.into()));
        if self.record.ending {
            // asked to end while it rang, and answered nevertheless: now by BYEs
            self.record.ending_at = self.now.tick + ENDING_MAX;
        }
    }

    fn route(&mut self, hook: RouteHook) {
        if let Some(route) = self.record.route(hook) {
            self.steps.push(Step::Route(self.key, hook, route));
        }
        if hook == RouteHook::Answer && self.record.ending {
            self.ask_for_end();
        }
    }

    fn ask_for_end(&mut self) {
        let (key, owner) = (self.key, self.record.owner);
        self.steps.push(Step::End(Intent { key, owner, wish: Wish::End }));
    }

    fn note_reason(&mut self) {
        if let Some(request) = self.cause.request {
            self.record.note_reason(match request.direction {
                Direction::Upstream => EndReason::UPSTREAM_BYE,
                Direction::Downstream => EndReason::DOWNSTREAM_BYE,
            });
        }
    }

    /// Decision D9: applied once, by the request that brings it.
    fn take_timeout(&mut self) {
        let timeout = self.cause.request.and_then(|request| request.timeout);
        if let Some(seconds) = timeout
            && !self.record.timeout_is_fixed()
        {
            self.record.arm_lifetime(self.now, seconds);
        }
    }

    /// §2.3: `prev_cseq` <- `r_cseq` <- CSeq towards the destination; the source's INVITE CSeq.
    fn note_cseq(&mut self) {
        let Some(request) = self.cause.request else { return };
        self.record.flags |= DialogFlags::CHANGED;
        if let Some(leg) = self.record.legs.get_mut(request.dst_leg as usize) {
            leg.prev_cseq = Some(leg.r_cseq);
            // a number that comes late, or was made up, takes nothing back (RFC 3261 §12.2.2)
            // nor may one above 31 bits (§8.1.1.5) push ours there
            if request.cseq <= CSEQ_MAX {
                leg.r_cseq = leg.r_cseq.max(request.cseq);
            }
        }
    }

    // RFC 3261 §12.2.2: a target refresh request moves the remote target, and with it the flow
    fn take_contact(&mut self) {
        let Some(request) = self.cause.request else { return };
        if !request.method.refreshes_target() {
            return;
        }
        self.record.flags |= DialogFlags::CHANGED;
        if let Some(leg) = self.record.legs.get_mut(source_leg(request) as usize)
            && leg.refresh(request.contact, request.flow).is_err()
        {
            self.steps.note(self.key, Note::TextTooLong);
        }
    }

    fn end_leg(&mut self) {
        if let Some(request) = self.cause.request
            && let Some(leg) = self.record.legs.get_mut(request.callee_leg as usize)
        {
            leg.state = LegState::Ended;
            self.record.flags |= DialogFlags::CHANGED;
        }
    }

    fn late_answer(&mut self) {
        // only a dialog that failed can be answered late; else it is the answer once more
        if self.record.answered_leg().is_some() {
            return;
        }
        self.counts.late_answers += 1;
        self.steps.note(self.key, Note::LateAnswer);
        if self.settings.late_answer == LateAnswer::Release {
            self.steps.push(Step::ReleaseLate(self.key));
        }
    }
}

/// The leg a request came from.
pub(crate) fn source_leg(request: &RequestFacts<'_>) -> u16 {
    match request.direction {
        Direction::Downstream => 0,
        Direction::Upstream => request.callee_leg,
    }
}

/// The way out of the table: when nobody reads the dialog any more and its delay is over, it goes;
/// after [`LINGER_SECONDS_MAX`] it goes whoever still reads it. Once ended, its lifetime is that.
pub(crate) fn linger(
    settings: &Settings,
    now: Moment,
    key: DialogKey,
    record: &mut Record,
    steps: &mut Steps,
) {
    if record.answered_leg().is_some() {
        // the INVITE's transaction has nothing more to learn from an answered call
        record.invite_hold = false;
    }
    let delay = Duration::from_secs(record.delete_delay(settings).into());
    let seconds_max = Duration::from_secs(LINGER_SECONDS_MAX.into());
    record.lifetime_at = record.lifetime_at.min(now.tick + delay + seconds_max);
    if record.is_idle() && delay.is_zero() {
        destroy(now, key, record, steps);
    } else if record.is_idle() {
        record.guard_at = record.guard_at.min(now.tick + delay);
    }
}

/// Asks for DESTROY. Should the shell lose the step, the guard asks again.
pub(crate) fn destroy(now: Moment, key: DialogKey, record: &mut Record, steps: &mut Steps) {
    record.guard_at = now.tick + Duration::from_secs(1);
    if record.leaving == Leaving::Stays {
        record.leaving = Leaving::Asked;
        steps.fire(key, Fire::Destroy(now.tick));
    }
}
