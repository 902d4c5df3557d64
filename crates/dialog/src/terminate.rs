//! Ending a dialog from the middle (spec dialog.md §7): asked for by anybody at any time, carried
//! out by whoever runs the call.

use crate::engine::Cause;
use crate::leg::{Leg, LegState};
use crate::record::Record;
use crate::settings::INTENTS_MAX;
use crate::{Dialog, DialogKey, Dialogs, EndReason, Gone, MachineEvent, State, Steps};
use duologue_sip::{Flow, Moment};
use std::fmt;
use std::time::Duration;

/// How long we wait for the outcome of our own BYEs: Timer F of RFC 3261 and a little more.
pub const ENDING_MAX: Duration = Duration::from_secs(40);

/// Somebody wants this dialog ended: answer with [`Dialogs::begin_end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The dialog.
    pub key: DialogKey,
    /// The shell's word for the call that owns it.
    pub owner: u64,
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
    /// [`INTENTS_MAX`] wishes are waiting.
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
    /// It was answered: send these BYEs, the caller's first. Report the first outcome of any with
    /// [`Dialogs::bye_settled`].
    Byes(Vec<ByeRequest>),
    /// It has ended meanwhile, or its BYEs were handed out before: nothing to do.
    Ended,
}

/// A BYE to one leg, as if its peer sent it (§6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByeRequest {
    /// The leg it goes to; 0 is the caller.
    pub leg: u16,
    /// Request-URI.
    pub request_uri: Vec<u8>,
    /// Route values, joined by commas; may be empty.
    pub routes: Vec<u8>,
    /// The URI that says where to send it (RFC 3261 §12.2.1.1): the first route's, loose or
    /// strict, else the Request-URI.
    pub next_hop: Vec<u8>,
    /// Call-ID.
    pub call_id: Vec<u8>,
    /// From URI.
    pub from_uri: Vec<u8>,
    /// From-tag.
    pub from_tag: Vec<u8>,
    /// To URI.
    pub to_uri: Vec<u8>,
    /// To-tag.
    pub to_tag: Vec<u8>,
    /// CSeq number.
    pub cseq: u32,
    /// The way to the leg, if known; else by Route or Request-URI.
    pub flow: Option<Flow>,
}

impl Dialog {
    /// Asks for the end of the dialog, from any thread, callbacks included. It is queued behind
    /// what the call is doing now; see [`Heard`].
    ///
    /// # Errors
    /// [`TerminateError`].
    #[doc(alias = "terminate_dlg")]
    pub fn terminate(&self, reason: EndReason) -> Result<Heard, TerminateError> {
        let table = self.table();
        let heard = table.with(self.key(), |record| {
            if record.state.is_ended() {
                return Err(TerminateError::NotActive);
            }
            let heard = if std::mem::replace(&mut record.ending, true) {
                Heard::AlreadyEnding
            } else {
                record.note_reason(reason);
                Heard::Queued
            };
            let intent = Intent { key: self.key(), owner: record.owner };
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

    /// Where wishes to end a dialog go: called from any thread, without a lock; it must only pass
    /// the intent on to the call's queue. Set it once; without it, intents wait for
    /// [`take_intent`](Self::take_intent). False if it was set before.
    pub fn set_mailbox(&self, post: impl Fn(Intent) + Send + Sync + 'static) -> bool {
        self.inner.mailbox.set(Box::new(post)).is_ok()
    }

    /// Takes the oldest wish that waits, where there is no mailbox.
    pub fn take_intent(&self) -> Option<Intent> {
        self.inner.intents.lock().pop_front()
    }

    fn post(&self, intent: Intent) -> bool {
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

    /// What has to be sent to end this dialog. From now on it ends within 40 s, whatever becomes
    /// of the BYEs.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn begin_end(&self, now: Moment, key: DialogKey) -> Result<EndPlan, Gone> {
        self.with_timer(key, |record| {
            record.ending = true;
            match record.state {
                State::Deleted => EndPlan::Ended,
                State::Unconfirmed | State::Early => EndPlan::Cancel,
                State::ConfirmedNa | State::Confirmed if record.ending_begun => EndPlan::Ended,
                State::ConfirmedNa | State::Confirmed => {
                    record.ending_begun = true;
                    record.ending_at = record.ending_at.min(now.tick + ENDING_MAX);
                    EndPlan::Byes(byes(record))
                }
            }
        })
    }

    /// The first of our BYEs got a final reply, timed out, or could not be sent: the dialog ends.
    /// Later outcomes change nothing.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn bye_settled(
        &self,
        now: Moment,
        key: DialogKey,
        steps: &mut Steps,
    ) -> Result<State, Gone> {
        self.apply(now, key, MachineEvent::InternalEnd, Cause::default(), steps)
    }
}

/// A pair of BYEs per answered leg (decision D2), the caller's first.
fn byes(record: &Record) -> Vec<ByeRequest> {
    let caller = &record.legs[0];
    let mut byes = Vec::new();
    let answered =
        record.legs.iter().enumerate().skip(1).filter(|(_, leg)| leg.state == LegState::Answered);
    for (number, callee) in answered {
        let from_uri = or_else(callee.mangled_from(), record.caller_uri());
        let to_uri = or_else(callee.mangled_to(), record.callee_uri());
        byes.push(bye(
            record,
            (0, caller),
            (record.callee_uri(), callee.tag()),
            (record.caller_uri(), caller.tag()),
        ));
        byes.push(bye(
            record,
            (number as u16, callee),
            (from_uri, caller.tag()),
            (to_uri, callee.tag()),
        ));
    }
    byes
}

fn or_else<'a>(mangled: &'a [u8], original: &'a [u8]) -> &'a [u8] {
    if mangled.is_empty() { original } else { mangled }
}

fn bye(
    record: &Record,
    (number, leg): (u16, &Leg),
    (from_uri, from_tag): (&[u8], &[u8]),
    (to_uri, to_tag): (&[u8], &[u8]),
) -> ByeRequest {
    let Target { request_uri, routes, next_hop } = Target::of(leg.contact(), leg.routes());
    ByeRequest {
        leg: number,
        request_uri,
        routes,
        next_hop,
        call_id: record.call_id().into(),
        from_uri: from_uri.into(),
        from_tag: from_tag.into(),
        to_uri: to_uri.into(),
        to_tag: to_tag.into(),
        cseq: leg.r_cseq.max(leg.last_gen_cseq).wrapping_add(1),
        flow: leg.flow,
    }
}

/// Where a request within a dialog goes, and what it says there.
struct Target {
    request_uri: Vec<u8>,
    routes: Vec<u8>,
    next_hop: Vec<u8>,
}

impl Target {
    // RFC 3261 §12.2.1.1: a loose first route keeps the target in the Request-URI; a strict one
    // takes its place, and the target becomes the last Route.
    fn of(contact: &[u8], routes: &[u8]) -> Self {
        let first_end = first_value_end(routes);
        let first = uri_of(&routes[..first_end]);
        if first.is_empty() {
            return Self {
                request_uri: contact.into(),
                routes: routes.into(),
                next_hop: contact.into(),
            };
        }
        if is_loose(first) {
            return Self {
                request_uri: contact.into(),
                routes: routes.into(),
                next_hop: first.into(),
            };
        }
        let mut rest = routes.get(first_end + 1..).unwrap_or_default().to_vec();
        if !rest.is_empty() {
            rest.push(b',');
        }
        rest.push(b'<');
        rest.extend_from_slice(contact);
        rest.push(b'>');
        Self { request_uri: first.into(), routes: rest, next_hop: first.into() }
    }
}

/// The end of the first of several comma-joined values.
fn first_value_end(values: &[u8]) -> usize {
    let (mut bracketed, mut quoted, mut escaped) = (false, false, false);
    for (at, &byte) in values.iter().enumerate() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => return at,
            _ => {}
        }
    }
    values.len()
}

/// What stands between the angle brackets of one value, or the value itself.
fn uri_of(value: &[u8]) -> &[u8] {
    let open = value.iter().rposition(|&b| b == b'<').map_or(0, |at| at + 1);
    let close = value[open..].iter().position(|&b| b == b'>').map_or(value.len(), |at| open + at);
    value[open..close].trim_ascii()
}

fn is_loose(uri: &[u8]) -> bool {
    let parameters = uri.split(|&b| b == b'?').next().unwrap_or_default();
    parameters.split(|&b| b == b';').skip(1).any(|parameter| {
        let name = parameter.split(|&b| b == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"lr")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3261 §12.2.1.1; dialog.md §6.4
    #[test]
    fn targets_behind_loose_and_strict_routers() {
        let contact = b"sip:bob@1.1.1.1";
        let of = |routes: &[u8]| {
            let target = Target::of(contact, routes);
            [target.request_uri, target.routes, target.next_hop]
                .map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(of(b""), ["sip:bob@1.1.1.1", "", "sip:bob@1.1.1.1"]);
        assert_eq!(
            of(b"\"a, b\" <sip:p1;lr>,<sip:p2>"),
            ["sip:bob@1.1.1.1", "\"a, b\" <sip:p1;lr>,<sip:p2>", "sip:p1;lr"]
        );
        assert_eq!(
            of(b"<sip:p1;x=lr>,<sip:p2;lr>"),
            ["sip:p1;x=lr", "<sip:p2;lr>,<sip:bob@1.1.1.1>", "sip:p1;x=lr"]
        );
        assert_eq!(of(b"<sip:p1>"), ["sip:p1", "<sip:bob@1.1.1.1>", "sip:p1"]);
    }
}
