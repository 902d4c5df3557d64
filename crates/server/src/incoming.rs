//! Replies that come in: RFC 3261 §16.7, in the order of spec/modules.md §1.4.

use duologue_dialog::OwnLink;
use duologue_script::{RouteId, RouteKind};
use duologue_sip::{Edits, Flow, Message};
use duologue_transaction::{BranchId, BranchIndex, Received, Reply, TransactionId, Verdict};

use crate::context::Context;
use crate::dialogs;
use crate::effects;
use crate::modules::tm::TmSettings;
use crate::stateless;
use crate::statistics::{DROP_REPLIES, TM_RECEIVED_REPLIES};
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;
use crate::upstream;

/// A reply has found its call: the global reply route, its transaction, that one's routes, and on.
pub fn reply(turn: &mut Turn<'_>, message: &Message<'_>, flow: Flow) {
    let mut edits = Edits::new();
    if let Some(route) = turn.node.routes.reply
        && run_route(turn, message, flow, None, route, &mut edits)
    {
        turn.count(DROP_REPLIES);
        return;
    }
    let Some((id, branch, facts)) = find(turn, message) else {
        if !stateless::forward_reply(turn, message, flow, &edits) {
            turn.count(DROP_REPLIES);
        }
        return;
    };
    turn.count(TM_RECEIVED_REPLIES);
    let now = turn.now.tick;
    let mut fx = turn.worker.take_effects();
    let received = match turn.body.transactions.get_mut(id) {
        Some(entry) => entry.transaction.receive_reply(now, branch, facts, &mut fx),
        None => Received::Absorbed,
    };
    // The hop-by-hop ACK leaves before any script runs (spec/modules.md §1.4).
    effects::carry_out(turn, id, &mut fx, Some(message));
    if received != Received::Absorbed && !dropped(turn, message, flow, id, branch, &mut edits) {
        forward(turn, message, flow, id, branch, facts, &mut edits);
    }
    turn.worker.give_back_effects(fx);
}

/// The transaction and branch that a reply's top Via names, if it is one of ours and verified.
fn find<'m>(
    turn: &Turn<'_>,
    message: &Message<'m>,
) -> Option<(TransactionId, BranchIndex, Reply<'m>)> {
    let via = message.top_via().ok()?;
    let call_id = turn.call.key().call_id();
    let name = turn.node.branch_key.decode(call_id, via.branch()?)?;
    let cseq = message.cseq().ok()?;
    let status = message.status()?.code();
    let to_tag = message.to().ok()?.tag().unwrap_or_default();
    let cancel = cseq.method.as_bytes() == b"CANCEL";
    let entry = turn.body.transactions.get(name.transaction)?;
    // RFC 3261 §17.1.3: the CSeq method must be the request's, or that of our CANCEL.
    if !cancel && !entry.sent_method_is(cseq.method.as_bytes()) {
        return None;
    }
    Some((name.transaction, name.branch, Reply { status, to_tag, cancel }))
}

fn forward(
    turn: &mut Turn<'_>,
    message: &Message<'_>,
    flow: Flow,
    id: TransactionId,
    branch: BranchIndex,
    facts: Reply<'_>,
    edits: &mut Edits,
) {
    let now = turn.now.tick;
    let mut fx = turn.worker.take_effects();
    // A negative reply is kept as it will leave; others leave at once and are not copied.
    let edited = (facts.status >= 300 && !edits.is_empty()).then(|| {
        let mut bytes = Vec::with_capacity(message.as_bytes().len() + 64);
        duologue_sip::render(message.framed(), &[&*edits], &mut bytes);
        bytes
    });
    let wire = edited.as_deref().unwrap_or_else(|| message.framed());
    let verdict = match turn.body.transactions.get_mut(id) {
        Some(entry) => entry.transaction.forward_reply(now, branch, facts, wire, &mut fx),
        None => Verdict::Absorbed,
    };
    if let Verdict::Relay { retransmission } = verdict {
        let at = BranchId { transaction: id, branch };
        match own_request(turn, id) {
            None => upstream::forward(turn, at, flow, message, edits, retransmission, &mut fx),
            // RFC 3261 §13.2.2.4: a provisional is no answer
            Some(own) if (200..300).contains(&facts.status) => {
                dialogs::own_request_answered(turn, own, message, flow);
            }
            Some(_) => {}
        }
    }
    effects::carry_out(turn, id, &mut fx, Some(message));
    turn.worker.give_back_effects(fx);
}

/// What the request of a transaction is for, if it is one of ours.
fn own_request(turn: &Turn<'_>, id: TransactionId) -> Option<OwnLink> {
    match turn.body.transactions.get(id)?.dialog?.role {
        DialogRole::Own(own) => Some(own),
        DialogRole::Initial | DialogRole::Within(_) | DialogRole::Reader => None,
    }
}

/// Runs the branch's reply route, then the transaction's; true if a provisional was dropped.
fn dropped(
    turn: &mut Turn<'_>,
    message: &Message<'_>,
    flow: Flow,
    id: TransactionId,
    branch: BranchIndex,
    edits: &mut Edits,
) -> bool {
    let Some(entry) = turn.body.transactions.get(id) else { return false };
    let own = entry.branch(branch).and_then(|branch| branch.on_reply);
    let common = entry.attached.as_ref().and_then(|kept| kept.armed.reply);
    let mut dropped = false;
    for route in [own, common].into_iter().flatten() {
        dropped |= run_route(turn, message, flow, Some((id, branch)), route, edits);
    }
    dropped
}

/// Runs one reply route; true if it dropped a provisional (finals cannot be dropped).
fn run_route(
    turn: &mut Turn<'_>,
    message: &Message<'_>,
    flow: Flow,
    matched: Option<(TransactionId, BranchIndex)>,
    route: RouteId,
    edits: &mut Edits,
) -> bool {
    let avps_visible = turn.node.settings::<TmSettings>().onreply_avp_mode;
    let mut ctx = Context::new(turn.reborrow(), message, flow, RouteKind::Reply);
    std::mem::swap(&mut ctx.draft.edits, edits);
    if let Some((id, branch)) = matched {
        ctx.transaction = Some(id);
        ctx.branch = Some(branch);
        if let Some(entry) = ctx.turn.body.transactions.get_mut(id) {
            ctx.dialog = entry.dialog.map(DialogLink::current).map(|dialog| dialog.reversed());
            if let Some(kept) = entry.attached.as_deref_mut() {
                ctx.draft.flags = kept.flags;
                ctx.draft.armed = kept.armed;
                if let Some(of_branch) = kept.branches.get(usize::from(branch.0)) {
                    ctx.draft.target.flags = of_branch.flags;
                }
                if avps_visible {
                    ctx.draft.avps = std::mem::take(&mut kept.avps);
                }
            }
        }
    }
    let ended = ctx.run(route);
    if let Some((id, branch)) = matched {
        keep(&mut ctx, id, branch, avps_visible);
    }
    std::mem::swap(&mut ctx.draft.edits, edits);
    effects::finish(ctx);
    ended.dropped && message.status().is_some_and(|status| status.code() < 200)
}

/// Changes of flags, AVPs and armed routes made in a reply route persist (spec/script.md §10).
fn keep(ctx: &mut Context<'_>, id: TransactionId, branch: BranchIndex, avps_visible: bool) {
    let Some(entry) = ctx.turn.body.transactions.get_mut(id) else { return };
    let draft = &mut *ctx.draft;
    if entry.attached.is_none() && draft.flags == 0 && draft.armed == Default::default() {
        return;
    }
    let kept = entry.attach();
    kept.flags = draft.flags;
    kept.armed = draft.armed;
    if let Some(of_branch) = kept.branches.get_mut(usize::from(branch.0)) {
        of_branch.flags = draft.target.flags;
    }
    if avps_visible {
        kept.avps = std::mem::take(&mut draft.avps);
    }
}
