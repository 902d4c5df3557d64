//! What we send ourselves within a dialog and what comes of it; above all what ends it
//! (spec/dialog.md §5.1, §6, §7).

use duologue_dialog::{DialogKey, EndPlan, EventMessage, Outcome, OwnLink, OwnRequest, Steps};
use duologue_sip::{Flow, Message};
use duologue_transaction::{CancelReason, SEND_FAILED, TransactionId, Winner};

use super::facts::{dialog_method, response};
use super::{Shown, log_panics, step};
use crate::call::Ending;
use crate::relay::with_transaction;
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;
use crate::{effects, own_requests, upstream};

/// The deadline of a dialog has come.
pub fn deadline(turn: &mut Turn<'_>, key: DialogKey) {
    step(turn, None, |turn, steps| {
        let _ = turn.node.dialogs.deadline(turn.now, key, steps);
    });
}

/// Somebody asked for the end of a dialog.
pub fn end_requested(turn: &mut Turn<'_>, key: DialogKey, ending: &Ending) {
    step(turn, None, |turn, steps| end(turn, key, ending, steps));
}

/// spec/dialog.md §7: a ringing call is cancelled, an answered one gets a BYE on each side, all
/// built before the state changes.
fn end(turn: &mut Turn<'_>, key: DialogKey, ending: &Ending, steps: &mut Steps) {
    let Ok(plan) = turn.node.dialogs.begin_end(turn.now, key, ending.byes) else { return };
    match plan {
        EndPlan::Ended => {}
        EndPlan::Cancel => cancel(turn, key),
        EndPlan::Byes(byes) => {
            if byes.is_empty() {
                let _ = turn.node.dialogs.end_without_byes(turn.now, key, steps);
            }
            for own in &byes {
                send(turn, own, &ending.extra_headers, steps);
            }
        }
    }
}

/// The transaction of the INVITE that made a dialog.
fn invite_of(turn: &Turn<'_>, key: DialogKey) -> Option<TransactionId> {
    let initial = DialogLink { key, role: DialogRole::Initial };
    let mut entries = turn.body.transactions.iter();
    entries.find(|entry| entry.dialog == Some(initial)).map(|entry| entry.transaction.id())
}

/// Cancels every branch of a dialog's INVITE.
fn cancel(turn: &mut Turn<'_>, key: DialogKey) {
    let Some(id) = invite_of(turn, key) else { return };
    // The call is over: a failure route must not let it ring elsewhere.
    let entry = turn.body.transactions.get_mut(id);
    if let Some(kept) = entry.and_then(|entry| entry.attached.as_deref_mut()) {
        kept.armed.failure = None;
    }
    with_transaction(turn, id, |transaction, now, fx| {
        transaction.cancel_branches(now, None, CancelReason::Script, fx);
    });
}

/// Refuses the INVITE of a dialog and cancels its branches.
pub(super) fn refuse(turn: &mut Turn<'_>, key: DialogKey, status: u16) {
    let Some(id) = invite_of(turn, key) else { return };
    let mut fx = turn.worker.take_effects();
    upstream::reply_stored(turn, id, status, effects::phrase(status), &mut fx);
    effects::carry_out(turn, id, &mut fx, None);
    turn.worker.give_back_effects(fx);
    cancel(turn, key);
}

/// A module asked for requests to be sent within a dialog.
pub fn send_asked(turn: &mut Turn<'_>, key: DialogKey) {
    step(turn, None, |turn, steps| {
        for own in turn.node.dialogs.take_asked(key).unwrap_or_default() {
            send(turn, &own, b"", steps);
        }
    });
}

/// Sends a request of ours; that it cannot be sent is its outcome.
pub(super) fn send(turn: &mut Turn<'_>, own: &OwnRequest, lines: &[u8], steps: &mut Steps) {
    if !own_requests::send(turn, own, lines) {
        own_outcome(turn, own.link, Outcome::NotSent, None, steps);
    }
}

/// The transaction of a request of ours went without an outcome: a panic took it along.
pub fn own_request_lost(turn: &mut Turn<'_>, own: OwnLink) {
    step(turn, None, |turn, steps| own_outcome(turn, own, Outcome::TimedOut, None, steps));
}

fn own_outcome(
    turn: &mut Turn<'_>,
    link: OwnLink,
    outcome: Outcome,
    message: Option<&Message<'_>>,
    steps: &mut Steps,
) {
    let mut shown = message.map(Shown::fixed);
    let shown = shown.as_mut().map(|shown| shown as &mut dyn EventMessage);
    let dialogs = &turn.node.dialogs;
    let panics = dialogs.own_request_ended(turn.now, link, outcome, shown, steps);
    log_panics(turn, panics.unwrap_or_default());
}

/// A request of our own got its final reply, or none in time.
pub fn own_request_ended(
    turn: &mut Turn<'_>,
    id: TransactionId,
    winner: Winner,
    reply: Option<&Message<'_>>,
) {
    let link = turn.body.transactions.get(id).and_then(|entry| entry.dialog);
    let Some(DialogLink { role: DialogRole::Own(own), .. }) = link else { return };
    let outcome = match winner {
        Winner { local: false, status, .. } => Outcome::Reply(status),
        Winner { status: SEND_FAILED, .. } => Outcome::NotSent,
        Winner { .. } => Outcome::TimedOut,
    };
    step(turn, None, |turn, steps| own_outcome(turn, own, outcome, reply, steps));
}

/// A request of our own got a 2xx: an INVITE is acknowledged, however often its 2xx comes.
pub fn own_request_answered(turn: &mut Turn<'_>, own: OwnLink, reply: &Message<'_>, flow: Flow) {
    let (Ok(cseq), Some(facts)) = (reply.cseq(), response(reply, flow)) else { return };
    let request = (dialog_method(Some(cseq.method)), cseq.number);
    let ack = turn.node.dialogs.own_request_answered(turn.now, own, request, &facts);
    if let Ok(Some(ack)) = ack {
        step(turn, None, |turn, steps| send(turn, &ack, b"", steps));
    }
}
