//! What requests of our own do to the media (spec dialog.md §6.4, lessons 13): a re-INVITE ping
//! says again what its leg was told, a module's INVITE or UPDATE may say something new. Each leg
//! answers us alone, beside what the two sides negotiate with each other.

use crate::held_ack::AckNow;
use crate::negotiation::Media;
use crate::record::Record;
use crate::{
    Body, BodyFacts, DialogFlags, DialogKey, DialogMethod, Dialogs, Direction, Gone, OwnLink,
    OwnRequest, Purpose, ResponseFacts, Settings,
};
use duologue_sip::Moment;

/// The last exchange that we began with a side.
#[derive(Clone, Debug)]
pub(crate) struct OwnOffer {
    purpose: Purpose,
    /// What we offered; nothing, if the side shall make the offer or bodies are not kept.
    offer: Option<Body>,
    /// Nothing came yet. Until then nothing else may be offered to that side (RFC 3261 §14.1).
    pending: bool,
    /// What our ACK answers to the offer that came in the 2xx.
    answer: Option<Body>,
}

/// The direction of what goes to a leg.
const fn towards(leg: u16) -> Direction {
    if leg == 0 { Direction::Upstream } else { Direction::Downstream }
}

impl Media {
    /// Whether we wait for what a leg says to a request of ours.
    pub(crate) fn awaits(&self, leg: u16) -> bool {
        self.own[towards(leg) as usize].as_ref().is_some_and(|own| own.pending)
    }

    /// The exchange that this request began, if it is still the last.
    fn own_offer(&mut self, link: OwnLink) -> Option<&mut OwnOffer> {
        let own = self.own[towards(link.leg) as usize].as_deref_mut();
        own.filter(|own| own.purpose == link.purpose)
    }

    /// A 2xx: what was offered and answered is in force. Returns what the ACK says.
    fn own_answered(&mut self, link: OwnLink, body: Option<Body>) -> Option<Body> {
        let peers = towards(link.leg);
        let told = self.sent(peers).cloned();
        let own = self.own_offer(link)?;
        if !std::mem::take(&mut own.pending) {
            // it came once more: so does the ACK
            return own.answer.clone();
        }
        let offer = own.offer.take();
        if offer.is_none() && body.is_some() {
            // RFC 3261 §13.2.2.4: the 2xx made the offer; the peer's body answers it
            own.answer = told;
        }
        let answer = own.answer.clone();
        if let Some(offer) = offer {
            self.told(peers, offer);
        }
        if let Some(body) = body {
            self.heard(peers.reversed(), body);
        }
        answer
    }

    /// Bytes of the bodies kept for our own requests.
    pub(crate) fn own_memory(&self) -> usize {
        let bodies = |own: &OwnOffer| {
            let both = own.offer.iter().chain(&own.answer);
            both.map(|body| body.memory() / body.holders()).sum::<usize>()
        };
        self.own.iter().flatten().map(|own| size_of::<OwnOffer>() + bodies(own)).sum()
    }
}

impl Record {
    /// A request of ours is about to leave. An INVITE begins an exchange, and so does the body of an
    /// UPDATE, or of a PRACK that does not answer an offer (RFC 3262 §5).
    pub(crate) fn own_offers(&mut self, settings: &Settings, own: &OwnRequest) {
        let begins = match &*own.method {
            b"INVITE" => true,
            b"UPDATE" | b"PRACK" => own.body.is_some(),
            _ => false,
        };
        if !begins || !self.follows_media(settings) {
            return;
        }
        let OwnLink { leg, callee_leg, purpose, .. } = own.link;
        let offer = own.body.clone().filter(|_| self.keeps_bodies(settings));
        if &*own.method == b"PRACK" && self.media_with(callee_leg).prack_answers(offer.as_ref()) {
            return;
        }
        let exchange = OwnOffer { purpose, offer, pending: true, answer: None };
        self.media_with(callee_leg).own[towards(leg) as usize] = Some(Box::new(exchange));
    }

    /// A request of ours got a 2xx. What our ACK says, if there is to be one.
    fn own_offer_answered(
        &mut self,
        settings: &Settings,
        link: OwnLink,
        body: Option<&BodyFacts<'_>>,
    ) -> Option<Body> {
        let body = body.filter(|_| self.keeps_bodies(settings)).map(BodyFacts::keep);
        self.own_media(link)?.own_answered(link, body)
    }

    /// What our ACK answers to the offer of a 2xx, if nobody says something else.
    pub(crate) fn own_answer(&mut self, link: OwnLink) -> Option<Body> {
        self.own_media(link)?.own_offer(link)?.answer.clone()
    }

    /// Our ACK said this in the peer's name.
    pub(crate) fn own_answer_sent(&mut self, settings: &Settings, link: OwnLink, answer: Body) {
        if self.keeps_bodies(settings) {
            self.media_with(link.callee_leg).told(towards(link.leg), answer);
        }
    }

    /// A request of ours has its outcome.
    pub(crate) fn own_offer_over(&mut self, link: OwnLink) {
        if let Some(own) = self.own_media(link).and_then(|media| media.own_offer(link)) {
            own.pending = false;
            own.offer = None;
        }
    }

    fn own_media(&mut self, link: OwnLink) -> Option<&mut Media> {
        let list = &mut self.extras.as_mut()?.media;
        list.iter_mut().find(|media| media.callee_leg == link.callee_leg)
    }
}

impl Dialogs {
    /// The local route changed the body of a request of ours, took it away or gave it one: its leg
    /// is told this.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn own_body_changed(&self, link: OwnLink, sent: Option<Body>) -> Result<(), Gone> {
        let settings = self.settings();
        self.with(link.key, |record| {
            if !record.keeps_bodies(settings) {
                return;
            }
            match (link.purpose, sent) {
                // the answer to an offer that came in the 2xx
                (Purpose::Ack, Some(answer)) => record.own_answer_sent(settings, link, answer),
                (Purpose::Ack, None) => {}
                (_, sent) => {
                    let own = record.own_media(link).and_then(|media| media.own_offer(link));
                    if let Some(own) = own.filter(|own| own.pending) {
                        own.offer = sent;
                    }
                }
            }
        })
    }

    /// A request of ours got a 2xx, perhaps once more. What it says of the leg's target is taken
    /// over (RFC 3261 §12.2.1.2). An INVITE is owed this ACK each time (§13.2.2.4); `cseq` is its
    /// number. One that is [held](crate::NewRequest::holding_ack) comes later.
    ///
    /// # Errors
    /// [`Gone`]; then nobody is there whom an ACK could come from.
    pub fn own_request_answered(
        &self,
        now: Moment,
        link: OwnLink,
        (method, cseq): (DialogMethod, u32),
        facts: &ResponseFacts<'_>,
    ) -> Result<Option<OwnRequest>, Gone> {
        let key: DialogKey = link.key;
        let settings = self.settings();
        self.with(key, |record| {
            if method.refreshes_target()
                && let Some(leg) = record.legs.get_mut(link.leg as usize)
            {
                // too long a target leaves the old one
                let _ = leg.refresh(facts.contact, facts.flow);
            }
            record.flags |= DialogFlags::CHANGED;
            let body = record.own_offer_answered(settings, link, facts.body.as_ref());
            if method != DialogMethod::Invite {
                return None;
            }
            let body = match record.ack_now(now, link, cseq) {
                AckNow::Plain => body,
                AckNow::With(answer) => answer.or(body),
                AckNow::Held => return None,
            };
            let ack = record.own_ack(key, link.leg, link.callee_leg, cseq)?;
            Some(OwnRequest { body, ..ack })
        })
    }
}
