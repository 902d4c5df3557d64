//! Between the road and the dialog engine: facts in, steps out.
//!
//! The engine (`duologue-dialog`) never sees a message. Here its questions are answered from one,
//! and what it asks for in return (callbacks, cancelling, BYEs) is carried out in its order.

use duologue_dialog::{
    BodyFacts, CreateError, Dialog, DialogFlags, DialogKey, DialogMethod, EndPlan, EventMessage,
    InviteFacts, MatchFacts, MatchMode, NewNumbers, NotMutable, Note, Outcome, OwnLink, OwnRequest,
    PanicReport, ReplyFacts, RequestFacts, ResponseFacts, Step, Steps, Within,
};
use duologue_sip::{Edits, HeaderName, HeaderRef, Message, Method};
use duologue_transaction::{BranchIndex, CancelReason, SEND_FAILED, TransactionId, Winner};
use smallvec::SmallVec;

use crate::call::{Ending, Job};
use crate::context::{Context, CurrentDialog};
use crate::relay::with_transaction;
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;
use crate::{effects, upstream};
use crate::{own_requests, own_routes};

/// A message as callbacks of dialogs see it.
pub struct Shown<'s, 'm> {
    message: &'s Message<'m>,
    edits: Option<&'s mut Edits>,
}

impl<'s, 'm> Shown<'s, 'm> {
    /// A message that callbacks may change.
    pub fn mutable(message: &'s Message<'m>, edits: &'s mut Edits) -> Self {
        Self { message, edits: Some(edits) }
    }

    /// A message that is on its way already.
    pub fn fixed(message: &'s Message<'m>) -> Self {
        Self { message, edits: None }
    }
}

impl EventMessage for Shown<'_, '_> {
    fn status(&self) -> Option<u16> {
        self.message.status().map(|status| status.code())
    }

    fn method(&self) -> &[u8] {
        match self.message.method() {
            Some(method) => method.as_bytes(),
            None => self.message.cseq().map(|cseq| cseq.method.as_bytes()).unwrap_or_default(),
        }
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.message.value(HeaderRef::from(name.as_bytes()))
    }

    fn body(&self) -> &[u8] {
        self.message.body()
    }

    fn append_header(&mut self, name: &str, value: &[u8]) -> Result<(), NotMutable> {
        let edits = self.edits.as_deref_mut().ok_or(NotMutable)?;
        edits.draft(self.message).append_header(name.as_bytes(), &[value]);
        Ok(())
    }

    fn remove_header(&mut self, name: &str) -> Result<usize, NotMutable> {
        let edits = self.edits.as_deref_mut().ok_or(NotMutable)?;
        Ok(edits.draft(self.message).remove_all(name.as_bytes()))
    }
}

/// Carries out steps in their order.
pub fn carry_out(
    turn: &mut Turn<'_>,
    steps: &mut Steps,
    mut message: Option<&mut dyn EventMessage>,
) {
    // Steps may ask for more steps (an expiry decided after a route): they go behind.
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        at += 1;
        match step {
            Step::Changed(_) => {}
            Step::Fire(firing) => {
                let shown = message.as_mut().map(|message| &mut **message as &mut dyn EventMessage);
                log_panics(turn, turn.node.dialogs.fire(&firing, shown));
            }
            Step::Route(key, _, number) => own_routes::run_of_dialog(turn, key, number),
            Step::DecideExpiry(key) => {
                let _ = turn.node.dialogs.expire(turn.now, key, steps);
            }
            // Behind the current step: a BYE must not overtake the 2xx that is about to be sent.
            Step::End(intent) => {
                turn.call.queue(Job::EndDialog(intent.key, Ending::default()));
            }
            Step::Send(own) => send(turn, &own, b"", steps),
            Step::Refuse(key, status) => refuse(turn, key, status),
            Step::Report(key) => log_panics(turn, turn.node.dialogs.report_end(key)),
            Step::ReleaseLate(key) => {
                for own in turn.node.dialogs.release_late(key).unwrap_or_default() {
                    send(turn, &own, b"", steps);
                }
            }
            Step::Note(key, note) => log_note(turn, key, note),
        }
    }
    steps.clear();
}

fn log_note(turn: &Turn<'_>, key: DialogKey, note: Note) {
    let (call_id, did) = (turn.call_id(), key.id);
    match note {
        Note::NoAck => tracing::warn!(%call_id, %did, "answered, but no ACK came in time"),
        Note::LateAnswer => {
            tracing::info!(%call_id, %did, "a 2xx came after the dialog had failed");
        }
        Note::TooManyLegs => {
            tracing::warn!(%call_id, %did, "too many legs: the branch is not tracked");
        }
        Note::TextTooLong => tracing::warn!(%call_id, %did, "texts too long: not taken over"),
        Note::Raced(true) => {
            tracing::warn!(%call_id, %did, "answered although given up: released soon");
        }
        Note::Raced(false) => {
            tracing::warn!(%call_id, %did, "answered although given up: left to its caller");
        }
        Note::ByeFailed(leg, outcome) => {
            tracing::warn!(%call_id, %did, leg, ?outcome, "a leg did not accept our BYE");
        }
        Note::PrackFailed(outcome) => {
            tracing::warn!(%call_id, %did, ?outcome, "our PRACK was not accepted");
        }
        Note::Bogus(state, event) => {
            tracing::debug!(%call_id, %did, ?state, ?event, "unexpected event");
        }
    }
}

fn log_panics(turn: &Turn<'_>, panics: Vec<PanicReport>) {
    for panic in panics {
        tracing::error!(call_id = %turn.call_id(), "a dialog callback panicked: {panic}");
    }
}

/// Takes steps from the worker's stock, lets the engine fill them, and carries them out.
pub fn step(
    turn: &mut Turn<'_>,
    message: Option<&mut dyn EventMessage>,
    fill: impl FnOnce(&mut Turn<'_>, &mut Steps),
) {
    let mut steps = turn.worker.take_steps();
    fill(turn, &mut steps);
    carry_out(turn, &mut steps, message);
    turn.worker.give_back_steps(steps);
}

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
    let under_way = ctx.turn.body.transactions.iter().any(|entry| entry.dialog == Some(link));
    match link.role {
        DialogRole::Within(request) if !under_way => request_over(&mut ctx.turn, &request),
        _ => release(&mut ctx.turn, link.key),
    }
}

/// A reply to the INVITE is about to be forwarded: legs are learnt, RESPONSE_FWDED may change it.
pub fn reply_forwarded(
    turn: &mut Turn<'_>,
    key: DialogKey,
    branch: BranchIndex,
    own_record_routes: u16,
    flow: duologue_sip::Flow,
    message: &Message<'_>,
    edits: &mut Edits,
) {
    let Some(status) = message.status() else { return };
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
    let mut pracked = false;
    step(turn, Some(&mut shown), |turn, steps| {
        let forwarded = turn.node.dialogs.reply_forwarded(key, &facts, steps);
        pracked = forwarded.is_ok_and(|forwarded| forwarded.pracked);
    });
    if pracked {
        make_unreliable(message, edits);
    }
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

/// A reply to a request within the dialog is about to be relayed.
pub fn response_within(
    turn: &mut Turn<'_>,
    request: &Within,
    message: &Message<'_>,
    edits: &mut Edits,
) {
    let Some(status) = message.status() else { return };
    // It travels back to who sent the request, under the number that this one gave it.
    if message.cseq().is_ok_and(|cseq| cseq.number != request.cseq) {
        edits.draft(message).set_cseq(request.cseq);
    }
    let mut shown = Shown::mutable(message, edits);
    let facts = ResponseFacts {
        status: status.code(),
        contact: contact(message),
        reliable: reliable(message).is_some(),
        body: body(message),
    };
    step(turn, Some(&mut shown), |turn, steps| {
        let _ = turn.node.dialogs.response_within(request, &facts, steps);
    });
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
    let Ok(plan) = turn.node.dialogs.begin_end(turn.now, key) else { return };
    match plan {
        EndPlan::Ended => {}
        EndPlan::Cancel => cancel(turn, key),
        EndPlan::Byes(byes) => {
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
fn refuse(turn: &mut Turn<'_>, key: DialogKey, status: u16) {
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
fn send(turn: &mut Turn<'_>, own: &OwnRequest, lines: &[u8], steps: &mut Steps) {
    if !own_requests::send(turn, own, lines) {
        own_outcome(turn, own.link, Outcome::NotSent, None, steps);
    }
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
pub fn own_invite_answered(turn: &mut Turn<'_>, own: OwnLink, reply: &Message<'_>) {
    let Some(cseq) = reply.cseq().ok().filter(|cseq| cseq.method == Method::Invite) else {
        return;
    };
    let ack = turn.node.dialogs.own_invite_answered(own, cseq.number, contact(reply));
    if let Ok(Some(ack)) = ack {
        step(turn, None, |turn, steps| send(turn, &ack, b"", steps));
    }
}

/// The kind of a method as the engine tells them apart.
fn dialog_method(method: Option<Method<'_>>) -> DialogMethod {
    match method {
        Some(Method::Invite) => DialogMethod::Invite,
        Some(Method::Ack) => DialogMethod::Ack,
        Some(Method::Bye) => DialogMethod::Bye,
        Some(Method::Prack) => DialogMethod::Prack,
        Some(Method::Update) => DialogMethod::Update,
        // RFC 3515, RFC 6665: these refresh the remote target too.
        Some(Method::Subscribe | Method::Notify | Method::Refer) => DialogMethod::TargetRefresh,
        _ => DialogMethod::Other,
    }
}

/// The URI of the first Contact, empty if there is none.
fn contact<'m>(message: &Message<'m>) -> &'m [u8] {
    let first = message.contacts().next().and_then(Result::ok);
    first
        .and_then(|contact| contact.address())
        .map(|address| address.uri_bytes())
        .unwrap_or_default()
}

/// RFC 3262 §4: the RSeq of a provisional that wants to be acknowledged.
fn reliable(message: &Message<'_>) -> Option<u32> {
    let provisional = message.status().is_some_and(|status| (101..200).contains(&status.code()));
    let rseq = message.rseq().ok().flatten().filter(|_| provisional)?;
    message.lists(HeaderName::Require, b"100rel").then_some(rseq)
}

/// The body that describes the media, if there is one.
fn body<'m>(message: &Message<'m>) -> Option<BodyFacts<'m>> {
    let bytes = message.body();
    if bytes.is_empty() {
        return None;
    }
    let content_type = message.content_type().unwrap_or_default();
    Some(BodyFacts { content_type, bytes }).filter(BodyFacts::describes_session)
}

/// Header values as they are written.
fn values<'m, E>(
    list: impl Iterator<Item = Result<duologue_sip::NameAddr<'m>, E>>,
) -> SmallVec<[&'m [u8]; 8]> {
    list.filter_map(Result::ok).map(|value| value.as_bytes()).collect()
}
