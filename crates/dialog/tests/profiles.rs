//! Profiles: spec dialog.md §9.1–9.3, §15, §18 D14 and D25.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use duologue_dialog::*;
use std::sync::{Arc, Mutex};
use support::World;

const OWN: LinkOrigin = LinkOrigin::Own;

fn with_value(world: &World, name: &str) -> Profile {
    world.dialogs.add_profiles(name, ProfileKind::Value).unwrap().remove(0)
}

fn no_value(world: &World, name: &str) -> Profile {
    world.dialogs.add_profiles(name, ProfileKind::NoValue).unwrap().remove(0)
}

fn values_of(profile: &Profile) -> Vec<(String, usize)> {
    let (mut rows, mut cursor) = (Vec::new(), Some(ProfileCursor::default()));
    while let Some(at) = cursor {
        cursor = profile.values(at, 2, &mut rows);
    }
    let text = |row: ProfileValue| (String::from_utf8_lossy(&row.value).into_owned(), row.count);
    let mut rows: Vec<_> = rows.into_iter().map(text).collect();
    rows.sort();
    rows
}

fn dialogs_of(profile: &Profile, value: Option<&[u8]>) -> Vec<Dialog> {
    let (mut rows, mut cursor) = (Vec::new(), Some(ProfileCursor::default()));
    while let Some(at) = cursor {
        cursor = profile.dialogs(value, at, 3, &mut rows);
    }
    rows
}

// §9.1: definitions are all added or none; duplicates are refused, after start-up too
#[test]
fn definitions() {
    let mut world = World::new();
    let added = world.dialogs.add_profiles(" in ; ;out/s ", ProfileKind::NoValue).unwrap();
    assert_eq!(added.iter().map(ToString::to_string).collect::<Vec<_>>(), ["in", "out/s"]);
    assert_eq!((added[1].name(), added[1].sharing()), ("out", Sharing::Store));
    world.call("call");
    let refused = |text: &str| world.dialogs.add_profiles(text, ProfileKind::Value).unwrap_err();
    assert_eq!(refused("new;in"), ProfileError::Duplicate("in".into()));
    assert_eq!(refused("x;x"), ProfileError::Duplicate("x".into()));
    assert_eq!(refused("y;z/q"), ProfileError::Suffix("z/q".into()));
    assert_eq!(world.dialogs.profiles(), added, "of a refused text nothing is kept");
    with_value(&world, "late");
    assert_eq!(world.dialogs.profiles()[2].kind(), ProfileKind::Value);
    let many: Vec<_> = (0..PROFILES_MAX).map(|number| format!("p{number}")).collect();
    assert_eq!(refused(&many.join(";")), ProfileError::TooMany);
}

// D14: found with and without the suffix where that is unambiguous
#[test]
fn names_are_found_with_and_without_suffix() {
    let world = World::new();
    let [a, b, local, shared] = world
        .dialogs
        .add_profiles("a;b/s;c;c/b", ProfileKind::NoValue)
        .unwrap()
        .try_into()
        .unwrap();
    let find = |name: &str| world.dialogs.search_profile(name);
    assert_eq!((find("a"), find("a/s")), (Some(a), None));
    assert_eq!((find("b"), find("b/s"), find("b/b")), (Some(b.clone()), Some(b), None));
    assert_eq!((find("c"), find("c/b")), (Some(local), Some(shared)));
    assert_eq!((find("d"), find("a;b"), find("")), (None, None, None));
    world.dialogs.add_profiles("b/b", ProfileKind::NoValue).unwrap();
    assert_eq!(find("b"), None, "two shared ones: which?");
}

// §9.2, §9.3: each call adds a link; duplicates count twice and are unset one by one
#[test]
fn links_with_values() {
    let mut world = World::new();
    let profile = with_value(&world, "user");
    let (one, two) = (world.call("one"), world.answered("two"));
    one.set_profile(&profile, Some(b"alice"), OWN).unwrap();
    one.set_profile(&profile, Some(b"alice"), OWN).unwrap();
    one.set_profile(&profile, Some(b"bob"), OWN).unwrap();
    two.set_profile(&profile, Some(b"alice"), OWN).unwrap();
    assert_eq!(one.set_profile(&profile, None, OWN), Err(LinkRefused::NoValue));
    assert_eq!(
        (profile.size(Some(b"alice")), profile.size(Some(b"x")), profile.size(None)),
        (3, 0, 4)
    );
    assert_eq!(values_of(&profile), [("alice".into(), 3), ("bob".into(), 1)]);
    assert_eq!(dialogs_of(&profile, Some(b"alice")).len(), 2);
    assert_eq!(dialogs_of(&profile, None).len(), 3, "once per value");
    assert_eq!(one.is_in_profile(&profile, Some(b"bob")), Ok(true));
    assert_eq!(two.is_in_profile(&profile, Some(b"bob")), Ok(false));
    assert_eq!(two.is_in_profile(&profile, None), Ok(true));
    assert_eq!(one.unset_profile(&profile, Some(b"alice")), Ok(1));
    assert_eq!(one.unset_profile(&profile, Some(b"carol")), Ok(0));
    assert_eq!(profile.size(Some(b"alice")), 2);
    assert_eq!(one.unset_profile(&profile, None), Ok(2), "without a value: all");
    assert_eq!(values_of(&profile), [("alice".into(), 1)]);
    assert!(one.flags().unwrap().contains(DialogFlags::VALUES_CHANGED));
    world.dialogs.audit().unwrap();
}

// §9.2: values are ignored where links carry none
#[test]
fn links_without_values() {
    let mut world = World::new();
    let profile = no_value(&world, "calls");
    let dialog = world.call("call");
    dialog.set_profile(&profile, Some(b"ignored"), OWN).unwrap();
    dialog.set_profile(&profile, None, OWN).unwrap();
    assert_eq!((profile.size(None), profile.size(Some(b"any"))), (2, 2));
    assert_eq!(dialog.is_in_profile(&profile, Some(b"any")), Ok(true));
    assert_eq!(values_of(&profile), [(String::new(), 2)]);
    assert_eq!(dialogs_of(&profile, None), std::slice::from_ref(&dialog));
    assert_eq!(dialog.unset_profile(&profile, Some(b"any")), Ok(1));
    assert_eq!(dialog.unset_profile(&profile, None), Ok(1));
    assert_eq!(profile.size(None), 0);
}

// §9.2: `clear` removes the dialog's other links to that profile, and no others
#[test]
fn the_clear_variant() {
    let mut world = World::new();
    let (profile, other) = (with_value(&world, "user"), no_value(&world, "calls"));
    let dialog = world.call("call");
    for value in ["a", "a", "b"] {
        dialog.set_profile(&profile, Some(value.as_bytes()), OWN).unwrap();
    }
    dialog.set_profile(&other, None, OWN).unwrap();
    assert_eq!(dialog.replace_profile(&profile, None, OWN), Err(LinkRefused::NoValue));
    assert_eq!(profile.size(None), 3);
    dialog.replace_profile(&profile, Some(b"c"), OWN).unwrap();
    assert_eq!((values_of(&profile), other.size(None)), (vec![("c".into(), 1)], 1));
}

// §9.3, §9.5: a shared profile counts what is this node's own
#[test]
fn replicated_links() {
    let mut world = World::new();
    let (local, shared) = (no_value(&world, "calls"), no_value(&world, "calls/b"));
    let dialog = world.call("call");
    for profile in [&local, &shared] {
        dialog.set_profile(profile, None, LinkOrigin::Replicated).unwrap();
        dialog.set_profile(profile, None, OWN).unwrap();
    }
    assert_eq!((local.size(None), shared.size(None)), (2, 1));
    world.dialogs.audit().unwrap();
}

// Bounds with a name and a counter
#[test]
fn bounds() {
    let mut world = World::new();
    let profile = with_value(&world, "user");
    let dialog = world.call("call");
    let long = vec![b'x'; PROFILE_VALUE_BYTES_MAX + 1];
    assert_eq!(dialog.set_profile(&profile, Some(&long), OWN), Err(LinkRefused::ValueTooLong));
    for _ in 0..PROFILE_LINKS_MAX {
        dialog.set_profile(&profile, Some(b"v"), OWN).unwrap();
    }
    assert_eq!(dialog.set_profile(&profile, Some(b"v"), OWN), Err(LinkRefused::TooMany));
    assert_eq!(profile.size(None), PROFILE_LINKS_MAX, "a refused link is not counted");
    assert_eq!(world.dialogs.statistics().profile_links_refused, 2);
}

/// What the handlers of an end see: themselves in the profile, and in the snapshot.
fn at_the_end(dialog: &Dialog, profile: &Profile) -> Arc<Mutex<Vec<(bool, usize, usize)>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (keep, profile) = (seen.clone(), profile.clone());
    let ends = DialogEvents::FAILED | DialogEvents::ENDED;
    dialog
        .on(ends, move |event| {
            let inside = event.dialog().is_in_profile(&profile, None).unwrap();
            let last = match event {
                Event::Failed(end) => end.last.profiles.len(),
                Event::Terminated(end) => end.last.profiles.len(),
                Event::Expired(end) => end.last.profiles.len(),
                _ => return,
            };
            keep.lock().unwrap().push((inside, profile.size(None), last));
        })
        .unwrap();
    seen
}

// §2.3, §9.2: links are gone before FAILED, TERMINATED and EXPIRED run; D25: the snapshot has them
#[test]
fn links_go_at_the_move_to_5_and_are_told_in_the_last_snapshot() {
    let mut world = World::with(Settings { default_timeout: 50, ..Settings::default() });
    let profile = with_value(&world, "user");
    let ends: [fn(&mut World, &Dialog); 4] = [
        |world, dialog| world.reply(dialog, 486, "c"),
        |world, dialog| world.transaction_ended(dialog),
        |world, dialog| {
            world.reply(dialog, 200, "b");
            world.request(dialog, DialogMethod::Bye, 1, "b", "a");
        },
        |world, dialog| {
            world.reply(dialog, 200, "b");
            world.pass(60);
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let dialog = world.call(&format!("call-{number}"));
        dialog.set_profile(&profile, Some(b"a"), OWN).unwrap();
        dialog.set_profile(&profile, Some(b"b"), OWN).unwrap();
        let seen = at_the_end(&dialog, &profile);
        end(&mut world, &dialog);
        assert_eq!(*seen.lock().unwrap(), [(false, 0, 2)], "end {number}");
    }
}

// §9.2: never dropped at the answer; §10.3: newest first
#[test]
fn links_stay_over_the_answer() {
    let mut world = World::new();
    let (user, calls) = (with_value(&world, "user"), no_value(&world, "calls/s"));
    let dialog = world.call("call");
    dialog.set_profile(&user, Some(b"alice"), OWN).unwrap();
    dialog.set_profile(&calls, None, OWN).unwrap();
    world.reply(&dialog, 200, "b");
    world.request(&dialog, DialogMethod::Ack, 10, "a", "b");
    assert_eq!((user.size(None), calls.size(None)), (1, 1));
    let told = dialog.snapshot().unwrap().profiles;
    assert_eq!(told, dialog.profiles().unwrap());
    assert_eq!((&*told[0].name, told[0].sharing), ("calls", Sharing::Store));
    assert_eq!((&*told[1].name, &*told[1].value), ("user", &b"alice"[..]));
}

// A dialog in state 5 takes no link; without callbacks, and at shutdown, nothing is left either
#[test]
fn ended_dialogs_take_no_links_and_leave_none() {
    let mut world = World::new();
    let profile = no_value(&world, "calls");
    let dialog = world.answered("call");
    world.dialogs.hold(dialog.key()).unwrap();
    world.request(&dialog, DialogMethod::Bye, 1, "b", "a");
    assert_eq!(dialog.set_profile(&profile, None, OWN), Err(LinkRefused::Ended));
    assert_eq!(profile.size(None), 0);
    world.pass(33);
    assert_eq!(dialog.set_profile(&profile, None, OWN), Err(LinkRefused::Gone));
    assert_eq!((dialog.unset_profile(&profile, None), profile.size(None)), (Err(Gone), 0));

    let silent = Dialogs::new(Settings::default(), 1);
    let profile = silent.add_profiles("calls", ProfileKind::NoValue).unwrap().remove(0);
    let mut steps = Steps::new();
    let flags = DialogFlags::empty();
    let dialog = silent.create(world.now, &support::invite("c", "a"), flags, &mut steps).unwrap();
    dialog.set_profile(&profile, None, OWN).unwrap();
    assert_eq!(silent.shutdown(), 1);
    assert_eq!(profile.size(None), 0);
}

/// A listing in slices names who stays exactly once, whoever comes and goes (lessons 5).
#[test]
fn listings_are_stable_while_members_change() {
    let mut world = World::new();
    let profile = with_value(&world, "user");
    let value = |number: usize| format!("{}", number % 5);
    let all: Vec<_> = (0..300).map(|number| world.call(&format!("call-{number}"))).collect();
    for (number, dialog) in all.iter().enumerate() {
        dialog.set_profile(&profile, Some(value(number).as_bytes()), OWN).unwrap();
    }
    let (mut listed, mut cursor) = (Vec::new(), Some(ProfileCursor::default()));
    let mut leaving = (0..300).filter(|number| number % 3 == 0);
    while let Some(at) = cursor {
        cursor = profile.dialogs(None, at, 7, &mut listed);
        for number in leaving.by_ref().take(2) {
            all[number].unset_profile(&profile, None).unwrap();
        }
    }
    for (number, dialog) in all.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
        let times = listed.iter().filter(|listed| *listed == dialog).count();
        assert_eq!(times, 1, "call-{number}");
    }
}

// §2.3: first the on-hangup route, which still finds itself counted, then the links go
#[test]
fn links_outlast_the_hangup_route() {
    let mut world = World::new();
    let profile = no_value(&world, "calls");
    let dialog = world.call("call");
    dialog.set_route(RouteHook::Hangup, Some(3)).unwrap();
    dialog.set_profile(&profile, None, OWN).unwrap();
    world.reply(&dialog, 200, "b");
    let matched = world.matched(&dialog, "b", "a").unwrap();
    let bye = RequestFacts::of(&matched, DialogMethod::Bye, 1, support::flow(5062));
    let mut steps = Steps::new();
    world.dialogs.request_within(world.now, matched.key, &bye, &mut steps).unwrap();
    let mut sizes = Vec::new();
    for step in steps.drain() {
        match step {
            Step::Route(..) => sizes.push(("route", profile.size(None))),
            Step::Fire(firing) => {
                world.dialogs.fire(&firing, None);
                sizes.push((firing.what.name(), profile.size(None)));
            }
            _ => {}
        }
    }
    assert_eq!(sizes, [("route", 1), ("TERMINATED", 0)]);
}
