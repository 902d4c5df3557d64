//! Requests that modules send within a dialog (spec dialog.md §6.6, §15, `send_indialog_request`).
//!
//! Asked for from any thread, built and sent in the call's turn, so that their numbers go out in
//! the order of the wire. The handler hears the final reply, once.

use crate::held_ack::Held;
use crate::leg::{Leg, LegState};
use crate::prack::Provisional;
use crate::record::Record;
use crate::settings::ASKED_MAX;
use crate::terminate::Wish;
use crate::{
    Body, Dialog, DialogKey, Dialogs, EventMessage, Gone, HeldAck, Intent, Outcome, OwnRequest,
    PanicReport, Purpose, Settings,
};
use std::fmt;

/// A request to be sent within a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRequest {
    method: Box<[u8]>,
    leg: u16,
    pub(crate) body: Option<Body>,
    pub(crate) headers: Box<[u8]>,
    /// Of a PRACK: what it acknowledges.
    pub(crate) acknowledges: Option<Provisional>,
    holds_ack: bool,
}

impl NewRequest {
    /// A request to the caller.
    pub fn to_caller(method: &str) -> Self {
        Self::to_leg(method, 0)
    }

    /// A request to the callee: the answered leg, else the first.
    pub fn to_callee(method: &str) -> Self {
        Self::to_leg(method, u16::MAX)
    }

    /// A request to one leg, 0 being the caller.
    pub fn to_leg(method: &str, leg: u16) -> Self {
        Self {
            method: method.as_bytes().into(),
            leg,
            body: None,
            headers: Box::default(),
            acknowledges: None,
            holds_ack: false,
        }
    }

    /// The PRACK of a reliable provisional that a callee sent to the initial INVITE: its To-tag, its
    /// RSeq and its CSeq number (RFC 3262 §7.2). It may be asked for before that reply is passed on;
    /// to the caller it then is a plain one.
    pub fn prack(to_tag: &[u8], rseq: u32, cseq: u32) -> Self {
        let acknowledges = Some(Provisional { to_tag: to_tag.into(), rseq, cseq });
        Self { acknowledges, ..Self::to_callee("PRACK") }
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    /// An INVITE without a body whose ACK is to answer the offer of its 2xx with a body that is not
    /// known yet: [`Answer::ack`] is told what to say.
    #[must_use]
    pub fn holding_ack(self) -> Self {
        Self { holds_ack: true, ..self }
    }

    /// With these header lines, each with its CRLF.
    #[must_use]
    pub fn headers(self, lines: &[u8]) -> Self {
        Self { headers: lines.into(), ..self }
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The dialog is gone, has ended, or has no callee yet.
    NotActive,
    /// ACK, BYE, CANCEL and PRACK have ways of their own
    /// ([`terminate`](crate::Dialog::terminate), [`NewRequest::prack`]), or the method is no token.
    BadMethod,
    /// The provisional has its PRACK already, or one before it got lost and will come again first
    /// (RFC 3262 §4).
    NotNext,
    /// A header line does not end in CRLF.
    BadHeaders,
    /// [`ASKED_MAX`] requests wait, an ACK to the leg is held, or the engine cannot be told.
    Busy,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotActive => "no such active dialog, or it has no such leg",
            Self::BadMethod => "this method cannot be sent within a dialog",
            Self::NotNext => "this provisional reply is not the next to be acknowledged",
            Self::BadHeaders => "header lines end in CRLF",
            Self::Busy => "too many requests wait to be sent within this dialog",
        })
    }
}

impl std::error::Error for AskError {}

/// How a request of a module ended.
pub struct Answer<'a> {
    /// The dialog; may have ended meanwhile.
    pub dialog: &'a Dialog,
    /// What came of it.
    pub outcome: Outcome,
    /// The final reply, if one came.
    pub message: Option<&'a mut (dyn EventMessage + 'a)>,
    /// The ACK that was [held](NewRequest::holding_ack), after a 2xx. Dropped, it leaves as any other.
    pub ack: Option<HeldAck>,
}

type Handler = Box<dyn FnOnce(Answer<'_>) + Send>;

/// What modules asked a dialog to send.
#[derive(Default)]
pub(crate) struct Asked {
    tickets: u32,
    /// Not sent yet.
    pub(crate) waiting: Vec<(u32, NewRequest)>,
    /// Who wants to hear of which.
    handlers: Vec<(u32, Handler)>,
    /// ACKs that wait for their body, one per leg at most, and the ones before them.
    pub(crate) held: Vec<Held>,
    /// Which of them are PRACKs under way.
    pub(crate) pracks: Vec<u32>,
}

impl Asked {
    /// Whether the request that ended was a PRACK.
    pub(crate) fn take_prack(&mut self, ticket: u32) -> bool {
        let at = self.pracks.iter().position(|of| *of == ticket);
        at.map(|at| self.pracks.swap_remove(at)).is_some()
    }

    fn take_handler(&mut self, ticket: u32) -> Option<Handler> {
        let at = self.handlers.iter().position(|(of, _)| *of == ticket)?;
        Some(self.handlers.swap_remove(at).1)
    }

    /// Bytes it takes, but for what the handlers captured.
    pub(crate) fn memory(&self) -> usize {
        let texts = |request: &NewRequest| request.method.len() + request.headers.len();
        let waiting = self.waiting.iter().map(|(_, request)| texts(request)).sum::<usize>();
        self.waiting.capacity() * size_of::<(u32, NewRequest)>()
            + self.handlers.capacity() * size_of::<(u32, Handler)>()
            + self.held.iter().map(Held::memory).sum::<usize>()
            + self.pracks.capacity() * size_of::<u32>()
            + waiting
    }
}

impl Dialog {
    /// Sends a request within the dialog, as if the leg's peer had; `on_answer` hears how it ended,
    /// once, on the call's order, without any lock held. It is dropped unheard only if the dialog or
    /// the leg goes first. The ACK of an INVITE's 2xx is sent by the proxy; should the INVITE have no body,
    /// it answers the leg's offer with what the peer said last, if bodies are kept.
    ///
    /// From any thread, callbacks included: it queues behind what the call is doing now.
    ///
    /// # Errors
    /// [`AskError`]; the handler is dropped then.
    #[doc(alias = "send_indialog_request")]
    pub fn send_request(
        &self,
        request: NewRequest,
        on_answer: impl FnOnce(Answer<'_>) + Send + 'static,
    ) -> Result<(), AskError> {
        if request.acknowledges.is_none() && !may_be_sent(&request.method) {
            return Err(AskError::BadMethod);
        }
        if !are_header_lines(&request.headers) {
            return Err(AskError::BadHeaders);
        }
        // a refused closure is dropped at the end of this method, where no lock is held
        let mut handler: Option<Handler> = Some(Box::new(on_answer));
        let asked = self.table().with(self.key(), |record| {
            let leg = match &request.acknowledges {
                Some(provisional) => record.may_prack(provisional).map(|()| request.leg)?,
                None => record.reachable(request.leg).ok_or(AskError::NotActive)?,
            };
            let asked = &mut record.extras().asked;
            if asked.handlers.len() >= ASKED_MAX || request.holds_ack && asked.holds_ack(leg) {
                return Err(AskError::Busy);
            }
            asked.tickets = asked.tickets.wrapping_add(1);
            let ticket = asked.tickets;
            if request.holds_ack {
                asked.hold_ack(leg, ticket);
            }
            asked.handlers.extend(handler.take().map(|handler| (ticket, handler)));
            asked.waiting.push((ticket, NewRequest { leg, ..request }));
            Ok((ticket, Intent { key: self.key(), owner: record.owner, wish: Wish::Send }))
        });
        let (ticket, intent) = asked.unwrap_or(Err(AskError::NotActive))?;
        if self.table().post(intent) {
            return Ok(());
        }
        let withdrawn = self.table().with(self.key(), |record| record.withdraw(ticket));
        drop(withdrawn);
        Err(AskError::Busy)
    }
}

/// Whether these are whole header lines, each with its CRLF, and no more (or none at all).
pub fn are_header_lines(lines: &[u8]) -> bool {
    let line =
        |line: &[u8]| line.contains(&b':') || line.first().is_some_and(|b| b" \t".contains(b));
    let Some(all) = lines.strip_suffix(b"\r\n") else { return lines.is_empty() };
    all.split(|&byte| byte == b'\n').all(|it| line(it.strip_suffix(b"\r").unwrap_or(it)))
}

/// RFC 3261 §25.1: a method is a token; these are not for modules to send.
fn may_be_sent(method: &[u8]) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    !method.is_empty()
        && method.iter().all(token)
        && ![&b"ACK"[..], b"BYE", b"CANCEL", b"PRACK"].contains(&method)
}

impl Dialogs {
    /// What waits to be sent within a dialog, in the order it was asked for; for
    /// [`Wish::Send`](crate::Wish::Send).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn take_asked(&self, key: DialogKey) -> Result<Vec<OwnRequest>, Gone> {
        let settings = self.settings();
        // what cannot be sent any more is dropped at the end of this method, where no lock is held
        let mut lost = Vec::new();
        self.with(key, |record| {
            let waiting = record.extras.as_mut().map(|e| std::mem::take(&mut e.asked.waiting));
            let mut built = Vec::new();
            for (ticket, request) in waiting.unwrap_or_default() {
                match record.asked_request(settings, key, ticket, request) {
                    Some(own) => built.push(own),
                    None => lost.push(record.withdraw(ticket)),
                }
            }
            built.extend(record.released_acks(settings, key));
            built
        })
    }

    /// Tells who asked.
    pub(crate) fn tell_asker(
        &self,
        key: DialogKey,
        ticket: u32,
        outcome: Outcome,
        message: Option<&mut dyn EventMessage>,
    ) -> Vec<PanicReport> {
        let told = self.with(key, |record| {
            let asked = &mut record.extras.as_mut()?.asked;
            let held = asked.held_ack_settled(ticket, outcome);
            asked.take_handler(ticket).map(|handler| (handler, held))
        });
        let mut panics = Vec::new();
        if let Ok(Some((handler, held))) = told {
            let dialog = self.handle(key);
            let message = message.map(|message| message as &mut dyn EventMessage);
            let ack = held.then(|| HeldAck::new(dialog.clone(), ticket));
            self.guarded(key.id, "answer to a request", &mut panics, || {
                handler(Answer { dialog: &dialog, outcome, message, ack });
            });
        }
        panics
    }
}

impl Record {
    /// Nobody will come for this request: its handler, to be dropped where no lock is held.
    fn withdraw(&mut self, ticket: u32) -> Option<Handler> {
        let asked = &mut self.extras.as_mut()?.asked;
        asked.waiting.retain(|(of, _)| *of != ticket);
        asked.held.retain(|held| held.ticket != ticket);
        asked.take_handler(ticket)
    }

    /// The leg, if a request can be sent there now.
    fn reachable(&self, leg: u16) -> Option<u16> {
        let callee = self.callee_leg();
        let leg = if leg == u16::MAX { callee } else { leg };
        // RFC 3261 §12.1: both ends of a dialog are known by tag, and where it goes by its target
        let known = self.legs.get(callee.max(leg) as usize).is_some_and(|it| !it.tag().is_empty());
        let there = |it: &Leg| it.state != LegState::Ended && !it.contact().is_empty();
        let reached = self.legs.get(leg as usize).is_some_and(there);
        (known && reached && !self.state.is_ended()).then_some(leg)
    }

    fn asked_request(
        &mut self,
        settings: &Settings,
        key: DialogKey,
        ticket: u32,
        request: NewRequest,
    ) -> Option<OwnRequest> {
        if request.acknowledges.is_some() {
            return self.asked_prack(settings, key, ticket, request);
        }
        let leg = self.reachable(request.leg)?;
        let callee_leg = if leg == 0 { self.callee_leg() } else { leg };
        let contact = self.contact_for(leg, callee_leg);
        let purpose = Purpose::Asked(ticket);
        let own = self.own_request(key, leg, callee_leg, purpose, &request.method)?;
        self.holds = self.holds.saturating_add(1);
        let own = OwnRequest { contact, body: request.body, headers: request.headers, ..own };
        self.own_offers(settings, &own);
        Some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lines_are_whole() {
        for good in [&b""[..], b"X: 1\r\n", b"X: 1\r\n folded\r\nY:\r\n"] {
            assert!(are_header_lines(good), "{good:?}");
        }
        for bad in [&b"X: 1"[..], b"X\r\n", b"X: 1\r\n\r\nbody\r\n", b"\r\n"] {
            assert!(!are_header_lines(bad), "{bad:?}");
        }
    }

    #[test]
    fn some_methods_are_not_for_modules() {
        assert!(may_be_sent(b"INFO") && may_be_sent(b"INVITE") && may_be_sent(b"X-Odd.1"));
        for bad in [&b"PRACK"[..], b"BYE", b"ACK", b"CANCEL", b"", b"IN FO", b"INFO\r\n"] {
            assert!(!may_be_sent(bad), "{bad:?}");
        }
    }
}
