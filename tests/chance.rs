//! Calls that chance plays: bad weather, forks, people who do what they like. Whatever becomes of
//! a call, its events come in order, it ends exactly once, and nothing is left behind.

mod world;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::dialog::{DialogEvents, DialogId, EndReason, Event};
use duologue_testkit::{Agent, CallState, Random, Served, Weather, World};
use world::{CALL_FORGOTTEN, Proxy, TRACE_FORGOTTEN, forking, plain};

/// How many calls chance plays with each script.
const CALLS: u64 = 300;

/// How many things happen in a call.
const VERBS: u64 = 12;

/// The events of each dialog.
type Lives = Arc<Mutex<HashMap<DialogId, Vec<&'static str>>>>;

fn listen(proxy: &Served<Proxy>) -> Lives {
    let lives = Lives::default();
    let all = Arc::clone(&lives);
    proxy.borrow().node.dialogs.on_created(move |event| {
        note(&all, event.dialog().id(), "CREATED");
        let all = Arc::clone(&all);
        let registered = event.dialog().on(DialogEvents::all(), move |event| {
            let name = match event {
                Event::Early(_) => "EARLY",
                Event::Confirmed(_) => "CONFIRMED",
                Event::Failed(_) => "FAILED",
                Event::Terminated(_) => "TERMINATED",
                Event::Expired(_) => "EXPIRED",
                Event::Destroy(_) => "DESTROY",
                _ => return,
            };
            note(&all, event.dialog().id(), name);
        });
        assert!(registered.is_ok());
    });
    lives
}

fn note(lives: &Lives, id: DialogId, name: &'static str) {
    lives.lock().expect("nobody panics while noting").entry(id).or_default().push(name);
}

/// One thing that somebody does, if it is possible for them now.
fn act(chance: &mut Random, world: &World, proxy: &Served<Proxy>, cast: &[Agent]) {
    let alice = &cast[0];
    let callee = &cast[1 + usize::try_from(chance.below(2)).expect("small")];
    let asked = callee.count("INVITE") > 0;
    let open = asked && matches!(callee.state(), CallState::Ringing);
    match chance.below(10) {
        0 | 1 if open => callee.rings(),
        2 | 3 if open => callee.answers(),
        4 if open => callee.rejects([404, 486, 500, 603][(chance.below(4)) as usize]),
        5 => alice.cancels(),
        6 => alice.hangs_up_now(),
        7 => callee.hangs_up_now(),
        8 if alice.state() == CallState::Talking => alice.reinvites(),
        9 if chance.below(4) == 0 => {
            let dialogs = &proxy.borrow().node.dialogs;
            if let Some(dialog) = dialogs.by_callid(alice.call_id().as_bytes(), None) {
                // It may be over already; then there is nothing to end.
                let _ = dialog.terminate(EndReason::new("operator"));
            }
        }
        _ => {}
    }
    world.run_for(Duration::from_millis(chance.below(1_500)));
}

fn play(seed: u64, script: &str) {
    let mut chance = Random::seeded(seed);
    let world = World::seeded(seed);
    let (alice, proxy, bob) = world.three_party(Proxy::new(script));
    let cast = [alice, bob, world.agent("carol")];
    let lives = listen(&proxy);
    world.weather(Weather {
        jitter: Duration::from_millis(chance.below(80)),
        loss: u16::try_from(chance.below(250)).expect("small"),
        duplication: 50,
        reordering: 50,
        ..Weather::default()
    });
    cast[0].invite(&cast[1]);
    for _ in 0..VERBS {
        act(&mut chance, &world, &proxy, &cast);
    }
    // Longer than ringing (120 s) and than a lifetime (300 s).
    world.run_for(Duration::from_secs(500));
    world.run_for(CALL_FORGOTTEN);
    world.check();
    world.run_for(TRACE_FORGOTTEN);
    proxy.borrow().assert_asleep();
    for life in lives.lock().expect("nobody panics while noting").values() {
        lived_in_order(life);
    }
    let panics = proxy.borrow().node.dialogs.statistics().callback_panics;
    assert_eq!(panics, 0);
}

// spec/dialog.md §3: CREATED first, EARLY and CONFIRMED at most once, one end, DESTROY last.
fn lived_in_order(life: &[&str]) {
    let count = |name: &str| life.iter().filter(|event| **event == name).count();
    let at = |name: &str| life.iter().position(|event| *event == name);
    assert_eq!(at("CREATED"), Some(0), "{life:?}");
    assert_eq!(count("CREATED"), 1, "{life:?}");
    assert!(count("EARLY") <= 1 && count("CONFIRMED") <= 1, "{life:?}");
    if let (Some(early), Some(confirmed)) = (at("EARLY"), at("CONFIRMED")) {
        assert!(early < confirmed, "{life:?}");
    }
    let ends = [count("FAILED"), count("TERMINATED"), count("EXPIRED")];
    assert_eq!(ends.iter().sum::<usize>(), 1, "{life:?}");
    assert_eq!(count("FAILED") == 1, count("CONFIRMED") == 0, "{life:?}");
    assert_eq!((at("DESTROY"), count("DESTROY")), (Some(life.len() - 1), 1), "{life:?}");
}

fn short_lives(script: &str) -> String {
    format!("{script}\nmodparam(\"dialog\", \"default_timeout\", 300)\n")
}

#[test]
fn calls_of_chance_end_once() {
    let script = short_lives(&plain());
    (0..CALLS).for_each(|seed| play(seed, &script));
}

#[test]
fn forked_calls_of_chance_end_once() {
    let script = short_lives(&forking(&["sip:carol@10.0.0.13:5060"]));
    (0..CALLS).for_each(|seed| play(seed, &script));
}
