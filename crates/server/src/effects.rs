//! Carrying out what a transaction asks for.

use duologue_sip::{Flow, Message, StatusCode, write_ack, write_cancel};
use duologue_transaction::{
    Branch, BranchIndex, CancelReason, Effect, Effects, Kind, TransactionId, Winner,
};

use crate::call::SendTag;
use crate::context::Context;
use crate::dialogs;
use crate::new_requests;
use crate::relay;
use crate::statistics::{
    TM_2XX, TM_REMOVED, TM_REPEATED_1, TM_REPEATED_2, TM_REPEATED_3, TM_REPEATED_T2, TM_TIMED_OUT,
    TM_TIMED_OUT_INV,
};
use crate::tm::{DialogLink, DialogRole, Entry};
use crate::turn::Turn;
use crate::upstream;

/// Carries out the effects of one transaction, and those that follow from them, until none is left.
/// `reply` is the reply at hand, whose To an ACK needs.
pub fn carry_out(
    turn: &mut Turn<'_>,
    id: TransactionId,
    effects: &mut Effects,
    reply: Option<&Message<'_>>,
) {
    // A failure route may fail at once on its new branches, and again: the number of branches of a
    // transaction bounds the rounds.
    while !effects.is_empty() {
        let mut following = turn.worker.take_effects();
        for effect in effects.drain() {
            carry_out_one(turn, id, effect, reply, &mut following);
        }
        std::mem::swap(effects, &mut following);
        turn.worker.give_back_effects(following);
    }
}

fn carry_out_one(
    turn: &mut Turn<'_>,
    id: TransactionId,
    effect: Effect,
    reply: Option<&Message<'_>>,
    following: &mut Effects,
) {
    match effect {
        Effect::SendReply => {
            let Some(entry) = turn.body.transactions.get(id) else { return };
            let transaction = &entry.transaction;
            let Some(flow) = transaction.flow() else { return };
            turn.worker.outbox.push(flow, None, |out| {
                out.extend_from_slice(transaction.last_reply());
            });
        }
        Effect::SendRequest(branch) => {
            count_repetition(turn, id, branch);
            send_from_branch(turn, id, branch, |wire, out| out.extend_from_slice(wire));
        }
        Effect::SendAck(branch) => {
            let Some(reply) = reply else { return };
            send_from_branch(turn, id, branch, |wire, out| {
                if let Ok(sent) = Message::parse(wire) {
                    // A reply without a usable To cannot be acknowledged.
                    let _ = write_ack(&sent, reply, out);
                }
            });
        }
        Effect::SendCancel(branch, reason) => {
            let lines = cancel_lines(turn, id, reason);
            send_from_branch(turn, id, branch, |wire, out| {
                if let Ok(sent) = Message::parse(wire) {
                    // We wrote this request ourselves: it has what a CANCEL needs.
                    let _ = write_cancel(&sent, &lines, out);
                }
            });
        }
        Effect::TimedOut { answered, .. } => {
            let entry = turn.body.transactions.get(id);
            let invite = entry.is_some_and(|entry| entry.transaction.kind() == Kind::Invite);
            turn.count(if invite && answered { TM_TIMED_OUT_INV } else { TM_TIMED_OUT });
        }
        Effect::Completed(winner) => completed(turn, id, winner, following),
        Effect::LocalFinal(winner) => {
            let reply = reply.filter(|_| !winner.local);
            new_requests::tell(turn, id, winner, reply);
            dialogs::own_request_ended(turn, id, winner, reply);
        }
        Effect::AckMissing => {
            tracing::debug!(call_id = %turn.call_id(), "no ACK for a negative reply");
        }
        Effect::Abandoned => {
            upstream::reply_stored(turn, id, 500, b"Server Internal Error", following);
        }
    }
}

/// What a CANCEL says beside what it must: the script's lines, else why it comes (RFC 3326 §2, the
/// fork that answered elsewhere).
fn cancel_lines(turn: &Turn<'_>, id: TransactionId, reason: CancelReason) -> Vec<u8> {
    let kept = turn.body.transactions.get(id).and_then(|entry| entry.attached.as_deref());
    match (kept, reason) {
        (Some(kept), _) if !kept.cancel_headers.is_empty() => kept.cancel_headers.clone(),
        (_, CancelReason::Answered) => ELSEWHERE.to_vec(),
        _ => Vec::new(),
    }
}

/// RFC 3326 §2: another branch has answered.
const ELSEWHERE: &[u8] = b"Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n";

/// Sends something made from a branch's request on that branch's flow.
fn send_from_branch(
    turn: &mut Turn<'_>,
    id: TransactionId,
    branch: BranchIndex,
    write: impl FnOnce(&[u8], &mut Vec<u8>),
) {
    let Some(entry) = turn.body.transactions.get(id) else { return };
    let Some(branch_state) = entry.transaction.branch(branch) else { return };
    let (flow, wire): (Flow, &[u8]) = (branch_state.flow(), branch_state.wire());
    let tag = SendTag { call: turn.call.clone(), transaction: id, branch };
    turn.worker.outbox.push(flow, Some(tag), |out| write(wire, out));
}

/// All branches ended without success: the failure route decides, else the best reply goes back
/// (RFC 3261 §16.7 steps 6 to 9).
fn completed(turn: &mut Turn<'_>, id: TransactionId, winner: Winner, following: &mut Effects) {
    let failure = turn.body.transactions.get_mut(id).and_then(|entry| {
        // The route is disarmed before it runs (spec/modules.md §1.2).
        entry.attached.as_mut()?.armed.failure.take()
    });
    if let Some(route) = failure
        && relay::run_failure_route(turn, id, winner, route)
    {
        return;
    }
    upstream::relay_winner(turn, id, winner, following);
}

/// Takes finished transactions out of the call and tells their dialogs.
pub fn sweep(turn: &mut Turn<'_>) {
    for entry in turn.body.transactions.iter_mut() {
        if entry.transaction.shrink() {
            entry.attached = None;
        }
    }
    while let Some(entry) = turn.body.transactions.take_finished() {
        turn.count(TM_REMOVED);
        count_class(turn, &entry);
        if let Some(link) = entry.dialog {
            transaction_gone(turn, link);
        }
    }
}

/// Tells a dialog that a transaction of it is gone.
pub fn transaction_gone(turn: &mut Turn<'_>, link: DialogLink) {
    match link.role {
        DialogRole::Initial => dialogs::transaction_ended(turn, link.key),
        DialogRole::Within(request) => dialogs::request_over(turn, &request),
        DialogRole::Own(_) | DialogRole::Reader => {}
    }
}

fn count_repetition(turn: &Turn<'_>, id: TransactionId, branch: BranchIndex) {
    let entry = turn.body.transactions.get(id);
    let branch = entry.and_then(|entry| entry.transaction.branch(branch));
    turn.count(match branch.map_or(0, Branch::repeats) {
        0 | 1 => TM_REPEATED_1,
        2 => TM_REPEATED_2,
        3 => TM_REPEATED_3,
        _ => TM_REPEATED_T2,
    });
}

fn count_class(turn: &Turn<'_>, entry: &Entry) {
    let status = entry.transaction.last_status_sent();
    if (200..700).contains(&status) {
        turn.count(TM_2XX.class(status / 100 - 2));
    }
}

/// 503 is translated to 500 upstream (RFC 3261 §16.7 step 6), unless the script disabled that.
pub fn upstream_status(turn: &Turn<'_>, status: u16) -> u16 {
    match status {
        503 if !turn.node.disable_503_translation => 500,
        status => status,
    }
}

/// The standard phrase of a status.
pub fn phrase(status: u16) -> &'static [u8] {
    StatusCode::new(status).map_or(b"Error", |status| status.reason().as_bytes())
}

/// For [`Context`]s that must not keep a draft once they are done.
pub fn finish(ctx: Context<'_>) {
    let Context { turn, draft, .. } = ctx;
    turn.worker.drafts.give_back(draft);
}
