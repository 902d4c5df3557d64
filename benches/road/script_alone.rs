//! The script's own share of a message, measured from within a call by a function that a module of
//! ours adds to the language.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use duologue_script::{Args, Called, RouteId, RouteKinds};
use duologue_server::context::Context;
use duologue_server::module::{Function, Module};

use crate::world::{SCRIPT, World};

/// A proxy whose script only decides.
pub(crate) fn world() -> World {
    let decisions = SCRIPT
        .replace("t_relay()", "is_method(\"INVITE\")")
        .replace("create_dialog();", "")
        .replace("record_route();", "")
        .replace("route {", "loadmodule \"measure.so\"\nroute { measure(); }\nroute[standard] {");
    World::with(&decisions, &[&MEASURE])
}

/// Lets it decide so often about one INVITE; how long that took.
pub(crate) fn run(world: &mut World, count: u64) -> Duration {
    RUNS.store(count, Ordering::Relaxed);
    let (now, invite, from) = world.next_invite();
    world.receive(now, invite.as_bytes(), from);
    Duration::from_nanos(NANOS.load(Ordering::Relaxed))
}

/// How often `measure()` is to run the script.
static RUNS: AtomicU64 = AtomicU64::new(0);
/// How long that took.
static NANOS: AtomicU64 = AtomicU64::new(0);

static MEASURE: Module = Module {
    name: "measure",
    functions: &[Function::new("measure", &[], RouteKinds::REQUEST, measure)],
    configure: |_| Ok(Box::new(())),
    ..Module::EMPTY
};

fn measure(context: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let script = context.turn.node.script();
    let mut routes = script.program.routes();
    let (route, _) = routes.find(|(_, info)| info.name == "standard").unwrap();
    let begun = Instant::now();
    for _ in 0..RUNS.load(Ordering::Relaxed) {
        context.draft.clear();
        decide(context, route);
    }
    NANOS.store(begun.elapsed().as_nanos().try_into().unwrap(), Ordering::Relaxed);
    Called::Value(1)
}

/// A function of its own, so that a profiler can count what happens in it.
#[inline(never)]
fn decide(context: &mut Context<'_>, route: RouteId) {
    black_box(context.run(route));
}
