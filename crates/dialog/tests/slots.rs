//! What modules keep with a dialog: spec dialog.md §15 (`dlg_ctx_*`) and §10.2 (named flags).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use support::World;

/// Counts its drops, and calls the table while it is dropped: no lock may be held then.
struct Kept(Arc<AtomicUsize>, Dialogs);

impl Drop for Kept {
    fn drop(&mut self) {
        self.1.statistics();
        self.0.fetch_add(1, Relaxed);
    }
}

// §15: typed slots; put, get, take
#[test]
fn slots_are_typed_and_apart() {
    let mut world = World::new();
    let number: DialogSlot<u32> = world.dialogs.register_slot().unwrap();
    let text: DialogSlot<String> = world.dialogs.register_slot().unwrap();
    let (one, two) = (world.call("one"), world.call("two"));
    assert_eq!(number.put(&one, 1), Ok(None));
    assert_eq!(number.put(&one, 2), Ok(Some(Arc::new(1))));
    text.put(&one, "note".to_owned()).unwrap();
    assert_eq!(
        (number.get(&one), text.get(&one)),
        (Ok(Some(Arc::new(2))), Ok(Some(Arc::new("note".into()))))
    );
    assert_eq!((number.get(&two), text.take(&two)), (Ok(None), Ok(None)));
    assert_eq!(text.take(&one), Ok(Some(Arc::new("note".into()))));
    assert_eq!((text.get(&one), number.get(&one)), (Ok(None), Ok(Some(Arc::new(2)))));
    let elsewhere = World::new().call("call");
    assert_eq!(number.get(&elsewhere), Ok(None), "a slot of another table is empty");
}

// §15: a destructor per slot, once, at the end; DESTROY still reads it
#[test]
fn contents_are_dropped_once_after_destroy() {
    let mut world = World::new();
    let slot: DialogSlot<Kept> = world.dialogs.register_slot().unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let kept = || Kept(drops.clone(), world.dialogs.clone());
    let (first, second, third) = (kept(), kept(), kept());
    let dialog = world.answered("call");
    slot.put(&dialog, first).unwrap();
    drop(slot.put(&dialog, second));
    assert_eq!(drops.load(Relaxed), 1, "replaced");
    let seen = drops.clone();
    dialog
        .on(DialogEvents::DESTROY, move |event| {
            assert!(slot.get(event.dialog()).unwrap().is_some());
            assert_eq!(seen.load(Relaxed), 1);
        })
        .unwrap();
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(drops.load(Relaxed), 2);
    assert!(!world.seen().iter().any(|line| line.starts_with("panic")));
    assert!(slot.put(&dialog, third).is_err());
    assert_eq!(drops.load(Relaxed), 3, "refused: dropped at once");
}

// §15: also at shutdown; a holder may keep what it got
#[test]
fn a_holder_outlives_the_dialog() {
    let mut world = World::new();
    let slot: DialogSlot<Kept> = world.dialogs.register_slot().unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let dialog = world.answered("call");
    slot.put(&dialog, Kept(drops.clone(), world.dialogs.clone())).unwrap();
    let held = slot.get(&dialog).unwrap();
    world.dialogs.shutdown();
    assert_eq!((drops.load(Relaxed), slot.get(&dialog).map(|_| ())), (0, Err(Gone)));
    drop(held);
    assert_eq!(drops.load(Relaxed), 1);
}

// A bound with a name
#[test]
fn too_many_slots_are_refused() {
    let world = World::new();
    let more = || world.dialogs.register_slot::<u8>().is_ok();
    assert_eq!((0..SLOTS_MAX + 5).filter(|_| more()).count(), SLOTS_MAX);
}

// §10.2: names are global, numbered in order of appearance, at most 32
#[test]
fn flags_have_names() {
    let mut world = World::new();
    let flag = |name: &str| world.dialogs.user_flag(name);
    let (billed, inbound) = (flag("billed").unwrap(), flag("inbound").unwrap());
    assert_eq!((billed.number(), inbound.number(), flag("billed")), (0, 1, Ok(billed)));
    for bad in ["", "a b", &"x".repeat(USER_FLAG_NAME_MAX + 1)] {
        assert_eq!(flag(bad), Err(UserFlagError::BadName));
    }
    for number in 2..USER_FLAGS_MAX {
        assert_eq!(flag(&format!("f{number}")).unwrap().number() as usize, number);
    }
    assert_eq!(
        (flag("one more"), flag("more")),
        (Err(UserFlagError::BadName), Err(UserFlagError::TooMany))
    );
    assert_eq!(flag("f31").unwrap().mask(), 1 << 31);

    let dialog = world.call("call");
    dialog.change_user_flags(inbound.mask() | billed.mask(), 0).unwrap();
    let names = || world.dialogs.user_flag_names(dialog.user_flags().unwrap());
    assert_eq!(names(), "billed inbound", "separated by one space");
    let assigned = world.dialogs.user_flags_named(" f31  inbound ").unwrap();
    assert_eq!(dialog.change_user_flags(assigned, u32::MAX), Ok(3), "assigning replaces all");
    assert_eq!(names(), "inbound f31");
    assert_eq!(world.dialogs.user_flags_named("nobody"), Err(UserFlagError::Unknown));
}
