//! What the shell tells the engine about a message, as plain borrowed values.
//!
//! The engine never sees a message: the shell looks up the few fields that matter and hands them
//! over. Texts are bytes as they stand on the wire, URIs without their angle brackets.

use crate::{BodyFacts, Direction, Matched};
use duologue_sip::Flow;

/// The initial INVITE as received from the caller (spec dialog.md §2.3, creation).
#[derive(Clone, Copy, Debug)]
pub struct InviteFacts<'a> {
    /// Call-ID; must not be empty.
    pub call_id: &'a [u8],
    /// From-tag; must not be empty.
    pub from_tag: &'a [u8],
    /// To-tag; must be empty, else it is no initial INVITE.
    pub to_tag: &'a [u8],
    /// From URI.
    pub from_uri: &'a [u8],
    /// To URI.
    pub to_uri: &'a [u8],
    /// The display name of From as it stands there, quotes included; empty without one.
    pub from_display: &'a [u8],
    /// The display name of To, likewise.
    pub to_display: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// The body that describes the media, if it has one.
    pub body: Option<BodyFacts<'a>>,
    /// Contact URI; empty without one.
    pub contact: &'a [u8],
    /// The Record-Route values as received, top first, each whole (`<sip:p1;lr>`), without ours.
    pub record_routes: &'a [&'a [u8]],
    /// Where it came from: requests towards the caller leave here.
    pub flow: Flow,
    /// `$DLG_timeout` as set before creation, in seconds.
    pub timeout: Option<u32>,
    /// The shell's own word for the call that owns the dialog; handed back with each due timer,
    /// match and intent.
    pub owner: u64,
}

/// A reply to the initial INVITE that is about to be relayed.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFacts<'a> {
    /// The branch it came in on, as given to `branch_sent`.
    pub branch: u16,
    /// Status code, 101–699.
    pub status: u16,
    /// To-tag; may be empty.
    pub to_tag: &'a [u8],
    /// CSeq number.
    pub cseq: u32,
    /// RSeq of a provisional that wants to be acknowledged (RFC 3262).
    pub rseq: Option<u32>,
    /// The body that describes the media, if it has one.
    pub body: Option<BodyFacts<'a>>,
    /// Contact URI; empty without one.
    pub contact: &'a [u8],
    /// The Record-Route values, top first, each whole.
    pub record_routes: &'a [&'a [u8]],
    /// How many of them this proxy added on that branch.
    pub own_record_routes: u16,
    /// Where it came from: requests towards the callee leave here.
    pub flow: Flow,
    /// From URI as this leg sees it, when the script rewrote it.
    pub mangled_from_uri: Option<&'a [u8]>,
    /// To URI as this leg sees it, when the script rewrote it.
    pub mangled_to_uri: Option<&'a [u8]>,
}

/// The methods that the dialog machine tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogMethod {
    /// INVITE: a target refresh.
    Invite,
    /// ACK of a 2xx.
    Ack,
    /// BYE.
    Bye,
    /// PRACK.
    Prack,
    /// UPDATE: a target refresh (RFC 3311).
    Update,
    /// SUBSCRIBE, NOTIFY or REFER: target refreshes too (RFC 6665), otherwise as any request.
    TargetRefresh,
    /// Any other.
    Other,
}

impl DialogMethod {
    /// Whether request and 2xx may move the remote target (RFC 3261 §12.2, RFC 3311, RFC 6665).
    pub const fn refreshes_target(self) -> bool {
        matches!(self, Self::Invite | Self::Update | Self::TargetRefresh)
    }
}

/// What a request within a dialog is matched by (§4.4).
#[derive(Clone, Copy, Debug)]
pub struct MatchFacts<'a> {
    /// Call-ID.
    pub call_id: &'a [u8],
    /// From-tag.
    pub from_tag: &'a [u8],
    /// To-tag; empty means an initial request, which never matches.
    pub to_tag: &'a [u8],
    /// The text of the did parameter, if our Route (or Request-URI) had one.
    pub did: Option<&'a [u8]>,
}

/// A matched request within a dialog.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Its method.
    pub method: DialogMethod,
    /// CSeq number.
    pub cseq: u32,
    /// For a PRACK, the CSeq number in its RAck.
    pub rack_cseq: Option<u32>,
    /// The body that describes the media, if it has one.
    pub body: Option<BodyFacts<'a>>,
    /// Contact URI; empty without one.
    pub contact: &'a [u8],
    /// `$DLG_timeout` as set before the dialog was matched, in seconds. Applied once (decision D9).
    pub timeout: Option<u32>,
    /// Where it came from.
    pub flow: Flow,
    /// From where to where, as matched.
    pub direction: Direction,
    /// The leg it goes to, as matched.
    pub dst_leg: u16,
    /// The callee leg of the two, whichever side sends.
    pub callee_leg: u16,
}

/// A request within a dialog, as its transaction remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// How it was matched.
    pub matched: Matched,
    /// Its method.
    pub method: DialogMethod,
    /// Its CSeq number as received.
    pub cseq: u32,
}

impl Within {
    /// Whether both are the same request, whatever state its dialog was in when it came again.
    pub fn is_same(&self, other: &Self) -> bool {
        let identity = |it: &Self| {
            let Matched { key, direction, dst_leg, callee_leg, .. } = it.matched;
            (key, direction, dst_leg, callee_leg, it.method, it.cseq)
        };
        identity(self) == identity(other)
    }
}

/// The numbers under which a request goes on, where they differ from its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewNumbers {
    /// CSeq.
    pub cseq: Option<u32>,
    /// The CSeq number in RAck.
    pub rack_cseq: Option<u32>,
}

/// A reply to a request within the dialog.
#[derive(Clone, Copy, Debug)]
pub struct ResponseFacts<'a> {
    /// Status code, 101–699.
    pub status: u16,
    /// Contact URI; empty without one.
    pub contact: &'a [u8],
    /// Where it came from.
    pub flow: Flow,
    /// Whether it is a provisional that wants to be acknowledged (RFC 3262).
    pub reliable: bool,
    /// The body that describes the media, if it has one.
    pub body: Option<BodyFacts<'a>>,
}
