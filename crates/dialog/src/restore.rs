//! A dialog comes back (spec dialog.md §11.3): from the store after a restart, or by command.
//!
//! It is as it was, but for what died with its process: the INVITE's transaction, callbacks, typed
//! slots, and requests of ours under way. Decision D20: every number is back where it stood.

use crate::leg::Leg;
use crate::negotiation::Media;
use crate::packed::{Packed, TooLong};
use crate::passed::Passed;
use crate::profiles::LinkOrigin;
use crate::record::{NEVER, Record, party_text};
use crate::settings::LEGS_MAX;
use crate::stamp::Stamp;
use crate::table::{NoRoom, SHARDS};
use crate::{
    Dialog, DialogFlags, Dialogs, ProfileLink, State, Stored, StoredBodies, StoredLeg, entry_of,
};
use duologue_sip::Moment;
use std::fmt;
use std::time::Duration;

/// Why a stored dialog did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// A dialog with this id is in the table.
    Known,
    /// It was in the table and ended; its row has yet to be removed.
    Ended,
    /// It is in no state that is stored.
    NotAnswered,
    /// Call-ID, caller's tag, legs or answered leg are missing or do not fit each other.
    NoIdentity,
    /// The id was made for another Call-ID.
    ForeignId,
    /// A text is too long to be kept, or it has too many legs.
    TooLong,
    /// The table has `dialogs_max` dialogs.
    Full,
    /// Too many dialogs share this Call-ID.
    TooManyOfCallId,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known => "a dialog with this id is in memory",
            Self::Ended => "it ended and is about to be removed",
            Self::NotAnswered => "it is not in state 3 or 4",
            Self::NoIdentity => "Call-ID, tags or legs are missing",
            Self::ForeignId => "the id does not belong to the Call-ID",
            Self::TooLong => "its texts are too long",
            Self::Full => "the dialog table is full",
            Self::TooManyOfCallId => "too many dialogs share this Call-ID",
        })
    }
}

impl std::error::Error for RestoreError {}

impl From<TooLong> for RestoreError {
    fn from(TooLong: TooLong) -> Self {
        Self::TooLong
    }
}

impl Dialogs {
    /// Puts a stored dialog into the table: timers armed, profiles counted, pings resumed. What
    /// expired meanwhile expires at the next [`wake`](Self::wake), with BYEs if it is made so.
    /// `owner` is the shell's word for the call. Run [`loaded`](Self::loaded) behind it.
    ///
    /// Links to profiles that are not defined define them (§10.3).
    ///
    /// # Errors
    /// [`RestoreError`]; nothing changed then, but for profiles that are new.
    pub fn restore(
        &self,
        now: Moment,
        owner: u64,
        stored: &Stored,
    ) -> Result<Dialog, RestoreError> {
        let id = stored.id;
        if !stored.state.is_answered() || stored.state.is_ended() {
            return Err(RestoreError::NotAnswered);
        }
        let [caller, callees @ ..] = &stored.legs[..] else { return Err(RestoreError::NoIdentity) };
        let answered = usize::from(stored.answered_leg);
        if stored.call_id.is_empty() || caller.tag.is_empty() || answered > callees.len() {
            return Err(RestoreError::NoIdentity);
        }
        if callees.len() > LEGS_MAX {
            return Err(RestoreError::TooLong);
        }
        let apart = id.entry ^ entry_of(&stored.call_id, self.inner.hash_size);
        if !(apart as usize).is_multiple_of(SHARDS) {
            return Err(RestoreError::ForeignId);
        }
        if self.by_id(id).is_some() {
            return Err(RestoreError::Known);
        }
        if self.has_just_ended(id) {
            return Err(RestoreError::Ended);
        }
        let record = Box::new(self.revived(now, owner, stored)?);
        let key = self.insert_as(id, &stored.call_id, record).map_err(|error| match error {
            NoRoom::Table => RestoreError::Full,
            NoRoom::CallId => RestoreError::TooManyOfCallId,
            NoRoom::Known => RestoreError::Known,
        })?;
        let settings = self.settings();
        let _ = self.with_timer(key, |record| {
            if record.state == State::Confirmed {
                record.start_pings(now.tick, key, settings);
            }
        });
        let dialog = self.handle(key);
        for link in stored.profiles.iter().rev() {
            self.link_again(&dialog, link);
        }
        let _ = self.with(key, Record::is_as_stored);
        Ok(dialog)
    }

    fn revived(&self, now: Moment, owner: u64, stored: &Stored) -> Result<Record, RestoreError> {
        let caller_text = party_text(&stored.caller.display, &stored.caller.uri);
        let callee_text = party_text(&stored.callee.display, &stored.callee.uri);
        let texts = Packed::new([&stored.call_id[..], &caller_text, &callee_text])?;
        let mut legs = stored.legs.iter().map(revived_leg);
        let caller = legs.next().ok_or(RestoreError::NoIdentity)??;
        let mut record = Record::new(texts, caller, owner, stored.lifetime);
        for leg in legs {
            record.add_leg(leg?);
        }
        record.answer(stored.answered_leg);
        record.state = stored.state;
        record.invite_hold = false;
        record.flags = stored.flags.difference(DialogFlags::TRANSIENT) | DialogFlags::FROM_DB;
        record.user_flags = stored.user_flags;
        record.module_flags = stored.module_flags;
        record.invite_cseq = stored.invite_cseq;
        record.reason.clone_from(&stored.reason);
        record.start_ts = u32::try_from(stored.start_ts).unwrap_or(u32::MAX);
        record.timeout_ts = u32::try_from(stored.timeout_ts).unwrap_or(u32::MAX);
        let age = Duration::from_secs(now.unix.saturating_sub(stored.created_ts));
        record.created_at = Stamp::before(now.tick, age);
        let left = Duration::from_secs(stored.timeout_ts.saturating_sub(now.unix));
        record.lifetime_at = now.tick + left;
        record.guard_at = match (stored.state, self.settings().noack_timeout) {
            (State::ConfirmedNa, Some(seconds)) => now.tick + Duration::from_secs(seconds.into()),
            _ => NEVER,
        };
        if !stored.values.is_empty() {
            record.values = Some(Box::new(stored.values.clone()));
        }
        if stored.routes.iter().any(Option::is_some) {
            record.routes = Some(Box::new(stored.routes));
        }
        record.revive_extras(stored);
        Ok(record)
    }

    /// A link to a profile that is there, or is made for it.
    pub(crate) fn link_again(&self, dialog: &Dialog, link: &ProfileLink) {
        let name = format!("{}{}", link.name, link.sharing.suffix());
        let known = || self.search_profile(&name);
        let profile = known().or_else(|| {
            // somebody else may have made it in between
            self.add_profiles(&name, link.kind).ok().and_then(|made| made.into_iter().next())
        });
        if let Some(profile) = profile.or_else(known) {
            // a bound that is hit is counted
            let _ = dialog.set_profile(&profile, Some(&link.value), LinkOrigin::Own);
        }
    }
}

impl Record {
    /// What only some dialogs have.
    fn revive_extras(&mut self, stored: &Stored) {
        if let Some(seconds) = stored.delete_delay {
            self.extras().delete_delay = Some(seconds);
        }
        if stored.ping_intervals.iter().any(Option::is_some) {
            self.set_own_ping_intervals(stored.ping_intervals);
        }
        for number in &stored.numbers {
            self.extras().numbers.revive(*number);
        }
        for bodies in &stored.bodies {
            self.extras().media.push(revived_media(bodies));
        }
    }
}

fn revived_leg(stored: &StoredLeg) -> Result<Leg, TooLong> {
    let mut leg = Leg::callee(stored.branch, stored.cseq)?;
    let routing = Some((&*stored.contact, &*stored.route_set));
    leg.learn(&stored.tag, routing, (Some(&stored.from_uri), Some(&stored.to_uri)))?;
    leg.flow = stored.flow;
    leg.state = stored.state;
    leg.prev_cseq = stored.prev_cseq;
    leg.inv_cseq = stored.inv_cseq;
    leg.last_gen_cseq = stored.last_gen_cseq;
    Ok(leg)
}

fn revived_media(stored: &StoredBodies) -> Media {
    let mut media = Media::of(stored.callee_leg);
    media.put_in_force(stored.by_way.clone().map(|[received, sent]| Passed::again(received, sent)));
    media
}
