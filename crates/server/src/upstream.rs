//! Replies on their way back: forwarded ones and our own (RFC 3261 §16.7, §8.2.6).

use std::net::SocketAddr;

use duologue_script::RouteKind;
use duologue_sip::{Edits, Flow, Message, Method, Rport, render};
use duologue_transaction::{BranchId, Effects, SEND_FAILED, TransactionId, Winner};

use crate::call::{ReplyTo, Which};
use crate::challenges;
use crate::context::Context;
use crate::dialogs;
use crate::durable::{self, HeldAnswer};
use crate::effects;
use crate::own_routes;
use crate::replies::{self, Local};
use crate::statistics::{TM_LOCAL_REPLIES, TM_RELAYED_REPLIES};
use crate::tm::{DialogRole, Entry};
use crate::turn::Turn;

/// Where replies to a request go (RFC 3261 §18.2.2, RFC 3581 §4): to the source address; to its
/// source port if `rport` was asked for or forced, else to the port of the Via's sent-by.
pub fn reply_flow(request: &Message<'_>, flow: Flow, forced_rport: bool) -> Option<Flow> {
    let via = request.top_via().ok()?;
    if forced_rport || via.rport() != Rport::Absent {
        return Some(flow);
    }
    // RFC 3261 §18.2.2: a given maddr is where the reply goes.
    let ip = via.maddr().and_then(duologue_sip::host_ip).unwrap_or_else(|| flow.peer.ip());
    Some(Flow { peer: SocketAddr::new(ip, via.port_or_default()), ..flow })
}

/// Where the topmost Via says that its sender is, whoever the request came from
/// (`set_via_handling("reply-to-via")`); the source address if it gives only a name.
pub fn flow_of_via(request: &Message<'_>, flow: Flow) -> Option<Flow> {
    let via = request.top_via().ok()?;
    let ip = via.host_ip().unwrap_or_else(|| flow.peer.ip());
    Some(Flow { peer: SocketAddr::new(ip, via.port_or_default()), ..flow })
}

/// Replies to the context's request through its transaction; false once a final reply went out.
pub fn reply_locally(ctx: &mut Context<'_>, id: TransactionId, status: u16, reason: &[u8]) -> bool {
    reply_with(ctx, id, &Local { status, reason, body: None })
}

/// The same with all that a reply may have; without a body it has that of `append_body_to_reply()`.
pub fn reply_with(ctx: &mut Context<'_>, id: TransactionId, local: &Local<'_>) -> bool {
    let mut fx = ctx.turn.worker.take_effects();
    let draft = &*ctx.draft;
    let body = local.body.or_else(|| replies::body(local.status, &draft.reply_body));
    let local = &Local { body, ..*local };
    let lines = replies::lines(ctx.turn.node, ctx.message, Some(draft), local);
    let sent = send_local(&mut ctx.turn, id, ctx.message, (ctx.flow, None), local, &lines, &mut fx);
    effects::carry_out(&mut ctx.turn, id, &mut fx, None);
    ctx.turn.worker.give_back_effects(fx);
    sent
}

/// Replies to a transaction's request when no message is at hand (time-outs).
pub fn reply_stored(
    turn: &mut Turn<'_>,
    id: TransactionId,
    status: u16,
    reason: &[u8],
    fx: &mut Effects,
) {
    let local = Local { status, reason, body: None };
    reply_stored_with(turn, id, &local, b"", None, fx);
}

fn reply_stored_with(
    turn: &mut Turn<'_>,
    id: TransactionId,
    local: &Local<'_>,
    further: &[u8],
    to_tag: Option<&[u8]>,
    fx: &mut Effects,
) {
    let Some(entry) = turn.body.transactions.get(id) else { return };
    let Some(flow) = entry.transaction.flow() else { return };
    let request: Box<[u8]> = entry.transaction.request().into();
    let Some(message) = Message::parse(&request).ok() else { return };
    let mut body = Vec::new();
    let mut kept_lines = Vec::new();
    if let Some(kept) = turn.body.transactions.get(id).and_then(|entry| entry.attached.as_ref()) {
        kept_lines.clone_from(&kept.reply_headers);
        body.clone_from(&kept.reply_body);
    }
    let body = local.body.or_else(|| replies::body(local.status, &body));
    let local = &Local { body, ..*local };
    let mut lines = replies::lines(turn.node, &message, None, local);
    lines.extend_from_slice(further);
    lines.extend_from_slice(&kept_lines);
    let tag = to_tag.filter(|tag| !tag.is_empty());
    send_local(turn, id, &message, (flow, tag), local, &lines, fx);
}

/// Replies to a request of this call that waits for one; false if there is none. A CANCEL's is not
/// meant, nor an ACK's.
pub fn reply_to(turn: &mut Turn<'_>, to: &ReplyTo) -> bool {
    let open = |entry: &&Entry| {
        let transaction = &entry.transaction;
        let request = Message::parse(transaction.request()).ok();
        let Some(request) = request.filter(|_| !transaction.is_closed()) else { return false };
        let meant = match to.which {
            Which::CSeq(number) => request.cseq().is_ok_and(|cseq| cseq.number == number),
            Which::Transaction(id) => transaction.id() == id,
        };
        meant && request.method() != Some(Method::Cancel)
    };
    let found = turn.body.transactions.iter().find(open).map(|entry| entry.transaction.id());
    let Some(id) = found else { return false };
    let mut fx = turn.worker.take_effects();
    let body = (!to.body.is_empty()).then_some((&b""[..], &*to.body));
    let local = Local { status: to.status, reason: &to.reason, body };
    reply_stored_with(turn, id, &local, &to.lines, Some(&to.to_tag), &mut fx);
    effects::carry_out(turn, id, &mut fx, None);
    turn.worker.give_back_effects(fx);
    true
}

fn send_local(
    turn: &mut Turn<'_>,
    id: TransactionId,
    request: &Message<'_>,
    (source, to_tag): (Flow, Option<&[u8]>),
    local: &Local<'_>,
    lines: &[u8],
    fx: &mut Effects,
) -> bool {
    let Some(entry) = turn.body.transactions.get(id) else { return false };
    if entry.transaction.is_closed() {
        return false;
    }
    let (Some(flow), link) = (entry.transaction.flow(), entry.dialog) else { return false };
    // The dialog does not hear of provisionals that we make ourselves.
    if let Some(link) = link.filter(|link| link.role == DialogRole::Initial && local.status >= 200)
    {
        dialogs::reply_about_to_be_sent(turn, link.key, local.status, None);
    }
    let node = turn.node;
    let own = replies::local_tag(node, request);
    let tag = to_tag.unwrap_or(&own);
    if let Some(route) = node.script().routes.local_reply {
        let mut reply = Vec::with_capacity(512);
        replies::write(request, source, local, tag, lines, &mut reply);
        own_routes::show(turn, &reply, source, RouteKind::Reply, route);
    }
    turn.count(TM_LOCAL_REPLIES);
    let now = turn.now.tick;
    let waits_for = durable::waits_for(turn, link, local.status);
    let Some(entry) = turn.body.transactions.get_mut(id) else { return false };
    entry.replied_locally = true;
    if let Some(dialog) = waits_for {
        let mut bytes = Vec::with_capacity(512);
        replies::write(request, source, local, tag, lines, &mut bytes);
        let (status, to_tag) = (local.status, tag.into());
        durable::hold(turn, HeldAnswer { dialog, transaction: id, flow, status, to_tag, bytes });
        return true;
    }
    turn.worker.outbox.push(flow, None, |out| {
        let start = out.len();
        replies::write(request, source, local, tag, lines, out);
        entry.transaction.reply_sent(now, local.status, tag, &out[start..], fx);
    });
    true
}

/// Forwards a reply that a branch got: its own Via goes, the script's changes come. `again` marks a
/// repeated 2xx, which tells the dialog's state nothing (spec/dialog.md §2.1).
pub fn forward(
    turn: &mut Turn<'_>,
    BranchId { transaction: id, branch }: BranchId,
    source: Flow,
    reply: &Message<'_>,
    edits: &mut Edits,
    again: bool,
    fx: &mut Effects,
) {
    let Some(entry) = turn.body.transactions.get(id) else { return };
    let (Some(flow), link) = (entry.transaction.flow(), entry.dialog) else { return };
    // The script may have given it another one.
    let Some(received) = edits.status(reply) else { return };
    let status = effects::upstream_status(turn, received.code());
    let to_tag = reply.to().ok().and_then(|to| to.tag()).unwrap_or_default();
    let waits_for = durable::waits_for(turn, link, status).filter(|_| !again);
    if turn.body.held.has(id, to_tag) {
        return;
    }
    let own_record_routes = entry.own_record_routes(branch);
    let mut callee_leg = None;
    match link.map(|link| (link.key, link.role)) {
        Some((key, DialogRole::Initial)) => {
            let routes = own_record_routes;
            callee_leg = dialogs::reply_forwarded(turn, key, branch, routes, source, reply, edits);
            if !again {
                dialogs::reply_about_to_be_sent(turn, key, status, Some(reply));
            }
        }
        Some((_, DialogRole::Within(request))) => {
            dialogs::response_within(turn, &request, reply, source, edits);
        }
        _ => {}
    }
    let mut wire = std::mem::take(&mut turn.worker.wire_edits);
    wire.clear();
    wire.draft(reply).pop_via();
    if status != received.code() {
        // RFC 3261 §16.7 step 6: 503 does not travel.
        wire.draft(reply).set_status(status, effects::phrase(status));
    }
    let now = turn.now.tick;
    let entry = turn.body.transactions.get_mut(id);
    // what the reply led to may have answered meanwhile: no provisional follows a final
    let overtaken = |entry: &&mut Entry| status < 200 && entry.transaction.is_closed();
    if let Some(entry) = entry.filter(|entry| !overtaken(entry)) {
        entry.replied_locally = false;
        let layers = [&*edits, &wire];
        let dialogs = &turn.node.dialogs;
        let mut changed = None;
        let mut held = None;
        match waits_for {
            Some(dialog) => {
                let mut bytes = Vec::with_capacity(reply.framed().len());
                render(reply.framed(), &layers, &mut bytes);
                changed = dialogs::changed_body(dialogs, link.is_some(), &layers, &bytes);
                let to_tag = to_tag.into();
                held = Some(HeldAnswer { dialog, transaction: id, flow, status, to_tag, bytes });
            }
            None => turn.worker.outbox.push(flow, None, |out| {
                let start = out.len();
                render(reply.framed(), &layers, out);
                entry.transaction.reply_sent(now, status, to_tag, &out[start..], fx);
                changed = dialogs::changed_body(dialogs, link.is_some(), &layers, &out[start..]);
            }),
        }
        if let (Some(link), Some(body)) = (link, changed) {
            dialogs::reply_changed(turn, link, callee_leg, reply, body);
        }
        turn.count(TM_RELAYED_REPLIES);
        if let Some(held) = held {
            durable::hold(turn, held);
        }
    }
    turn.worker.wire_edits = wire;
}

/// The phrase of a reply that stands for a branch's: what nobody else would say has the words of
/// spec/modules.md §1.3.
fn phrase_of_local(status: u16) -> &'static [u8] {
    match status {
        SEND_FAILED => b"Send failed (477/TM)",
        status => effects::phrase(status),
    }
}

/// The best reply of all branches goes back (RFC 3261 §16.7 step 6).
pub fn relay_winner(turn: &mut Turn<'_>, id: TransactionId, winner: Winner, fx: &mut Effects) {
    let stored: Option<(Box<[u8]>, Flow)> = turn.body.transactions.get(id).and_then(|entry| {
        let branch = entry.transaction.branch(winner.branch)?;
        Some((branch.reply()?.into(), branch.flow()))
    });
    match stored {
        Some((bytes, source)) if !winner.local => {
            let Ok(reply) = Message::parse(&bytes) else { return };
            let at = BranchId { transaction: id, branch: winner.branch };
            let mut edits = Edits::new();
            if let Some(entry) = turn.body.transactions.get(id) {
                challenges::collect(entry, winner.branch, &reply, &mut edits);
            }
            forward(turn, at, source, &reply, &mut edits, false, fx);
        }
        _ => {
            let status = effects::upstream_status(turn, winner.status);
            reply_stored(turn, id, status, phrase_of_local(status), fx);
        }
    }
}
