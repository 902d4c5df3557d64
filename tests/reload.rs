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
use duologue::server::modules::usrloc::Usrloc;
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
    let new = script_to("loadmodule \"textops.so\"", "subst(\"/a/b/\");", "");
    let new = reload(&proxy, &new).unwrap_err();
    assert!(new.to_string().contains("`textops` was not loaded when the proxy started"), "{new}");
    let event = script_to("", "", "event_route[dialog:nothing] { exit; }");
    assert!(matches!(reload(&proxy, &event), Err(StartError::Events(_))));
    answered(&world, &alice, &bob);
    assert!(seen.are(&["old"]));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// What a module would not start with it does not run with either.
#[test]
fn modules_refuse_a_script_as_they_refuse_a_start() {
    let params = "modparam(\"tm\", \"local_request_route\", \"ours\")\n\
                  modparam(\"rr\", \"append_fromtag\", 0)\n\
                  modparam(\"dialog\", \"profiles_with_value\", \"user\")";
    let with = |main: &str| script_to(params, main, "route[ours] { exit; }");
    let (world, alice, proxy, bob) = cast(8, &with(&say("old")));
    let seen = Seen::by(&proxy);
    let refused = |script: &str| reload(&proxy, script).unwrap_err().to_string();
    // spec/modules.md §1.2.
    let gone = refused(&script_to(params, "", ""));
    assert_eq!(gone, "module tm: there is no route[ours]");
    // spec/modules.md §2.
    let direction = refused(&with("if (is_direction(\"upstream\")) exit;"));
    assert_eq!(direction, "module rr: is_direction() needs append_fromtag=1");
    // spec/dialog.md §9.1: a profile exists from the start on, whatever the file says by now.
    let profile = "set_dlg_profile(\"trunk\", \"a\");";
    let unknown = refused(&with(profile));
    assert!(unknown.contains("bad arguments for command <set_dlg_profile>"), "{unknown}");
    let late = params.replace("\"user\"", "\"user;trunk\"");
    let late = refused(&script_to(&late, profile, "route[ours] { exit; }"));
    assert!(late.contains("bad arguments for command <set_dlg_profile>"), "{late}");
    // spec/dialog.md §10.2: there are 32 flags.
    let flags: String = (0..33).map(|n| format!("set_dlg_flag(\"f{n}\"); ")).collect();
    assert!(refused(&with(&flags)).contains("flags"), "{}", refused(&with(&flags)));
    answered(&world, &alice, &bob);
    assert!(seen.are(&["old"]));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/dialog.md §10.2: flags are what they are called, whatever came and was refused in between.
#[test]
fn a_refused_script_names_no_flags() {
    let sets = |flags: &[&str], more: &str| {
        let set = |flag: &&str| format!("set_dlg_flag(\"{flag}\"); ");
        let sets: String = flags.iter().map(set).collect();
        let told = "append_hf(\"X-Flags: $DLG_flags\\r\\n\");";
        script_to("", &format!("{sets} {told} {more}"), "")
    };
    let (world, alice, proxy, bob) = cast(10, &sets(&["a", "b"], ""));
    // Nobody serves such a socket.
    let subscribes = "subscribe_event(\"E_SEEN\", \"pigeon:loft\");";
    let refused = reload(&proxy, &sets(&["c"], subscribes)).unwrap_err();
    assert!(matches!(refused, StartError::Events(_)), "{refused}");
    let node = Arc::clone(&proxy.borrow().node);
    assert!(node.dialogs.user_flags_named("c").is_err(), "a refused script leaves nothing");
    assert_eq!(node.dialogs.user_flags_named("a b"), Ok(0b11));
    // A module, or a row of the database, is quicker than the next script.
    node.dialogs.user_flag("quick").unwrap();
    reload(&proxy, &sets(&["d", "b"], "")).unwrap();
    answered(&world, &alice, &bob);
    assert_eq!(bob.last("INVITE").header("X-Flags"), Some("b d"));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §13: a table that the new script is the first to name is opened.
#[test]
fn a_new_table_of_users_is_open() {
    let naming = |table: &str| {
        let main = format!("ul_del_key(\"{table}\", \"sip:a@b\", \"k\");");
        script_to("loadmodule \"usrloc.so\"", &main, "")
    };
    let (_world, _alice, proxy, _bob) = cast(9, &naming("location"));
    let open = |table: &str| {
        let node = Arc::clone(&proxy.borrow().node);
        let location = node.settings::<Usrloc>().location().unwrap();
        location.table(table).is_some()
    };
    assert!(open("location") && !open("elsewhere"));
    reload(&proxy, &naming("elsewhere")).unwrap();
    assert!(open("location") && open("elsewhere"));
}

/// A file that an operator edits.
#[derive(Clone)]
struct Edited(Arc<Mutex<String>>);

impl Sources for Edited {
    fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
        Ok(self.0.lock().unwrap().clone())
    }
}

// spec/script.md §15.4: the command, and the timer of a running server: the new one runs as often as
// it says.
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
    // What takes a restart is told, by its place.
    let other = with("timer_route[t, 1] { raise_event(\"E_RAN\"); }");
    *file.0.lock().unwrap() = format!("{other}\nlog_level = 3");
    let pending = "edited.cfg:5: `log_level` is new: it has no effect before a restart";
    assert_eq!(ask()["result"], json!({ "Status": "OK", "Pending": [pending] }));
    let until = Instant::now() + Duration::from_secs(20);
    while !ran.load(Ordering::Acquire) {
        assert!(Instant::now() < until, "the timer of the new script does not run");
        std::thread::sleep(Duration::from_millis(20));
    }
}
