//! Requests that we make ourselves within a dialog (spec dialog.md §6.4): as if the peer of the leg
//! that gets them had sent them.

use crate::leg::Leg;
use crate::record::Record;
use crate::target::Target;
use crate::{Body, DialogFlags, DialogKey, PingKind};
use duologue_sip::Flow;

/// A request of ours to one leg, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRequest {
    /// What it is for.
    pub link: OwnLink,
    /// Its method.
    pub method: Box<[u8]>,
    /// Request-URI.
    pub request_uri: Vec<u8>,
    /// Route values, joined by commas; may be empty.
    pub routes: Vec<u8>,
    /// The URI that says where to send it (RFC 3261 §12.2.1.1): the first route's, loose or
    /// strict, else the Request-URI.
    pub next_hop: Vec<u8>,
    /// Call-ID.
    pub call_id: Vec<u8>,
    /// The value of From, display name and tag included (decision D27).
    pub from: Vec<u8>,
    /// The value of To, likewise.
    pub to: Vec<u8>,
    /// CSeq number.
    pub cseq: u32,
    /// Contact URI; empty for no Contact.
    pub contact: Vec<u8>,
    /// For a PRACK: RSeq and CSeq number of the reply it acknowledges (RFC 3262 §7.2).
    pub rack: Option<(u32, u32)>,
    /// Body and its type.
    pub body: Option<Body>,
    /// Further header lines, each with its CRLF.
    pub headers: Box<[u8]>,
    /// The way to the leg as it was last used, if known.
    pub flow: Option<Flow>,
}

/// What a request of ours is to its dialog: report its outcome with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLink {
    /// The dialog.
    pub key: DialogKey,
    /// The leg it goes to; 0 is the caller.
    pub leg: u16,
    /// The callee leg of the two.
    pub callee_leg: u16,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a request of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It acknowledges a 2xx: it has no transaction and no outcome.
    Ack,
    /// It ends the call.
    Bye,
    /// It finds out whether the leg is still there.
    Ping(PingKind),
    /// It acknowledges a provisional reply for the caller (§6.5).
    Prack,
    /// Somebody asked for it ([`Dialog::send_request`](crate::Dialog::send_request)).
    Asked(u32),
}

/// What became of a request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This final reply came.
    Reply(u16),
    /// Nothing came in time.
    TimedOut,
    /// It could not be sent.
    NotSent,
}

impl Outcome {
    /// The status that stands for it: the reply's, 408 for none, 477 if it was not sent.
    pub const fn status(self) -> u16 {
        match self {
            Self::Reply(status) => status,
            Self::TimedOut => 408,
            Self::NotSent => 477,
        }
    }
}

impl Record {
    /// A request to one leg of the pair, with the next number towards it.
    pub(crate) fn own_request(
        &mut self,
        key: DialogKey,
        leg: u16,
        callee_leg: u16,
        purpose: Purpose,
        method: &[u8],
    ) -> Option<OwnRequest> {
        let cseq = self.legs.get_mut(leg as usize)?.next_cseq();
        self.flags |= DialogFlags::CHANGED;
        self.own_request_numbered(OwnLink { key, leg, callee_leg, purpose }, method, cseq)
    }

    /// The ACK of a 2xx: it has the number of its INVITE (RFC 3261 §13.2.2.4, decision D13).
    pub(crate) fn own_ack(
        &self,
        key: DialogKey,
        leg: u16,
        callee_leg: u16,
        cseq: u32,
    ) -> Option<OwnRequest> {
        let link = OwnLink { key, leg, callee_leg, purpose: Purpose::Ack };
        self.own_request_numbered(link, b"ACK", cseq)
    }

    fn own_request_numbered(&self, link: OwnLink, method: &[u8], cseq: u32) -> Option<OwnRequest> {
        let (caller, callee) = (self.legs.first()?, self.legs.get(link.callee_leg as usize)?);
        let side = if link.leg == 0 { caller } else { callee };
        let Target { request_uri, routes, next_hop } = Target::of(side.contact(), side.routes());
        // The callee may know both by other URIs; the caller knows them as it wrote them.
        let (caller_uri, callee_uri) = match link.leg {
            0 => (self.caller_uri(), self.callee_uri()),
            _ => (
                or_else(callee.mangled_from(), self.caller_uri()),
                or_else(callee.mangled_to(), self.callee_uri()),
            ),
        };
        let of_caller = party(self.caller_display(), caller_uri, caller);
        let of_callee = party(self.callee_display(), callee_uri, callee);
        let (from, to) =
            if link.leg == 0 { (of_callee, of_caller) } else { (of_caller, of_callee) };
        Some(OwnRequest {
            link,
            method: method.into(),
            request_uri,
            routes,
            next_hop,
            call_id: self.call_id().into(),
            from,
            to,
            cseq,
            contact: Vec::new(),
            rack: None,
            body: None,
            headers: Box::default(),
            flow: side.flow,
        })
    }

    /// The Contact that a leg knows its peer by (§6.4): the peer's own.
    pub(crate) fn contact_for(&self, leg: u16, callee_leg: u16) -> Vec<u8> {
        let peer = if leg == 0 { callee_leg } else { 0 };
        self.legs.get(peer as usize).map(|peer| peer.contact().to_vec()).unwrap_or_default()
    }
}

/// A From or To value.
fn party(display: &[u8], uri: &[u8], leg: &Leg) -> Vec<u8> {
    let space: &[u8] = if display.is_empty() { b"" } else { b" " };
    let tag: &[u8] = if leg.tag().is_empty() { b"" } else { b";tag=" };
    [display, space, b"<", uri, b">", tag, leg.tag()].concat()
}

fn or_else<'a>(mangled: &'a [u8], original: &'a [u8]) -> &'a [u8] {
    if mangled.is_empty() { original } else { mangled }
}
