//! The callback layer: spec dialog.md §3 and the promises about order, locks and panics.

mod support;

use duologue_dialog::*;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use support::World;

/// Makes a closure capture something.
fn captured<T>(_: &T) {}

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

// §3: newest first; a set of events; what is registered meanwhile comes next time
#[test]
fn newest_first() {
    let mut world = World::new();
    let dialog = world.call("call");
    let order = Arc::new(Mutex::new(Vec::new()));
    for name in ["old", "new"] {
        let order = order.clone();
        let more = order.clone();
        let events = DialogEvents::EARLY | DialogEvents::CONFIRMED;
        dialog
            .on(events, move |event| {
                order.lock().unwrap().push(name);
                if name == "new" && matches!(event, Event::Early(_)) {
                    let more = more.clone();
                    let late = move |_: &mut Event<'_>| more.lock().unwrap().push("newest");
                    event.dialog().on(DialogEvents::CONFIRMED, late).unwrap();
                }
            })
            .unwrap();
    }
    world.reply(&dialog, 180, "b");
    assert_eq!(*order.lock().unwrap(), ["new", "old"]);
    order.lock().unwrap().clear();
    world.reply(&dialog, 200, "b");
    assert_eq!(*order.lock().unwrap(), ["newest", "new", "old"]);
}

// §3: refused once ended, the closure is dropped at once; else exactly once, after DESTROY
#[test]
fn closures_are_dropped_exactly_once() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let (kept, refused) = (Arc::default(), Arc::default());
    let guard = CountsDrops(Arc::clone(&kept));
    let in_destroy = Arc::clone(&kept);
    dialog
        .on(DialogEvents::DESTROY, move |event| {
            let _ = &guard;
            assert_eq!(in_destroy.load(Relaxed), 0, "dropped after DESTROY, not before");
            assert_eq!(event.dialog().state(), Ok(State::Deleted), "the handle still reads");
            let table = event.dialog().table();
            assert_eq!(table.by_id(event.dialog().id()), None, "look-ups miss it");
        })
        .unwrap();
    world.dialogs.hold(dialog.key()).unwrap();
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    let guard = CountsDrops(Arc::clone(&refused));
    let too_late = dialog.on(DialogEvents::DESTROY, move |_| captured(&guard));
    assert_eq!((too_late, refused.load(Relaxed)), (Err(Refused::Ended), 1));
    assert_eq!(kept.load(Relaxed), 0);
    world.pass(33);
    assert_eq!(kept.load(Relaxed), 1);
    assert!(!world.seen().iter().any(|line| line.starts_with("panic")));
    let guard = CountsDrops(Arc::clone(&refused));
    assert_eq!(dialog.on(DialogEvents::ENDED, move |_| captured(&guard)), Err(Refused::Gone));
    assert_eq!(refused.load(Relaxed), 2);
}

// A bound with a name
#[test]
fn too_many_callbacks_are_refused() {
    let mut world = World::new();
    let dialog = world.call("call");
    let more = |_: usize| dialog.on(DialogEvents::EARLY, |_| {}).is_ok();
    let taken = (0..CALLBACKS_PER_DIALOG_MAX + 9).map(more).filter(|&ok| ok).count();
    assert_eq!(taken, CALLBACKS_PER_DIALOG_MAX - 1, "the world has one");
}

// Promise 5: a panic is caught, told and counted; the others and the call go on
#[test]
fn a_panic_is_a_value() {
    let mut world = World::new();
    let dialog = world.call("call");
    dialog.on(DialogEvents::CONFIRMED, |_| panic!("of a module")).unwrap();
    world.seen();
    world.reply(&dialog, 200, "b");
    assert_eq!(world.seen()[1..], ["1 -> 3", "CONFIRMED", "panic in CONFIRMED: of a module"]);
    assert_eq!(world.dialogs.statistics().callback_panics, 1);
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(dialog.state(), Err(Gone));
}

// Promise 2: no lock is held: a callback may call anything, on its own and on other dialogs
#[test]
fn a_callback_may_call_anything() {
    let mut world = World::new();
    let other = world.answered("other");
    let dialog = world.answered("call");
    let (peer, now) = (other.clone(), world.now);
    dialog
        .on(DialogEvents::REQ_WITHIN, move |event| {
            let dialog = event.dialog().clone();
            for d in [&dialog, &peer] {
                d.store_value("who", event.direction().unwrap().as_str()).unwrap();
                d.set_timeout(now, 50).unwrap();
                d.snapshot().unwrap();
                d.on(DialogEvents::ENDED, |_| {}).unwrap();
                d.terminate(EndReason::new("test")).unwrap();
            }
            let table = dialog.table();
            table.statistics();
            table.list(Cursor::default(), 9, &mut Vec::new());
            assert!(table.by_callid(b"other", None).is_some());
            event.message().unwrap().append_header("X-Seen", b"yes").unwrap();
        })
        .unwrap();
    world.request(&dialog, DialogMethod::Other, 11, "a", "b");
    assert_eq!(world.seen(), ["REQ_WITHIN downstream 1"]);
    assert_eq!(dialog.state(), Ok(State::Confirmed), "the end is queued, not nested");
    assert!(world.dialogs.take_intent().is_some() && world.dialogs.take_intent().is_some());
    assert_eq!(other.fetch_value("who"), Ok(Some("downstream".into())));
}

// D25: ends carry the final snapshot
#[test]
fn ends_carry_the_last_snapshot() {
    let mut world = World::new();
    let dialog = world.answered("call");
    dialog.store_value("n", 3).unwrap();
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    dialog
        .on(DialogEvents::ENDED, move |event| {
            if let Event::Terminated(end) = event {
                *keep.lock().unwrap() = Some(end.last.clone());
            }
        })
        .unwrap();
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    let last = seen.lock().unwrap().take().unwrap();
    assert_eq!(last.values.get(b"n"), Some(&Value::Int(3)));
    assert_eq!(
        (last.state, last.callee_tag(), last.start_ts),
        (State::Deleted, &b"b"[..], 1_000_000)
    );
}

// §3: LOADED runs inline for every dialog already in memory
#[test]
fn late_loaded_callbacks_see_what_is_there() {
    let mut world = World::new();
    world.call("one");
    world.call("two");
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    world.dialogs.on_loaded(move |_| {
        counter.fetch_add(1, Relaxed);
    });
    assert_eq!(count.load(Relaxed), 2);
}

// §14.2: the journal has every transition, numbered, and is bounded
#[test]
fn the_change_feed() {
    let mut world = World::new();
    let journal = Arc::new(BoundedJournal::new(2));
    assert!(world.dialogs.add_journal(journal.clone()));
    let dialog = world.call("call");
    world.reply(&dialog, 180, "b");
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    let first = journal.take().unwrap();
    assert_eq!((first.old, first.new, first.number), (State::Unconfirmed, State::Early, 1));
    assert_eq!((first.id, &*first.call_id), (dialog.id(), &b"call"[..]));
    assert_eq!((&*first.from_tag, &*first.to_tag), (&b"a"[..], &b"b"[..]));
    assert_eq!(journal.take().map(|c| c.new), Some(State::ConfirmedNa));
    assert_eq!((journal.take(), journal.dropped()), (None, 1));
}

// §10.2: test and set in one step
#[test]
fn user_flags() {
    let mut world = World::new();
    let dialog = world.call("call");
    assert_eq!(dialog.change_user_flags(0b101, 0), Ok(0));
    assert_eq!(dialog.test_and_set_user_flags(0b001, false), Ok(false));
    assert_eq!(dialog.test_and_set_user_flags(0b001, true), Ok(true));
    assert_eq!(dialog.user_flags(), Ok(0b100));
    // D17: resetting marks the dialog as changed
    assert!(dialog.flags().unwrap().contains(DialogFlags::VALUES_CHANGED));
}

// Promise 4: at shutdown every closure is dropped, even one that holds on to the table
#[test]
fn shutdown_drops_everything() {
    let mut world = World::new();
    let dialog = world.answered("call");
    let other = world.answered("ended");
    world.request(&other, DialogMethod::Bye, 1, "b", "a");
    let drops = Arc::default();
    let (guard, handle) = (CountsDrops(Arc::clone(&drops)), dialog.clone());
    dialog.on(DialogEvents::ENDED, move |_| captured(&(&guard, &handle))).unwrap();
    let guard = CountsDrops(Arc::clone(&drops));
    world.dialogs.on_created(move |_| captured(&guard));
    assert_eq!(world.dialogs.shutdown(), 1);
    assert_eq!(drops.load(Relaxed), 2);
    assert_eq!((dialog.state(), world.dialogs.len()), (Err(Gone), 0));
    assert_eq!(
        (world.dialogs.statistics().dialogs_tombstones, world.dialogs.next_wake()),
        (0, None)
    );
    world.dialogs.audit().unwrap();
}

// Promise 2: a closure refused by a dialog that is gone is dropped without a lock
#[test]
fn refused_closures_may_call_back_while_dropped() {
    struct Asks(Dialogs);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.statistics();
        }
    }
    let mut world = World::new();
    let dialog = world.answered("call");
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    let asks = Asks(world.dialogs.clone());
    assert_eq!(dialog.on(DialogEvents::ENDED, move |_| captured(&asks)), Err(Refused::Gone));
}
