//! Requests within a dialog and the replies to them: matched, told, renumbered (spec/dialog.md §2.3,
//! §4.4, §6.4).

use duologue_dialog::{
    DialogKey, DialogMethod, MatchFacts, MatchMode, NewNumbers, RequestFacts, Within,
};
use duologue_sip::{Edits, Flow, Message, Method};

use super::facts::{body, contact, dialog_method, response};
use super::{Shown, abandon_untold, step};
use crate::context::{Context, CurrentDialog};
use crate::tm::DialogRole;
use crate::turn::Turn;

/// Finds the dialog of an in-dialog request (spec/dialog.md §4.4) and tells it. True if the context
/// has a dialog afterwards.
pub fn match_request(ctx: &mut Context<'_>, did: Option<&[u8]>, mode: MatchMode) -> bool {
    if ctx.dialog.is_some() {
        return true;
    }
    let message = ctx.message;
    let (Ok(from), Ok(to), Ok(call_id)) = (message.from(), message.to(), message.call_id()) else {
        return false;
    };
    let facts = MatchFacts {
        call_id,
        from_tag: from.tag().unwrap_or_default(),
        to_tag: to.tag().unwrap_or_default(),
        did,
    };
    let Ok(matched) = ctx.turn.node.dialogs.match_request(&facts, mode) else { return false };
    let method = dialog_method(message.method());
    let cseq = message.cseq().map(|cseq| cseq.number).unwrap_or_default();
    let request = Within { matched, method, cseq };
    ctx.dialog = Some(CurrentDialog::within(request));
    let rack = message.rack().ok().filter(|_| method == DialogMethod::Prack);
    let facts = RequestFacts {
        method,
        cseq,
        rack_cseq: rack.map(|rack| rack.cseq.number),
        body: body(message),
        contact: contact(message),
        timeout: ctx.draft.dialog_timeout.take(),
        flow: ctx.flow,
        direction: matched.direction,
        dst_leg: matched.dst_leg,
        callee_leg: matched.callee_leg,
    };
    if matched.tombstone {
        let cseq = ctx.turn.node.dialogs.number_for_late(&request);
        renumber(ctx, NewNumbers { cseq, rack_cseq: None });
        return true;
    }
    let mut shown = Shown::mutable(message, &mut ctx.draft.edits);
    let mut numbers = None;
    step(&mut ctx.turn, Some(&mut shown), |turn, steps| {
        numbers = turn.node.dialogs.request_within(turn.now, matched.key, &facts, steps).ok();
    });
    ctx.draft.holds_dialog = numbers.is_some();
    renumber(ctx, numbers.unwrap_or_default());
    true
}

/// The request goes on under other numbers (spec/dialog.md §6.4).
fn renumber(ctx: &mut Context<'_>, numbers: NewNumbers) {
    if numbers == NewNumbers::default() {
        return;
    }
    let mut draft = ctx.draft.edits.draft(ctx.message);
    if let Some(number) = numbers.cseq {
        draft.set_cseq(number);
    }
    if let Some(number) = numbers.rack_cseq {
        draft.set_rack_cseq(number);
    }
}

/// The script run of an in-dialog request waits: if its transaction goes meanwhile, the hold goes
/// with that, so it belongs to that from now on.
pub fn run_parked(ctx: &mut Context<'_>) {
    let link = ctx.dialog.map(|dialog| dialog.link());
    let entry = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get(id));
    if entry.is_some_and(|entry| entry.dialog.is_some() && entry.dialog == link) {
        ctx.draft.holds_dialog = false;
    }
}

/// The script run of an in-dialog request goes on after a wait: what left for its leg meanwhile must
/// not have the higher number (RFC 3261 §12.2.1.1). What was relayed before the wait stays as it is,
/// and a CANCEL has the number of its INVITE.
pub fn run_resumed(ctx: &mut Context<'_>) {
    let entry = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get(id));
    let unsent = entry.is_some_and(|entry| entry.transaction.branches().is_empty());
    let Some(DialogRole::Within(request)) = ctx.dialog.map(|dialog| dialog.link().role) else {
        return;
    };
    if unsent && ctx.message.method() != Some(Method::Cancel) {
        let cseq = ctx.turn.node.dialogs.number_after_wait(&request);
        renumber(ctx, NewNumbers { cseq, rack_cseq: None });
    }
}

/// The script run of an in-dialog request is over: its hold goes to the transaction, or ends here.
pub fn run_ended(ctx: &mut Context<'_>) {
    abandon_untold(ctx);
    if !std::mem::take(&mut ctx.draft.holds_dialog) {
        return;
    }
    let Some(link) = ctx.dialog.map(|dialog| dialog.link()) else { return };
    let entry = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get(id));
    if entry.is_some_and(|entry| entry.dialog == Some(link)) {
        return;
    }
    // Absorbed as a retransmission, its request is still under way in another transaction.
    let under_way = |request: &Within| {
        let same = |role| matches!(role, DialogRole::Within(other) if other.is_same(request));
        let mut links = ctx.turn.body.transactions.iter().filter_map(|entry| entry.dialog);
        links.any(|link| same(link.role))
    };
    match link.role {
        DialogRole::Within(request) if !under_way(&request) => {
            request_over(&mut ctx.turn, &request);
        }
        _ => release(&mut ctx.turn, link.key),
    }
}

/// A reply to a request within the dialog is about to be relayed.
pub fn response_within(
    turn: &mut Turn<'_>,
    request: &Within,
    message: &Message<'_>,
    flow: Flow,
    edits: &mut Edits,
) {
    let Some(facts) = response(message, flow) else { return };
    // It travels back to who sent the request, under the number that this one gave it.
    if message.cseq().is_ok_and(|cseq| cseq.number != request.cseq) {
        edits.draft(message).set_cseq(request.cseq);
    }
    let mut shown = Shown::mutable(message, edits);
    step(turn, Some(&mut shown), |turn, steps| {
        let _ = turn.node.dialogs.response_within(request, &facts, steps);
    });
}

/// A request within the dialog is done with it.
pub fn release(turn: &mut Turn<'_>, key: DialogKey) {
    step(turn, None, |turn, steps| {
        let _ = turn.node.dialogs.release(turn.now, key, steps);
    });
}

/// The transaction of a request within the dialog is gone, or it never had one.
pub fn request_over(turn: &mut Turn<'_>, request: &Within) {
    turn.node.dialogs.request_over(request);
    if !request.matched.tombstone {
        release(turn, request.matched.key);
    }
}
