//! The front door: a program gets the dialog API before the first call, or hears why it cannot.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use duologue::dialog::{DialogEvents, ProfileKind};
use duologue::server::module::{Module, Task};
use duologue::server::statistics::CAUGHT_PANICS;
use duologue::sip::Tick;
use duologue::{Builder, Overrides, Plan, StartError};
use duologue_testkit::World;
use world::{Proxy, answered, forgotten, plain};

/// A script without dialogs, and without a socket.
const NO_DIALOGS: &str = r#"
    loadmodule "proto_udp.so"
    loadmodule "needy.so"
    route { exit; }
"#;

/// A module that needs dialogs, and defines a profile.
static NEEDY: Module = Module {
    name: "needy",
    start: |host| {
        host.dialogs()?.add_profiles("needed", ProfileKind::NoValue)?;
        Ok(())
    },
    ..Module::EMPTY
};

/// A module that does not start.
static MOODY: Module =
    Module { name: "moody", start: |_| Err("not today".into()), ..Module::EMPTY };

/// A server on a free port.
fn here(script: impl Into<String>) -> Builder {
    Builder::text(script).sockets(["127.0.0.1:0".to_owned()])
}

/// What a server that does not start says.
fn refusal(builder: Builder) -> String {
    builder.start().expect_err("it must not start").to_string()
}

// spec/dialog.md §15: load_dlg_api fails where the module is not loaded.
#[test]
fn without_the_dialog_module_nobody_gets_dialogs() {
    assert_eq!(
        refusal(here(NO_DIALOGS).module(&NEEDY)),
        "module needy: the script does not load module dialog: add loadmodule \"dialog.so\""
    );
    let plain = NO_DIALOGS.replace("loadmodule \"needy.so\"", "");
    assert_eq!(
        refusal(here(&*plain).dialogs(|_| panic!("there are none"))),
        "the script does not load module dialog: add loadmodule \"dialog.so\""
    );
    assert!(here(plain).start().is_ok(), "who asks for none needs none");
}

#[test]
fn modules_start_once_and_only_if_the_script_loads_them() {
    let with_dialogs = NO_DIALOGS.replace(
        "loadmodule \"needy.so\"",
        "loadmodule \"tm.so\" loadmodule \"rr.so\" loadmodule \"dialog.so\" loadmodule \"needy.so\"",
    );
    let server = here(&*with_dialogs).module(&NEEDY).module(&MOODY).start().unwrap();
    assert!(server.node().dialogs.search_profile("needed").is_some());
    let moody = with_dialogs.replace("needy", "moody");
    let refused = here(moody).module(&NEEDY).module(&MOODY).start();
    assert!(matches!(&refused, Err(StartError::Module("moody", why)) if why == "not today"));
    let idle = with_dialogs.replace("loadmodule \"needy.so\"", "");
    let server = here(idle).module(&NEEDY).start().unwrap();
    assert!(server.node().dialogs.search_profile("needed").is_none());
}

#[test]
fn a_script_that_is_only_checked_starts_nothing() {
    let script = plain()
        .replace("loadmodule \"dialog.so\"", "loadmodule \"dialog.so\" loadmodule \"moody.so\"");
    assert!(Builder::text(script).module(&MOODY).plan().is_ok());
}

#[test]
fn what_starts_may_refuse() {
    let refused = here(plain()).on_start(|_| Err("the disk is full".into())).start();
    assert!(
        matches!(&refused, Err(StartError::Refused(why)) if why.to_string() == "the disk is full")
    );
}

// The script's own socket is that of another machine: it cannot be what is listened on.
#[test]
fn sockets_of_the_program_replace_those_of_the_script() {
    let server = here(plain()).start().unwrap();
    let sockets: Vec<_> = server.node().sockets.iter().map(|(_, it)| it.address()).collect();
    assert_eq!(sockets.len(), 1);
    assert!(sockets[0].ip().is_loopback() && sockets[0].port() != 0, "{sockets:?}");
    let script = Builder::text(plain()).sockets([]).plan().unwrap();
    assert_eq!(script.sockets().unwrap().iter().next().unwrap().1.address().port(), 5060);
}

#[test]
fn the_first_call_is_seen() {
    let calls = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let seen = Arc::clone(&calls);
    let plan = Plan::load(world::NAME, &world::Text(&plain()), &[], Overrides::default()).unwrap();
    let plan = plan.on_start(move |host| {
        host.dialogs()?.on_created(move |event| {
            seen[0].fetch_add(1, Relaxed);
            let seen = Arc::clone(&seen);
            let _ = event.dialog().on(DialogEvents::DESTROY, move |_| {
                seen[1].fetch_add(1, Relaxed);
            });
        });
        Ok(())
    });
    let world = World::seeded(1);
    let (alice, proxy, bob) = world.three_party(Proxy::of(plan));
    answered(&world, &alice, &bob);
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!((calls[0].load(Relaxed), calls[1].load(Relaxed)), (1, 1));
}

/// How often the task of [`BUSY`] ran.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// A module that works every ten seconds, four times, and stumbles once.
static BUSY: Module = Module {
    name: "busy",
    tasks: &[Task {
        name: "counting",
        next_due: |_| {
            let runs = RUNS.load(Relaxed) as u64;
            (runs < 4).then(|| Tick::from_millis(1_000 + 10_000 * (runs + 1)))
        },
        run: |_, now| {
            let runs = RUNS.fetch_add(1, Relaxed) as u64 + 1;
            assert_eq!(now.tick, Tick::from_millis(1_000 + 10_000 * runs));
            assert!(runs != 2, "it stumbles");
        },
    }],
    ..Module::EMPTY
};

// Promise 5 of the design: a panic of a module is caught and counted, and the proxy goes on.
#[test]
fn a_module_works_by_itself() {
    let world = World::seeded(1);
    let idle = world.serve(Proxy::with_modules(&plain(), &[&BUSY]));
    world.run_for(Duration::from_secs(25));
    assert_eq!(idle.borrow().node.next_task(), None, "a module that is not loaded does nothing");
    assert_eq!(RUNS.load(Relaxed), 0);

    let script = format!("{}\nloadmodule \"busy.so\"", plain());
    let world = World::seeded(1);
    let proxy = world.serve(Proxy::with_modules(&script, &[&BUSY]));
    world.run_for(Duration::from_secs(25));
    assert_eq!(RUNS.load(Relaxed), 2);
    world.run_for(Duration::from_secs(100));
    assert_eq!(RUNS.load(Relaxed), 4);
    assert_eq!(proxy.borrow().node.statistics.total(CAUGHT_PANICS), 1);
    forgotten(&world, &proxy);
}
