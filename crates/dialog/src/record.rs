//! What the table keeps of one dialog (spec dialog.md §1.1).

use crate::callbacks::Callbacks;
use crate::extras::Extras;
use crate::leg::{Leg, LegState};
use crate::packed::Packed;
use crate::stale::Keeping;
use crate::stamp::Stamp;
use crate::{DialogEvents, DialogFlags, EndReason, ModuleFlags, RouteHook, State, Values};
use duologue_sip::{Moment, Tick};
use std::time::Duration;

/// The way out of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    Stays,
    /// DESTROY was asked for.
    Asked,
    /// Out of the indexes; DESTROY is running.
    Unlinked,
}

/// A deadline that never comes.
pub(crate) const NEVER: Tick = Tick::from_millis(u64::MAX);

pub(crate) struct Record {
    /// Call-ID, then caller and callee, each its display name, `<` and its URI.
    texts: Packed<3>,
    pub(crate) legs: Vec<Leg>,
    pub(crate) owner: u64,
    /// Seconds since 1970, good until 2106.
    pub(crate) start_ts: u32,
    pub(crate) timeout_ts: u32,
    /// When it was made.
    pub(crate) created_at: Stamp,
    /// When it began to ring, or was answered.
    pub(crate) phase_at: Stamp,
    /// When the lifetime is over.
    pub(crate) lifetime_at: Tick,
    /// States 1, 2: early timeout; 3: no-ACK timeout; 5: the way out of the table.
    pub(crate) guard_at: Tick,
    /// When we give up waiting for our own BYEs.
    pub(crate) ending_at: Tick,
    pub(crate) callbacks: Option<Box<Callbacks>>,
    pub(crate) values: Option<Box<Values>>,
    pub(crate) extras: Option<Box<Extras>>,
    pub(crate) routes: Option<Box<[Option<u32>; 3]>>,
    pub(crate) reason: Option<EndReason>,
    pub(crate) flags: DialogFlags,
    pub(crate) user_flags: u32,
    pub(crate) module_flags: ModuleFlags,
    pub(crate) lifetime: u32,
    pub(crate) wanted: DialogEvents,
    pub(crate) from_rr_nb: u16,
    /// CSeq of the initial INVITE.
    pub(crate) invite_cseq: u32,
    /// How many LOADED callbacks have been told of it, or need not be.
    pub(crate) loaded_told: u16,
    answered: u16,
    /// Requests under way that want to read the dialog.
    pub(crate) holds: u16,
    pub(crate) state: State,
    /// The INVITE's transaction still lives.
    pub(crate) invite_hold: bool,
    /// Somebody asked us to end it.
    pub(crate) ending: bool,
    /// Our BYEs were handed out.
    pub(crate) ending_begun: bool,
    /// The on-timeout route is running.
    pub(crate) expiring: bool,
    /// How far it is on its way out of the table.
    pub(crate) leaving: Leaving,
    /// The initial INVITE had a body that describes the media.
    pub(crate) invite_offered: bool,
    /// Where it stands with who stores it.
    pub(crate) keeping: Keeping,
}

impl Record {
    pub(crate) fn new(texts: Packed<3>, caller: Leg, owner: u64, lifetime: u32) -> Self {
        let mut legs = Vec::with_capacity(2);
        legs.push(caller);
        Self {
            texts,
            legs,
            owner,
            start_ts: 0,
            timeout_ts: 0,
            created_at: Stamp::default(),
            phase_at: Stamp::default(),
            lifetime_at: NEVER,
            guard_at: NEVER,
            ending_at: NEVER,
            callbacks: None,
            values: None,
            extras: None,
            routes: None,
            reason: None,
            flags: DialogFlags::IS_INIT,
            user_flags: 0,
            module_flags: ModuleFlags::empty(),
            lifetime,
            wanted: DialogEvents::empty(),
            from_rr_nb: 0,
            invite_cseq: 0,
            loaded_told: 0,
            answered: 0,
            holds: 0,
            state: State::Unconfirmed,
            invite_hold: true,
            ending: false,
            ending_begun: false,
            expiring: false,
            leaving: Leaving::Stays,
            invite_offered: false,
            keeping: Keeping::empty(),
        }
    }

    pub(crate) fn call_id(&self) -> &[u8] {
        self.texts.get(0)
    }

    pub(crate) fn caller_uri(&self) -> &[u8] {
        uri_of(self.texts.get(1))
    }

    pub(crate) fn callee_uri(&self) -> &[u8] {
        uri_of(self.texts.get(2))
    }

    /// The caller's display name as it wrote it, quotes included; empty without one.
    pub(crate) fn caller_display(&self) -> &[u8] {
        display_of(self.texts.get(1))
    }

    /// The callee's display name as the caller wrote it.
    pub(crate) fn callee_display(&self) -> &[u8] {
        display_of(self.texts.get(2))
    }

    /// The callee leg that answered first.
    pub(crate) fn answered_leg(&self) -> Option<u16> {
        (self.answered != 0).then_some(self.answered)
    }

    pub(crate) fn answer(&mut self, leg: u16) {
        if self.answered == 0 {
            self.answered = leg;
        }
    }

    /// "The callee leg" of §1: the answered leg, or leg 1 while nothing answered.
    pub(crate) fn callee(&self) -> Option<&Leg> {
        self.legs.get(self.answered_leg().unwrap_or(1) as usize)
    }

    /// The callee leg to talk to: the first that answered and is still there; else the one that
    /// answered first, else the first.
    pub(crate) fn callee_leg(&self) -> u16 {
        let mut callees = self.legs.iter().enumerate().skip(1);
        let talking = callees.find(|(_, leg)| leg.state == LegState::Answered);
        talking.map_or(self.answered_leg().unwrap_or(1), |(at, _)| at as u16)
    }

    /// How many answered legs have not ended yet.
    pub(crate) fn answered_legs(&self) -> usize {
        self.legs.iter().filter(|leg| leg.state == LegState::Answered).count()
    }

    /// Adds a leg without the slack a growing vector would take.
    pub(crate) fn add_leg(&mut self, leg: Leg) -> u16 {
        if self.legs.len() == self.legs.capacity() {
            self.legs.reserve_exact(1);
        }
        self.legs.push(leg);
        (self.legs.len() - 1) as u16
    }

    /// First writer wins (§7).
    pub(crate) fn note_reason(&mut self, reason: EndReason) {
        self.reason.get_or_insert(reason);
    }

    pub(crate) fn route(&self, hook: RouteHook) -> Option<u32> {
        self.routes.as_ref()?[hook as usize]
    }

    /// The lifetime runs from now on for this many seconds.
    pub(crate) fn arm_lifetime(&mut self, now: Moment, seconds: u32) {
        self.lifetime = seconds;
        self.lifetime_at = now.tick + Duration::from_secs(seconds.into());
        self.timeout_ts = unix_seconds(now).saturating_add(seconds);
        self.expiring = false;
        self.flags |= DialogFlags::CHANGED;
    }

    /// While a race is being ended, nobody prolongs the call (§2.4.4).
    pub(crate) fn timeout_is_fixed(&self) -> bool {
        self.flags.contains(DialogFlags::END_ON_RACE_CONDITION | DialogFlags::WAS_CANCELLED)
    }

    /// Whether look-ups miss it.
    pub(crate) fn is_unlinked(&self) -> bool {
        self.leaving == Leaving::Unlinked
    }

    /// Whether nobody reads it any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.holds == 0 && !self.invite_hold
    }

    pub(crate) fn deadline(&self) -> Tick {
        let pings = self.extras.as_ref().and_then(|extras| extras.pings.as_ref());
        let ping_at = pings.map_or(NEVER, |pings| pings.next_due());
        self.lifetime_at.min(self.guard_at).min(self.ending_at).min(ping_at)
    }

    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.texts.memory()
            + self.legs.capacity() * size_of::<Leg>()
            + self.legs.iter().map(Leg::memory).sum::<usize>()
            + self.values.as_ref().map_or(0, |v| size_of::<Values>() + v.memory())
            + self.extras.as_ref().map_or(0, |extras| extras.memory())
            + self.callbacks.as_ref().map_or(0, |c| c.memory())
            + self.reason.as_ref().map_or(0, EndReason::memory)
            + self.routes.as_ref().map_or(0, |r| size_of_val(&**r))
    }
}

/// A party as its text is kept: no URI has a `<`, so the last one ends the display name.
pub(crate) fn party_text(display: &[u8], uri: &[u8]) -> Vec<u8> {
    if display.is_empty() { uri.into() } else { [display, b"<", uri].concat() }
}

fn uri_of(party: &[u8]) -> &[u8] {
    party.iter().rposition(|&byte| byte == b'<').map_or(party, |at| &party[at + 1..])
}

fn display_of(party: &[u8]) -> &[u8] {
    party.iter().rposition(|&byte| byte == b'<').map_or(b"", |at| &party[..at])
}

// The budget per dialog starts here: a change that grows these is a change to look at.
/// The wall clock as a record keeps it.
pub(crate) fn unix_seconds(now: Moment) -> u32 {
    u32::try_from(now.unix).unwrap_or(u32::MAX)
}

const _: () = assert!(size_of::<Record>() <= 192, "a record is three cache lines");
const _: () = assert!(size_of::<Leg>() <= 96);
