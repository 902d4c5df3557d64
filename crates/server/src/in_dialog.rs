//! Requests within a dialog held against what the dialog knows, and set right by it
//! (spec/dialog.md §8).

use duologue_dialog::{Invalid, NoTarget, Routing, Within};
use duologue_sip::HeaderName;

use crate::context::Context;
use crate::modules::rr;
use crate::tm::DialogRole;

/// Whether the request is one that the dialog's peer would have made, as it was received.
///
/// # Errors
/// What is wrong with it first; [`Invalid::Other`] without a matched dialog.
#[doc(alias = "validate_dialog")]
pub fn validate(ctx: &mut Context<'_>) -> Result<(), Invalid> {
    let request = within(ctx).ok_or(Invalid::Other)?;
    if request.matched.tombstone {
        // Decision D4: it routes late requests, a BYE sent again with credentials among them, and
        // remembers nothing that would speak against one.
        return Ok(());
    }
    let received = ctx.turn.node.record_routing.then(|| rr::received(ctx));
    let routing = received.as_ref().map(|received| Routing {
        remote_target: received.remote_target,
        routes: &received.routes,
    });
    ctx.turn.node.dialogs.handle(request.matched.key).validate(&request, routing.as_ref())
}

/// Sends the request where the dialog says: Request-URI, Routes and next hop are the leg's,
/// whatever it said itself and `loose_route()` made of it. The socket stays.
///
/// # Errors
/// [`NoTarget`]; the request stays as it was.
#[doc(alias = "fix_route_dialog")]
pub fn fix_route(ctx: &mut Context<'_>) -> Result<(), NoTarget> {
    let matched = within(ctx).ok_or(NoTarget::Unknown)?.matched;
    let target = ctx.turn.node.dialogs.handle(matched.key).fix_route(matched.dst_leg)?;
    // Also what `loose_route()` wrote, since it did so within these lines.
    let mut edits = ctx.draft.edits.draft(ctx.message);
    edits.remove_all(HeaderName::Route);
    // Once per message: the leg it goes to does not change meanwhile.
    if !std::mem::replace(&mut ctx.draft.route_fixed, true) && !target.routes.is_empty() {
        edits.push_route(&[&target.routes]);
    }
    let elsewhere = target.next_hop != target.request_uri;
    ctx.draft.target.next_hop = elsewhere.then_some(target.next_hop);
    ctx.draft.target.uri = Some(target.request_uri);
    Ok(())
}

/// The request as it was matched within its dialog.
fn within(ctx: &mut Context<'_>) -> Option<Within> {
    match ctx.current_dialog()?.role {
        DialogRole::Within(within) => Some(within),
        DialogRole::Initial | DialogRole::Own(_) | DialogRole::Reader => None,
    }
}
