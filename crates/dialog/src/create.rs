//! Creation of a dialog by an initial INVITE, and its branches (spec dialog.md §2.3).

use crate::leg::Leg;
use crate::packed::{Packed, TooLong};
use crate::record::{NEVER, Record, party_text};
use crate::settings::{LEGS_MAX, ROUTES_MAX};
use crate::stamp::Stamp;
use crate::table::NoRoom;
use crate::{Dialog, DialogFlags, DialogKey, Dialogs, Fire, Gone, InviteFacts, Note, State, Steps};
use duologue_sip::Moment;
use std::fmt;
use std::time::Duration;

/// Why no dialog was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The INVITE has a To-tag: it is no initial one.
    NotInitial,
    /// From-tag or Call-ID is empty.
    NoIdentity,
    /// A text of the INVITE is too long to be kept, or it has too many Record-Routes.
    TooLong,
    /// The table has `dialogs_max` dialogs.
    Full,
    /// Too many dialogs share this Call-ID.
    TooManyOfCallId,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInitial => "the request has a To-tag",
            Self::NoIdentity => "From-tag or Call-ID is missing",
            Self::TooLong => "the request's texts are too long",
            Self::Full => "the dialog table is full",
            Self::TooManyOfCallId => "too many dialogs share this Call-ID",
        })
    }
}

impl std::error::Error for CreateError {}

impl From<TooLong> for CreateError {
    fn from(TooLong: TooLong) -> Self {
        Self::TooLong
    }
}

impl Dialogs {
    /// Creates a dialog from an initial INVITE and asks for CREATED.
    ///
    /// Call it once the INVITE's transaction exists and pair it with
    /// [`transaction_ended`](Self::transaction_ended): until then the dialog stays readable.
    /// The did for Record-Route is `handle.id().did()`, unless the match mode is
    /// [`DidNone`](crate::MatchMode::DidNone).
    ///
    /// # Errors
    /// [`CreateError`]; counted in `failed_dialogs`.
    #[doc(alias = "create_dlg")]
    pub fn create(
        &self,
        now: Moment,
        facts: &InviteFacts<'_>,
        flags: DialogFlags,
        steps: &mut Steps,
    ) -> Result<Dialog, CreateError> {
        let created = self.try_create(now, facts, flags);
        match created {
            Ok(key) => {
                let _ = self.with_timer(key, |_| ());
                steps.fire(key, Fire::Created);
                Ok(self.handle(key))
            }
            Err(error) => {
                self.shard(0).counts.failed += 1;
                Err(error)
            }
        }
    }

    fn try_create(
        &self,
        now: Moment,
        facts: &InviteFacts<'_>,
        flags: DialogFlags,
    ) -> Result<DialogKey, CreateError> {
        if !facts.to_tag.is_empty() {
            return Err(CreateError::NotInitial);
        }
        if facts.from_tag.is_empty() || facts.call_id.is_empty() {
            return Err(CreateError::NoIdentity);
        }
        if facts.record_routes.len() > ROUTES_MAX {
            return Err(CreateError::TooLong);
        }
        // RFC 3261 §12.1.1: towards the caller, the Record-Routes in their order
        let routes = facts.record_routes.join(&b","[..]);
        let caller = Leg::caller(facts.from_tag, facts.contact, &routes, facts.cseq, facts.flow)?;
        let caller_text = party_text(facts.from_display, facts.from_uri);
        let callee_text = party_text(facts.to_display, facts.to_uri);
        let texts = Packed::new([facts.call_id, &caller_text, &callee_text])?;
        let settings = self.settings();
        let lifetime = facts.timeout.unwrap_or(settings.default_timeout);
        let mut record = Box::new(Record::new(texts, caller, facts.owner, lifetime));
        record.flags |= flags & DialogFlags::CREATE;
        record.created_at = Stamp::at(now.tick);
        record.loaded_told = self.loaded_registrations();
        record.invite_cseq = facts.cseq;
        record.invite_offered = facts.body.is_some();
        record.invite_offers(settings, facts.body.as_ref());
        record.from_rr_nb = facts.record_routes.len() as u16;
        record.guard_at = settings
            .early_timeout
            .map_or(NEVER, |seconds| now.tick + Duration::from_secs(seconds.into()));
        self.insert(facts.call_id, record).map_err(|error| match error {
            // no id is given that is taken
            NoRoom::Table | NoRoom::Known => CreateError::Full,
            NoRoom::CallId => CreateError::TooManyOfCallId,
        })
    }

    /// A branch of the INVITE was sent: one more callee leg (§2.3). `branch` is the shell's number
    /// for it, `cseq` the INVITE's.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn branch_sent(
        &self,
        key: DialogKey,
        branch: u16,
        cseq: u32,
        steps: &mut Steps,
    ) -> Result<(), Gone> {
        self.with(key, |record| {
            if record.state == State::Deleted {
                return;
            }
            match Leg::callee(branch, cseq) {
                Ok(leg) if record.legs.len() <= LEGS_MAX => {
                    record.add_leg(leg);
                }
                _ => steps.note(key, Note::TooManyLegs),
            }
        })
    }

    /// Changes the flags of a dialog that existed already when it was created again: the script
    /// replaces the creator's flags (§2.3, creation, 2), the API adds to them.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn create_again(
        &self,
        key: DialogKey,
        flags: DialogFlags,
        replace: bool,
    ) -> Result<(), Gone> {
        self.with(key, |record| {
            if replace && !flags.is_empty() {
                let kept = DialogFlags::CREATE.difference(DialogFlags::END_ON_RACE_CONDITION);
                record.flags.remove(kept);
            }
            record.flags |= flags & DialogFlags::CREATE;
        })
    }
}
