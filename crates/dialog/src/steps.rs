//! What the shell has to do after an engine operation, in order, as data.
//!
//! The engine changes its table at once and *then* tells, in the order of spec dialog.md §2.3,
//! which callbacks to run and which routes to start. The shell walks the list front to back:
//!
//! ```text
//! Changed ─► emit the event            Fire ─► Dialogs::fire(&firing, message)
//! Route   ─► run the named route       DecideExpiry ─► Dialogs::expire(...)
//! End     ─► build CANCEL or BYEs      Note ─► one log line
//! ```

use crate::{DialogKey, Direction, Intent, Outcome, OwnRequest, State};
use duologue_sip::Tick;

/// A transition, numbered over the whole table (§14.2 is built from it on demand).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The dialog.
    pub key: DialogKey,
    /// The state before.
    pub old: State,
    /// The state now.
    pub new: State,
    /// The number of this transition in the table's journal.
    pub number: u64,
}

/// Which of a dialog's routes to run (§2.3): `dlg_on_answer`, `dlg_on_timeout`, `dlg_on_hangup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteHook {
    /// On answer.
    Answer,
    /// On expiry, before anything ends.
    Timeout,
    /// On hang-up.
    Hangup,
}

/// Callbacks to run: pass it to [`Dialogs::fire`](crate::Dialogs::fire) with the message at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The dialog.
    pub key: DialogKey,
    /// Which event.
    pub what: Fire,
}

/// Which event a [`Firing`] is, with what the callback is told beside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fire {
    /// CREATED.
    Created,
    /// EARLY.
    Early,
    /// CONFIRMED.
    Confirmed,
    /// FAILED, with the status that goes to the caller.
    Failed(Option<u16>),
    /// REQ_WITHIN: direction and destination leg.
    RequestWithin(Direction, u16),
    /// RESPONSE_FWDED: the callee leg.
    ResponseForwarded(Option<u16>),
    /// RESPONSE_WITHIN: direction of the reply and its destination leg.
    ResponseWithin(Direction, u16),
    /// TERMINATED: direction and destination leg of the BYE, if one came.
    Terminated(Option<(Direction, u16)>),
    /// EXPIRED.
    Expired,
    /// DESTROY. Firing it frees the dialog; the tick dates its tombstone.
    Destroy(Tick),
}

/// Something worth a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// An event that the state does not expect; nothing changed (§2.2, `!`).
    Bogus(State, crate::MachineEvent),
    /// A 2xx came after the dialog failed (decision D3).
    LateAnswer,
    /// The ACK did not come within `noack_timeout` (decision D8).
    NoAck,
    /// A branch or reply would have made more legs than `LEGS_MAX`.
    TooManyLegs,
    /// A text of the message is too long to be kept; the dialog stays as it was.
    TextTooLong,
    /// The answer crossed a CANCEL or an early BYE (§2.4.4). True if the call is released soon.
    Raced(bool),
    /// A BYE of ours did not get a 2xx: this leg may not know that the call is over.
    ByeFailed(u16, Outcome),
    /// A PRACK of ours was not accepted (§6.5).
    PrackFailed(Outcome),
}

/// One thing for the shell to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The state changed: raise `E_DLG_STATE_CHANGED`. Precedes every callback it causes.
    Changed(Changed),
    /// Run callbacks.
    Fire(Firing),
    /// Run this route (the number that `Dialog::set_route` was given) with the dialog current.
    Route(DialogKey, RouteHook, u32),
    /// The on-timeout route ran before this: now call [`Dialogs::expire`](crate::Dialogs::expire).
    DecideExpiry(DialogKey),
    /// The dialog must be ended by messages: see [`Dialogs::begin_end`](crate::Dialogs::begin_end).
    End(Intent),
    /// Send this and report its outcome: [`Dialogs::own_request_ended`](crate::Dialogs::own_request_ended).
    Send(Box<OwnRequest>),
    /// Refuse the INVITE with this status, on all its branches.
    Refuse(DialogKey, u16),
    /// Tell those who asked how the end went: [`Dialogs::report_end`](crate::Dialogs::report_end).
    Report(DialogKey),
    /// ACK and BYE the callee legs that answered too late (`late_answer=release`):
    /// [`Dialogs::release_late`](crate::Dialogs::release_late).
    ReleaseLate(DialogKey),
    /// For the log.
    Note(DialogKey, Note),
}

/// A reusable list of [`Step`]s.
#[derive(Debug, Default)]
pub struct Steps {
    list: Vec<Step>,
}

impl Steps {
    /// An empty list.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// The steps, first to last.
    pub fn as_slice(&self) -> &[Step] {
        &self.list
    }

    /// Takes the steps out, first to last; the memory stays for the next use.
    pub fn drain(&mut self) -> impl Iterator<Item = Step> + '_ {
        self.list.drain(..)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The step at this place, cloned, so that a walk by index may borrow the shell freely.
    pub fn get(&self, index: usize) -> Option<Step> {
        self.list.get(index).cloned()
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.list.push(step);
    }

    pub(crate) fn extend(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.list.extend(steps);
    }

    pub(crate) fn fire(&mut self, key: DialogKey, what: Fire) {
        self.list.push(Step::Fire(Firing { key, what }));
    }

    pub(crate) fn note(&mut self, key: DialogKey, note: Note) {
        self.list.push(Step::Note(key, note));
    }
}
