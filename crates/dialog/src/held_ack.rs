//! ACKs that wait for their body (spec dialog.md §13.2): who lets one side make an offer and brings
//! it to the other has the answer only when that one has spoken (RFC 3725 §4.1).

use crate::asked::Asked;
use crate::record::Record;
use crate::terminate::Wish;
use crate::{Body, Dialog, DialogKey, Intent, Outcome, OwnLink, OwnRequest, Purpose, Settings};
use duologue_sip::{Moment, Tick};
use std::time::Duration;

/// How long an ACK waits for its body. Behind that it leaves with the next repetition of the 2xx,
/// which comes every 4 s at last: whoever sent that gives up after 32 s (RFC 3261 §13.3.1.4).
pub const HELD_ACK_MAX: Duration = Duration::from_secs(20);

/// The ACK of a 2xx that made an offer ([`NewRequest::holding_ack`](crate::NewRequest::holding_ack)).
/// The side that waits for it repeats its 2xx meanwhile. Dropped, or not sent within
/// [`HELD_ACK_MAX`], it leaves with what the peer said last, if bodies are kept.
#[derive(Debug)]
pub struct HeldAck {
    dialog: Dialog,
    ticket: u32,
    answer: Option<Body>,
}

impl HeldAck {
    pub(crate) const fn new(dialog: Dialog, ticket: u32) -> Self {
        Self { dialog, ticket, answer: None }
    }

    /// Sends it with this answer to the offer, behind what the call is doing now. Too late, if it
    /// has left without.
    pub fn send(mut self, answer: Body) {
        self.answer = Some(answer);
    }
}

impl Drop for HeldAck {
    fn drop(&mut self) {
        let (key, table) = (self.dialog.key(), self.dialog.table());
        let (ticket, answer) = (self.ticket, self.answer.take());
        let intent = table.with(key, |record| {
            let asked = &mut record.extras.as_mut()?.asked;
            let held = asked.held.iter_mut().find(|held| held.ticket == ticket)?;
            if !matches!(held.stage, Stage::Waits) {
                return None;
            }
            held.stage = Stage::Released(answer);
            Some(Intent { key, owner: record.owner, wish: Wish::Send })
        });
        if let Ok(Some(intent)) = intent {
            // Where there is no room, the 2xx that comes again gets it.
            let _ = table.post(intent);
        }
    }
}

/// An ACK that is held, or was: the 2xx may come again.
#[derive(Debug)]
pub(crate) struct Held {
    leg: u16,
    pub(crate) ticket: u32,
    /// The 2xx that came, by its INVITE.
    invite: Option<(OwnLink, u32)>,
    /// When it came first.
    since: Option<Tick>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nobody knows yet what it says.
    Waits,
    /// It is to be sent.
    Released(Option<Body>),
    /// It was sent, and is sent again for each 2xx.
    Sent(Option<Body>),
}

impl Held {
    pub(crate) fn memory(&self) -> usize {
        let body = match &self.stage {
            Stage::Released(Some(body)) | Stage::Sent(Some(body)) => body.memory() / body.holders(),
            Stage::Waits | Stage::Released(None) | Stage::Sent(None) => 0,
        };
        size_of::<Self>() + body
    }
}

/// What becomes of an ACK now.
pub(crate) enum AckNow {
    /// It leaves, with the body that it has anyway.
    Plain,
    /// It leaves, with this body if there is one.
    With(Option<Body>),
    /// It waits.
    Held,
}

impl Asked {
    /// Whether an ACK to this leg waits for its body, or to be sent.
    pub(crate) fn holds_ack(&self, leg: u16) -> bool {
        self.held.iter().any(|held| held.leg == leg && !matches!(held.stage, Stage::Sent(_)))
    }

    /// An INVITE to this leg will hold its ACK. The one before it is kept: its 2xx may come again.
    pub(crate) fn hold_ack(&mut self, leg: u16, ticket: u32) {
        let latest = self.held.iter().rfind(|held| held.leg == leg).map(|held| held.ticket);
        self.held.retain(|held| held.leg != leg || Some(held.ticket) == latest);
        self.held.push(Held { leg, ticket, invite: None, since: None, stage: Stage::Waits });
    }

    /// A request has its outcome: whether there is an ACK that waits. Without a 2xx there is none.
    pub(crate) fn held_ack_settled(&mut self, ticket: u32, outcome: Outcome) -> bool {
        let accepted = matches!(outcome, Outcome::Reply(200..=299));
        if !accepted {
            self.held.retain(|held| held.ticket != ticket);
        }
        self.held.iter().any(|held| held.ticket == ticket)
    }
}

impl Record {
    /// Whether an ACK to this leg waits for its body.
    pub(crate) fn holds_ack(&self, leg: u16) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.asked.holds_ack(leg))
    }

    /// A 2xx to an INVITE of ours came, perhaps once more.
    pub(crate) fn ack_now(&mut self, now: Moment, link: OwnLink, cseq: u32) -> AckNow {
        let held = self.extras.as_mut().and_then(|extras| {
            extras.asked.held.iter_mut().find(|held| link.purpose == Purpose::Asked(held.ticket))
        });
        let Some(held) = held else { return AckNow::Plain };
        held.invite = Some((link, cseq));
        let since = *held.since.get_or_insert(now.tick);
        if matches!(held.stage, Stage::Waits) && now.tick >= since + HELD_ACK_MAX {
            held.stage = Stage::Sent(None);
        }
        match &held.stage {
            Stage::Waits => AckNow::Held,
            Stage::Released(body) | Stage::Sent(body) => AckNow::With(body.clone()),
        }
    }

    /// The ACKs that need not wait any more.
    pub(crate) fn released_acks(&mut self, settings: &Settings, key: DialogKey) -> Vec<OwnRequest> {
        let mut released = Vec::new();
        for held in self.extras.iter_mut().flat_map(|extras| &mut extras.asked.held) {
            if let (Some(invite), Stage::Released(body)) = (held.invite, &mut held.stage) {
                let body = body.take();
                held.stage = Stage::Sent(body.clone());
                released.push((invite, body));
            }
        }
        let built = released.into_iter().filter_map(|((link, cseq), body)| {
            if let Some(answer) = &body {
                self.own_answer_sent(settings, link, answer.clone());
            }
            let body = body.or_else(|| self.own_answer(link));
            let ack = self.own_ack(key, link.leg, link.callee_leg, cseq)?;
            Some(OwnRequest { body, ..ack })
        });
        built.collect()
    }
}
