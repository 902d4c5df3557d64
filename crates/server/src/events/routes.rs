//! `event_route[NAME]`: subscribed by being there, run one event after the other in a call of its own
//! (spec/script.md §3.1, §16).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use duologue_script::{Program, RouteKind};
use parking_lot::Mutex;

use super::{Bus, EVENT_NAME_MAX, EventSink, NoRoom, Raised};
use crate::node::Node;

/// How many events may wait for one event route.
pub const ROUTE_QUEUE_MAX: usize = 4096;

/// The route that runs when a dialog is answered.
pub(crate) const DIALOG_START: &str = "dialog:start";
/// The route that runs when an answered dialog ends.
pub(crate) const DIALOG_END: &str = "dialog:end";
/// The route that runs when a dialog ends unanswered.
pub(crate) const DIALOG_FAILED: &str = "dialog:failed";

/// Event routes of this prefix belong to the call of a dialog, not to the bus.
const OF_DIALOGS: &str = "dialog:";

/// Whether a name is that of an event of the bus.
pub(crate) fn is_bus_event(name: &str) -> bool {
    !name.starts_with(OF_DIALOGS)
}

/// Whether the event routes of a script can ever run.
///
/// # Errors
/// The first that cannot, for people.
pub(crate) fn check_routes(program: &Program, has_dialogs: bool) -> Result<(), String> {
    let routes = program.routes().filter(|(_, route)| route.kind == RouteKind::Event);
    for (_, route) in routes {
        let name = &*route.name;
        if is_bus_event(name) {
            if name.len() > EVENT_NAME_MAX {
                return Err(format!("event {name}: a name has at most {EVENT_NAME_MAX} bytes"));
            }
        } else if ![DIALOG_START, DIALOG_END, DIALOG_FAILED].contains(&name) {
            return Err(format!(
                "there is no event {name}: a dialog has {DIALOG_START}, {DIALOG_END} and \
                 {DIALOG_FAILED}"
            ));
        } else if !has_dialogs {
            return Err(format!("event_route[{name}] needs loadmodule \"dialog.so\""));
        }
    }
    Ok(())
}

/// An event for a route to run on.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) raised: Arc<Raised>,
    /// Whether another one waits: whoever took this one sees to it.
    pub(crate) more: bool,
}

/// The events that wait for event routes.
#[derive(Default)]
pub(super) struct RouteQueues {
    queues: Mutex<Vec<(u32, Arc<Mutex<RouteQueue>>)>>,
    runner: OnceLock<Runner>,
}

/// Sees to it that the route of this number is run.
type Runner = Box<dyn Fn(u32) + Send + Sync>;

#[derive(Debug, Default)]
struct RouteQueue {
    waiting: VecDeque<Arc<Raised>>,
    /// Somebody is going to take the next one.
    taken_care_of: bool,
}

impl RouteQueues {
    pub(super) fn add(&self, route: u32) {
        let mut queues = self.queues.lock();
        if !queues.iter().any(|(known, _)| *known == route) {
            queues.push((route, Arc::default()));
        }
    }

    pub(super) fn set_runner(&self, runner: Runner) {
        if self.runner.set(runner).is_err() {
            return;
        }
        let queues = self.queues.lock().clone();
        for (route, queue) in queues {
            let waits = {
                let mut queue = queue.lock();
                queue.taken_care_of = !queue.waiting.is_empty();
                queue.taken_care_of
            };
            if waits {
                self.wake(route);
            }
        }
    }

    pub(super) fn next(&self, route: u32) -> Option<Wanted> {
        let queue = self.queue(route)?;
        let mut queue = queue.lock();
        let raised = queue.waiting.pop_front();
        queue.taken_care_of = !queue.waiting.is_empty();
        raised.map(|raised| Wanted { raised, more: queue.taken_care_of })
    }

    fn push(&self, route: u32, raised: &Arc<Raised>) -> Result<(), NoRoom> {
        let queue = self.queue(route).ok_or(NoRoom)?;
        let idle = {
            let mut queue = queue.lock();
            if queue.waiting.len() >= ROUTE_QUEUE_MAX {
                return Err(NoRoom);
            }
            queue.waiting.push_back(Arc::clone(raised));
            // Before the proxy runs, nobody can.
            self.runner.get().is_some() && !std::mem::replace(&mut queue.taken_care_of, true)
        };
        if idle {
            self.wake(route);
        }
        Ok(())
    }

    fn waiting(&self, route: u32) -> usize {
        self.queue(route).map_or(0, |queue| queue.lock().waiting.len())
    }

    fn wake(&self, route: u32) {
        if let Some(runner) = self.runner.get() {
            runner(route);
        }
    }

    fn queue(&self, route: u32) -> Option<Arc<Mutex<RouteQueue>>> {
        let queues = self.queues.lock();
        queues.iter().find(|(known, _)| *known == route).map(|(_, queue)| Arc::clone(queue))
    }
}

/// The subscriber that stands for an event route.
pub(super) struct RouteSink {
    pub(super) bus: Weak<Bus>,
    pub(super) route: u32,
}

impl fmt::Debug for RouteSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RouteSink").field(&self.route).finish()
    }
}

impl EventSink for RouteSink {
    fn take(&self, raised: &Arc<Raised>) -> Result<(), NoRoom> {
        match self.bus.upgrade() {
            Some(bus) => bus.routes.push(self.route, raised),
            None => Err(NoRoom),
        }
    }

    fn waiting(&self) -> usize {
        self.bus.upgrade().map_or(0, |bus| bus.routes.waiting(self.route))
    }
}

/// What the script has to do with events, once all modules have started: the names that it raises and
/// subscribes to are published, its event routes subscribe.
///
/// # Errors
/// What can never work, for people: no module serves a socket that the script subscribes.
pub(crate) fn join_script(node: &Node, program: &Program) -> Result<(), String> {
    let events = &node.events;
    let literals = |name, position| {
        let function = node.catalog.core_function(name);
        let literals = function.map(|it| program.literals(it, position));
        literals.into_iter().flatten().map(String::from_utf8_lossy)
    };
    for name in literals("raise_event", 0) {
        events.publish(&name).map_err(|error| format!("raise_event(\"{name}\"): {error}"))?;
    }
    for socket in literals("subscribe_event", 1) {
        events
            .check_transport(&socket)
            .map_err(|error| format!("subscribe_event(): {socket}: {error}"))?;
    }
    let routes = program.routes().filter(|(_, route)| route.kind == RouteKind::Event);
    for (id, route) in routes.filter(|(_, route)| is_bus_event(&route.name)) {
        events
            .subscribe_route(&route.name, id.number())
            .map_err(|error| format!("event_route[{}]: {error}", route.name))?;
    }
    for name in events.unannounced() {
        tracing::warn!("nobody publishes the event {name}, to which somebody subscribed");
    }
    // Their names alone announce nothing.
    for name in literals("subscribe_event", 0) {
        events.publish(&name).map_err(|error| format!("subscribe_event(\"{name}\"): {error}"))?;
    }
    Ok(())
}
