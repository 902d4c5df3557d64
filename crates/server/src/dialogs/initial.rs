//! The INVITE that makes a dialog: its creation, its branches, its replies, its CANCEL and its end
//! (spec/dialog.md §2).

use duologue_dialog::{
    CreateError, Dialog, DialogFlags, DialogKey, EventMessage, InviteFacts, MatchMode, ReplyFacts,
};
use duologue_sip::{Edits, HeaderName, Message, Method};
use duologue_transaction::{BranchIndex, TransactionId};

use super::facts::{body, contact, reliable, values};
use super::{Shown, carry_out, step};
use crate::context::{Context, CurrentDialog};
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;

/// What a second creation does to the flags of the dialog that is there (spec/dialog.md §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// They are the given ones from now on: as scripts do.
    Replace,
    /// The given ones come to them: as modules do.
    Add,
}

/// Makes the dialog of an initial INVITE (spec/dialog.md §2.3), or changes the flags of the one the
/// context has.
///
/// # Errors
/// [`CreateError`].
pub fn create(
    ctx: &mut Context<'_>,
    flags: DialogFlags,
    again: Again,
) -> Result<Dialog, CreateError> {
    let dialogs = &ctx.turn.node.dialogs;
    if ctx.dialog.is_none() {
        // A retransmitted INVITE must not make a second dialog.
        let id = crate::modules::tm::current(ctx);
        let entry = id.and_then(|id| ctx.turn.body.transactions.get(id));
        ctx.dialog = entry.and_then(|entry| entry.dialog).map(DialogLink::current);
    }
    if let Some(current) = ctx.dialog {
        let _ = dialogs.create_again(current.key, flags, again == Again::Replace);
        return Ok(dialogs.handle(current.key));
    }
    let message = ctx.message;
    let is_invite = matches!(message.method(), Some(Method::Invite));
    let (Ok(from), Ok(to), Ok(call_id), Ok(cseq)) =
        (message.from(), message.to(), message.call_id(), message.cseq())
    else {
        return Err(CreateError::NoIdentity);
    };
    if !is_invite {
        return Err(CreateError::NotInitial);
    }
    let record_routes = values(message.record_routes());
    let facts = InviteFacts {
        call_id,
        from_tag: from.tag().unwrap_or_default(),
        to_tag: to.tag().unwrap_or_default(),
        from_uri: from.uri_bytes(),
        to_uri: to.uri_bytes(),
        from_display: from.display(),
        to_display: to.display(),
        cseq: cseq.number,
        body: body(message),
        contact: contact(message),
        record_routes: &record_routes,
        flow: ctx.flow,
        timeout: ctx.draft.dialog_timeout,
        owner: ctx.turn.call.key().hash(),
    };
    let mut steps = ctx.turn.worker.take_steps();
    let made = dialogs.create(ctx.turn.now, &facts, flags, &mut steps);
    let Ok(dialog) = made else {
        ctx.turn.worker.give_back_steps(steps);
        return made;
    };
    let settings = dialogs.settings();
    if settings.match_mode != MatchMode::DidNone {
        let params = &mut ctx.draft.record_route.params;
        params.push(b';');
        params.extend_from_slice(settings.rr_param.as_bytes());
        params.push(b'=');
        params.extend_from_slice(dialog.id().did().as_bytes());
    }
    ctx.dialog = Some(CurrentDialog::initial(dialog.key()));
    ctx.draft.created = Some(steps);
    if ctx.transaction.is_some() {
        transaction_made(ctx);
    }
    Ok(dialog)
}

/// The INVITE's transaction exists: it reports to the dialog from now on, and CREATED fires.
pub fn transaction_made(ctx: &mut Context<'_>) {
    let Some(mut steps) = ctx.draft.created.take() else { return };
    let link = ctx.dialog.map(|dialog| dialog.link());
    if let Some(entry) = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get_mut(id)) {
        entry.dialog = link;
    }
    let mut shown = Shown::mutable(ctx.message, &mut ctx.draft.edits);
    carry_out(&mut ctx.turn, &mut steps, Some(&mut shown));
    ctx.turn.worker.give_back_steps(steps);
}

/// A run ended without a transaction for the dialog that it made: the dialog fails.
pub fn abandon_untold(ctx: &mut Context<'_>) {
    if let (Some(mut steps), Some(current)) = (ctx.draft.created.take(), ctx.dialog) {
        let dialogs = &ctx.turn.node.dialogs;
        let _ = dialogs.transaction_ended(ctx.turn.now, current.key, &mut steps);
        carry_out(&mut ctx.turn, &mut steps, None);
        ctx.turn.worker.give_back_steps(steps);
    }
}

/// The INVITE left on a branch: one more leg.
pub fn branch_sent(ctx: &mut Context<'_>, branch: BranchIndex) {
    let Some(CurrentDialog { key, role: DialogRole::Initial, .. }) = ctx.dialog else { return };
    let cseq = ctx.message.cseq().map(|cseq| cseq.number).unwrap_or_default();
    step(&mut ctx.turn, None, |turn, steps| {
        let _ = turn.node.dialogs.branch_sent(key, u16::from(branch.0), cseq, steps);
    });
}

/// A reply to the INVITE is about to be forwarded: legs are learnt, RESPONSE_FWDED may change it.
/// Returns the callee leg that sent it, if it is known.
pub fn reply_forwarded(
    turn: &mut Turn<'_>,
    key: DialogKey,
    branch: BranchIndex,
    own_record_routes: u16,
    flow: duologue_sip::Flow,
    message: &Message<'_>,
    edits: &mut Edits,
) -> Option<u16> {
    let status = message.status()?;
    let record_routes = values(message.record_routes());
    let to_tag = message.to().ok().and_then(|to| to.tag()).unwrap_or_default();
    let facts = ReplyFacts {
        branch: u16::from(branch.0),
        status: status.code(),
        to_tag,
        cseq: message.cseq().map(|cseq| cseq.number).unwrap_or_default(),
        rseq: reliable(message),
        body: body(message),
        contact: contact(message),
        record_routes: &record_routes,
        own_record_routes,
        flow,
        mangled_from_uri: None,
        mangled_to_uri: None,
    };
    let mut shown = Shown::mutable(message, edits);
    let mut forwarded = None;
    step(turn, Some(&mut shown), |turn, steps| {
        forwarded = turn.node.dialogs.reply_forwarded(key, &facts, steps).ok();
    });
    let forwarded = forwarded?;
    if forwarded.cseq != facts.cseq {
        edits.draft(message).set_cseq(forwarded.cseq);
    }
    if forwarded.pracked {
        make_unreliable(message, edits);
    }
    forwarded.leg
}

/// We acknowledge this provisional ourselves: the caller, who perhaps never heard of RFC 3262, gets
/// it as a plain one.
fn make_unreliable(message: &Message<'_>, edits: &mut Edits) {
    let mut draft = edits.draft(message);
    draft.remove_all(HeaderName::RSeq);
    for value in message.values(HeaderName::Require) {
        if value.bytes.eq_ignore_ascii_case(b"100rel") {
            draft.remove_this(&value);
        }
    }
}

/// A reply to the INVITE is about to leave: the state moves, its callbacks run, then it leaves.
pub fn reply_about_to_be_sent(
    turn: &mut Turn<'_>,
    key: DialogKey,
    status: u16,
    message: Option<&Message<'_>>,
) {
    let mut shown = message.map(Shown::fixed);
    let shown = shown.as_mut().map(|shown| shown as &mut dyn EventMessage);
    step(turn, shown, |turn, steps| {
        let _ = turn.node.dialogs.reply_about_to_be_sent(turn.now, key, status, steps);
    });
}

/// The INVITE's transaction is gone.
pub fn transaction_ended(turn: &mut Turn<'_>, key: DialogKey) {
    step(turn, None, |turn, steps| {
        let _ = turn.node.dialogs.transaction_ended(turn.now, key, steps);
    });
}

/// A CANCEL matched the INVITE: the dialog is told, and is current for the CANCEL's script.
pub fn cancelled(ctx: &mut Context<'_>, invite: TransactionId) {
    let link = ctx.turn.body.transactions.get(invite).and_then(|entry| entry.dialog);
    let Some(link) = link else { return };
    // The CANCEL of a re-INVITE leaves the dialog as it is.
    if link.role == DialogRole::Initial {
        let _ = ctx.turn.node.dialogs.cancelled(ctx.turn.now, link.key);
    }
    // One that was matched already has its own link, and perhaps a hold that goes with it.
    ctx.dialog = ctx.dialog.or(Some(link.current()));
}
