//! The media of a dialog: which messages move its negotiations, and which bodies are kept
//! (spec dialog.md §1.2, §2.3; `keep_sdp`).

use crate::negotiation::{Carrier, Media, Negotiated, Negotiation};
use crate::record::Record;
use crate::{
    Body, BodyFacts, Dialog, DialogFlags, DialogKey, DialogMethod, Dialogs, Direction, Gone,
    KeepSdp, Settings,
};

/// The flags of a dialog whose media have to be known: re-INVITE pings carry a body, and no ping
/// may come in between offer and answer.
const PINGED: DialogFlags = DialogFlags::PING_CALLER
    .union(DialogFlags::PING_CALLEE)
    .union(DialogFlags::REINVITE_PING_CALLER)
    .union(DialogFlags::REINVITE_PING_CALLEE);

const REINVITED: DialogFlags =
    DialogFlags::REINVITE_PING_CALLER.union(DialogFlags::REINVITE_PING_CALLEE);

impl Record {
    pub(crate) fn follows_media(&self, settings: &Settings) -> bool {
        settings.keep_sdp == KeepSdp::Always || self.flags.intersects(PINGED)
    }

    pub(crate) fn keeps_bodies(&self, settings: &Settings) -> bool {
        match settings.keep_sdp {
            KeepSdp::Auto => self.flags.intersects(REINVITED),
            KeepSdp::Always => true,
            KeepSdp::Never => false,
        }
    }

    /// The media with a callee leg. What the INVITE offered on its branch is where each starts.
    pub(crate) fn media_with(&mut self, callee_leg: u16) -> &mut Media {
        let branch = self.legs.get(callee_leg as usize).map(|leg| leg.branch);
        let extras = self.extras();
        let list = &mut extras.media;
        let at = list.iter().position(|media| media.callee_leg == callee_leg);
        let at = at.unwrap_or_else(|| {
            let offered = list.iter().find(|media| media.callee_leg == 0);
            let mut media = offered.map_or_else(|| Media::of(callee_leg), |it| it.with(callee_leg));
            let sent = extras.offers.iter().find(|(of, _)| Some(*of) == branch);
            if let Some((_, sent)) = sent {
                media.offer_changed(sent.clone());
            }
            list.push(media);
            list.len() - 1
        });
        &mut list[at]
    }

    fn negotiated(
        &mut self,
        settings: &Settings,
        callee_leg: u16,
        (event, carrier): (Negotiated, Carrier),
        direction: Direction,
        body: Option<&BodyFacts<'_>>,
    ) {
        let keeps = self.keeps_bodies(settings);
        let kept = body.filter(|_| keeps).map(BodyFacts::keep);
        if keeps {
            self.flags |= DialogFlags::CHANGED;
        }
        self.media_with(callee_leg).on(event, carrier, direction, kept);
    }

    /// The initial INVITE: its offer goes to every branch.
    pub(crate) fn invite_offers(&mut self, settings: &Settings, body: Option<&BodyFacts<'_>>) {
        if self.follows_media(settings) {
            let event = match body {
                Some(_) => Negotiated::InviteOffer,
                None => Negotiated::InviteEmpty,
            };
            let carrier = (Direction::Downstream, self.invite_cseq);
            self.negotiated(settings, 0, (event, carrier), Direction::Downstream, body);
        }
    }

    /// A request within the dialog.
    pub(crate) fn request_negotiates(
        &mut self,
        settings: &Settings,
        callee_leg: u16,
        method: DialogMethod,
        (direction, cseq): Carrier,
        body: Option<&BodyFacts<'_>>,
    ) {
        let event = match (method, body) {
            (DialogMethod::Invite, Some(_)) => Negotiated::InviteOffer,
            (DialogMethod::Invite, None) => Negotiated::InviteEmpty,
            (DialogMethod::Update | DialogMethod::Prack, Some(_)) => Negotiated::Offer,
            (DialogMethod::Ack, Some(_)) => Negotiated::AckBody,
            (DialogMethod::Ack, None) => Negotiated::AckEmpty,
            _ => return,
        };
        if self.follows_media(settings) {
            let carrier = (direction, cseq);
            self.negotiated(settings, callee_leg, (event, carrier), direction, body);
        }
    }

    /// A reply to a request, an INVITE (initial or not), UPDATE or PRACK.
    pub(crate) fn reply_negotiates(
        &mut self,
        settings: &Settings,
        callee_leg: u16,
        (method, status, reliable): (DialogMethod, u16, bool),
        carrier: Carrier,
        body: Option<&BodyFacts<'_>>,
    ) {
        let event = match (method, status, body) {
            (DialogMethod::Invite, 101..=199, Some(_)) if reliable => Negotiated::ReliableBody,
            (DialogMethod::Invite, 200..=299, Some(_)) => Negotiated::SuccessBody,
            (DialogMethod::Invite, 200..=299, None) => Negotiated::SuccessEmpty,
            (DialogMethod::Update | DialogMethod::Prack, 200..=299, Some(_)) => {
                Negotiated::OfferAccepted
            }
            (DialogMethod::Invite | DialogMethod::Update | DialogMethod::Prack, 300.., _) => {
                Negotiated::Refused
            }
            _ => return,
        };
        if self.follows_media(settings) {
            let back = carrier.0.reversed();
            self.negotiated(settings, callee_leg, (event, carrier), back, body);
        }
    }

    /// Whether an offer of the two sides is open.
    fn is_negotiating(&self, callee_leg: u16) -> bool {
        self.media(callee_leg).is_some_and(|media| media.state != Negotiation::Stable)
    }

    /// Whether a ping to this leg would come in between an offer and its answer.
    pub(crate) fn is_busy(&self, leg: u16, callee_leg: u16) -> bool {
        let awaits = self.media(callee_leg).is_some_and(|media| media.awaits(leg));
        awaits || self.is_negotiating(callee_leg)
    }

    /// The transaction of a request is gone: what it offered will not be answered any more.
    pub(crate) fn negotiation_over(&mut self, callee_leg: u16, carrier: Carrier) {
        if self.is_negotiating(callee_leg) {
            let back = carrier.0.reversed();
            self.media_with(callee_leg).on(Negotiated::Refused, carrier, back, None);
        }
    }

    /// The body that a leg was last sent (§1.2, `out_sdp`): its peer's, as it left us.
    pub(crate) fn body_sent_to(&self, leg: u16, callee_leg: u16) -> Option<&Body> {
        let way = if leg == 0 { Direction::Upstream } else { Direction::Downstream };
        self.media(callee_leg)?.sent(way)
    }

    pub(crate) fn media(&self, callee_leg: u16) -> Option<&Media> {
        let list = &self.extras.as_ref()?.media;
        list.iter().find(|media| media.callee_leg == callee_leg)
    }
}

impl Dialog {
    /// The body in force that came from a leg (§1.2, `in_sdp`), if bodies are kept
    /// ([`Settings::keep_sdp`]). The caller may have agreed on different ones with several callees;
    /// its own is that of the call with the answered leg.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn body_from(&self, leg: u16) -> Result<Option<Body>, Gone> {
        self.table().with(self.key(), |record| record.body_from(leg).cloned())
    }

    /// The body in force that a leg was sent (§1.2, `out_sdp`): its peer's, with what the script
    /// changed in it; or what we said ourselves in the peer's name. A body that a script gave to a
    /// message which came without one is not followed.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn body_to(&self, leg: u16) -> Result<Option<Body>, Gone> {
        self.table().with(self.key(), |record| record.body_to(leg).cloned())
    }
}

impl Record {
    /// The body in force that came from a leg.
    pub(crate) fn body_from(&self, leg: u16) -> Option<&Body> {
        match leg {
            0 => self.media(self.callee_leg())?.received(Direction::Downstream),
            callee => self.media(callee)?.received(Direction::Upstream),
        }
    }

    /// The body in force that a leg was sent.
    pub(crate) fn body_to(&self, leg: u16) -> Option<&Body> {
        self.body_sent_to(leg, if leg == 0 { self.callee_leg() } else { leg })
    }
}

impl Dialogs {
    /// The initial INVITE left on a branch with another body than it came with, or without one. Call
    /// it behind [`branch_sent`](Self::branch_sent).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn offer_changed(
        &self,
        key: DialogKey,
        branch: u16,
        sent: Option<Body>,
    ) -> Result<(), Gone> {
        let settings = self.settings();
        self.with(key, |record| {
            let tracked = record.legs.iter().skip(1).any(|leg| leg.branch == branch);
            if tracked && record.keeps_bodies(settings) {
                record.extras().offers.push((branch, sent));
            }
        })
    }

    /// A message between the caller and a callee leg left with another body than it came with, or
    /// without one.
    /// Call it behind [`request_within`](Self::request_within),
    /// [`reply_forwarded`](Self::reply_forwarded) or [`response_within`](Self::response_within).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn body_changed(
        &self,
        key: DialogKey,
        (callee_leg, direction): (u16, Direction),
        received: &BodyFacts<'_>,
        sent: Option<Body>,
    ) -> Result<(), Gone> {
        let settings = self.settings();
        self.with(key, |record| {
            if record.keeps_bodies(settings) {
                record.flags |= DialogFlags::CHANGED;
                record.media_with(callee_leg).changed(direction, received, sent);
            }
        })
    }
}
