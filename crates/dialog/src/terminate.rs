//! Ending a dialog from the middle (spec dialog.md §7): asked for by anybody at any time, carried
//! out by whoever runs the call.

use crate::cseq::Way;
use crate::ending::Report;
use crate::engine::Cause;
use crate::leg::LegState;
use crate::record::Record;
use crate::settings::INTENTS_MAX;
use crate::{Dialog, DialogKey, Dialogs, EndReason, EndReport, Gone, OwnRequest, Purpose, State};
use crate::{MachineEvent, Step, Steps};
use duologue_sip::Moment;
use std::fmt;
use std::time::Duration;

/// How long we wait for the outcome of our own BYEs: Timer F of RFC 3261 and a little more.
pub const ENDING_MAX: Duration = Duration::from_secs(40);

/// Somebody wants something of this dialog that only its call can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The dialog.
    pub key: DialogKey,
    /// The shell's word for the call that owns it.
    pub owner: u64,
    /// What is wanted.
    pub wish: Wish,
}

/// What somebody wants of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its end: answer with [`Dialogs::begin_end`].
    End,
    /// That requests are sent within it: answer with [`Dialogs::take_asked`].
    Send,
}

/// The wish to end a dialog was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Found and queued.
    Queued,
    /// Somebody asked before; the first reason stays. Where nothing was sent yet, the wish is
    /// posted once more, in case the first got lost.
    AlreadyEnding,
}

/// Why a dialog cannot be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminateError {
    /// There is no such active dialog: it has ended or is gone.
    NotActive,
    /// [`INTENTS_MAX`] wishes are waiting, or [`REPORTS_MAX`](crate::REPORTS_MAX) reports of this
    /// end.
    Busy,
}

impl fmt::Display for TerminateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotActive => "no such active dialog",
            Self::Busy => "too many dialogs wait to be ended",
        })
    }
}

impl std::error::Error for TerminateError {}

/// What ends a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndPlan {
    /// It rings: cancel every branch of its INVITE. The 487 that follows ends it.
    Cancel,
    /// It was answered: send these in their order, the BYE to the caller before that to the
    /// callee. An answer that nobody acknowledged is acknowledged first. Report each BYE's outcome
    /// with [`Dialogs::own_request_ended`]; the first one ends the dialog.
    Byes(Vec<OwnRequest>),
    /// It has ended meanwhile, or the BYEs of all its legs were handed out before: nothing to do.
    Ended,
}

/// Who gets a BYE when a dialog that was answered is ended. The dialog ends either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Byes {
    /// Caller and callee.
    #[default]
    Both,
    /// The caller alone.
    Caller,
    /// The callees alone.
    Callees,
    /// Nobody: the dialog is dropped in silence.
    Nobody,
}

impl Byes {
    fn include(self, leg: u16) -> bool {
        match self {
            Self::Both => true,
            Self::Caller => leg == 0,
            Self::Callees => leg != 0,
            Self::Nobody => false,
        }
    }
}

impl Dialog {
    /// Asks for the end of the dialog, from any thread, callbacks included. It is queued behind
    /// what the call is doing now; see [`Heard`].
    ///
    /// # Errors
    /// [`TerminateError`].
    #[doc(alias = "terminate_dlg")]
    pub fn terminate(&self, reason: EndReason) -> Result<Heard, TerminateError> {
        self.terminate_with(reason, None)
    }

    /// Like [`terminate`](Self::terminate), and `report` hears what came of it on each leg: once,
    /// when all BYEs have their outcome, or a call that rang is over.
    ///
    /// ```
    /// # use duologue_dialog::{Dialog, EndReason};
    /// # fn end(dialog: &Dialog) {
    /// let asked = dialog.terminate_and_report(EndReason::new("fraud"), |report| {
    ///     for leg in &report.legs {
    ///         println!("leg {}: {:?}", leg.leg, leg.outcome);
    ///     }
    /// });
    /// # let _ = asked;
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TerminateError`]; the closure is dropped then.
    pub fn terminate_and_report(
        &self,
        reason: EndReason,
        report: impl FnOnce(&EndReport) + Send + 'static,
    ) -> Result<Heard, TerminateError> {
        self.terminate_with(reason, Some(Box::new(report)))
    }

    fn terminate_with(
        &self,
        reason: EndReason,
        mut report: Option<Report>,
    ) -> Result<Heard, TerminateError> {
        // a refused closure is dropped at the end of this method, where no lock is held
        let report = &mut report;
        let table = self.table();
        let heard = table.with(self.key(), |record| {
            if record.state.is_ended() {
                return Err(TerminateError::NotActive);
            }
            if report.is_some() && !record.hears_reports() {
                return Err(TerminateError::Busy);
            }
            let heard = if std::mem::replace(&mut record.ending, true) {
                Heard::AlreadyEnding
            } else {
                record.note_reason(reason);
                Heard::Queued
            };
            if let Some(report) = report.take() {
                record.report_end_to(report);
            }
            let intent = Intent { key: self.key(), owner: record.owner, wish: Wish::End };
            Ok((heard, (!record.ending_begun).then_some(intent)))
        });
        let (heard, intent) = heard.unwrap_or(Err(TerminateError::NotActive))?;
        match intent {
            Some(intent) if !table.post(intent) => Err(TerminateError::Busy),
            _ => Ok(heard),
        }
    }
}

impl Dialogs {
    /// Asks for the end of the dialog with this id; see [`Dialog::terminate`].
    ///
    /// # Errors
    /// [`TerminateError`].
    #[doc(alias = "terminate_dlg")]
    pub fn terminate(
        &self,
        id: crate::DialogId,
        reason: EndReason,
    ) -> Result<Heard, TerminateError> {
        self.by_id(id).ok_or(TerminateError::NotActive)?.terminate(reason)
    }

    /// Where wishes go: called from any thread, without a lock; it must only pass the intent on to
    /// the call's queue. Set it once; without it, intents wait for
    /// [`take_intent`](Self::take_intent). False if it was set before.
    pub fn set_mailbox(&self, post: impl Fn(Intent) + Send + Sync + 'static) -> bool {
        self.inner.mailbox.set(Box::new(post)).is_ok()
    }

    /// Takes the oldest wish that waits, where there is no mailbox.
    pub fn take_intent(&self) -> Option<Intent> {
        self.inner.intents.lock().pop_front()
    }

    pub(crate) fn post(&self, intent: Intent) -> bool {
        if let Some(mailbox) = self.inner.mailbox.get() {
            mailbox(intent);
            return true;
        }
        let mut intents = self.inner.intents.lock();
        let room = intents.len() < INTENTS_MAX;
        if room {
            intents.push_back(intent);
        }
        room
    }

    /// What has to be sent to end this dialog, built whole before anything changes. From now on it
    /// ends within 40 s, whatever becomes of the BYEs. A plan without any is to be answered by
    /// [`end_without_byes`](Self::end_without_byes).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn begin_end(&self, now: Moment, key: DialogKey, who: Byes) -> Result<EndPlan, Gone> {
        let headers = &self.settings().extra_headers;
        self.with_timer(key, |record| {
            record.ending = true;
            match record.state {
                State::Deleted => EndPlan::Ended,
                State::Unconfirmed | State::Early => EndPlan::Cancel,
                State::ConfirmedNa | State::Confirmed => {
                    let again = std::mem::replace(&mut record.ending_begun, true);
                    record.ending_at = record.ending_at.min(now.tick + ENDING_MAX);
                    match byes(record, key, who, headers) {
                        byes if again && byes.is_empty() => EndPlan::Ended,
                        byes => EndPlan::Byes(byes),
                    }
                }
            }
        })
    }

    /// There is nobody to send a BYE to (the script answered the call itself): the dialog ends at
    /// once.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn end_without_byes(
        &self,
        now: Moment,
        key: DialogKey,
        steps: &mut Steps,
    ) -> Result<(), Gone> {
        self.apply(now, key, MachineEvent::InternalEnd, Cause::default(), steps)?;
        steps.push(Step::Report(key));
        Ok(())
    }

    /// What releases callees that answered a call which had failed already (decision D3,
    /// `late_answer=release`): an ACK and a BYE to each.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn release_late(&self, key: DialogKey) -> Result<Vec<OwnRequest>, Gone> {
        let headers = &self.settings().extra_headers;
        self.with(key, |record| {
            let mut requests = Vec::new();
            for leg in answered(record) {
                requests.extend(ack_of_invite(record, key, leg));
                requests.extend(bye(record, key, leg, leg, headers));
                record.legs[leg as usize].state = LegState::Ended;
            }
            requests
        })
    }
}

/// A pair of BYEs per answered leg (decision D2), the caller's first.
fn byes(record: &mut Record, key: DialogKey, who: Byes, headers: &[u8]) -> Vec<OwnRequest> {
    let mut requests = Vec::new();
    for callee in answered(record) {
        // it was asked for once more, since another leg answered
        if record.has_bye(callee) {
            continue;
        }
        // lessons 15: the caller may be gone since its CANCEL, so who acknowledges its answer?
        if record.state == State::ConfirmedNa {
            requests.extend(ack_of_invite(record, key, callee));
        }
        for leg in [0, callee].into_iter().filter(|&leg| who.include(leg)) {
            requests.extend(bye(record, key, leg, callee, headers));
            record.bye_handed_out(leg, callee);
        }
    }
    requests
}

fn answered(record: &Record) -> Vec<u16> {
    let callees = record.legs.iter().enumerate().skip(1);
    let answered = callees.filter(|(_, leg)| leg.state == LegState::Answered);
    answered.map(|(number, _)| number as u16).collect()
}

fn bye(
    record: &mut Record,
    key: DialogKey,
    leg: u16,
    callee: u16,
    headers: &[u8],
) -> Option<OwnRequest> {
    let bye = record.own_request(key, leg, callee, Purpose::Bye, b"BYE")?;
    record.holds = record.holds.saturating_add(1);
    Some(OwnRequest { headers: headers.into(), ..bye })
}

/// The ACK that the caller owes for the first answer.
fn ack_of_invite(record: &Record, key: DialogKey, callee: u16) -> Option<OwnRequest> {
    let received = record.invite_cseq;
    let cseq = record.number_of(Way::down(callee), received).unwrap_or(received);
    record.own_ack(key, callee, callee, cseq)
}
