//! Another script in the place of the one that runs (spec/script.md §15.4, `reload_routes`), through
//! whole calls.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use duologue::management::{self, rpc};
use duologue::script::Sources;
use duologue::server::events::Raised;
use duologue::{Builder, StartError};
use duologue_testkit::{CallState, Served};
use serde_json::{Value, json};
use world::{CAROL, NAME, Proxy, Text, answered, cast, forgotten, script_to};

fn reload(proxy: &Served<Proxy>, script: &str) -> Result<(), StartError> {
    let node = Arc::clone(&proxy.borrow().node);
    node.reload(NAME, &Text(script)).map(|_| ())
}

/// The words that scripts raise as `E_SEEN`.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn by(proxy: &Served<Proxy>) -> Self {
        let seen = Self::default();
        let words = Arc::clone(&seen.0);
        let take = move |raised: &Arc<Raised>| words.lock().unwrap().push(raised.json().to_owned());
        proxy.borrow().node.events.subscribe("E_SEEN", "module:test", take).unwrap();
        seen
    }

    /// Whether these were raised since the last question, and nothing else.
    fn are(&self, words: &[&str]) -> bool {
        let seen = std::mem::take(&mut *self.0.lock().unwrap());
        let same = |(seen, word): (&String, &&str)| seen.contains(&format!("[\"{word}\"]"));
        seen.len() == words.len() && seen.iter().zip(words).all(same)
    }
}

fn say(word: &str) -> String {
    format!("$avp(say) = \"{word}\"; raise_event(\"E_SEEN\", $avp(say));")
}

#[test]
fn the_next_request_runs_the_new_routes() {
    let (world, alice, proxy, bob) = cast(1, &script_to("", &say("old"), ""));
    let seen = Seen::by(&proxy);
    answered(&world, &alice, &bob);
    assert!(seen.are(&["old"]));
    reload(&proxy, &script_to("", "", &format!("route[within] {{ {} }}", say("new")))).unwrap();
    alice.hangs_up();
    world.settle();
    assert!(seen.are(&["new"]));
    forgotten(&world, &proxy);
}

// A failure route that a transaction waits for is the new one of that name.
#[test]
fn an_armed_route_is_the_new_one() {
    let with = |route: &str| {
        script_to("", "t_on_failure(\"next\");", &format!("failure_route[next] {{ {route} }}"))
    };
    let (world, alice, proxy, bob) = cast(2, &with(&say("old")));
    let (seen, carol) = (Seen::by(&proxy), world.agent("carol"));
    alice.invite(&bob);
    bob.rings();
    world.settle();
    reload(&proxy, &with(&format!("{} $ru = \"{CAROL}\"; t_relay();", say("new")))).unwrap();
    bob.rejects(486);
    carol.answers();
    world.settle();
    assert!(seen.are(&["new"]));
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// One that is gone is as if it had never been armed.
#[test]
fn an_armed_route_that_is_gone_changes_nothing() {
    let old = script_to(
        "",
        "t_on_failure(\"next\");",
        &format!("failure_route[next] {{ $ru = \"{CAROL}\"; t_relay(); }}"),
    );
    let (world, alice, proxy, bob) = cast(3, &old);
    alice.invite(&bob);
    bob.rings();
    world.settle();
    reload(&proxy, &script_to("", "", "")).unwrap();
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.state(), CallState::Failed(486));
    forgotten(&world, &proxy);
}

// spec/dialog.md §14: the routes of a dialog live as long as it does, longer than a script.
#[test]
fn a_dialogs_route_is_the_new_one() {
    let with = |word: &str| {
        script_to("", "dlg_on_hangup(\"over\");", &format!("route[over] {{ {} }}", say(word)))
    };
    let (world, alice, proxy, bob) = cast(4, &with("old"));
    let seen = Seen::by(&proxy);
    answered(&world, &alice, &bob);
    reload(&proxy, &with("new")).unwrap();
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert!(seen.are(&["new"]));
}

// A run that waits for something goes on in the script that it began with.
#[test]
fn a_parked_run_ends_as_it_began() {
    let with = |word: &str| {
        let rest = format!("route[resumed] {{ {} t_relay(); }}", say(word));
        let sleep = "if (is_method(\"INVITE\")) { t_newtran(); async(sleep(5), resumed); }";
        let modules = "loadmodule \"cfgutils.so\"";
        script_to(modules, sleep, &rest)
    };
    let (world, alice, proxy, bob) = cast(5, &with("old"));
    let seen = Seen::by(&proxy);
    alice.invite(&bob);
    world.run_for(Duration::from_secs(2));
    reload(&proxy, &with("new")).unwrap();
    bob.answers();
    world.run_for(Duration::from_secs(8));
    assert!(seen.are(&["old"]));
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn a_new_event_route_is_told() {
    let (world, alice, proxy, bob) = cast(6, &script_to("", "", ""));
    let seen = Seen::by(&proxy);
    let route = format!("event_route[E_MINE] {{ {} }}", say("mine"));
    reload(&proxy, &script_to("", "raise_event(\"E_MINE\");", &route)).unwrap();
    // A second time subscribes it no second time.
    reload(&proxy, &script_to("", "raise_event(\"E_MINE\");", &route)).unwrap();
    answered(&world, &alice, &bob);
    assert!(seen.are(&["mine"]));
    reload(&proxy, &script_to("", "raise_event(\"E_MINE\");", "")).unwrap();
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert!(seen.are(&[]));
}

#[test]
fn a_script_with_mistakes_leaves_what_runs() {
    let (world, alice, proxy, bob) = cast(7, &script_to("", &say("old"), ""));
    let seen = Seen::by(&proxy);
    let mistake = reload(&proxy, &script_to("", "t_relai();", "")).unwrap_err();
    let StartError::Script(mistakes) = mistake else { panic!("{mistake}") };
    assert!(mistakes.render(false).contains("t_relay"), "{}", mistakes.render(false));
    let new = reload(&proxy, &script_to("loadmodule \"textops.so\"", "", "")).unwrap_err();
    assert!(new.to_string().contains("textops"), "{new}");
    let event = script_to("", "", "event_route[dialog:nothing] { exit; }");
    assert!(matches!(reload(&proxy, &event), Err(StartError::Events(_))));
    answered(&world, &alice, &bob);
    assert!(seen.are(&["old"]));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

/// A file that an operator edits.
#[derive(Clone)]
struct Edited(Arc<Mutex<String>>);

impl Sources for Edited {
    fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
        Ok(self.0.lock().unwrap().clone())
    }
}

// The command, and the timer of a running server: the new one runs as often as it says.
#[test]
fn the_command_reads_the_script_again() {
    let with = |routes: &str| {
        format!(
            "loadmodule \"proto_udp.so\"\nloadmodule \"event_datagram.so\"\n{routes}\nroute {{ exit; }}"
        )
    };
    let first = with("timer_route[t, 1000] { exit; }");
    let server = Builder::text(&first).sockets(["127.0.0.1:0".to_owned()]).start().unwrap();
    let server = Arc::new(server);
    let file = Edited(Arc::new(Mutex::new(first)));
    let mut registry = management::commands(&server, || {}).unwrap();
    management::reloading(&mut registry, &server, "edited.cfg", file.clone()).unwrap();
    let ask = || -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "reload_routes", "params": []});
        let reply = rpc::jsonrpc::answer(&registry, request.to_string().as_bytes());
        serde_json::from_str(&reply.into_text(false).unwrap()).unwrap()
    };
    *file.0.lock().unwrap() = with("timer_route[t, 1000] { nothing(); }");
    let refused = ask();
    assert_eq!(refused["error"]["code"], 500);
    let place = refused["error"]["data"].as_str().unwrap();
    assert!(place.contains("edited.cfg:3"), "{place}");
    let ran = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&ran);
    let node = server.node();
    let take = move |_: &Arc<Raised>| note.store(true, Ordering::Release);
    node.events.subscribe("E_RAN", "module:test", take).unwrap();
    *file.0.lock().unwrap() = with("timer_route[t, 1] { raise_event(\"E_RAN\"); }");
    assert_eq!(ask()["result"], "OK");
    let until = Instant::now() + Duration::from_secs(20);
    while !ran.load(Ordering::Acquire) {
        assert!(Instant::now() < until, "the timer of the new script does not run");
        std::thread::sleep(Duration::from_millis(20));
    }
}
