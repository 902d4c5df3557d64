//! The CANCEL of a branch: wished for, under way, or done. RFC 3261 §9.1.

use duologue_sip::Tick;

use crate::{
    alarm::Alarm,
    machine::{
        Actions, Timer,
        client_request::{Event, State, step},
    },
    settings::Clocks,
};

/// Why a branch is cancelled, for the CANCEL's Reason header (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// The caller cancelled: copy the Reason of its CANCEL.
    Caller,
    /// Another branch answered: `SIP;cause=200;text="Call completed elsewhere"`.
    Answered,
    /// Another branch declined for all (6xx).
    Declined,
    /// `fr_inv_timeout` passed (timer C).
    TimedOut,
    /// A script or a module asked for it, or answered itself.
    Script,
}

/// The CANCEL of one branch. Its bytes are not kept: they follow from the branch's request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cancel {
    /// Nobody wants it.
    None,
    /// Wanted, but RFC 3261 §9.1 lets it go out only after a provisional reply.
    Wanted(CancelReason),
    /// Sent: a client transaction of its own.
    Running {
        reason: CancelReason,
        state: State,
        interval: u32,
        retransmit: Alarm,
        lifetime: Alarm,
    },
}

impl Cancel {
    /// A CANCEL that is sent now.
    pub(crate) fn start(now: Tick, reason: CancelReason, clocks: &Clocks, reliable: bool) -> Self {
        let interval = clocks.span(Timer::E, reliable);
        Self::Running {
            reason,
            state: State::Trying,
            interval,
            retransmit: if reliable { Alarm::OFF } else { Alarm::after(now, interval) },
            lifetime: Alarm::after(now, clocks.span(Timer::F, reliable)),
        }
    }

    pub(crate) const fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Why it was sent or is wanted.
    pub(crate) const fn reason(&self) -> Option<CancelReason> {
        match self {
            Self::None => None,
            Self::Wanted(reason) | Self::Running { reason, .. } => Some(*reason),
        }
    }

    /// A reply to the CANCEL came.
    pub(crate) fn receive(&mut self, now: Tick, status: u16, clocks: &Clocks) {
        let event = if status < 200 { Event::Provisional } else { Event::Final };
        self.apply(now, event, clocks);
    }

    /// The INVITE has its final reply: no need to insist.
    pub(crate) const fn rest(&mut self) {
        if let Self::Running { retransmit, lifetime, .. } = self {
            *retransmit = Alarm::OFF;
            *lifetime = Alarm::OFF;
        }
    }

    /// Returns the reason if the CANCEL is to be sent again.
    pub(crate) fn wake(&mut self, now: Tick, clocks: &Clocks) -> Option<CancelReason> {
        let Self::Running { reason, lifetime, retransmit, .. } = *self else { return None };
        if lifetime.is_due(now) {
            self.apply(now, Event::TimerF, clocks);
            None
        } else if retransmit.is_due(now) {
            self.apply(now, Event::TimerE, clocks).contains(Actions::SEND).then_some(reason)
        } else {
            None
        }
    }

    pub(crate) fn next_wake(&self) -> Alarm {
        match self {
            Self::Running { retransmit, lifetime, .. } => (*retransmit).min(*lifetime),
            _ => Alarm::OFF,
        }
    }

    fn apply(&mut self, now: Tick, event: Event, clocks: &Clocks) -> Actions {
        let Self::Running { state, interval, retransmit, lifetime, .. } = self else {
            return Actions::empty();
        };
        let step = step(*state, event);
        *state = step.next;
        if step.actions.intersects(Actions::BACK_OFF | Actions::PACE) {
            *interval = if step.actions.contains(Actions::PACE) {
                clocks.t2()
            } else {
                clocks.back_off(*interval)
            };
            *retransmit = Alarm::after(now, *interval);
        }
        if matches!(step.next, State::Completed | State::Terminated) {
            // Nothing is left to absorb: replies to a CANCEL end here in any state.
            *retransmit = Alarm::OFF;
            *lifetime = Alarm::OFF;
        }
        step.actions
    }
}
