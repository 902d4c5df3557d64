//! The examples do what they say, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

#[path = "../examples/call_limiter.rs"]
mod call_limiter;
#[path = "../examples/cdr_printer.rs"]
mod cdr_printer;
#[path = "../examples/dialog_callbacks.rs"]
mod dialog_callbacks;
#[path = "../examples/watchdog.rs"]
mod watchdog;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// Where an example writes its lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn sink(&self) -> impl Fn(String) + Send + Sync + 'static {
        let lines = self.clone();
        move |line| lines.0.lock().unwrap().push(line)
    }

    /// What was written since the last look.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

// spec/dialog.md §7, §8: values live with the call; an end that a callback asks for queues behind
// the request that is being told.
#[test]
fn options_from_the_callee_end_the_call() {
    let (world, alice, proxy, bob) = cast(3, &plain());
    let lines = Lines::default();
    let dialogs = proxy.borrow().node.dialogs.clone();
    dialog_callbacks::tell(&dialogs, || 1_764_065_000, lines.sink());
    answered(&world, &alice, &bob);
    let id = dialogs.by_callid(alice.call_id().as_bytes(), None).unwrap().id();
    let told =
        [format!("{id} CREATED at 1764065000"), format!("{id} CONFIRMED created_at=1764065000")];
    assert_eq!(lines.take(), told);

    alice.requests("OPTIONS");
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(200));
    assert_eq!(lines.take(), [""; 0], "the caller may ask what it likes");

    bob.requests("OPTIONS");
    world.settle();
    assert_eq!(bob.status_of("OPTIONS"), Some(200), "it was relayed and answered");
    let received = alice.received("");
    let requests: Vec<_> = received.iter().filter_map(|got| got.message.method()).collect();
    assert_eq!(requests, ["OPTIONS", "BYE"], "the BYE is behind the OPTIONS");
    assert_eq!((alice.count("BYE"), bob.count("BYE")), (1, 1));
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    let told = [
        format!("{id} OPTIONS from the callee"),
        format!("{id} TERMINATED The callee asked for options"),
    ];
    assert_eq!(lines.take(), told);
    forgotten(&world, &proxy);
}

#[test]
fn the_watchdog_ends_what_was_answered_too_long_ago() {
    let (world, alice, proxy, bob) = cast(4, &plain());
    let (clock, lines) = (Arc::new(AtomicU64::new(0)), Lines::default());
    let (dog, now) = (Arc::new(watchdog::Watchdog::default()), Arc::clone(&clock));
    let dialogs = proxy.borrow().node.dialogs.clone();
    let seconds = Duration::from_secs;
    dog.clone().watch(&dialogs, move || seconds(now.load(Ordering::Relaxed)), lines.sink());
    let carol = world.agent("carol");
    bob.answers_always();
    alice.invite(&bob);
    world.settle();
    clock.store(10, Ordering::Relaxed);
    carol.invite(&bob);
    world.settle();
    let id = dialogs.by_callid(alice.call_id().as_bytes(), None).unwrap().id();

    dog.end_answered(seconds(9));
    world.settle();
    assert_eq!((alice.state(), alice.count("BYE")), (CallState::Ended, 1));
    assert_eq!((carol.state(), bob.count("BYE")), (CallState::Talking, 1));
    assert_eq!(lines.take(), [format!("{id} ended: Watchdog")]);

    // At the very second it is due, but its caller was faster.
    carol.hangs_up();
    world.settle();
    dog.end_answered(seconds(10));
    world.settle();
    assert_eq!(carol.count("BYE"), 0);
    assert!(lines.take()[0].ends_with(" ended: Downstream BYE"));
    forgotten(&world, &proxy);
}

#[test]
fn each_call_leaves_a_record() {
    let (world, alice, proxy, bob) = cast(2, &plain());
    let (clock, lines) = (Arc::new(AtomicU64::new(0)), Lines::default());
    let (dialogs, now) = (proxy.borrow().node.dialogs.clone(), Arc::clone(&clock));
    cdr_printer::print_records(&dialogs, move || now.load(Ordering::Relaxed), lines.sink());
    answered(&world, &alice, &bob);
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None);
    let start = dialog.expect("the call is answered").start_ts().expect("it goes on");
    clock.store(start + 90, Ordering::Relaxed);
    bob.hangs_up();
    world.settle();
    alice.invite(&bob);
    bob.rejects(486);
    forgotten(&world, &proxy);

    let lines = lines.take();
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

// Readers find every example, its scenarios and the commands in one table.
#[test]
fn the_table_of_examples_is_complete() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let table = std::fs::read_to_string(root.join("examples/README.md")).unwrap();
    for name in files("examples").iter().filter_map(|file| file.strip_suffix(".rs")) {
        assert!(table.contains(&format!("[`{name}`]({name}.rs)")), "{name} has no row");
        let command = format!("cargo run --example {name}");
        let header = std::fs::read_to_string(root.join(format!("examples/{name}.rs"))).unwrap();
        let header: Vec<&str> = header.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(table.contains(&command), "the command of {name} is missing");
        assert!(header.iter().any(|line| line.contains(&command)), "{name} does not say how");
        for sipp in header.iter().filter_map(|line| line.strip_prefix("//! sipp ")) {
            assert!(table.contains(&format!("sipp {sipp}")), "not in the table: sipp {sipp}");
        }
    }
    for scenario in files("examples/sipp") {
        assert!(table.contains(&format!("examples/sipp/{scenario}")), "{scenario} is not used");
    }
}
