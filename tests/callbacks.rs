//! The callbacks of a module author, through the real layer: their order, their number, and what
//! they may do (spec/dialog.md §3).

mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::dialog::{DialogEvents, EndReason, Event};
use duologue_testkit::{Agent, CallState, Served, World};
use world::{Proxy, answered, cast, forgotten, forking, plain, script_to};

/// What callbacks noted, in their order.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().expect("nobody panics while noting").push(note.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics while noting").clone()
    }

    fn count(&self, note: &str) -> usize {
        self.all().iter().filter(|noted| *noted == note).count()
    }
}

/// What makes up the life of a call; replies are left to a test of their own.
const LIFE: DialogEvents = DialogEvents::EARLY
    .union(DialogEvents::CONFIRMED)
    .union(DialogEvents::FAILED)
    .union(DialogEvents::REQ_WITHIN)
    .union(DialogEvents::TERMINATED)
    .union(DialogEvents::EXPIRED)
    .union(DialogEvents::DESTROY);

fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Created(_) => "CREATED",
        Event::Loaded(_) => "LOADED",
        Event::Early(_) => "EARLY",
        Event::Confirmed(_) => "CONFIRMED",
        Event::Failed(_) => "FAILED",
        Event::RequestWithin(_) => "REQ_WITHIN",
        Event::ResponseForwarded(_) => "RESPONSE_FWDED",
        Event::ResponseWithin(_) => "RESPONSE_WITHIN",
        Event::Terminated(_) => "TERMINATED",
        Event::Expired(_) => "EXPIRED",
        Event::Destroy(_) => "DESTROY",
        _ => "OTHER",
    }
}

/// Notes the events of every dialog of the proxy.
fn listen(proxy: &Served<Proxy>, events: DialogEvents) -> Notes {
    let notes = Notes::default();
    let heard = notes.clone();
    proxy.borrow().node.dialogs.on_created(move |event| {
        heard.add(name(event));
        let heard = heard.clone();
        let registered = event.dialog().on(events, move |event| heard.add(name(event)));
        assert!(registered.is_ok());
    });
    notes
}

fn listening(seed: u64, script: &str) -> (World, Agent, Served<Proxy>, Agent, Notes) {
    let (world, alice, proxy, bob) = cast(seed, script);
    let notes = listen(&proxy, LIFE);
    (world, alice, proxy, bob, notes)
}

#[test]
fn an_answered_call_tells_its_life_in_order() {
    let (world, alice, proxy, bob, notes) = listening(1, &plain());
    answered(&world, &alice, &bob);
    alice.reinvites();
    world.settle();
    bob.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(
        notes.all(),
        [
            "CREATED",
            "EARLY",
            "CONFIRMED",
            "REQ_WITHIN", // the ACK
            "REQ_WITHIN", // the re-INVITE
            "REQ_WITHIN", // its ACK
            "TERMINATED",
            "DESTROY",
        ]
    );
}

// spec/dialog.md §3: RESPONSE_WITHIN is for replies to requests that came in states 3 and 4.
#[test]
fn replies_to_requests_before_the_answer_are_not_told() {
    let (world, alice, proxy, bob) = cast(18, &plain());
    let notes = listen(&proxy, LIFE.union(DialogEvents::RESPONSE_WITHIN));
    alice.pracks();
    alice.invite(&bob);
    bob.rings_reliably(183);
    world.settle();
    assert_eq!(alice.status_of("PRACK"), Some(200));
    bob.answers();
    world.settle();
    alice.requests("INFO");
    world.settle();
    bob.hangs_up();
    forgotten(&world, &proxy);
    let life = ["CREATED", "EARLY", "REQ_WITHIN", "CONFIRMED", "REQ_WITHIN", "REQ_WITHIN"];
    let end = ["RESPONSE_WITHIN", "TERMINATED", "DESTROY"];
    assert_eq!(notes.all(), [&life[..], &end].concat());
}

#[test]
fn a_refused_call_fails_once() {
    let (world, alice, proxy, bob, notes) = listening(2, &plain());
    alice.invite(&bob);
    bob.rings();
    bob.rejects(486);
    forgotten(&world, &proxy);
    assert_eq!(notes.all(), ["CREATED", "EARLY", "FAILED", "DESTROY"]);
}

#[test]
fn a_cancelled_call_fails_once() {
    let (world, alice, proxy, bob, notes) = listening(3, &plain());
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    forgotten(&world, &proxy);
    assert_eq!(notes.all(), ["CREATED", "EARLY", "FAILED", "DESTROY"]);
}

#[test]
fn an_unanswered_call_fails_once() {
    let script = script_to("modparam(\"tm\", \"fr_timeout\", 3)", "", "");
    let (world, alice, proxy, bob, notes) = listening(4, &script);
    bob.silent();
    alice.invite(&bob);
    forgotten(&world, &proxy);
    assert_eq!(notes.all(), ["CREATED", "FAILED", "DESTROY"]);
}

#[test]
fn a_call_that_outlives_its_lifetime_expires_once() {
    let script = script_to("modparam(\"dialog\", \"default_timeout\", 30)", "", "");
    let (world, alice, proxy, bob, notes) = listening(5, &script);
    answered(&world, &alice, &bob);
    world.run_for(Duration::from_secs(35));
    forgotten(&world, &proxy);
    assert_eq!(notes.all(), ["CREATED", "EARLY", "CONFIRMED", "REQ_WITHIN", "EXPIRED", "DESTROY"]);
}

// With BYEs of the proxy the end is TERMINATED, and EXPIRED does not come on top.
#[test]
fn a_call_hung_up_at_its_lifetime_terminates_once() {
    let script = script_to("modparam(\"dialog\", \"default_timeout\", 30)", "", "")
        .replace("create_dialog()", "create_dialog(\"bye-on-timeout\")");
    let (world, alice, proxy, bob, notes) = listening(6, &script);
    answered(&world, &alice, &bob);
    world.run_for(Duration::from_secs(35));
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    forgotten(&world, &proxy);
    let life = ["CREATED", "EARLY", "CONFIRMED", "REQ_WITHIN", "TERMINATED", "DESTROY"];
    assert_eq!(notes.all(), life);
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let (world, alice, proxy, bob, notes) = listening(7, &plain());
    answered(&world, &alice, &bob);
    alice.hangs_up_now();
    bob.hangs_up_now();
    forgotten(&world, &proxy);
    assert_eq!(notes.count("TERMINATED"), 1);
    assert_eq!(notes.count("DESTROY"), 1);
    assert_eq!(notes.all().last().map(String::as_str), Some("DESTROY"));
}

#[test]
fn a_fork_with_two_answers_is_confirmed_once() {
    let (world, alice, proxy, bob, notes) = listening(8, &forking(&["sip:carol@10.0.0.13:5060"]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    bob.answers();
    carol.answers();
    world.settle();
    alice.hangs_up();
    forgotten(&world, &proxy);
    for once in ["CREATED", "EARLY", "CONFIRMED", "TERMINATED", "DESTROY"] {
        assert_eq!(notes.count(once), 1, "{once} in {:?}", notes.all());
    }
    assert_eq!(notes.count("FAILED") + notes.count("EXPIRED"), 0);
}

#[test]
fn replies_are_told_before_the_change_they_make() {
    let (world, alice, proxy, bob) = cast(9, &plain());
    let events = DialogEvents::EARLY
        .union(DialogEvents::CONFIRMED)
        .union(DialogEvents::RESPONSE_FWDED)
        .union(DialogEvents::RESPONSE_WITHIN);
    let notes = listen(&proxy, events);
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    assert_eq!(
        notes.all(),
        ["CREATED", "RESPONSE_FWDED", "EARLY", "RESPONSE_FWDED", "CONFIRMED", "RESPONSE_WITHIN",]
    );
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// spec/dialog.md §3: one event per request, however often the script looks for the dialog.
#[test]
fn a_request_within_is_told_once_when_matched_twice() {
    let script = script_to("", "", "route[within] { match_dialog(); match_dialog(); }");
    let (world, alice, proxy, bob, notes) = listening(10, &script);
    answered(&world, &alice, &bob);
    assert_eq!(notes.count("REQ_WITHIN"), 1, "the ACK");
    alice.requests("INFO");
    world.settle();
    assert_eq!(notes.count("REQ_WITHIN"), 2);
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(notes.count("TERMINATED"), 1);
}

#[test]
fn the_newest_callback_runs_first() {
    let (world, alice, proxy, bob) = cast(11, &plain());
    let notes = Notes::default();
    for number in ["first", "second", "third"] {
        let heard = notes.clone();
        proxy.borrow().node.dialogs.on_created(move |event| {
            let heard = heard.clone();
            let _ = event.dialog().on(DialogEvents::CONFIRMED, move |_| heard.add(number));
        });
    }
    answered(&world, &alice, &bob);
    // Of the global ones the newest registered first, so its closure is the oldest of the dialog.
    assert_eq!(notes.all(), ["first", "second", "third"]);
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// A fault of one module is not the end of a call, nor of the other modules.
#[test]
fn a_panicking_callback_is_caught_and_the_call_goes_on() {
    let (world, alice, proxy, bob, notes) = listening(12, &plain());
    proxy.borrow().node.dialogs.on_created(|event| {
        let _ = event.dialog().on(LIFE, |event| panic!("a bug in {}", name(event)));
        panic!("a bug in CREATED");
    });
    answered(&world, &alice, &bob);
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    let life = ["CREATED", "EARLY", "CONFIRMED", "REQ_WITHIN", "TERMINATED", "DESTROY"];
    assert_eq!(notes.all(), life);
    assert_eq!(proxy.borrow().node.dialogs.statistics().callback_panics, 6);
}

// spec/dialog.md §6.4: an answered call is ended by a BYE to each side, after the current step.
#[test]
fn a_callback_may_end_the_answered_call() {
    let (world, alice, proxy, bob, notes) = listening(13, &plain());
    proxy.borrow().node.dialogs.on_created(|event| {
        let _ = event.dialog().on(DialogEvents::REQ_WITHIN, |event| {
            let _ = event.dialog().terminate(EndReason::new("no credit"));
        });
    });
    answered(&world, &alice, &bob);
    assert_eq!(alice.count("BYE"), 1);
    assert_eq!(bob.count("BYE"), 1);
    assert_eq!(bob.count("ACK"), 1, "what triggered the callback still goes on");
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    forgotten(&world, &proxy);
    let life = ["CREATED", "EARLY", "CONFIRMED", "REQ_WITHIN", "TERMINATED", "DESTROY"];
    assert_eq!(notes.all(), life);
}

// spec/dialog.md §6.4: a call that still rings is ended by CANCEL and told as refused.
#[test]
fn a_callback_may_end_the_ringing_call() {
    let (world, alice, proxy, bob, notes) = listening(14, &plain());
    proxy.borrow().node.dialogs.on_created(|event| {
        let _ = event.dialog().on(DialogEvents::EARLY, |event| {
            let _ = event.dialog().terminate(EndReason::new("no credit"));
        });
    });
    alice.invite(&bob);
    bob.rings();
    world.settle();
    assert_eq!(bob.count("CANCEL"), 1);
    assert!(alice.final_status() >= Some(300), "{:?}", alice.final_status());
    forgotten(&world, &proxy);
    assert_eq!(notes.all(), ["CREATED", "EARLY", "FAILED", "DESTROY"]);
}

// spec/dialog.md §7: a callee that answers although it was given up is hung up, and so is the
// caller, who must know of the answer before it hears the BYE (RFC 3261 §12.2.2: else a 481).
#[test]
fn a_call_ended_while_it_rings_is_hung_up_when_it_is_answered_all_the_same() {
    let (world, alice, proxy, bob, notes) = listening(19, &plain());
    bob.ignores_cancels();
    alice.invite(&bob);
    bob.rings();
    world.settle();
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None);
    dialog.expect("the call is tracked").terminate(EndReason::new("operator")).expect("it rings");
    world.run_for(Duration::from_millis(100));
    bob.answers();
    world.settle();
    let order: Vec<_> = ["200 INVITE", "BYE"].map(|kind| alice.received(kind)[0].at).into();
    assert!(order.is_sorted(), "the BYE came first");
    assert_eq!(alice.sent("481").len(), 0);
    assert_eq!((alice.state(), bob.state()), (CallState::Ended, CallState::Ended));
    forgotten(&world, &proxy);
    assert_eq!(notes.count("TERMINATED"), 1);
}

// spec/dialog.md §18.1, D2: each answered leg has BYEs of its own, also one that answers while
// those of another are under way.
#[test]
fn a_leg_that_answers_while_the_call_is_ended_is_hung_up_too() {
    let (world, alice, proxy, bob, notes) = listening(20, &forking(&[world::CAROL]));
    let carol = world.agent("carol");
    carol.ignores_cancels();
    bob.manual();
    alice.invite(&bob);
    carol.rings();
    bob.answers();
    world.run_for(Duration::from_millis(100));
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None);
    let dialog = dialog.expect("the call is tracked");
    alice.silent();
    dialog.terminate(EndReason::new("operator")).expect("an answered call can be ended");
    world.run_for(Duration::from_millis(100));
    carol.answers();
    world.run_for(Duration::from_millis(100));
    assert_eq!((bob.count("BYE"), carol.count("BYE")), (1, 1));
    assert_eq!(carol.state(), CallState::Ended);
    bob.replies_to("BYE", 200);
    forgotten(&world, &proxy);
    assert_eq!(notes.count("TERMINATED"), 1);
}

// An operator ends a call from outside: nobody sent anything, and both sides hear of it.
#[test]
fn an_operator_may_end_a_call() {
    let (world, alice, proxy, bob, notes) = listening(15, &plain());
    answered(&world, &alice, &bob);
    let call_id = alice.call_id();
    let dialog = proxy.borrow().node.dialogs.by_callid(call_id.as_bytes(), None);
    let dialog = dialog.expect("the call is tracked");
    dialog.terminate(EndReason::new("operator")).expect("an answered call can be ended");
    world.settle();
    assert_eq!(alice.count("BYE"), 1);
    assert_eq!(bob.count("BYE"), 1);
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.state(), CallState::Ended);
    forgotten(&world, &proxy);
    assert_eq!(notes.count("TERMINATED"), 1);
}

// The closure of a callback is dropped once, with its dialog.
#[test]
fn a_callback_is_dropped_with_its_dialog() {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let (world, alice, proxy, bob) = cast(16, &plain());
    let drops = Arc::clone(&dropped);
    proxy.borrow().node.dialogs.on_created(move |event| {
        let guard = Guard(Arc::clone(&drops));
        let _ = event.dialog().on(DialogEvents::DESTROY, move |_| {
            let _ = &guard;
        });
    });
    answered(&world, &alice, &bob);
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

// spec/dialog.md §3: the INVITE of CREATED may be changed, and the change goes on the wire.
#[test]
fn a_header_added_at_creation_reaches_the_callee() {
    let (world, alice, proxy, bob) = cast(17, &plain());
    proxy.borrow().node.dialogs.on_created(|event| {
        let invite = event.message().expect("CREATED carries the INVITE");
        assert_eq!(invite.method(), b"INVITE");
        invite.append_header("X-Billing", b"42").expect("the INVITE may be changed");
    });
    answered(&world, &alice, &bob);
    assert_eq!(bob.last("INVITE").header("X-Billing"), Some("42"));
    bob.hangs_up();
    forgotten(&world, &proxy);
}

/// The rows of the ladder on the front page of the dialog crate that have a callback: its name, and
/// the number of the state by then.
fn ladder() -> Vec<(String, String)> {
    let page = include_str!("../crates/dialog/src/lib.rs");
    let mut rows = page.lines().skip_while(|line| !line.ends_with("callbacks"));
    let head: Vec<char> = rows.next().expect("the ladder has a head").chars().collect();
    let column = |title: &str| {
        let title: Vec<char> = title.chars().collect();
        head.windows(title.len()).position(|at| *at == title).expect("the ladder has the column")
    };
    let (states, callbacks) = (column("state"), column("callbacks"));
    let mut state = String::new();
    let mut told = Vec::new();
    for row in rows.take_while(|row| !row.ends_with("```")) {
        let row: Vec<char> = row.chars().collect();
        let cell = |from: usize, to: usize| -> String {
            row.iter().skip(from).take(to - from).collect::<String>().trim().to_owned()
        };
        if let Some(number) = cell(states, callbacks).split(' ').next().filter(|it| !it.is_empty())
        {
            state = number.to_owned();
        }
        let callback = cell(callbacks, row.len().max(callbacks));
        if !callback.is_empty() {
            told.push((callback, state.clone()));
        }
    }
    told
}

// Newcomers learn the order of callbacks there.
#[test]
fn a_call_goes_as_the_front_page_draws_it() {
    let (world, alice, proxy, bob) = cast(21, &plain());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let note = move |event: &Event<'_>| {
        let dialog = event.dialog();
        let listed = dialog.table().by_id(dialog.id()).is_some();
        let state = dialog.state().expect("a callback may read its dialog").number();
        let state = if listed { state.to_string() } else { "(gone)".to_owned() };
        heard.lock().expect("nobody panics while noting").push((name(event).to_owned(), state));
    };
    proxy.borrow().node.dialogs.on_created(move |event| {
        note(event);
        let note = note.clone();
        let all = LIFE | DialogEvents::RESPONSE_FWDED | DialogEvents::RESPONSE_WITHIN;
        assert!(event.dialog().on(all, move |event| note(event)).is_ok());
    });
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    world.settle();
    bob.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(*told.lock().expect("nobody panics while noting"), ladder());
}
