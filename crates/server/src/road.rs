//! The road: a datagram becomes a message, finds its call, and is handled in the call's turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use duologue_script::RouteKind;
use duologue_sip::{CheckError, Flow, Message, Method, Moment, ParseFault, StatusCode};
use duologue_transaction::Effect;

use crate::call::{Call, JOBS_MAX, Job, Offer};
use crate::context::Context;
use crate::dialogs;
use crate::durable;
use crate::effects;
use crate::incoming;
use crate::index::Entered;
use crate::module::Task;
use crate::new_requests;
use crate::node::Node;
use crate::own_routes;
use crate::parked::{self, After};
use crate::raised::Raised;
use crate::replies::{self, Local};
use crate::stateless;
use crate::statistics::{
    BAD_MESSAGES, CAUGHT_PANICS, Class, DROP_REPLIES, DROP_REQUESTS, ERR_REPLIES, ERR_REQUESTS,
    OVERFLOWED_JOBS, RCV_REPLIES, RCV_REQUESTS, REFUSED_CALLS, SEND_ERRORS, SL_ACKS, TM_REMOVED,
    TM_REPEATED_REPLIES,
};
use crate::tm::DialogRole;
use crate::turn::Turn;
use crate::upstream;
use crate::worker::Worker;

/// Datagrams shorter than this are keep-alives or noise (spec/script.md §17.3).
const DATAGRAM_MIN: usize = 20;

/// What `Retry-After` tells a caller that is refused, in seconds.
const RETRY_AFTER: &[u8] = b"Retry-After: 5\r\n";

/// Whether a worker may keep a message or had better hand its call over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Run it here.
    Calm,
    /// The socket has a backlog: let an idle worker run it, if there is one.
    Backlog,
}

impl Worker {
    /// Handles one datagram. What has to leave waits in the outbox.
    pub fn receive(&mut self, node: &Node, now: Moment, bytes: &[u8], flow: Flow, load: Load) {
        if bytes.len() < DATAGRAM_MIN {
            return;
        }
        let statistics = node.statistics.shard(self.index);
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                if error.fault() != ParseFault::KeepAlive {
                    statistics.bump(BAD_MESSAGES);
                }
                if let Some(status) = error.status() {
                    self.refuse_unparsed(node, now, bytes, flow, status);
                }
                return;
            }
        };
        let Ok(via) = message.top_via() else {
            statistics.bump(if message.is_request() { ERR_REQUESTS } else { ERR_REPLIES });
            return;
        };
        // RFC 3261 §18.1.2: a reply whose top Via is not ours was not meant for us.
        if node.check_via
            && !message.is_request()
            && !node.sockets.is_me(via.host(), via.port(), None)
        {
            statistics.bump(DROP_REPLIES);
            return;
        }
        statistics.bump(if message.is_request() { RCV_REQUESTS } else { RCV_REPLIES });
        if let Err(error) = message.check() {
            statistics.bump(BAD_MESSAGES);
            if message.is_request() {
                self.refuse_malformed(node, now, &message, flow, error);
            }
            return;
        }
        let Ok(call_id) = message.call_id() else { return };
        if message.is_request() && self.refused(node, now, &message, flow) {
            return;
        }
        let enter =
            |make| node.calls.enter(call_id, make, || Job::Datagram { bytes: bytes.into(), flow });
        let entered = match enter(message.is_request()) {
            Entered::Unknown if stateless::forwards(node, &message) => enter(true),
            entered => entered,
        };
        match entered {
            Entered::Run(call) if load == Load::Backlog && node.queue.has_idle_worker() => {
                // What this call sent in the batch so far must leave before its next message does.
                self.flush(node);
                call.queue(Job::Datagram { bytes: bytes.into(), flow });
                node.queue.push(call);
            }
            Entered::Run(call) => {
                self.run(node, &call, now, |turn| handle(turn, &message, flow));
            }
            Entered::Queued => {}
            Entered::Overflow => statistics.bump(OVERFLOWED_JOBS),
            Entered::Unknown => statistics.bump(DROP_REPLIES),
            Entered::Full => {
                statistics.bump(REFUSED_CALLS);
                if matches!(message.method(), Some(Method::Invite)) {
                    let busy = StatusCode::SERVICE_UNAVAILABLE;
                    self.reply_stateless(node, now, &message, flow, busy, b"Overloaded");
                }
            }
        }
    }

    /// Handles the jobs of a call that was handed over with its token.
    pub fn run_queued(&mut self, node: &Node, call: &Arc<Call>, now: Moment) {
        self.run(node, call, now, |_| {});
    }

    /// A helper's life: runs the calls that others hand over and sends what they say, until the queue
    /// has stopped and is empty. It blocks while there is nothing to do.
    pub fn help(&mut self, node: &Node, now: impl Fn() -> Moment) {
        while let Some(call) = node.queue.pop() {
            self.run_queued(node, &call, now());
            while let Some(call) = node.queue.try_pop() {
                self.run_queued(node, &call, now());
                if self.outbox.is_full() {
                    break;
                }
            }
            self.flush(node);
        }
    }

    /// Handles the jobs of all calls that wait in the queue right now.
    pub fn run_waiting(&mut self, node: &Node, now: Moment) {
        while let Some(call) = node.queue.try_pop() {
            self.run_queued(node, &call, now);
        }
    }

    /// Wakes the calls and dialogs whose time has come.
    pub fn wake(&mut self, node: &Node, now: Moment) {
        node.events.tell_time(now);
        let mut calls = std::mem::take(&mut self.due_calls);
        node.calls.expire(now.tick, &mut calls);
        for call in calls.drain(..) {
            match call.offer_own(|| Job::Wake) {
                Offer::Run => self.run(node, &call, now, |turn| {
                    turn.body.timer_fired();
                    wake(turn);
                }),
                Offer::Queued(_) | Offer::Overflow | Offer::Closed => {}
            }
        }
        self.due_calls = calls;
        let mut dialogs = std::mem::take(&mut self.due_dialogs);
        node.dialogs.wake(now.tick, &mut dialogs);
        for due in dialogs.drain(..) {
            self.on_dialog(
                node,
                now,
                due.key,
                |turn| dialogs::deadline(turn, due.key),
                || Job::DialogDeadline(due.key),
            );
            if self.outbox.is_full() {
                self.flush(node);
            }
        }
        self.due_dialogs = dialogs;
        self.run_tasks(node, now);
    }

    /// Runs the modules' tasks that are due (promise 5: a panic in a module is caught, logged with
    /// its name and counted).
    fn run_tasks(&self, node: &Node, now: Moment) {
        let due = |task: &&Task| (task.next_due)(node).is_some_and(|due| due <= now.tick);
        for task in node.tasks.iter().filter(due) {
            if catch_unwind(AssertUnwindSafe(|| (task.run)(node, now))).is_err() {
                node.statistics.shard(self.index).bump(CAUGHT_PANICS);
                tracing::error!("the task {} of a module panicked", task.name);
            }
        }
    }

    /// Does something on the call of a dialog, in the call's turn.
    fn on_dialog(
        &mut self,
        node: &Node,
        now: Moment,
        key: duologue_dialog::DialogKey,
        act: impl FnOnce(&mut Turn<'_>),
        job: impl Fn() -> Job,
    ) {
        let Ok(call_id) = node.dialogs.handle(key).call_id() else { return };
        match node.calls.enter(&call_id, true, job) {
            Entered::Run(call) => self.run(node, &call, now, act),
            Entered::Queued | Entered::Unknown => {}
            // The engine tells a lost deadline again a second later.
            Entered::Overflow | Entered::Full => {
                node.statistics.shard(self.index).bump(OVERFLOWED_JOBS);
            }
        }
    }

    /// Runs a call whose token we hold: first `act`, then the queued jobs, until none is left.
    pub(crate) fn run(
        &mut self,
        node: &Node,
        call: &Arc<Call>,
        now: Moment,
        act: impl FnOnce(&mut Turn<'_>),
    ) {
        let mut body = call.body();
        let mut turn = Turn { node, worker: self, call, body: &mut body, now };
        guarded(&mut turn, act);
        let mut left = JOBS_MAX;
        // A call with queued jobs is shared with other workers, and the next of them may send at
        // once: what we rendered must leave before the token does, or a 200 overtakes its 180.
        let mut shared = false;
        loop {
            while let Some(job) = call.next_job() {
                shared = true;
                guarded(&mut turn, |turn| run_job(turn, job));
                left = left.saturating_sub(1);
                if left == 0 {
                    // A call that is flooded must not keep this worker from its other calls and
                    // from sending: the token waits its turn with a helper.
                    effects::sweep(&mut turn);
                    turn.worker.flush(node);
                    drop(body);
                    return node.queue.push(Arc::clone(call));
                }
            }
            effects::sweep(&mut turn);
            if shared {
                turn.worker.flush(node);
            }
            if turn.body.is_empty() {
                match call.close() {
                    Some(job) => guarded(&mut turn, |turn| run_job(turn, job)),
                    None => return node.calls.remove(call, turn.body),
                }
            } else {
                if let Some(at) = turn.body.next_wake() {
                    node.calls.arm(call, &mut turn.body.timer, at);
                }
                match call.release() {
                    Some(job) => guarded(&mut turn, |turn| run_job(turn, job)),
                    None => return,
                }
            }
        }
    }

    /// What must not reach the script: ACKs to our stateless replies; new calls while the proxy goes
    /// down or has fallen behind.
    fn refused(&mut self, node: &Node, now: Moment, message: &Message<'_>, flow: Flow) -> bool {
        let statistics = node.statistics.shard(self.index);
        match message.method() {
            Some(Method::Ack) if node.expects_stateless_ack(now) => {
                let ours = replies::is_local_tag(node, message);
                let known =
                    message.call_id().is_ok_and(|call_id| node.calls.find(call_id).is_some());
                if ours && !known {
                    statistics.bump(SL_ACKS);
                }
                ours && !known
            }
            Some(Method::Invite) if node.is_draining() || node.is_overloaded() => {
                let sequential = message.to().is_ok_and(|to| to.tag().is_some());
                let known =
                    message.call_id().is_ok_and(|call_id| node.calls.find(call_id).is_some());
                if sequential || known {
                    return false;
                }
                statistics.bump(DROP_REQUESTS);
                let busy = StatusCode::SERVICE_UNAVAILABLE;
                let reason: &[u8] =
                    if node.is_draining() { b"Shutting Down" } else { b"Overloaded" };
                self.reply_stateless(node, now, message, flow, busy, reason);
                true
            }
            _ => false,
        }
    }

    /// A request that reads as SIP but breaks a rule of it: the error route decides, or it is
    /// answered (RFC 3261 §16.3 step 1, spec/script.md §3.4).
    fn refuse_malformed(
        &mut self,
        node: &Node,
        now: Moment,
        message: &Message<'_>,
        flow: Flow,
        error: CheckError,
    ) {
        let (status, info) = (error.status(), error.to_string());
        let Some(route) = node.script().routes.error else {
            return self.reply_stateless(node, now, message, flow, status, info.as_bytes());
        };
        let call_id = message.call_id().unwrap_or(b"malformed@duologue.invalid");
        // Somebody runs the call already: a malformed message is not worth waiting for.
        let Entered::Run(call) = node.calls.enter(call_id, true, || Job::Wake) else { return };
        self.run(node, &call, now, |turn| {
            let mut ctx = Context::new(turn.reborrow(), message, flow, RouteKind::Error);
            ctx.draft.raised = Some(Raised::parse(status, info));
            ctx.run(route);
            dialogs::run_ended(&mut ctx);
            effects::finish(ctx);
        });
    }

    fn refuse_unparsed(
        &mut self,
        node: &Node,
        now: Moment,
        bytes: &[u8],
        flow: Flow,
        status: StatusCode,
    ) {
        let Some(message) = Message::salvage(bytes) else { return };
        let readable = message.top_via().is_ok()
            && message.from().is_ok()
            && message.to().is_ok()
            && message.call_id().is_ok()
            && message.cseq().is_ok();
        if readable {
            self.reply_stateless(node, now, &message, flow, status, status.reason().as_bytes());
        }
    }

    fn reply_stateless(
        &mut self,
        node: &Node,
        now: Moment,
        message: &Message<'_>,
        flow: Flow,
        status: StatusCode,
        reason: &[u8],
    ) {
        if matches!(message.method(), None | Some(Method::Ack)) {
            return;
        }
        let Some(back) = upstream::reply_flow(message, flow, false) else { return };
        let local = Local { status: status.code(), reason, body: None };
        let tag = replies::local_tag(node, message);
        let busy = status == StatusCode::SERVICE_UNAVAILABLE;
        let lines: &[u8] = if busy { RETRY_AFTER } else { b"" };
        self.outbox.push(back, None, |out| {
            replies::write(message, flow, &local, &tag, lines, out);
        });
        // RFC 3261 §8.2.7: its ACK ends here and is nothing for the script.
        if matches!(message.method(), Some(Method::Invite)) {
            node.expect_stateless_ack(now);
        }
    }

    /// Sends what waits. Branches whose request could not leave fail in their call's next turn.
    /// Without transports (a node driven by hand) it stays in the outbox.
    pub fn flush(&mut self, node: &Node) {
        let Some(transports) = &self.transports else { return };
        let statistics = node.statistics.shard(self.index);
        self.outbox.flush(transports, |failed| {
            statistics.bump(SEND_ERRORS);
            let Some(tag) = failed.tag else { return };
            let job = Job::SendFailed { transaction: tag.transaction, branch: tag.branch };
            if let Offer::Run = tag.call.post(job) {
                node.queue.push(tag.call);
            }
        });
    }
}

/// The last net: a panic that no narrower one caught costs the call its transactions, not the
/// worker its thread. Dialogs stay; their requests are matched as after a restart.
fn guarded(turn: &mut Turn<'_>, act: impl FnOnce(&mut Turn<'_>)) {
    if catch_unwind(AssertUnwindSafe(|| act(turn))).is_ok() {
        return;
    }
    turn.count(CAUGHT_PANICS);
    tracing::error!(call_id = %turn.call_id(), "a panic: the call's transactions are dropped");
    turn.body.held.abandon();
    for entry in turn.body.transactions.abandon() {
        turn.count(TM_REMOVED);
        let Some(link) = entry.dialog else { continue };
        // What the engine is told here may panic again; then only its own clock ends the dialog.
        let closed = entry.transaction.is_closed();
        let told = catch_unwind(AssertUnwindSafe(|| match link.role {
            DialogRole::Own(own) if !closed => dialogs::own_request_lost(turn, own),
            _ => effects::transaction_gone(turn, link),
        }));
        if told.is_err() {
            turn.count(CAUGHT_PANICS);
        }
    }
    parked::abandon(turn);
}

fn run_job(turn: &mut Turn<'_>, job: Job) {
    match job {
        Job::Datagram { bytes, flow } => {
            // It parsed before it was queued.
            if let Ok(message) = Message::parse(&bytes) {
                handle(turn, &message, flow);
            }
        }
        Job::Wake => {
            turn.body.timer_fired();
            wake(turn);
        }
        Job::DialogDeadline(key) => dialogs::deadline(turn, key),
        Job::EndDialog(key, ending) => dialogs::end_requested(turn, key, &ending),
        Job::SendWithin(key) => dialogs::send_asked(turn, key),
        Job::WriteValues(key) => dialogs::write_values(turn, key),
        Job::Saved(key, kind) => dialogs::saved(turn, key, kind),
        Job::Committed(key) => durable::committed(turn, key),
        Job::EventRoute(route) => own_routes::run_of_event(turn, route),
        Job::NewRequest(request) => new_requests::send_here(turn, &request),
        Job::CancelOwn(cseq, done) => new_requests::cancel_here(turn, cseq, &done),
        Job::Reply(to) => {
            let answered = upstream::reply_to(turn, &to);
            if let Some(done) = &to.done {
                let _ = done.send(answered);
            }
        }
        Job::Resume { run, finish } => parked::resume(turn, run, finish),
        Job::SendFailed { transaction, branch } => {
            crate::relay::with_transaction(turn, transaction, |it, now, fx| {
                it.transport_failed(now, branch, fx);
            });
        }
    }
}

fn handle(turn: &mut Turn<'_>, message: &Message<'_>, flow: Flow) {
    let begun = turn.node.times_messages.then(Instant::now);
    match &turn.node.slow_messages {
        None => request_or_reply(turn, message, flow),
        Some(slow) => slow.watch(turn, |turn| request_or_reply(turn, message, flow)),
    }
    if let Some(begun) = begun {
        turn.statistics().handling.add(Class::of(message.method()), begun.elapsed());
    }
}

fn request_or_reply(turn: &mut Turn<'_>, message: &Message<'_>, flow: Flow) {
    turn.worker.messages = turn.worker.messages.wrapping_add(1);
    if message.is_request() {
        request(turn, message, flow);
    } else {
        incoming::reply(turn, message, flow);
    }
}

/// A request goes to the script, which decides.
fn request(turn: &mut Turn<'_>, message: &Message<'_>, flow: Flow) {
    let Some(route) = turn.node.script().routes.request else { return };
    let ctx = Context::new(turn.reborrow(), message, flow, RouteKind::Request);
    parked::run(ctx, route, After::Request);
}

/// The script of a request has come to its end, perhaps after waiting.
pub(crate) fn request_ended(mut ctx: Context<'_>) {
    dialogs::run_ended(&mut ctx);
    crate::relay::store_flags(&mut ctx);
    effects::finish(ctx);
}

/// The call's deadline has come: every due transaction takes its step, and runs that waited for
/// their time go on.
fn wake(turn: &mut Turn<'_>) {
    let mut fx = turn.worker.take_effects();
    for id in turn.body.transactions.due(turn.now.tick) {
        if let Some(entry) = turn.body.transactions.get_mut(id) {
            entry.transaction.wake(turn.now.tick, &mut fx);
        }
        if fx.as_slice().contains(&Effect::SendReply) {
            turn.count(TM_REPEATED_REPLIES);
        }
        effects::carry_out(turn, id, &mut fx, None);
    }
    turn.worker.give_back_effects(fx);
    durable::wake(turn);
    parked::wake(turn);
}
