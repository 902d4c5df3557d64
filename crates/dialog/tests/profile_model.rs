//! Profiles against a naive model, and under threads (lessons 4, 7): what is counted is what is
//! linked, at every moment one can look.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "the crate has no threads; its users do")]

mod support;

use duologue_dialog::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use support::World;

const NAMES: [&str; 3] = ["user", "trunk", "calls"];
const VALUES: [&str; 4] = ["a", "b", "c", ""];
const CALLS: usize = 4;

/// One thing that happens: to a call, a profile and a value.
#[derive(Clone, Debug)]
enum Do {
    Set(usize, usize, usize, LinkOrigin),
    Replace(usize, usize, usize),
    Unset(usize, usize, usize),
    UnsetAll(usize, usize),
    Answer(usize),
    Hangup(usize),
    Fail(usize),
    Again(usize),
}

fn anything() -> impl Strategy<Value = Do> {
    let (call, profile, value) = (0..CALLS, 0..NAMES.len(), 0..VALUES.len());
    let origin = prop_oneof![Just(LinkOrigin::Own), Just(LinkOrigin::Replicated)];
    prop_oneof![
        6 => (call.clone(), profile.clone(), value.clone(), origin)
            .prop_map(|(c, p, v, o)| Do::Set(c, p, v, o)),
        2 => (call.clone(), profile.clone(), value.clone()).prop_map(|(c, p, v)| Do::Replace(c, p, v)),
        3 => (call.clone(), profile.clone(), value).prop_map(|(c, p, v)| Do::Unset(c, p, v)),
        1 => (call.clone(), profile).prop_map(|(c, p)| Do::UnsetAll(c, p)),
        1 => call.clone().prop_map(Do::Answer),
        1 => call.clone().prop_map(Do::Hangup),
        1 => call.clone().prop_map(Do::Fail),
        1 => call.prop_map(Do::Again),
    ]
}

/// The links as a plain list: (call, profile, value).
struct Model(Vec<(usize, usize, &'static str)>);

impl Model {
    fn value(profile: usize, value: usize) -> &'static str {
        if NAMES[profile] == "calls" { "" } else { VALUES[value] }
    }

    fn count(&self, profile: usize, value: Option<&str>) -> usize {
        let fits = |link: &&(usize, usize, &str)| {
            link.1 == profile && value.is_none_or(|value| value == link.2)
        };
        self.0.iter().filter(fits).count()
    }

    fn unset(&mut self, call: usize, profile: usize, value: Option<&str>) {
        match value {
            None => self.0.retain(|link| (link.0, link.1) != (call, profile)),
            Some(value) => {
                if let Some(at) = self.0.iter().rposition(|link| *link == (call, profile, value)) {
                    self.0.remove(at);
                }
            }
        }
    }
}

fn play(deeds: Vec<Do>) {
    let mut world = World::new();
    let mut profiles = world.dialogs.add_profiles("user;trunk", ProfileKind::Value).unwrap();
    profiles.extend(world.dialogs.add_profiles("calls", ProfileKind::NoValue).unwrap());
    let mut model = Model(Vec::new());
    let mut dialogs: Vec<_> = (0..CALLS).map(|call| world.call(&format!("call-{call}"))).collect();
    for (number, deed) in deeds.into_iter().enumerate() {
        match deed {
            Do::Set(c, p, v, origin) => {
                let done = dialogs[c].set_profile(&profiles[p], Some(VALUES[v].as_bytes()), origin);
                if done.is_ok() {
                    model.0.push((c, p, Model::value(p, v)));
                }
            }
            Do::Replace(c, p, v) => {
                let value = Some(VALUES[v].as_bytes());
                if dialogs[c].replace_profile(&profiles[p], value, LinkOrigin::Own).is_ok() {
                    model.unset(c, p, None);
                    model.0.push((c, p, Model::value(p, v)));
                }
            }
            Do::Unset(c, p, v) => {
                let _ = dialogs[c].unset_profile(&profiles[p], Some(VALUES[v].as_bytes()));
                model.unset(c, p, Some(Model::value(p, v)));
            }
            Do::UnsetAll(c, p) => {
                let _ = dialogs[c].unset_profile(&profiles[p], None);
                model.unset(c, p, None);
            }
            Do::Answer(c) => world.reply(&dialogs[c], 200, "b"),
            Do::Hangup(c) => {
                world.request(&dialogs[c], DialogMethod::Bye, 1, "b", "a");
            }
            Do::Fail(c) => world.reply(&dialogs[c], 486, "b"),
            Do::Again(c) if dialogs[c].state().is_err() => {
                dialogs[c] = world.call(&format!("call-{c}-{number}"));
            }
            Do::Again(_) => {}
        }
        let ended = |c: &usize| dialogs[*c].state().is_ok_and(|state| !state.is_ended());
        model.0.retain(|(c, ..)| ended(c));
        for (p, profile) in profiles.iter().enumerate() {
            assert_eq!(profile.size(None), model.count(p, None), "{profile}");
            for value in VALUES.into_iter().filter(|_| profile.kind() == ProfileKind::Value) {
                let size = profile.size(Some(value.as_bytes()));
                assert_eq!(size, model.count(p, Some(value)), "{profile} {value}");
            }
        }
        world.dialogs.audit().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sizes_are_those_of_a_plain_list(deeds in proptest::collection::vec(anything(), 0..60)) {
        play(deeds);
    }
}

/// Others set, replace, unset, count and list while calls end under them: no link is left behind,
/// no size is ever beyond what could be linked.
#[test]
fn threads_leave_no_link_behind() {
    const ROUNDS: usize = 300;
    let table = Dialogs::new(Settings::default(), 5);
    let user = table.add_profiles("user", ProfileKind::Value).unwrap().remove(0);
    let calls = table.add_profiles("calls/b", ProfileKind::NoValue).unwrap().remove(0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for value in [b"x", b"y"] {
            let (table, user, calls, stop) = (&table, &user, &calls, &stop);
            scope.spawn(move || {
                let mut round = 0;
                while !stop.load(Relaxed) || round < 3 {
                    round += 1;
                    let mut listed = Vec::new();
                    table.list(Cursor::default(), 64, &mut listed);
                    for snapshot in &listed {
                        let dialog = table.handle(snapshot.key);
                        let _ = dialog.set_profile(user, Some(value), LinkOrigin::Own);
                        let _ = dialog.replace_profile(calls, None, LinkOrigin::Own);
                        if round % 3 == 0 {
                            let _ = dialog.unset_profile(user, Some(value));
                        }
                    }
                    let most = table.settings().dialogs_max * PROFILE_LINKS_MAX;
                    assert!(user.size(None) <= most && calls.size(None) <= most);
                    user.dialogs(None, ProfileCursor::default(), 9, &mut Vec::new());
                    user.values(ProfileCursor::default(), 9, &mut Vec::new());
                }
            });
        }
        let mut world = World::over(table.clone());
        for round in 0..ROUNDS {
            let open: Vec<_> =
                (0..8).map(|n| world.answered(&format!("call-{round}-{n}"))).collect();
            for dialog in &open {
                let _ = dialog.set_profile(&user, Some(b"x"), LinkOrigin::Own);
                world.request(dialog, DialogMethod::Bye, 11, "a", "b");
            }
        }
        stop.store(true, Relaxed);
    });
    assert!(table.is_empty());
    assert_eq!((user.size(None), user.size(Some(b"x")), calls.size(None)), (0, 0, 0));
    let mut left = Vec::new();
    assert_eq!(user.values(ProfileCursor::default(), 9, &mut left), None);
    assert_eq!(left, []);
    table.audit().unwrap();
}
