//! Pings: is the other side still there (spec dialog.md §6.1–§6.3, decision D12, lessons 13, 14)?
//!
//! OPTIONS or re-INVITE, to the caller, the callee or both, from the ACK on. A ping that nobody
//! answers is a failure; so many in a row end the call, a 481 at once. Anything else is a sign of
//! life, a 491 as well as any request that comes from that side. While an offer waits for its
//! answer nobody is pinged. The first pings of calls that begin together are spread a little.

use crate::record::{NEVER, Record};
use crate::{
    Dialog, DialogFlags, DialogKey, Dialogs, EndReason, Gone, LegState, Outcome, OwnRequest,
    Purpose, Settings,
};
use duologue_sip::{Moment, Tick};
use std::time::Duration;

/// What is sent to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PingKind {
    /// OPTIONS: changes nothing.
    Options,
    /// A re-INVITE with the body the leg knows.
    Reinvite,
}

/// A ping whose outcome never came (a module panicked on its way) counts as failed after this.
const LOST_AFTER: Duration = Duration::from_secs(300);

/// By this part of its interval the first ping comes earlier, at most.
const SPREAD: u32 = 10;

/// The pings of a dialog that has any: per side, caller and callee.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pings {
    sides: [Side; 2],
    /// `$DLG_options_ping_interval` and `$DLG_reinvite_ping_interval`, in seconds.
    intervals: [Option<u32>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Side {
    due: Tick,
    /// When the ping under way was sent.
    pending_since: Option<Tick>,
    failures: u32,
    /// Asked once, after a restart.
    probed: bool,
}

impl Default for Side {
    fn default() -> Self {
        Self { due: NEVER, pending_since: None, failures: 0, probed: false }
    }
}

impl Pings {
    pub(crate) fn next_due(&self) -> Tick {
        self.sides[0].due.min(self.sides[1].due)
    }

    fn interval(&self, kind: PingKind, settings: &Settings) -> Duration {
        let of_settings = match kind {
            PingKind::Options => settings.options_ping_interval,
            PingKind::Reinvite => settings.reinvite_ping_interval,
        };
        Duration::from_secs(self.intervals[kind as usize].unwrap_or(of_settings).max(1).into())
    }
}

/// How a side is pinged, by the flags of its dialog. A re-INVITE says more, so it wins (§6.1).
fn kind_of(flags: DialogFlags, side: usize) -> Option<PingKind> {
    let (reinvite, options) = match side {
        0 => (DialogFlags::REINVITE_PING_CALLER, DialogFlags::PING_CALLER),
        _ => (DialogFlags::REINVITE_PING_CALLEE, DialogFlags::PING_CALLEE),
    };
    if flags.contains(reinvite) {
        Some(PingKind::Reinvite)
    } else {
        flags.contains(options).then_some(PingKind::Options)
    }
}

/// Which side of the call a leg is.
const fn side_of(leg: u16) -> usize {
    if leg == 0 { 0 } else { 1 }
}

/// Why a side that is gone ends the call (§6.2).
const fn reason_of(side: usize, kind: PingKind) -> EndReason {
    match (side, kind) {
        (0, PingKind::Options) => EndReason::CALLER_PING_TIMEOUT,
        (0, PingKind::Reinvite) => EndReason::CALLER_REINVITE_PING_TIMEOUT,
        (_, PingKind::Options) => EndReason::CALLEE_PING_TIMEOUT,
        (_, PingKind::Reinvite) => EndReason::CALLEE_REINVITE_PING_TIMEOUT,
    }
}

/// A dialog's place among all, from 0 up to 1. No randomness is needed to spread: ids are as good as
/// random.
fn share(key: DialogKey, side: usize) -> f64 {
    let mixed = key.id.id.wrapping_mul(0x9e37_79b9).rotate_left(side as u32 * 7);
    f64::from(mixed % 1000) / 1000.0
}

/// What came of a side's due ping.
pub(crate) enum Pinged {
    /// Send this.
    Send(Box<OwnRequest>),
    /// The side is gone.
    Failed(EndReason),
}

impl Record {
    /// From now on the sides that the flags name are pinged (§6.2: from the ACK on).
    pub(crate) fn start_pings(&mut self, now: Tick, key: DialogKey, settings: &Settings) {
        for side in 0..2 {
            let Some(kind) = kind_of(self.flags, side) else { continue };
            let pings = self.extras().pings.get_or_insert_default();
            let interval = pings.interval(kind, settings);
            let early = (interval / SPREAD).mul_f64(share(key, side));
            pings.sides[side].due = now + (interval - early);
        }
    }

    /// Each side that is not pinged anyway is asked once, somewhen within `spread`.
    fn start_probe(&mut self, now: Tick, key: DialogKey, spread: Duration) {
        let flags = self.flags;
        for side in (0..2).filter(|&side| kind_of(flags, side).is_none()) {
            let this = &mut self.extras().pings.get_or_insert_default().sides[side];
            (this.due, this.probed) = (now + spread.mul_f64(share(key, side)), true);
        }
    }

    /// The intervals that are the dialog's own, by [`PingKind`].
    pub(crate) fn own_ping_intervals(&self) -> [Option<u32>; 2] {
        let pings = self.extras.as_ref().and_then(|extras| extras.pings.as_ref());
        pings.map(|pings| pings.intervals).unwrap_or_default()
    }

    pub(crate) fn set_own_ping_intervals(&mut self, intervals: [Option<u32>; 2]) {
        self.extras().pings.get_or_insert_default().intervals = intervals;
    }

    pub(crate) fn stop_pings(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.pings = None;
        }
    }

    /// A sign of life from a leg.
    pub(crate) fn heard_from(&mut self, leg: u16) {
        if let Some(pings) = self.extras.as_mut().and_then(|extras| extras.pings.as_mut()) {
            let side = &mut pings.sides[side_of(leg)];
            side.failures = 0;
            if std::mem::take(&mut side.probed) && kind_of(self.flags, side_of(leg)).is_none() {
                side.due = NEVER;
            }
        }
    }

    /// What is due on a side: a ping, a failure, or nothing.
    pub(crate) fn ping(
        &mut self,
        now: Tick,
        key: DialogKey,
        side: usize,
        settings: &Settings,
    ) -> Option<Pinged> {
        let probed = self.extras.as_ref()?.pings.as_ref()?.sides[side].probed;
        let kind = kind_of(self.flags, side).or(probed.then_some(PingKind::Options))?;
        let callee_leg = self.callee_leg();
        let leg = if side == 0 { 0 } else { callee_leg };
        let busy = self.is_busy(leg, callee_leg) || self.holds_ack(leg);
        let ending = self.ending;
        let pings = self.extras.as_mut()?.pings.as_mut()?;
        let interval = pings.interval(kind, settings);
        let this = &mut pings.sides[side];
        if this.due > now {
            return None;
        }
        this.due = now + interval;
        if let Some(since) = this.pending_since {
            // §6.3: still pending when due again: skipped this round.
            if now.since(since) < LOST_AFTER + interval {
                return None;
            }
            let lost = self.ping_settled((leg, callee_leg), kind, Outcome::TimedOut, settings);
            return lost.map(Pinged::Failed);
        }
        if busy || ending {
            return None;
        }
        this.pending_since = Some(now);
        let own = self.ping_request(key, leg, callee_leg, kind)?;
        self.own_offers(settings, &own);
        // an INVITE has to be acknowledged whatever becomes of the call meanwhile
        self.holds = self.holds.saturating_add(1);
        Some(Pinged::Send(Box::new(own)))
    }

    /// §6.4: OPTIONS with nothing in it; a re-INVITE with what the leg was last told. Without a
    /// body to tell, an OPTIONS asks as well.
    fn ping_request(
        &mut self,
        key: DialogKey,
        leg: u16,
        callee_leg: u16,
        kind: PingKind,
    ) -> Option<OwnRequest> {
        let purpose = Purpose::Ping(kind);
        let body = match kind {
            PingKind::Options => None,
            PingKind::Reinvite => self.body_sent_to(leg, callee_leg).cloned(),
        };
        let Some(body) = body else {
            return self.own_request(key, leg, callee_leg, purpose, b"OPTIONS");
        };
        let contact = self.contact_for(leg, callee_leg);
        let own = self.own_request(key, leg, callee_leg, purpose, b"INVITE")?;
        Some(OwnRequest { contact, body: Some(body), ..own })
    }

    /// §6.3: the outcome of a ping. A reason if it ends the call.
    pub(crate) fn ping_settled(
        &mut self,
        (leg, callee_leg): (u16, u16),
        kind: PingKind,
        outcome: Outcome,
        settings: &Settings,
    ) -> Option<EndReason> {
        self.extras.as_mut()?.pings.as_mut()?.sides[side_of(leg)].pending_since = None;
        self.judged((leg, callee_leg), kind, outcome, settings)
    }

    /// §13.2: what comes of other requests of ours tells as well whether a pinged side is there. A
    /// reason if it ends the call.
    pub(crate) fn asked_settled(
        &mut self,
        legs: (u16, u16),
        outcome: Outcome,
        settings: &Settings,
    ) -> Option<EndReason> {
        let kind = kind_of(self.flags, side_of(legs.0))?;
        self.judged(legs, kind, outcome, settings)
    }

    fn judged(
        &mut self,
        (leg, callee_leg): (u16, u16),
        kind: PingKind,
        outcome: Outcome,
        settings: &Settings,
    ) -> Option<EndReason> {
        let side = side_of(leg);
        let talking = self.legs.get(callee_leg as usize)?.state == LegState::Answered;
        let pinged = kind_of(self.flags, side).is_some();
        let this = &mut self.extras.as_mut()?.pings.as_mut()?.sides[side];
        if std::mem::take(&mut this.probed) && !pinged {
            // It was asked once and is not asked again: silence proves nothing, and ends nothing.
            this.due = NEVER;
            let gone = talking && outcome == Outcome::Reply(481);
            return gone.then(|| reason_of(side, kind));
        }
        // D2: what an ended leg says does not concern those that go on
        if !talking {
            return None;
        }
        match outcome {
            Outcome::Reply(481) => this.failures = settings.ping_failures_max,
            Outcome::Reply(408) | Outcome::TimedOut | Outcome::NotSent => this.failures += 1,
            Outcome::Reply(_) => this.failures = 0,
        }
        (this.failures >= settings.ping_failures_max.max(1)).then(|| reason_of(side, kind))
    }
}

impl Dialogs {
    /// A dialog that came back after a restart may have ended meanwhile: each side gets one OPTIONS,
    /// somewhen within `spread`, and a 481 ends the dialog. A side that is
    /// [pinged](Dialog::is_pinged) is asked by that.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn probe(&self, now: Moment, key: DialogKey, spread: Duration) -> Result<(), Gone> {
        self.with_timer(key, |record| record.start_probe(now.tick, key, spread))
    }
}

impl Dialog {
    /// The interval of a kind of ping in seconds (`$DLG_options_ping_interval`,
    /// `$DLG_reinvite_ping_interval`): the setting's unless the dialog was given its own.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn ping_interval(&self, kind: PingKind) -> Result<u32, Gone> {
        let settings = self.table().settings();
        self.table().with(self.key(), |record| {
            let pings = record.extras.as_ref().and_then(|extras| extras.pings.clone());
            pings.unwrap_or_default().interval(kind, settings).as_secs() as u32
        })
    }

    /// In how many seconds a side is pinged that way next; `None` where none is, or not yet.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn next_ping(&self, now: Moment, kind: PingKind) -> Result<Option<u32>, Gone> {
        self.table().with(self.key(), |record| {
            let pings = record.extras.as_ref()?.pings.as_ref()?;
            let sides = (0..2).filter(|&side| kind_of(record.flags, side) == Some(kind));
            let due = sides.map(|side| pings.sides[side].due).filter(|&due| due != NEVER).min()?;
            let left = due.as_millis().saturating_sub(now.tick.as_millis());
            u32::try_from(left.div_ceil(1000)).ok()
        })
    }

    /// Whether a side is to be pinged that way once the call is up.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn is_pinged(&self, kind: PingKind) -> Result<bool, Gone> {
        self.table()
            .with(self.key(), |record| (0..2).any(|side| kind_of(record.flags, side) == Some(kind)))
    }

    /// Gives the dialog an interval of its own, at least a second. A call that is up is pinged next
    /// after that time. Ignored while a CANCEL race is being ended (§2.4.4).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn set_ping_interval(&self, now: Moment, kind: PingKind, seconds: u32) -> Result<(), Gone> {
        self.table().with_timer(self.key(), |record| {
            if record.timeout_is_fixed() {
                return;
            }
            record.flags |= DialogFlags::CHANGED;
            let flags = record.flags;
            let up = record.state == crate::State::Confirmed;
            let pings = record.extras().pings.get_or_insert_default();
            pings.intervals[kind as usize] = Some(seconds.max(1));
            for side in (0..2).filter(|&side| up && kind_of(flags, side) == Some(kind)) {
                pings.sides[side].due = now.tick + Duration::from_secs(seconds.max(1).into());
            }
        })
    }
}
