//! Routes that run without anybody having sent us anything: `startup_route`, `timer_route`
//! and `event_route` (spec/script.md §3.1), each in a call of its own, and the on-answer, on-timeout
//! and on-hangup routes of a dialog (spec/dialog.md §14), in the dialog's, as the event routes of
//! dialogs. They run on a made-up request.

use std::sync::Arc;

use duologue_dialog::DialogKey;
use duologue_script::{RouteId, RouteKind};
use duologue_sip::{Flow, Message, Moment};

use crate::call::Job;
use crate::context::Context;
use crate::effects;
use crate::events::Wanted;
use crate::index::Entered;
use crate::loaded::Loaded;
use crate::node::Node;
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;
use crate::waiting::Finish;
use crate::worker::Worker;

/// The request that these routes find in their hands; it came from nowhere and goes nowhere.
const DUMMY: &[u8] = b"OPTIONS sip:you@duologue.invalid SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKdummy\r\n\
    From: <sip:you@duologue.invalid>;tag=dummy\r\n\
    To: <sip:you@duologue.invalid>\r\n\
    Call-ID: dummy@duologue.invalid\r\n\
    CSeq: 1 OPTIONS\r\n\
    Max-Forwards: 70\r\n\
    Content-Length: 0\r\n\r\n";

/// Runs a route of a dialog, with the dialog current and no AVPs (spec/dialog.md §14).
pub(crate) fn run_of_dialog(turn: &mut Turn<'_>, key: DialogKey, number: u32) {
    if let Some(route) = turn.node.script().program.route_numbered(number) {
        run_with_dialog(turn, key, route, RouteKind::Request);
    }
}

/// Runs a route with a dialog current, as a block of this kind.
pub(crate) fn run_with_dialog(
    turn: &mut Turn<'_>,
    key: DialogKey,
    route: RouteId,
    kind: RouteKind,
) {
    let Ok(message) = Message::parse(DUMMY) else { return };
    let mut ctx = Context::new(turn.reborrow(), &message, nowhere(), kind);
    ctx.dialog = Some(DialogLink { key, role: DialogRole::Reader }.current());
    ctx.run(route);
    effects::finish(ctx);
}

/// Runs an event route on the event that has waited longest for it. The next one gets a turn of its
/// own behind this, so that a flood of events keeps no worker from the rest.
pub(crate) fn run_of_event(turn: &mut Turn<'_>, number: u32) {
    let Some(Wanted { raised, more }) = turn.node.events.next_of_route(number) else { return };
    if more {
        turn.call.queue(Job::EventRoute(number));
    }
    let Some(route) = turn.node.script().program.route_numbered(number) else { return };
    let Ok(message) = Message::parse(DUMMY) else { return };
    let mut ctx = Context::new(turn.reborrow(), &message, nowhere(), RouteKind::Event);
    ctx.run_with_params(route, raised.params());
    effects::finish(ctx);
}

/// The call in which an event route runs.
pub(crate) fn call_id_of_event(number: u32) -> String {
    format!("event_route-{number}@duologue.invalid")
}

/// Ends a function that was launched, and runs the route that hears of it, on a made-up request
/// (spec/script.md §12).
pub(crate) fn run_report(
    turn: &mut Turn<'_>,
    finish: Finish,
    report: Option<RouteId>,
    text: Option<&[u8]>,
) {
    let Ok(message) = Message::parse(DUMMY) else { return };
    let mut ctx = Context::new(turn.reborrow(), &message, nowhere(), RouteKind::Request);
    let code = ctx.conclude(finish, None);
    if let Some(route) = report {
        ctx.run_report(route, code, text);
    }
    effects::finish(ctx);
}

/// Shows a message that we made ourselves to a route, which may look and change nothing
/// (spec/modules.md §1.1, `local_request_route`, `local_reply_route`).
pub(crate) fn show(turn: &mut Turn<'_>, bytes: &[u8], flow: Flow, kind: RouteKind, route: RouteId) {
    let Ok(message) = Message::parse(bytes) else { return };
    let mut ctx = Context::new(turn.reborrow(), &message, flow, kind);
    ctx.run(route);
    effects::finish(ctx);
}

/// Where a made-up request came from.
fn nowhere() -> Flow {
    Flow::datagram(0, ([127, 0, 0, 1], 0).into())
}

/// The timer routes of the script, and when each is due.
#[derive(Debug)]
pub(crate) struct TimerRoutes {
    /// Whose they are.
    script: Arc<Loaded>,
    list: Vec<TimerRoute>,
}

#[derive(Debug)]
struct TimerRoute {
    route: RouteId,
    interval_millis: u64,
    due_millis: u64,
}

impl TimerRoutes {
    /// The timer routes of a node; each runs for the first time after its interval.
    pub(crate) fn of(node: &Node, now: Moment) -> Self {
        let script = node.script.load_full();
        let routes = script.program.routes().filter_map(|(route, info)| {
            let seconds = info.interval_seconds.filter(|_| info.kind == RouteKind::Timer)?;
            let interval_millis = u64::from(seconds.max(1)) * 1000;
            let due_millis = now.tick.as_millis() + interval_millis;
            Some(TimerRoute { route, interval_millis, due_millis })
        });
        let list = routes.collect();
        Self { script, list }
    }

    /// Another script: its timers are due as those of the same name and interval were.
    fn renew(&mut self, node: &Node, now: Moment) {
        let mut new = Self::of(node, now);
        for timer in &mut new.list {
            let same = |old: &&TimerRoute| {
                (old.route, old.interval_millis) == (timer.route, timer.interval_millis)
            };
            timer.due_millis =
                self.list.iter().find(same).map_or(timer.due_millis, |it| it.due_millis);
        }
        *self = new;
    }

    /// Runs those that are due. One that is late is not made up for.
    pub(crate) fn run_due(&mut self, worker: &mut Worker, node: &Node, now: Moment) {
        if !Arc::ptr_eq(&self.script, &node.script()) {
            self.renew(node, now);
        }
        let millis = now.tick.as_millis();
        for timer in self.list.iter_mut().filter(|timer| timer.due_millis <= millis) {
            timer.due_millis = millis + timer.interval_millis;
            worker.run_own(node, now, RouteKind::Timer, timer.route);
        }
    }
}

impl Worker {
    /// Runs the startup route, if the script has one.
    pub(crate) fn run_startup(&mut self, node: &Node, now: Moment) {
        if let Some(route) = node.script().routes.startup {
            self.run_own(node, now, RouteKind::Startup, route);
        }
    }

    fn run_own(&mut self, node: &Node, now: Moment, kind: RouteKind, route: RouteId) {
        let Ok(message) = Message::parse(DUMMY) else { return };
        // Each route has a call of its own, so that a long one keeps no other waiting.
        let name = format!("{}-{route:?}@duologue.invalid", kind.keyword());
        match node.calls.enter(name.as_bytes(), true, || Job::Wake) {
            Entered::Run(call) => self.run(node, &call, now, |turn| {
                let mut ctx = Context::new(turn.reborrow(), &message, nowhere(), kind);
                ctx.run(route);
                effects::finish(ctx);
            }),
            // The run before this one has not ended yet.
            Entered::Queued | Entered::Overflow | Entered::Unknown | Entered::Full => {}
        }
    }
}
