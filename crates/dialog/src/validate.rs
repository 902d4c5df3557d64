//! Whether a request within a dialog is one that its sender's peer would have made (spec dialog.md
//! §8): the right CSeq, the remote target and the route set that the dialog has.

use crate::leg::Leg;
use crate::target::{as_request_uri, route_uris, same_uri};
use crate::{Dialog, DialogMethod, Direction, Gone, ModuleFlags, State, Within};
use std::fmt;

/// How a request is routed as received, the way record routing understands it (§16 item 4). What a
/// script or a proxy changed since does not count. URIs are without their angle brackets.
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a> {
    /// The remote target: the Request-URI, or the last Route after a strict router.
    pub remote_target: &'a [u8],
    /// The URIs of the Routes that are left without our own, top first.
    pub routes: &'a [&'a [u8]],
}

/// What is wrong with a request within a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    /// Its CSeq: an ACK of no INVITE, or a number that is not above the previous one.
    Cseq,
    /// Its remote target is not the Contact of the leg it goes to.
    RemoteTarget,
    /// Its Routes are not the route set of the leg it goes to.
    RouteSet,
    /// It cannot be told: the dialog or the leg is gone.
    Other,
}

impl Invalid {
    /// The number by which scripts and C modules know it: -1 to -4.
    pub const fn code(self) -> i32 {
        match self {
            Self::Cseq => -1,
            Self::RemoteTarget => -2,
            Self::RouteSet => -3,
            Self::Other => -4,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cseq => "the CSeq does not continue the dialog",
            Self::RemoteTarget => "the remote target is not the peer's Contact",
            Self::RouteSet => "the Routes are not the route set of the dialog",
            Self::Other => "there is no dialog to compare with",
        })
    }
}

impl std::error::Error for Invalid {}

impl From<Gone> for Invalid {
    fn from(Gone: Gone) -> Self {
        Self::Other
    }
}

impl Dialog {
    /// Whether a request that was matched to this dialog belongs into it (§8). Ask after
    /// [`request_within`](crate::Dialogs::request_within), which has noted its CSeq.
    ///
    /// `routing` is `None` if nobody reads Routes (`rr` is not loaded). Then, before the answer and
    /// under topology hiding only the CSeq is looked at.
    ///
    /// # Errors
    /// The first thing that is [`Invalid`].
    #[doc(alias = "validate_dialog")]
    pub fn validate(&self, request: &Within, routing: Option<&Routing<'_>>) -> Result<(), Invalid> {
        let matched = &request.matched;
        self.table().with(self.key(), |record| {
            let leg = |number: u16| record.legs.get(usize::from(number)).ok_or(Invalid::Other);
            let source = match matched.direction {
                Direction::Downstream => 0,
                Direction::Upstream => matched.callee_leg,
            };
            let (source, destination) = (leg(source)?, leg(matched.dst_leg)?);
            check_cseq(request, source, destination)?;
            let hidden = record.module_flags.contains(ModuleFlags::TOPOLOGY_HIDING);
            match routing {
                Some(routing) if !hidden && record.state > State::Early => {
                    check_routing(routing, destination)
                }
                _ => Ok(()),
            }
        })?
    }
}

/// §8 step 1. The request's own CSeq has been noted already, so it is held against the one before.
/// A BYE is not noted: for it, that is one request earlier than it could be.
fn check_cseq(request: &Within, source: &Leg, destination: &Leg) -> Result<(), Invalid> {
    let valid = if request.method == DialogMethod::Ack {
        request.cseq == source.inv_cseq
    } else {
        let previous = destination.prev_cseq.unwrap_or(destination.r_cseq);
        // RFC 3261 §12.2.2: while the remote sequence number is empty any number will do. Leg 0
        // starts at 0 because its peer has not sent anything, and 0 is a number to start with.
        request.cseq > previous || (request.matched.dst_leg == 0 && previous == 0)
    };
    if valid { Ok(()) } else { Err(Invalid::Cseq) }
}

/// §8 steps 3 and 4.
fn check_routing(routing: &Routing<'_>, destination: &Leg) -> Result<(), Invalid> {
    let contact = as_request_uri(destination.contact());
    if !contact.is_empty() && !same_uri(&contact, routing.remote_target) {
        return Err(Invalid::RemoteTarget);
    }
    let mut wanted = route_uris(destination.routes());
    let follows = |route: &&[u8]| wanted.next().is_some_and(|wanted| same_uri(wanted, route));
    let all = routing.routes.iter().all(follows);
    if all && wanted.next().is_none() { Ok(()) } else { Err(Invalid::RouteSet) }
}
