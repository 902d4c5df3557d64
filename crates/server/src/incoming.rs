//! Replies that come in: RFC 3261 §16.7, in the order of spec/modules.md §1.4.

use duologue_dialog::OwnLink;
use duologue_script::{RouteId, RouteKind};
use duologue_sip::{Edits, Flow, Message};
use duologue_transaction::{BranchId, BranchIndex, Received, Reply, TransactionId, Verdict};

use crate::context::Context;
use crate::dialogs;
use crate::effects;
use crate::host::Ended;
use crate::modules::tm::TmSettings;
use crate::parked::{self, After};
use crate::stateless;
use crate::statistics::{DROP_REPLIES, TM_RECEIVED_REPLIES};
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;
use crate::upstream;

/// A reply has found its call: the global reply route, its transaction, that one's routes, and on.
pub fn reply(turn: &mut Turn<'_>, message: &Message<'_>, flow: Flow) {
    let mut edits = Edits::new();
    if let Some(route) = turn.node.script().routes.reply
        && run_global_route(turn, message, flow, route, &mut edits)
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
    turn.worker.give_back_effects(fx);
    if received == Received::Absorbed {
        return;
    }
    match AfterReply::routes_of(turn, id, branch) {
        Some(routes) => routes.run_next(turn, message, flow, edits),
        None => forward(turn, message, flow, id, branch, facts, &mut edits),
    }
}

/// A reply on its way through the routes of its transaction: first the branch's, then the
/// transaction's. Each may wait, so what comes after it is kept with the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AfterReply {
    id: TransactionId,
    branch: BranchIndex,
    /// The routes that are still to run, the last one first.
    left: [Option<RouteId>; 2],
    /// Whether one of them dropped it.
    dropped: bool,
}

impl AfterReply {
    /// The reply routes of a branch; `None` if there are none.
    fn routes_of(turn: &Turn<'_>, id: TransactionId, branch: BranchIndex) -> Option<Self> {
        let entry = turn.body.transactions.get(id)?;
        let own = entry.branch(branch).and_then(|branch| branch.on_reply);
        let common = entry.attached.as_ref().and_then(|kept| kept.armed.reply);
        own.or(common)?;
        Some(Self { id, branch, left: [common, own], dropped: false })
    }

    /// Runs the next route; behind the last one the reply goes on, unless it is a provisional that
    /// was dropped.
    fn run_next(
        mut self,
        turn: &mut Turn<'_>,
        message: &Message<'_>,
        flow: Flow,
        mut edits: Edits,
    ) {
        let own = self.left[1].take();
        if let Some(route) = own.or_else(|| self.left[0].take()) {
            let ctx = self.context(turn, message, flow, edits);
            return parked::run(ctx, route, After::Reply(self));
        }
        // It was read before it came here.
        let Some(facts) = facts(message).filter(|_| !self.dropped) else { return };
        forward(turn, message, flow, self.id, self.branch, facts, &mut edits);
    }

    /// What a reply route of the transaction finds.
    fn context<'r>(
        &self,
        turn: &'r mut Turn<'_>,
        message: &'r Message<'r>,
        flow: Flow,
        edits: Edits,
    ) -> Context<'r> {
        let avps_visible = turn.node.settings::<TmSettings>().onreply_avp_mode;
        let mut ctx = Context::new(turn.reborrow(), message, flow, RouteKind::Reply);
        ctx.draft.edits = edits;
        ctx.transaction = Some(self.id);
        ctx.branch = Some(self.branch);
        let Some(entry) = ctx.turn.body.transactions.get_mut(self.id) else { return ctx };
        ctx.dialog = entry.dialog.map(DialogLink::current).map(|dialog| dialog.reversed());
        if let Some(kept) = entry.attached.as_deref_mut() {
            ctx.draft.flags = kept.flags;
            ctx.draft.armed = kept.armed;
            if let Some(of_branch) = kept.branches.get_mut(usize::from(self.branch.0)) {
                ctx.draft.target.flags = of_branch.flags;
                ctx.draft.branch_avps = std::mem::take(&mut of_branch.avps);
                ctx.draft.branch_attrs = std::mem::take(&mut of_branch.attrs);
            }
            if avps_visible {
                ctx.draft.avps = std::mem::take(&mut kept.avps);
            }
        }
        ctx
    }
}

/// A reply route waits: others of the transaction see its AVPs meanwhile.
pub(crate) fn route_parked(ctx: &mut Context<'_>, reply: &AfterReply) {
    let draft = &*ctx.draft;
    let (avps, of_branch) = (draft.avps.clone(), draft.branch_avps.clone());
    let attrs = draft.branch_attrs.clone();
    keep(ctx, reply.id, reply.branch);
    let draft = &mut *ctx.draft;
    (draft.avps, draft.branch_avps, draft.branch_attrs) = (avps, of_branch, attrs);
}

/// A reply route is over: the next one, or the reply goes on.
pub(crate) fn route_ended(mut ctx: Context<'_>, ended: Ended, mut reply: AfterReply) {
    keep(&mut ctx, reply.id, reply.branch);
    let (message, flow) = (ctx.message, ctx.flow);
    // Finals cannot be dropped.
    reply.dropped |= ended.dropped && message.status().is_some_and(|status| status.code() < 200);
    let edits = std::mem::take(&mut ctx.draft.edits);
    let Context { mut turn, draft, .. } = ctx;
    turn.worker.drafts.give_back(draft);
    reply.run_next(&mut turn, message, flow, edits);
}

/// The transaction and branch that a reply's top Via names, if it is one of ours and verified.
fn find<'m>(
    turn: &Turn<'_>,
    message: &Message<'m>,
) -> Option<(TransactionId, BranchIndex, Reply<'m>)> {
    let via = message.top_via().ok()?;
    let call_id = turn.call.key().call_id();
    let name = turn.node.branch_key.decode(call_id, via.branch()?)?;
    let facts = facts(message)?;
    let entry = turn.body.transactions.get(name.transaction)?;
    // RFC 3261 §17.1.3: the CSeq method must be the request's, or that of our CANCEL.
    if !facts.cancel && !entry.sent_method_is(message.cseq().ok()?.method.as_bytes()) {
        return None;
    }
    Some((name.transaction, name.branch, facts))
}

/// What the transaction has to know of a reply.
fn facts<'m>(message: &Message<'m>) -> Option<Reply<'m>> {
    let status = message.status()?.code();
    let to_tag = message.to().ok()?.tag().unwrap_or_default();
    let cancel = message.cseq().ok()?.method.as_bytes() == b"CANCEL";
    Some(Reply { status, to_tag, cancel })
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
    // The script may have changed it; the class stays, so what the transaction was told of the reply
    // holds.
    let status = edits.status(message).map_or(facts.status, |status| status.code());
    let facts = Reply { status, ..facts };
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

/// Runs the reply route that sees every reply, before it has a transaction; true if it dropped a
/// provisional (finals cannot be dropped).
fn run_global_route(
    turn: &mut Turn<'_>,
    message: &Message<'_>,
    flow: Flow,
    route: RouteId,
    edits: &mut Edits,
) -> bool {
    let mut ctx = Context::new(turn.reborrow(), message, flow, RouteKind::Reply);
    std::mem::swap(&mut ctx.draft.edits, edits);
    let ended = ctx.run(route);
    std::mem::swap(&mut ctx.draft.edits, edits);
    effects::finish(ctx);
    ended.dropped && message.status().is_some_and(|status| status.code() < 200)
}

/// Changes of flags, AVPs and armed routes made in a reply route persist (spec/script.md §10).
fn keep(ctx: &mut Context<'_>, id: TransactionId, branch: BranchIndex) {
    let avps_visible = ctx.turn.node.settings::<TmSettings>().onreply_avp_mode;
    let Some(entry) = ctx.turn.body.transactions.get_mut(id) else { return };
    let draft = &mut *ctx.draft;
    let of_branch = draft.keeps_branches();
    let nothing = draft.flags == 0 && draft.armed == Default::default() && !of_branch;
    if entry.attached.is_none() && nothing {
        return;
    }
    let kept = entry.attach();
    kept.flags = draft.flags;
    kept.armed = draft.armed;
    if of_branch || kept.branches.len() > usize::from(branch.0) {
        let kept = entry.attach_branch(branch);
        kept.flags = draft.target.flags;
        kept.avps = std::mem::take(&mut draft.branch_avps);
        kept.attrs = std::mem::take(&mut draft.branch_attrs);
    }
    let kept = entry.attach();
    if avps_visible {
        kept.avps = std::mem::take(&mut draft.avps);
    }
}
