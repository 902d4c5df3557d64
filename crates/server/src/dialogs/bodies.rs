//! Bodies that leave otherwise than they came, since scripts may change them: the dialog keeps what
//! each leg was told (spec/dialog.md §1.2, `out_sdp`).

use duologue_dialog::{Body, BodyFacts, Dialogs, Direction, KeepSdp};
use duologue_sip::{Edits, Message};
use duologue_transaction::BranchIndex;

use super::facts::body;
use crate::context::Context;
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;

/// What left in `wire`: a body, or none. `None` where nobody wants to know, and if these changes
/// leave the body as it came.
pub fn changed_body(
    dialogs: &Dialogs,
    of_dialog: bool,
    layers: &[&Edits],
    wire: &[u8],
) -> Option<Option<Body>> {
    let wanted = of_dialog && dialogs.settings().keep_sdp != KeepSdp::Never;
    if !wanted || !layers.iter().any(|layer| layer.changes_body()) {
        return None;
    }
    let left = Message::parse(wire).ok()?;
    Some(body(&left).as_ref().map(BodyFacts::keep))
}

/// The context's request left with another body or without one, on a branch if it has any.
pub fn request_changed(ctx: &mut Context<'_>, branch: Option<BranchIndex>, left: Option<Body>) {
    let Some(DialogLink { key, role }) = ctx.dialog.map(|dialog| dialog.link()) else { return };
    let (dialogs, received) = (&ctx.turn.node.dialogs, body(ctx.message));
    let _ = match (role, branch, received) {
        (DialogRole::Initial, Some(branch), Some(_)) => {
            dialogs.offer_changed(key, u16::from(branch.0), left)
        }
        (DialogRole::Within(request), _, Some(received)) => {
            let way = (request.matched.callee_leg, request.matched.direction);
            dialogs.body_changed(key, way, &received, left)
        }
        _ => Ok(()),
    };
}

/// A reply left with another body or without one. `callee_leg` sent it, if it answers the INVITE that made the
/// dialog.
pub fn reply_changed(
    turn: &Turn<'_>,
    DialogLink { key, role }: DialogLink,
    callee_leg: Option<u16>,
    reply: &Message<'_>,
    left: Option<Body>,
) {
    let way = match role {
        DialogRole::Initial => callee_leg.map(|leg| (leg, Direction::Upstream)),
        DialogRole::Within(request) => {
            Some((request.matched.callee_leg, request.matched.direction.reversed()))
        }
        DialogRole::Own(_) | DialogRole::Reader => None,
    };
    if let (Some(way), Some(received)) = (way, body(reply)) {
        let _ = turn.node.dialogs.body_changed(key, way, &received, left);
    }
}
