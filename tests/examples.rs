//! The examples do what they say, in virtual time.

mod world;

#[path = "../examples/call_limiter.rs"]
mod call_limiter;
#[path = "../examples/cdr_printer.rs"]
mod cdr_printer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use duologue_testkit::{Agent, CallState, World};
use world::{Proxy, answered, cast, forgotten, plain};

/// The limiter's script, at the world's address.
fn limiter() -> Proxy {
    let script = include_str!("../examples/call_limiter.cfg");
    let here = script.replace("127.0.0.1:5060", "10.0.0.1:5060");
    Proxy::with_modules(&here, &[&call_limiter::MODULE])
}

#[test]
fn nobody_gets_a_third_call() {
    let world = World::seeded(1);
    let (alice, proxy, bob) = world.three_party(limiter());
    let [carol, dave, erin] = ["carol", "dave", "erin"].map(|name| world.agent(name));
    let calls_to = |callee: &Agent| {
        let calls = proxy.borrow().node.dialogs.search_profile("calls_of");
        calls.map_or(0, |calls| calls.size(Some(callee.uri().as_bytes())))
    };
    bob.answers_always();
    erin.answers_always();
    alice.invite(&bob);
    carol.invite(&bob);
    world.settle();
    assert_eq!(calls_to(&bob), 2);
    dave.invite(&bob);
    world.settle();
    assert_eq!((dave.state(), calls_to(&bob)), (CallState::Failed(486), 2));
    dave.invite(&erin);
    world.settle();
    assert_eq!((dave.state(), calls_to(&erin)), (CallState::Talking, 1));
    alice.hangs_up();
    dave.hangs_up();
    world.settle();
    assert_eq!((calls_to(&bob), calls_to(&erin)), (1, 0));
    dave.invite(&bob);
    world.settle();
    assert_eq!(dave.state(), CallState::Talking, "there is room again");
    carol.hangs_up();
    dave.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(calls_to(&bob), 0);
}

#[test]
fn each_call_leaves_a_record() {
    let (world, alice, proxy, bob) = cast(2, &plain());
    let (clock, lines) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (now, sink) = (Arc::clone(&clock), Arc::clone(&lines));
    cdr_printer::print_records(
        &proxy.borrow().node.dialogs,
        move || now.load(Ordering::Relaxed),
        move |line| sink.lock().expect("nobody panics while printing").push(line),
    );
    answered(&world, &alice, &bob);
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None);
    let start = dialog.expect("the call is answered").start_ts().expect("it goes on");
    clock.store(start + 90, Ordering::Relaxed);
    bob.hangs_up();
    world.settle();
    alice.invite(&bob);
    bob.rejects(486);
    forgotten(&world, &proxy);

    let lines = lines.lock().expect("nobody panics while printing");
    let people = format!("{} -> {}", alice.uri(), bob.uri());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].ends_with(&format!("{people} start={start} seconds=90 Upstream BYE")),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].ends_with(&format!("{people} start=0 seconds=0 failed with 486")),
        "{}",
        lines[1]
    );
}
