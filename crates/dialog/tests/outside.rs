//! Callbacks from outside of the call, and the rules of registration: spec dialog.md §3.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "the crate has no threads; its users do")]

mod support;

use duologue_dialog::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use support::World;

type Heard = Arc<Mutex<Vec<String>>>;

/// Writes down what this dialog's callbacks from outside hear.
fn listen(dialog: &Dialog, events: DialogEvents) -> Heard {
    let heard = Heard::default();
    let sink = heard.clone();
    let hear = move |event: &mut Event<'_>| {
        let line = match event {
            Event::Saved(e) => format!("SAVED {:?}", e.kind),
            Event::WriteValues(_) => "WRITE_VP".into(),
            Event::ProcessValues(e) => {
                format!("PROCESS_VARS {:?}", e.name.map(String::from_utf8_lossy))
            }
            Event::MiContext(_) => "MI_CONTEXT".into(),
            _ => return,
        };
        assert!(event.message().is_none() && event.direction().is_none());
        sink.lock().unwrap().push(line);
    };
    dialog.on(events, hear).unwrap();
    heard
}

fn heard(log: &Heard) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

// §3 registration: LOADED and CREATED are global and alone; no mask can name them
#[test]
fn the_global_types_are_in_no_mask() {
    assert_eq!(DialogEvents::from_bits(1), None);
    assert_eq!(DialogEvents::from_bits(2), None);
    assert_eq!(DialogEvents::all().bits(), 0x7FFF & !3);
}

// §3 registration: all other types may be combined in one mask, and each fires only its own
#[test]
fn masks_combine() {
    let mut world = World::new();
    let dialog = world.call("call");
    let both = listen(&dialog, DialogEvents::SAVED | DialogEvents::WRITE_VALUES);
    let one = listen(&dialog, DialogEvents::PROCESS_VALUES);
    let key = dialog.key();
    for kind in [SavedKind::Insert, SavedKind::Update, SavedKind::Delete] {
        assert_eq!(world.dialogs.saved(key, kind), []);
    }
    world.dialogs.write_values(key);
    world.dialogs.process_values(key, None);
    world.dialogs.process_values(key, Some(b"n"));
    assert_eq!(heard(&both), ["SAVED Insert", "SAVED Update", "SAVED Delete", "WRITE_VP"]);
    assert_eq!(heard(&one), ["PROCESS_VARS None", "PROCESS_VARS Some(\"n\")"]);
}

// §3 registration: refused with state 5; those registered before still hear the last SAVED
#[test]
fn ended_dialogs_hear_but_take_no_more() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let log = listen(&dialog, DialogEvents::SAVED);
    world.dialogs.hold(dialog.key()).unwrap();
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(dialog.on(DialogEvents::SAVED, |_| {}), Err(Refused::Ended));
    world.dialogs.saved(dialog.key(), SavedKind::Delete);
    assert_eq!(heard(&log), ["SAVED Delete"]);
    world.pass(33);
    world.dialogs.saved(dialog.key(), SavedKind::Delete);
    assert_eq!(heard(&log), [""; 0], "gone");
}

// §3 registration: the per-dialog list runs newest first, from outside too
#[test]
fn newest_first() {
    let mut world = World::new();
    let dialog = world.call("call");
    let order = Heard::default();
    for name in ["old", "new"] {
        let order = order.clone();
        dialog
            .on(DialogEvents::SAVED | DialogEvents::MI_CONTEXT, move |_| {
                order.lock().unwrap().push(name.into());
            })
            .unwrap();
    }
    world.dialogs.saved(dialog.key(), SavedKind::Insert);
    world.dialogs.mi_context(&dialog.snapshot().unwrap()).unwrap();
    assert_eq!(heard(&order), ["new", "old", "new", "old"]);
}

// §3 WRITE_VP: the handler may store values; whoever writes sees them
#[test]
fn values_stored_in_write_vp_are_written() {
    let mut world = World::new();
    let dialog = world.call("call");
    dialog
        .on(DialogEvents::WRITE_VALUES, |event| {
            event.dialog().store_value("late", 1).unwrap();
        })
        .unwrap();
    world.dialogs.write_values(dialog.key());
    assert_eq!(dialog.snapshot().unwrap().values.get(b"late"), Some(&Value::Int(1)));
}

// §3 MI_CONTEXT: handlers extend what is told of a snapshot; bounded
#[test]
fn contexts_of_listed_dialogs() {
    let mut world = World::new();
    let dialog = world.answered("call");
    dialog
        .on(DialogEvents::MI_CONTEXT, |event| {
            let Event::MiContext(listed) = event else { return };
            assert_eq!(&*listed.snapshot.call_id, b"call");
            listed.context.add("billing", "on").unwrap();
            listed.context.add("legs", listed.snapshot.legs.len() as i32).unwrap();
        })
        .unwrap();
    let snapshot = dialog.snapshot().unwrap();
    let listed = world.dialogs.mi_context(&snapshot).unwrap();
    let items: Vec<_> = listed.items.iter().collect();
    assert_eq!(items, [("billing", &"on".into()), ("legs", &Value::Int(2))]);
    assert!(listed.complete && listed.panics.is_empty());

    dialog
        .on(DialogEvents::MI_CONTEXT, |event| {
            let Event::MiContext(listed) = event else { return };
            let big = vec![0; CONTEXT_BYTES_MAX];
            assert_eq!(listed.context.add("x", big), Err(ContextFull));
            let more = |_: &usize| listed.context.add("n", 1).is_ok();
            assert_eq!((0..100).filter(more).count(), CONTEXT_ITEMS_MAX);
        })
        .unwrap();
    let listed = world.dialogs.mi_context(&snapshot).unwrap();
    assert_eq!(listed.panics.len(), 1, "the older one found it full and unwrapped");
    assert_eq!(world.dialogs.statistics().callback_panics, 1);
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(world.dialogs.mi_context(&snapshot), Err(Gone));
}

// §3 LOADED: once per dialog and registration, inline or when it is loaded, whichever is first
#[test]
fn loaded_is_told_once_per_dialog_and_registration() {
    let mut world = World::new();
    let log = Heard::default();
    let register = |dialogs: &Dialogs, name: &'static str| {
        let log = log.clone();
        dialogs.on_loaded(move |event| {
            let call_id = event.dialog().call_id().unwrap();
            log.lock().unwrap().push(format!("{name} {}", String::from_utf8_lossy(&call_id)));
        });
    };
    register(&world.dialogs, "first");
    let dialog = world.call("one");
    assert_eq!(heard(&log), [""; 0], "a dialog that is created here is not loaded");
    register(&world.dialogs, "second");
    assert_eq!(heard(&log), ["second one"], "inline for what is in memory");
    world.dialogs.loaded(dialog.key());
    assert_eq!(heard(&log), [""; 0], "told already");
    world.request(&dialog, DialogMethod::Other, 1, "a", "b");
    register(&world.dialogs, "third");
    world.call("two");
    assert_eq!(heard(&log), ["third one"]);
}

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

// §3 registration: the destructor runs when the dialog is freed, once; of global ones at shutdown
#[test]
fn closures_are_dropped_once() {
    let mut world = World::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let guard = || CountsDrops(drops.clone());
    let (a, b, c, d) = (guard(), guard(), guard(), guard());
    world.dialogs.on_loaded(move |_| drop_is_captured(&a));
    world.dialogs.on_created(move |_| drop_is_captured(&b));
    let dialog = world.answered("call");
    dialog.on(DialogEvents::MI_CONTEXT, move |_| drop_is_captured(&c)).unwrap();
    dialog.on(DialogEvents::SAVED, move |_| drop_is_captured(&d)).unwrap();
    world.dialogs.mi_context(&dialog.snapshot().unwrap()).unwrap();
    world.dialogs.saved(dialog.key(), SavedKind::Insert);
    assert_eq!(drops.load(Relaxed), 0);
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!((dialog.state(), drops.load(Relaxed)), (Err(Gone), 2));
    world.dialogs.shutdown();
    assert_eq!(drops.load(Relaxed), 4);
    drop(world);
    assert_eq!(drops.load(Relaxed), 4);
}

fn drop_is_captured(_: &CountsDrops) {}

// Promise 2: an event raised within a callback of the same dialog does not block; it is counted
#[test]
fn events_do_not_nest() {
    let mut world = World::new();
    let dialog = world.call("call");
    let nested = Arc::new(AtomicUsize::new(0));
    let count = nested.clone();
    dialog
        .on(DialogEvents::all(), move |event| match event {
            Event::WriteValues(_) | Event::MiContext(_) => {
                count.fetch_add(1, Relaxed);
            }
            Event::Early(e) => {
                let table = e.dialog.table();
                table.write_values(e.dialog.key());
                let listed = table.mi_context(&e.dialog.snapshot().unwrap()).unwrap();
                assert!(!listed.complete, "this callback is busy");
            }
            _ => {}
        })
        .unwrap();
    world.reply(&dialog, 180, "b");
    assert_eq!((nested.load(Relaxed), world.dialogs.statistics().bogus_events), (0, 1));
    assert!(!world.seen().iter().any(|line| line.starts_with("panic")));
    world.dialogs.write_values(dialog.key());
    assert_eq!(nested.load(Relaxed), 1);
}

/// Somebody lists with contexts while calls live and end: no event of a call is lost, although the
/// same callbacks serve both.
#[test]
fn listings_take_no_event_away() {
    const CALLS: usize = 2000;
    let table = Dialogs::new(Settings::default(), 3);
    let (ends, contexts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count_ends, count_contexts) = (ends.clone(), contexts.clone());
    table.on_created(move |event| {
        let (ends, contexts) = (count_ends.clone(), count_contexts.clone());
        let both = DialogEvents::ENDED | DialogEvents::MI_CONTEXT;
        let registered = event.dialog().on(both, move |event| match event {
            Event::MiContext(_) => {
                contexts.fetch_add(1, Relaxed);
            }
            _ => {
                ends.fetch_add(1, Relaxed);
            }
        });
        assert!(registered.is_ok());
    });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) || contexts.load(Relaxed) == 0 {
                let mut listed = Vec::new();
                table.list(Cursor::default(), 64, &mut listed);
                for snapshot in &listed {
                    let _ = table.mi_context(snapshot);
                }
                if stop.load(Relaxed) && listed.is_empty() {
                    break;
                }
            }
        });
        let mut world = World::over(table.clone());
        for number in 0..CALLS {
            let dialog = world.answered(&format!("call-{number}"));
            world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
        }
        stop.store(true, Relaxed);
    });
    assert_eq!(ends.load(Relaxed), CALLS);
    assert!(table.is_empty());
    table.audit().unwrap();
}
