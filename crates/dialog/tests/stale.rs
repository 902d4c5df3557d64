//! What a store is told of changes (spec dialog.md §11.2, decisions D1, D10, D18, D21).
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::World;

/// A world whose changes are followed, and how often the follower was woken.
fn followed() -> (World, Arc<AtomicUsize>) {
    let world = World::over(Dialogs::new(Settings::default(), 7));
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    assert!(world.dialogs.follow(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(!world.dialogs.follow(|| ()), "there is one follower");
    (world, woken)
}

/// Everything that is stale, Asks answered.
fn taken(world: &World) -> Vec<Stale> {
    let mut all = Vec::new();
    for part in 0..STALE_PARTS {
        while world.dialogs.take_stale(world.now, part, 2, &mut all) {}
    }
    let answered = |stale| match stale {
        Stale::Asks { key } => {
            world.dialogs.write_values(key);
            world.dialogs.take_one_stale(world.now, key)
        }
        stale => Some(stale),
    };
    all.into_iter().filter_map(answered).collect()
}

fn words(world: &World) -> Vec<String> {
    let word = |stale: &Stale| match stale {
        Stale::Changed { stored, first: true, .. } => format!("insert {}", stored.state.number()),
        Stale::Changed { stored, .. } => format!("update {}", stored.state.number()),
        Stale::Ended { .. } => "delete".to_owned(),
        other => format!("{other:?}"),
    };
    taken(world).iter().map(word).collect()
}

/// Something that is done to a dialog.
type Change<'a> = &'a dyn Fn(&Dialog);

/// Nobody listens to this one.
fn silent(world: &mut World, call_id: &str) -> Dialog {
    let mut steps = Steps::new();
    world
        .dialogs
        .create(world.now, &support::invite(call_id, "a"), DialogFlags::empty(), &mut steps)
        .unwrap()
}

// §11.2: inserted from state 3 on, updated by what happens, removed at the end; one wake-up for all
// that happens in between
#[test]
fn rows_follow_the_call() {
    let (mut world, woken) = followed();
    let dialog = silent(&mut world, "call");
    world.branch(&dialog, 1);
    world.reply(&dialog, 180, "b");
    dialog.store_value("a", "early").unwrap();
    assert!(words(&world).is_empty(), "only what was answered is stored");
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert_eq!(words(&world), ["insert 4"], "the newest state wins");
    assert!(words(&world).is_empty());
    let changes: [(&str, Change<'_>); 8] = [
        ("a value", &|it| it.store_value("b", 7).unwrap()),
        ("its removal", &|it| assert!(it.remove_value("b").unwrap())),
        ("a script flag", &|it| assert!(it.change_user_flags(1, 0).is_ok())),
        ("a module flag", &|it| it.set_module_flags(ModuleFlags::SESSION_TIMER).unwrap()),
        ("the lifetime, D10", &|it| it.set_timeout(duologue_sip::Moment::default(), 60).unwrap()),
        ("the delay", &|it| it.set_delete_delay(0).unwrap()),
        ("a ping interval", &|it| {
            it.set_ping_interval(duologue_sip::Moment::default(), PingKind::Options, 9).unwrap();
        }),
        ("numbers", &|it| it.increase_cseq(None, 1).unwrap()),
    ];
    for (what, change) in changes {
        change(&dialog);
        assert_eq!(words(&world), ["update 4"], "{what}");
    }
    world.request(&dialog, DialogMethod::Other, 11, "a", "b");
    assert_eq!(words(&world), ["update 4"]);
    let _ = dialog.snapshot();
    assert!(words(&world).is_empty(), "looking changes nothing");
    world.request(&dialog, DialogMethod::Bye, 12, "a", "b");
    assert_eq!(dialog.state(), Err(Gone));
    assert_eq!(words(&world), ["delete"], "though it is gone");
    assert!(words(&world).is_empty());
}

// §11.2: a call that is over before anybody looked never gets a row
#[test]
fn a_short_call_is_never_stored() {
    let (mut world, _) = followed();
    let dialog = silent(&mut world, "call");
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    assert!(words(&world).is_empty());
}

// §1.3, D1: transient bits do not reach a row; what it says is what the dialog is
#[test]
fn a_row_has_no_transient_bits() {
    let (mut world, _) = followed();
    let dialog = silent(&mut world, "call");
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    let [Stale::Changed { stored, .. }] = &taken(&world)[..] else { panic!("one row") };
    assert!(!stored.flags.intersects(DialogFlags::TRANSIENT));
    assert_eq!(**stored, dialog.stored(world.now).unwrap());
}

// §3: WRITE_VP stores its values before the row is taken, SAVED is told of each, and a dialog stays
// until the removal of its row was told
#[test]
fn callbacks_have_their_say() {
    let (mut world, _) = followed();
    let dialog = silent(&mut world, "call");
    dialog
        .on(DialogEvents::WRITE_VALUES | DialogEvents::SAVED, |event| {
            if let Event::WriteValues(event) = event {
                event.dialog.store_value("written", 1).unwrap();
            }
        })
        .unwrap();
    world.branch(&dialog, 1);
    world.reply(&dialog, 200, "b");
    let [Stale::Changed { stored, tells: true, .. }] = &taken(&world)[..] else { panic!() };
    assert_eq!(stored.values.get(b"written"), Some(&Value::Int(1)));
    world.request(&dialog, DialogMethod::Bye, 11, "a", "b");
    assert_eq!(dialog.state(), Ok(State::Deleted), "it waits for its row");
    let [stale @ Stale::Ended { tells: Some(key), .. }] = &taken(&world)[..] else { panic!() };
    assert_eq!(stale.saved_kind(), Some(SavedKind::Delete));
    world.dialogs.saved(*key, SavedKind::Delete);
    let mut steps = Steps::new();
    world.dialogs.release(world.now, *key, &mut steps).unwrap();
    for step in steps.drain() {
        let Step::Fire(firing) = step else { continue };
        world.dialogs.fire(&firing, None);
    }
    assert_eq!(dialog.state(), Err(Gone));
    assert!(taken(&world).is_empty());
}

// the follower may come late, and a restored dialog is as it is stored
#[test]
fn only_what_differs_is_taken() {
    let mut world = World::over(Dialogs::new(Settings::default(), 7));
    let dialog = world.answered("call");
    let stored = dialog.stored(world.now).unwrap();
    world.dialogs.follow(|| ());
    assert_eq!(words(&world), ["insert 4"], "it was there before");
    let (other, woken) = followed();
    let again = other.dialogs.restore(world.now, 77, &stored).unwrap();
    assert_eq!(woken.load(Ordering::Relaxed), 0);
    assert!(words(&other).is_empty());
    again.store_value("a", 1).unwrap();
    assert_eq!(words(&other), ["update 4"]);
}

// bounded memory: a store that is away for long learns that it has to compare
#[test]
fn ends_that_nobody_takes_are_bounded() {
    let mut before = World::new();
    let dialog = before.answered("call");
    let stored = dialog.stored(before.now).unwrap();
    let (mut world, _) = followed();
    world.now.unix = stored.timeout_ts + 1;
    let of_one_part =
        (0u32..).map(|number| (number, format!("call-{number}"))).filter(|(_, id)| {
            entry_of(id.as_bytes(), 4096).is_multiple_of(u32::try_from(STALE_PARTS).unwrap())
        });
    for (number, call_id) in of_one_part.take(ENDED_PER_PART_MAX + 1) {
        let id = DialogId { entry: entry_of(call_id.as_bytes(), 4096), id: number };
        let stored = Stored { id, call_id: call_id.as_bytes().into(), ..stored.clone() };
        world.dialogs.restore(world.now, 77, &stored).unwrap();
    }
    world.pass(1);
    assert_eq!(world.dialogs.statistics().active_dialogs, 0, "all have expired and are gone");
    let stale = taken(&world);
    let ended = stale.iter().filter(|stale| matches!(stale, Stale::Ended { .. })).count();
    assert_eq!(ended, ENDED_PER_PART_MAX);
    assert!(stale.contains(&Stale::Lost));
    assert!(taken(&world).is_empty(), "it is told once");
}

// D2, §11.2: a second answer of a fork, and a lifetime that a race shortens, are to be stored
#[test]
fn a_second_answer_is_to_be_stored() {
    let mut world = World::new();
    world.dialogs.follow(|| ());
    let dialog = world.create("call", "a", DialogFlags::END_ON_RACE_CONDITION);
    world.branch(&dialog, 1);
    world.branch(&dialog, 2);
    let written = |world: &World| taken(world).len();
    world.reply_with(&dialog, &support::reply(1, 200, "b"));
    assert_eq!((written(&world), written(&world)), (1, 0));
    world.reply_with(&dialog, &support::reply(2, 200, "c"));
    assert_eq!(written(&world), 1, "the other leg");
    world.cancelled(&dialog);
    assert_eq!(written(&world), 1, "it will end soon");
}

// a slot that one call after the other had is listed once while nobody takes
#[test]
fn marks_do_not_grow_while_nobody_takes() {
    let mut world = World::new();
    world.dialogs.follow(|| ());
    let memory = |world: &World| world.dialogs.memory();
    let mut before = None;
    for number in 0..200 {
        let dialog = world.answered("call");
        for bye in world.byes(&dialog) {
            world.settled(&bye, Outcome::Reply(200));
        }
        world.transaction_ended(&dialog);
        world.pass(40);
        if number == 20 {
            before = Some(memory(&world));
        }
    }
    assert_eq!(Some(memory(&world)), before, "nothing was kept of them");
}
