//! Schedules of threads, tried out one by one: what one thread does with a handle while another runs
//! the call (spec dialog.md §3, §7, §9). `cargo xtask test` builds these with `--cfg shuttle`.
//!
//! A failure prints the schedule that led to it; `shuttle::replay` runs that one again.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use duologue_sip::Moment;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use support::World;

/// How many schedules each of the two schedulers tries.
const SCHEDULES: usize = 500;

/// The stack of a thread in bytes: unoptimised code needs more than shuttle's default.
const STACK: usize = 1 << 18;

fn explore(world: fn()) {
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(RandomScheduler::new_from_seed(1, SCHEDULES), config.clone()).run(world);
    Runner::new(PctScheduler::new_from_seed(2, 3, SCHEDULES), config).run(world);
}

/// The BYEs of an ending, where this intent is the one that gets them.
fn byes(table: &Dialogs, now: Moment, intent: Intent) -> Vec<OwnRequest> {
    let mut sent = match table.begin_end(now, intent.key, Byes::Both) {
        Ok(EndPlan::Byes(byes)) => byes,
        Ok(EndPlan::Cancel | EndPlan::Ended) | Err(Gone) => Vec::new(),
    };
    // an answer that nobody acknowledged is acknowledged first
    sent.retain(|own| *own.method == *b"BYE");
    sent
}

/// What of a log are ends, in their order.
fn ends(log: &[String]) -> Vec<&str> {
    let name = |line: &String| {
        ["FAILED", "TERMINATED", "EXPIRED", "DESTROY"]
            .into_iter()
            .find(|name| line.starts_with(name))
    };
    log.iter().filter_map(name).collect()
}

// §7: whoever asks, the dialog is ended once, for the first one's reason
#[test]
fn terminate_from_many_threads_is_heard_once() {
    explore(|| {
        let mut world = World::new();
        let dialog = world.answered("call");
        let posted = Arc::new(Mutex::new(Vec::new()));
        let sink = posted.clone();
        world.dialogs.set_mailbox(move |intent| sink.lock().unwrap().push(intent));
        let threads = [0, 1, 2].map(|who| {
            let dialog = dialog.clone();
            thread::spawn(move || dialog.terminate(EndReason::new(format!("reason {who}"))))
        });
        let heard = threads.map(|thread| thread.join().unwrap().unwrap());
        let first: Vec<_> = (0..3).filter(|&who| heard[who] == Heard::Queued).collect();
        assert_eq!(first.len(), 1, "{heard:?}");
        let intents = std::mem::take(&mut *posted.lock().unwrap());
        assert!(!intents.is_empty());
        let table = world.dialogs.clone();
        let sent: Vec<_> = intents.iter().flat_map(|&it| byes(&table, world.now, it)).collect();
        assert_eq!(sent.len(), 2, "one BYE to each side");
        sent.iter().for_each(|bye| world.settled(bye, Outcome::Reply(200)));
        let told = world.seen();
        assert_eq!(ends(&told), ["TERMINATED", "DESTROY"], "{told:?}");
        assert!(told.contains(&format!("TERMINATED reason {}", first[0])), "{told:?}");
        assert_eq!(dialog.terminate(EndReason::new("late")), Err(TerminateError::NotActive));
    });
}

// §2.4.4, §7: the end was asked for while it rang, and the answer came: BYEs, once
#[test]
fn terminate_crosses_the_answer() {
    explore(|| {
        let mut world = World::new();
        let dialog = world.call("call");
        world.reply(&dialog, 180, "b");
        let asker = {
            let dialog = dialog.clone();
            thread::spawn(move || dialog.terminate(EndReason::new("no")))
        };
        world.reply(&dialog, 200, "b");
        // jobs of the call: what came in while the answer ran
        let mut sent = Vec::new();
        while let Some(intent) = world.dialogs.take_intent() {
            sent.extend(byes(&world.dialogs, world.now, intent));
        }
        assert_eq!(asker.join().unwrap(), Ok(Heard::Queued));
        let late = std::iter::from_fn(|| world.dialogs.take_intent());
        let asked: Vec<_> = late.chain(std::mem::take(&mut world.ends)).collect();
        sent.extend(asked.into_iter().flat_map(|it| byes(&world.dialogs, world.now, it)));
        assert_eq!(sent.len(), 2, "one BYE to each side, however the two crossed");
        sent.iter().for_each(|bye| world.settled(bye, Outcome::Reply(200)));
        assert_eq!(ends(&world.seen()), ["TERMINATED", "DESTROY"]);
    });
}

// §9.2, lessons 7: a link counts while it is there; with the dialog all of them go
#[test]
fn links_leave_with_their_dialog() {
    explore(|| {
        let mut world = World::new();
        let profile = world.dialogs.add_profiles("calls", ProfileKind::Value).unwrap().remove(0);
        let dialog = world.answered("call");
        let threads = [b"a", b"b"].map(|value| {
            let (dialog, profile) = (dialog.clone(), profile.clone());
            thread::spawn(move || {
                let set = dialog.set_profile(&profile, Some(value), LinkOrigin::Own);
                assert!(profile.size(None) <= 4, "two threads with two links each");
                let again = dialog.set_profile(&profile, Some(value), LinkOrigin::Own);
                let _ = dialog.unset_profile(&profile, Some(value));
                (set, again)
            })
        });
        world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
        for thread in threads {
            let (set, again) = thread.join().unwrap();
            assert!(set.is_ok() || again.is_err(), "a dialog that ended does not come back");
        }
        assert_eq!(profile.size(None), 0);
        assert_eq!(world.dialogs.audit(), Ok(()));
        assert_eq!(dialog.is_in_profile(&profile, None), Err(Gone));
    });
}

// §9.2, the `clear` variant: whoever comes second takes the place of the first
#[test]
fn replacing_leaves_one_link() {
    explore(|| {
        let mut world = World::new();
        let profile = world.dialogs.add_profiles("calls", ProfileKind::Value).unwrap().remove(0);
        let dialog = world.answered("call");
        let threads = [b"a", b"b"].map(|value| {
            let (dialog, profile) = (dialog.clone(), profile.clone());
            thread::spawn(move || dialog.replace_profile(&profile, Some(value), LinkOrigin::Own))
        });
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Ok(()));
        }
        assert_eq!(dialog.profiles().unwrap().len(), 1);
        assert_eq!(profile.size(None), 1);
        assert_eq!(world.dialogs.audit(), Ok(()));
    });
}

// §3: registered means told, once; refused means dropped at once; dropped once either way
#[test]
fn a_registered_callback_hears_the_end() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    explore(|| {
        let mut world = World::new();
        let dialog = world.answered("call");
        let (heard, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads = [0, 1].map(|_| {
            let (dialog, heard) = (dialog.clone(), heard.clone());
            let captured = Counted(dropped.clone());
            thread::spawn(move || {
                let callback = move |_: &mut Event<'_>| {
                    let _ = &captured;
                    heard.fetch_add(1, Relaxed);
                };
                dialog.on(DialogEvents::TERMINATED | DialogEvents::DESTROY, callback)
            })
        });
        world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
        let registered = threads.map(|thread| thread.join().unwrap().is_ok());
        let registered = registered.into_iter().filter(|&ok| ok).count();
        assert_eq!(heard.load(Relaxed), 2 * registered);
        assert_eq!(dropped.load(Relaxed), 2);
    });
}

// §4, §13.1: a look-up finds the dialog or nothing; a handle never reads another dialog that took
// over its place
#[test]
fn lookups_cross_the_end_and_the_next_beginning() {
    explore(|| {
        // one shard, so that the second dialog takes over the slot of the first
        let mut world = World::with(Settings { hash_size: 1, ..Settings::default() });
        let dialog = world.answered("first");
        let reader = {
            let (table, dialog) = (world.dialogs.clone(), dialog.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    let found = table.by_callid(b"first", None);
                    assert!(found.is_none_or(|found| found.key() == dialog.key()));
                    let found = table.by_did(dialog.id().did().as_bytes());
                    assert!(found.is_none_or(|found| found.key() == dialog.key()));
                    if let Ok(call_id) = dialog.call_id() {
                        assert_eq!(&*call_id, b"first");
                    }
                    let _ = dialog.store_value("seen", 1);
                }
            })
        };
        let lister = {
            let table = world.dialogs.clone();
            thread::spawn(move || {
                let mut listed = Vec::new();
                let mut cursor = Some(Cursor::default());
                while let Some(at) = cursor {
                    cursor = table.list(at, 1, &mut listed);
                }
                let mut keys: Vec<_> = listed.iter().map(|snapshot| snapshot.key.id).collect();
                keys.sort_unstable();
                keys.dedup();
                assert_eq!(keys.len(), listed.len(), "a dialog was listed twice");
            })
        };
        world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
        let next = world.answered("second");
        reader.join().unwrap();
        lister.join().unwrap();
        assert_eq!(dialog.state(), Err(Gone));
        assert_eq!(next.fetch_value("seen"), Ok(None), "a value went to the wrong dialog");
        assert_eq!(world.dialogs.audit(), Ok(()));
    });
}

// §3, LOADED: once per dialog and registration, whoever comes first
#[test]
fn loaded_is_told_once() {
    explore(|| {
        let mut world = World::new();
        let told = Arc::new(AtomicUsize::new(0));
        let dialog = world.answered("call");
        let registrars = [0, 1].map(|_| {
            let (table, told) = (world.dialogs.clone(), told.clone());
            thread::spawn(move || {
                table.on_loaded(move |_| {
                    told.fetch_add(1, Relaxed);
                });
            })
        });
        assert!(world.dialogs.loaded(dialog.key()).is_empty());
        registrars.into_iter().for_each(|thread| thread.join().unwrap());
        world.dialogs.loaded(dialog.key());
        assert_eq!(told.load(Relaxed), 2);
    });
}

// §2.1: the table goes down while a call ends; every callback is dropped, nothing counts twice
#[test]
fn shutdown_crosses_an_end() {
    explore(|| {
        let mut world = World::new();
        let dialog = world.answered("call");
        let captured = Arc::new(());
        let held = captured.clone();
        let _ = dialog.on(DialogEvents::ENDED, move |_| {
            let _ = &held;
        });
        let stopper = {
            let table = world.dialogs.clone();
            thread::spawn(move || table.shutdown())
        };
        world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
        stopper.join().unwrap();
        world.dialogs.shutdown();
        assert_eq!(Arc::strong_count(&captured), 1, "a callback was kept");
        assert!(world.dialogs.is_empty());
        assert_eq!(world.dialogs.audit(), Ok(()));
    });
}
