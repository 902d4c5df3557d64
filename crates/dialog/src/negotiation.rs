//! Offer and answer (RFC 3264, RFC 6337) between the caller and one callee leg: what tells when a
//! re-INVITE of ours would disturb the media (spec dialog.md §6.2, lessons 13), and which bodies
//! are in force.
//!
//! One table, like the machine of the dialog; a snapshot test prints it.

use Negotiated as On;
use Negotiation::{Answered, Awaited, Countered, Offered, Stable};

use crate::own_offers::OwnOffer;
use crate::passed::Passed;
use crate::{Body, BodyFacts, Direction};

/// Where the negotiation of a pair of legs stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Negotiation {
    /// Both sides agree, or never spoke of media.
    #[default]
    Stable,
    /// An offer is out; its answer is to come.
    Offered,
    /// An INVITE's offer was answered in a provisional; its final reply is to come.
    Answered,
    /// An INVITE without offer is out: who gets it makes the offer.
    Awaited,
    /// That offer was made in a reply; ACK or PRACK answers it.
    Countered,
}

/// What happens to a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Negotiated {
    /// INVITE with a body.
    InviteOffer,
    /// INVITE without one.
    InviteEmpty,
    /// UPDATE or PRACK with a body.
    Offer,
    /// A reliable provisional of the INVITE with a body.
    ReliableBody,
    /// A 2xx of the INVITE with a body.
    SuccessBody,
    /// A 2xx of the INVITE without one.
    SuccessEmpty,
    /// A 2xx of UPDATE or PRACK, with the answer.
    OfferAccepted,
    /// A negative final reply of whatever carried the offer.
    Refused,
    /// ACK or PRACK with a body.
    AckBody,
    /// ACK without one.
    AckEmpty,
}

#[cfg(test)]
impl Negotiated {
    const ALL: [Self; 10] = [
        Self::InviteOffer,
        Self::InviteEmpty,
        Self::Offer,
        Self::ReliableBody,
        Self::SuccessBody,
        Self::SuccessEmpty,
        Self::OfferAccepted,
        Self::Refused,
        Self::AckBody,
        Self::AckEmpty,
    ];
}

/// What becomes of the bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// As they were.
    Keep,
    /// This body is an offer: keep it aside.
    Offer,
    /// This body is the answer: it and the offer are in force.
    Settle,
    /// The offer is void.
    RollBack,
}

/// The table. Total: what does not belong is passed over, peers may say anything.
pub(crate) const fn negotiate(state: Negotiation, event: Negotiated) -> (Negotiation, Bodies) {
    match (state, event) {
        (_, On::InviteOffer) => (Offered, Bodies::Offer),
        (_, On::InviteEmpty) => (Awaited, Bodies::RollBack),
        (Stable | Answered, On::Offer) => (Offered, Bodies::Offer),
        (Countered, On::Offer) => (Stable, Bodies::Settle),

        (Offered, On::ReliableBody) => (Answered, Bodies::Settle),
        (Awaited, On::ReliableBody | On::SuccessBody) => (Countered, Bodies::Offer),
        (Offered, On::SuccessBody | On::OfferAccepted) => (Stable, Bodies::Settle),
        (Offered | Awaited, On::SuccessEmpty) => (Stable, Bodies::RollBack),
        (Answered, On::SuccessBody | On::SuccessEmpty) => (Stable, Bodies::Keep),

        (Countered, On::AckBody) => (Stable, Bodies::Settle),
        (Countered, On::AckEmpty) => (Stable, Bodies::RollBack),
        (_, On::Refused) => (Stable, Bodies::RollBack),
        (state, _) => (state, Bodies::Keep),
    }
}

/// A request that carries an exchange: which way it went, and its number as received.
pub(crate) type Carrier = (Direction, u32);

/// The media of the caller and one callee leg.
#[derive(Clone, Debug, Default)]
pub(crate) struct Media {
    pub(crate) callee_leg: u16,
    pub(crate) state: Negotiation,
    /// The request that the exchange at hand belongs to; what others end does not concern it.
    carrier: Option<Carrier>,
    /// The open offer and which way it went.
    offer: Option<(Direction, Passed)>,
    /// In force, by the way it went: from the caller, from the callee.
    in_force: [Option<Passed>; 2],
    /// What we began with each side ourselves, by the direction it went: to the callee, the caller.
    pub(crate) own: [Option<Box<OwnOffer>>; 2],
}

impl Media {
    pub(crate) fn of(callee_leg: u16) -> Self {
        Self { callee_leg, ..Self::default() }
    }

    /// The same with another leg.
    pub(crate) fn with(&self, callee_leg: u16) -> Self {
        Self { callee_leg, ..self.clone() }
    }

    /// Takes an event in, which belongs to this carrier; `body` travelled with it in that direction.
    pub(crate) fn on(
        &mut self,
        event: Negotiated,
        carrier: Carrier,
        direction: Direction,
        body: Option<Body>,
    ) {
        let opens = matches!(event, On::InviteOffer | On::InviteEmpty | On::Offer);
        if !opens && self.carrier != Some(carrier) {
            return;
        }
        let (next, bodies) = negotiate(self.state, event);
        if matches!(event, On::InviteEmpty) || bodies == Bodies::Offer && opens {
            self.carrier = Some(carrier);
        }
        self.state = next;
        match (bodies, body) {
            (Bodies::Keep, _) => {}
            (Bodies::Offer, body) => self.offer = body.map(|body| (direction, body.into())),
            (Bodies::Settle, answer) => {
                if let Some((way, offer)) = self.offer.take() {
                    self.in_force[way as usize] = Some(offer);
                }
                if let Some(answer) = answer {
                    self.in_force[direction as usize] = Some(answer.into());
                }
            }
            (Bodies::RollBack, _) => self.offer = None,
        }
    }

    /// What came as `received` went on as `sent`.
    pub(crate) fn changed(
        &mut self,
        direction: Direction,
        received: &BodyFacts<'_>,
        sent: Option<Body>,
    ) {
        let offer = self.offer.as_mut().filter(|(way, _)| *way == direction);
        let offer = offer.map(|(_, offer)| offer);
        let all = offer.into_iter().chain(self.in_force[direction as usize].as_mut());
        if let Some(passed) =
            all.into_iter().find(|passed| passed.received().is_some_and(|it| received.is(it)))
        {
            passed.sent_as(sent);
        }
    }

    /// What the initial INVITE offers became this on its way to the callee.
    pub(crate) fn offer_changed(&mut self, sent: Option<Body>) {
        if let Some((Direction::Downstream, offer)) = &mut self.offer {
            offer.sent_as(sent);
        }
    }

    /// We said this in the name of a side.
    pub(crate) fn told(&mut self, direction: Direction, body: Body) {
        match &mut self.in_force[direction as usize] {
            Some(passed) => passed.sent_as(Some(body)),
            none => *none = Some(Passed::ours(body)),
        }
    }

    /// A PRACK of ours said this to the callee in the caller's name. False if it answers no offer,
    /// so that it makes one.
    pub(crate) fn prack_answers(&mut self, body: Option<&Body>) -> bool {
        let Some(carrier) = self.carrier.filter(|_| self.state == Countered) else { return false };
        self.on(On::AckBody, carrier, Direction::Downstream, None);
        if let Some(body) = body {
            self.told(Direction::Downstream, body.clone());
        }
        true
    }

    /// A side said this to us alone.
    pub(crate) fn heard(&mut self, direction: Direction, body: Body) {
        let passed = &mut self.in_force[direction as usize];
        *passed = Some(match passed.take() {
            Some(passed) => passed.replaced_by(body),
            None => body.into(),
        });
    }

    /// What is in force, by the way it went.
    pub(crate) fn in_force(&self) -> [Option<&Passed>; 2] {
        [self.in_force[0].as_ref(), self.in_force[1].as_ref()]
    }

    pub(crate) fn put_in_force(&mut self, by_way: [Option<Passed>; 2]) {
        self.in_force = by_way;
    }

    /// The last body in force that went this way, as it came.
    pub(crate) fn received(&self, direction: Direction) -> Option<&Body> {
        self.in_force[direction as usize].as_ref().and_then(Passed::received)
    }

    /// The last body in force that went this way, as it left.
    pub(crate) fn sent(&self, direction: Direction) -> Option<&Body> {
        self.in_force[direction as usize].as_ref().and_then(Passed::sent)
    }

    /// Bytes of the bodies, each shared by as many as hold it.
    pub(crate) fn memory(&self) -> usize {
        let offer = self.offer.as_ref().map(|(_, offer)| offer);
        let all = self.in_force.iter().flatten().chain(offer);
        all.map(Passed::memory).sum::<usize>() + self.own_memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for event in Negotiated::ALL {
            writeln!(table, "{event:?}").unwrap();
            for state in [Stable, Offered, Answered, Awaited, Countered] {
                let (next, bodies) = negotiate(state, event);
                writeln!(table, "  {state:<10?} {next:<10?} {bodies:?}").unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }

    // RFC 3264 §8, lessons 13: a refused re-offer leaves what was in force
    #[test]
    fn a_refused_offer_is_rolled_back() {
        let (first, answer, hold) = (Body::sdp(b"1"), Body::sdp(b"2"), Body::sdp(b"3"));
        let mut media = Media::of(1);
        let (call, again) = ((Direction::Downstream, 1), (Direction::Upstream, 1));
        media.on(On::InviteOffer, call, Direction::Downstream, Some(first.clone()));
        // lessons 13: a PRACK without a body that ends meanwhile voids nothing
        media.on(On::Refused, (Direction::Downstream, 2), Direction::Upstream, None);
        media.on(On::SuccessBody, call, Direction::Upstream, Some(answer.clone()));
        media.on(On::InviteOffer, again, Direction::Upstream, Some(hold));
        assert_eq!(media.state, Offered);
        // neither does the end of what was agreed before, nor its answer that comes once more
        media.on(On::Refused, call, Direction::Upstream, None);
        media.on(On::SuccessBody, call, Direction::Upstream, Some(answer.clone()));
        assert_eq!(media.state, Offered);
        media.on(On::Refused, again, Direction::Downstream, None);
        assert_eq!(media.received(Direction::Downstream), Some(&first));
        assert_eq!((media.state, media.received(Direction::Upstream)), (Stable, Some(&answer)));
    }

    // RFC 3261 §13.2.1: without an offer in the INVITE the 2xx offers and the ACK answers
    #[test]
    fn a_late_offer_is_answered_in_the_ack() {
        let (offer, answer) = (Body::sdp(b"o"), Body::sdp(b"a"));
        let mut media = Media::of(1);
        let call = (Direction::Downstream, 1);
        media.on(On::InviteEmpty, call, Direction::Downstream, None);
        media.on(On::SuccessBody, call, Direction::Upstream, Some(offer.clone()));
        assert_eq!((media.state, media.received(Direction::Upstream)), (Countered, None));
        media.on(On::AckBody, call, Direction::Downstream, Some(answer.clone()));
        assert_eq!(media.received(Direction::Upstream), Some(&offer));
        assert_eq!((media.state, media.received(Direction::Downstream)), (Stable, Some(&answer)));
    }
}
