//! Events through whole calls: raised by scripts, dialogs and modules; told to event routes, modules
//! and sockets (spec/script.md §3.1, §11, §16; spec/dialog.md §14.2).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duologue::server::events::{EventValue, Raised};
use duologue::server::module::Module;
use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, Served, World};
use world::{Proxy, answered, cast, forgotten, plain, script_to};

/// What a subscriber heard, in its order: name and parameters, as JSON writes them.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// Listens to these events.
    fn of(proxy: &Served<Proxy>, names: &[&str]) -> Self {
        let heard = Self::default();
        for name in names {
            let taken = heard.clone();
            let take = move |raised: &Arc<Raised>| taken.note(told(raised));
            proxy.borrow().node.events.subscribe(name, "module:test", take).unwrap();
        }
        heard
    }

    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// `NAME params`, without the envelope.
fn told(raised: &Raised) -> String {
    let json = raised.json();
    let params = json.split_once(r#""params":"#).map_or("", |(_, rest)| &rest[..rest.len() - 1]);
    format!("{} {params}", raised.name()).trim_end().to_owned()
}

/// A call that is answered and hung up by its caller.
fn whole_call(world: &World, alice: &Agent, proxy: &Served<Proxy>, bob: &Agent) {
    answered(world, alice, bob);
    alice.hangs_up();
    forgotten(world, proxy);
}

/// The script of a proxy that does this for each new call, with these further routes.
fn on_each_call(actions: &str, rest: &str) -> String {
    script_to("", &format!("if (is_method(\"INVITE\")) {{ {actions} }}"), rest)
}

// spec/script.md §3.1, §16: asynchronously, with a dummy request, `$param` by name and by place from
// 1, nothing of the raiser's.
#[test]
fn an_event_route_reads_the_parameters_and_nothing_else() {
    let script = on_each_call(
        r#"
        $avp(secret) = "of the call";
        $avp(names) = "second"; $avp(values) = 7;
        $avp(names) = "first"; $avp(values) = "one";
        raise_event("E_X", $avp(names), $avp(values));
        $avp(after) = "the raiser went on";
        raise_event("E_SEEN", $avp(after));
        "#,
        r#"
        event_route[E_X] {
            $avp(s) = $param(3);
            pv_printf($avp(s), "$avp(secret)");
            pv_printf($avp(s), "$rm");
            $avp(s) = $param(2);
            $avp(s) = $param(1);
            $avp(s) = $param(second);
            $avp(s) = $param(first);
            raise_event("E_SEEN", $avp(s));
            $avp(secret) = "of the route";
            route(deeper, 5);
        }
        route[deeper] {
            pv_printf($avp(d), "$param(first)");
            $avp(d) = $param(1);
            raise_event("E_SEEN", $avp(d));
        }
        "#,
    );
    let (world, alice, proxy, bob) = cast(1, &script);
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    answered(&world, &alice, &bob);
    assert_eq!(
        heard.take(),
        [
            r#"E_SEEN ["the raiser went on"]"#,
            r#"E_SEEN ["one",7,"one",7,"OPTIONS","<null>"]"#,
            // Each level sees its own parameters only.
            r#"E_SEEN [5,"<null>"]"#,
        ]
    );
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// AVPs are local to each run of the route and discarded afterwards.
#[test]
fn runs_of_an_event_route_share_nothing_and_keep_their_order() {
    let script = on_each_call(
        r#"
        $avp(n) := 1; raise_event("E_X", $avp(n));
        $avp(n) := 2; raise_event("E_X", $avp(n));
        $avp(n) := 3; raise_event("E_X", $avp(n));
        "#,
        r#"event_route[E_X] { $avp(all) = $param(1); raise_event("E_SEEN", $avp(all)); }"#,
    );
    let (world, alice, proxy, bob) = cast(2, &script);
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    whole_call(&world, &alice, &proxy, &bob);
    assert_eq!(heard.take(), ["E_SEEN [1]", "E_SEEN [2]", "E_SEEN [3]"]);
}

// A burst is longer than the queue of a call: nothing of it is lost.
#[test]
fn a_burst_of_events_reaches_its_route_whole() {
    let script = on_each_call(
        r#"
        $var(i) = 0;
        while ($var(i) < 500) {
            $var(i) = $var(i) + 1;
            $avp(n) := $var(i);
            raise_event("E_X", $avp(n));
        }
        "#,
        r#"event_route[E_X] { $avp(n) = $param(1); raise_event("E_SEEN", $avp(n)); }"#,
    );
    let (world, alice, proxy, bob) = cast(3, &script);
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    whole_call(&world, &alice, &proxy, &bob);
    let wanted: Vec<_> = (1..=500).map(|number| format!("E_SEEN [{number}]")).collect();
    assert_eq!(heard.take(), wanted);
    assert_eq!(proxy.borrow().node.events.dropped(), 0);
}

// A panic of a module costs the statement that met it: the run goes on, and the next event comes.
#[test]
fn a_panic_in_an_event_route_stops_nothing() {
    fn panic(_: &mut duologue::server::context::Context<'_>, _: &mut Args<'_>) -> Called {
        panic!("on purpose")
    }
    use duologue::language::{Args, Called, RouteKinds};
    use duologue::server::module::Function;
    static PANICKY: Module = Module {
        name: "panicky",
        functions: &[Function::new("panic", &[], RouteKinds::all(), panic)],
        ..Module::EMPTY
    };
    let script = on_each_call(
        "$avp(n) = 1; raise_event(\"E_X\", $avp(n)); raise_event(\"E_X\", $avp(n));",
        "event_route[E_X] { panic(); $avp(n) = $param(1); raise_event(\"E_SEEN\", $avp(n)); }",
    );
    let script = format!("loadmodule \"panicky.so\"\n{script}");
    let world = World::seeded(4);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&PANICKY]));
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    whole_call(&world, &alice, &proxy, &bob);
    assert_eq!(heard.take(), ["E_SEEN [1]", "E_SEEN [1]"]);
}

// spec/script.md §16: top-down and pairwise; a value without a name fails, a name without a value
// does not; the AVPs stay; values alone have places; nobody subscribed is no failure.
#[test]
fn raise_event_takes_pairs_from_both_lists() {
    let script = on_each_call(
        r#"
        $avp(two) = "b"; $avp(two) = "a";
        $avp(values) = "y"; $avp(values) = "x";
        $avp(one) = "only";
        raise_event("E_SEEN", $avp(two), $avp(values));
        raise_event("E_SEEN", $avp(two), $avp(values));
        raise_event("E_SEEN", , $avp(values));
        raise_event("E_SEEN");
        raise_event("E_SEEN", $avp(two), $avp(one));
        $avp(code) := $rc;
        if (raise_event("E_SEEN", $avp(one), $avp(values))) { $avp(code) = 100; } else { $avp(code) = $rc; }
        if (raise_event("E_SEEN", $ru)) { $avp(code) = 200; } else { $avp(code) = $rc; }
        if (raise_event("E_NOBODY", $avp(one), $avp(values))) { $avp(code) = $rc; }
        raise_event("E_SEEN", $avp(code));
        "#,
        "",
    );
    let (world, alice, proxy, bob) = cast(5, &script);
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    whole_call(&world, &alice, &proxy, &bob);
    assert_eq!(
        heard.take(),
        [
            r#"E_SEEN {"a":"x","b":"y"}"#,
            r#"E_SEEN {"a":"x","b":"y"}"#,
            r#"E_SEEN ["x","y"]"#,
            "E_SEEN",
            r#"E_SEEN {"a":"only"}"#,
            "E_SEEN [1,-1,-1,1]",
        ]
    );
}

// spec/script.md §16: what the script names is published at the start.
#[test]
fn the_names_of_a_script_are_known_from_the_start() {
    let script = on_each_call(
        "raise_event(\"E_RAISED\"); raise_event(\"E_RAISED\"); raise_event(\"E_$rU\");",
        "event_route[E_ROUTED] { exit; }",
    );
    let (world, alice, proxy, bob) = cast(6, &script);
    let names = |proxy: &Served<Proxy>| -> Vec<String> {
        proxy.borrow().node.events.names().iter().map(|name| name.to_string()).collect()
    };
    let own =
        ["E_DLG_STATE_CHANGED", "E_DLG_LATE_ANSWER", "E_DLG_RACE", "E_CORE_SR_STATUS_CHANGED"];
    assert_eq!(names(&proxy), [&own[..], &["E_RAISED", "E_ROUTED"]].concat());
    whole_call(&world, &alice, &proxy, &bob);
    assert_eq!(names(&proxy)[6..], ["E_bob"]);
}

/// What a dialog's event said, without its varying names.
fn changes(heard: &Heard) -> Vec<String> {
    let states = |text: String| text[text.find("\"old_state\"").unwrap()..].to_owned();
    heard.take().into_iter().map(states).collect()
}

// spec/dialog.md §14.2: every change of state, none for the creation; names, values and order.
#[test]
fn each_change_of_a_dialogs_state_is_told() {
    let (world, alice, proxy, bob) = cast(7, &plain());
    let heard = Heard::of(&proxy, &["E_DLG_STATE_CHANGED"]);
    alice.invite(&bob);
    world.run_for(Duration::from_millis(100));
    assert_eq!(heard.take(), [""; 0]);
    bob.rings();
    world.settle();
    let id = {
        let dialogs = &proxy.borrow().node.dialogs;
        dialogs.by_callid(alice.call_id().as_bytes(), None).expect("it is tracked").id()
    };
    let (from, to) = {
        let ringing = alice.last("180");
        let tag =
            |name: &str| ringing.header(name).unwrap().split_once(";tag=").unwrap().1.to_owned();
        (tag("From"), tag("To"))
    };
    let call_id = alice.call_id();
    let first = format!(
        r#"E_DLG_STATE_CHANGED {{"id":"{id}","db_id":"{}","callid":"{call_id}","from_tag":"{from}","to_tag":"{to}","old_state":1,"new_state":2}}"#,
        id.db_id(),
    );
    assert_eq!(heard.take(), [first]);
    bob.answers();
    world.settle();
    assert_eq!(
        changes(&heard),
        [r#""old_state":2,"new_state":3}"#, r#""old_state":3,"new_state":4}"#]
    );
    alice.hangs_up();
    forgotten(&world, &proxy);
    assert_eq!(changes(&heard), [r#""old_state":4,"new_state":5}"#]);
}

#[test]
fn a_call_that_fails_and_one_that_expires_are_told_too() {
    let (world, alice, proxy, bob) = cast(8, &script_to("", "$DLG_timeout = 60;", ""));
    let heard = Heard::of(&proxy, &["E_DLG_STATE_CHANGED"]);
    alice.invite(&bob);
    bob.rejects(486);
    forgotten(&world, &proxy);
    assert_eq!(changes(&heard), [r#""old_state":1,"new_state":5}"#]);
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    answered(&world, &carol, &dave);
    heard.take();
    world.run_for(Duration::from_secs(70));
    assert_eq!(changes(&heard), [r#""old_state":4,"new_state":5}"#]);
    forgotten(&world, &proxy);
}

// spec/dialog.md §14.2, event_id_format.
#[test]
fn the_dialog_is_named_as_the_script_wants() {
    let named = |setting: &str| {
        let setting = format!("modparam(\"dialog\", \"event_id_format\", {setting})");
        let (world, alice, proxy, bob) = cast(9, &script_to(&setting, "", ""));
        let heard = Heard::of(&proxy, &["E_DLG_STATE_CHANGED"]);
        alice.invite(&bob);
        bob.rings();
        world.settle();
        let id = {
            let dialogs = &proxy.borrow().node.dialogs;
            dialogs.by_callid(alice.call_id().as_bytes(), None).expect("it is tracked").id()
        };
        bob.rejects(486);
        forgotten(&world, &proxy);
        let told = heard.take().remove(0);
        (told.split_once(",\"callid\"").unwrap().0.to_owned(), id)
    };
    let (told, id) = named("0");
    let numbers = format!(r#""hash_entry":{},"hash_id":{}"#, id.entry, id.id);
    assert_eq!(told, format!("E_DLG_STATE_CHANGED {{{numbers}"));
    let (told, id) = named("1");
    let names = format!(r#""id":"{id}","db_id":"{}""#, id.db_id());
    assert_eq!(told, format!("E_DLG_STATE_CHANGED {{{names}"));
    assert_eq!(named("2").0, format!("E_DLG_STATE_CHANGED {{{numbers},{names}"));
    let wrong = script_to("modparam(\"dialog\", \"event_id_format\", 3)", "", "");
    assert_eq!(refusal(&wrong), "module dialog: event_id_format must be 0, 1 or 2, not 3");
}

/// Tells what the event routes of a dialog see.
const DIALOG_ROUTES: &str = r#"
    route[tell] {
        pv_printf($avp(s), "$DLG_end_reason");
        pv_printf($avp(s), "$dlg_val(color)");
        $avp(s) = $DLG_did;
        $avp(s) = $DLG_status;
        $avp(s) = $param(1);
        raise_event("E_SEEN", $avp(s));
    }
    event_route[dialog:start] { route(tell, "start"); $dlg_val(color) = "green"; }
    event_route[dialog:end] { route(tell, "end"); }
    event_route[dialog:failed] { route(tell, "failed"); }
    route[on_answer] { route(tell, "on_answer"); }
    route[on_hangup] { route(tell, "on_hangup"); }
"#;

// As Kamailio has them, with our dialog current; in the call's order: before the on-answer route,
// behind the on-hangup route, and between the events of the states.
#[test]
fn event_routes_of_dialogs_run_in_the_order_of_the_call() {
    let targets = r#"
        $dlg_val(color) = "blue";
        dlg_on_answer("on_answer");
        dlg_on_hangup("on_hangup");
    "#;
    let (world, alice, proxy, bob) = cast(10, &script_to("", targets, DIALOG_ROUTES));
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    let noted = heard.clone();
    let note = move |raised: &Arc<Raised>| {
        let Some(EventValue::Int(state)) = raised.params().get("new_state") else { return };
        noted.note(format!("state {state}"));
    };
    proxy.borrow().node.events.subscribe("E_DLG_STATE_CHANGED", "module:states", note).unwrap();
    alice.invite(&bob);
    world.run_for(Duration::from_millis(100));
    let did = {
        let dialogs = &proxy.borrow().node.dialogs;
        let dialog = dialogs.by_callid(alice.call_id().as_bytes(), None).expect("it is tracked");
        dialog.id().to_string()
    };
    bob.answers();
    world.settle();
    bob.hangs_up();
    forgotten(&world, &proxy);
    let seen = |route: &str, state, color: &str, reason: &str| {
        format!(r#"E_SEEN ["{route}",{state},"{did}","{color}","{reason}"]"#)
    };
    assert_eq!(
        heard.take(),
        [
            "state 3".to_owned(),
            seen("start", 3, "blue", "<null>"),
            seen("on_answer", 3, "green", "<null>"),
            "state 4".to_owned(),
            "state 5".to_owned(),
            seen("on_hangup", 5, "green", "Upstream BYE"),
            seen("end", 5, "green", "Upstream BYE"),
        ]
    );
}

#[test]
fn a_call_that_is_not_answered_runs_the_route_of_failures_once() {
    let targets = "$dlg_val(color) = \"red\"; $DLG_timeout = 60;";
    let (world, alice, proxy, bob) = cast(11, &script_to("", targets, DIALOG_ROUTES));
    let heard = Heard::of(&proxy, &["E_SEEN"]);
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    forgotten(&world, &proxy);
    let seen = heard.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with(r#"E_SEEN ["failed",5,"#), "{seen:?}");
    assert!(seen[0].ends_with(r#","red","Cancelled"]"#), "{seen:?}");
    // One that outlives its time ends.
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    answered(&world, &carol, &dave);
    assert!(heard.take()[0].starts_with(r#"E_SEEN ["start",3,"#));
    world.run_for(Duration::from_secs(70));
    let seen = heard.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].starts_with(r#"E_SEEN ["end",5,"#), "{seen:?}");
    forgotten(&world, &proxy);
}

/// Why a proxy of this script does not start.
fn refusal(script: &str) -> String {
    let plan = match Plan::load(world::NAME, &world::Text(script), &[], Overrides::default()) {
        Ok(plan) => plan,
        Err(error) => return error.to_string(),
    };
    let sockets = plan.sockets().unwrap();
    let now = duologue::sip::Moment::default();
    plan.build(sockets, 1, now, 7).map(|_| "it started").unwrap_err().to_string()
}

#[test]
fn what_can_never_happen_is_refused_at_the_start() {
    let routes = |rest: &str| refusal(&script_to("", "", rest));
    assert_eq!(
        routes("event_route[dialog:begin] { exit; }"),
        "there is no event dialog:begin: a dialog has dialog:start, dialog:end and dialog:failed"
    );
    let long = format!("event_route[{}] {{ exit; }}", "E".repeat(65));
    assert!(routes(&long).ends_with("a name has at most 64 bytes"));
    let without = r#"
        socket = udp:10.0.0.1:5060
        loadmodule "proto_udp.so"
        route { exit; }
        event_route[dialog:start] { exit; }
    "#;
    assert_eq!(refusal(without), "event_route[dialog:start] needs loadmodule \"dialog.so\"");
    // spec/script.md §6: literal arguments are checked when the script loads.
    let calls = |call: &str| refusal(&script_to("", call, ""));
    assert!(calls("raise_event(\"\");").contains("1 to 64 bytes"));
    assert!(calls("subscribe_event(\"E_X\", \"nonsense\");").contains("transport:address"));
    assert!(calls("subscribe_event(\"E_X\", \"udp:1.2.3.4:5\", -1);").contains("from 0"));
    assert_eq!(
        calls("subscribe_event(\"E_X\", \"udp:1.2.3.4:5\");"),
        "subscribe_event(): udp:1.2.3.4:5: no module serves udp: sockets of events"
    );
}

// `event_route` is part of the core; its module is loaded by scripts of the past.
#[test]
fn the_module_event_route_may_be_loaded() {
    let script = plain().replace(
        "loadmodule \"dialog.so\"",
        "loadmodule \"dialog.so\" loadmodule \"event_route.so\"",
    );
    let (world, alice, proxy, bob) = cast(12, &script);
    whole_call(&world, &alice, &proxy, &bob);
}

// Modules of other crates publish and subscribe when they start, in whatever order they start.
#[test]
fn modules_publish_and_subscribe_through_their_host() {
    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static LISTENER: Module = Module {
        name: "listener",
        start: |host| {
            host.events().subscribe("E_CALL_MADE", "module:listener", |raised: &Arc<Raised>| {
                HEARD.lock().unwrap().push(told(raised));
            })?;
            Ok(())
        },
        ..Module::EMPTY
    };
    static SPEAKER: Module = Module {
        name: "speaker",
        start: |host| {
            let made = host.events().publish("E_CALL_MADE")?;
            host.dialogs()?.on_created(move |_| {
                made.raise(|params| {
                    params.text("by", "speaker").int("calls", 1);
                });
            });
            Ok(())
        },
        ..Module::EMPTY
    };
    let script = format!("loadmodule \"listener.so\"\nloadmodule \"speaker.so\"\n{}", plain());
    let script = format!("{script}\nevent_route[E_CALL_MADE] {{ raise_event(\"E_ROUTED\"); }}");
    let world = World::seeded(13);
    let (alice, proxy, bob) =
        world.three_party(Proxy::with_modules(&script, &[&LISTENER, &SPEAKER]));
    let routed = Heard::of(&proxy, &["E_ROUTED"]);
    whole_call(&world, &alice, &proxy, &bob);
    assert_eq!(*HEARD.lock().unwrap(), [r#"E_CALL_MADE {"by":"speaker","calls":1}"#]);
    assert_eq!(routed.take(), ["E_ROUTED"]);
}

// spec/script.md §16, E_CORE_THRESHOLD; §2.3, exec_msg_threshold in microseconds, off by default.
#[test]
fn a_message_that_takes_too_long_is_told() {
    let slow = "$var(i) = 0; while ($var(i) < 1000) { $var(i) = $var(i) + 1; }";
    for (setting, told) in [("", false), ("exec_msg_threshold = 1", true)] {
        let (world, alice, proxy, bob) = cast(14, &script_to(setting, slow, ""));
        let heard = Heard::of(&proxy, &["E_CORE_THRESHOLD"]);
        alice.invite(&bob);
        bob.rejects(486);
        forgotten(&world, &proxy);
        let heard = heard.take();
        assert_eq!(!heard.is_empty(), told, "{heard:?}");
        if told {
            let first = r#"E_CORE_THRESHOLD {"source":"msg processing","time":"#;
            assert!(heard[0].starts_with(first), "{heard:?}");
            let extra = format!(r#","extra":"{}"}}"#, alice.call_id());
            assert!(heard[0].ends_with(&extra), "{heard:?}");
        }
    }
}

// spec/lessons.md 15: an answer that crosses a CANCEL is told; §18.1 D3: so is one that comes late.
#[test]
fn races_and_late_answers_are_told() {
    let flags = script_to("", "", "").replace("create_dialog();", "create_dialog(\"E\");");
    for (script, released) in [(plain(), 0), (flags, 1)] {
        let (world, alice, proxy, bob) = cast(15, &script);
        let heard = Heard::of(&proxy, &["E_DLG_RACE", "E_DLG_LATE_ANSWER"]);
        alice.invite(&bob);
        bob.rings();
        world.run_for(Duration::from_secs(1));
        alice.cancels();
        bob.answers();
        world.run_for(Duration::from_secs(10));
        let told = heard.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("E_DLG_RACE {\"id\":"), "{told:?}");
        assert!(told[0].ends_with(&format!(",\"released\":{released}}}")), "{told:?}");
    }
    let (world, alice, proxy, bob) =
        cast(16, &script_to("modparam(\"tm\", \"fr_inv_timeout\", 5)", "", ""));
    let heard = Heard::of(&proxy, &["E_DLG_RACE", "E_DLG_LATE_ANSWER"]);
    bob.manual();
    alice.invite(&bob);
    world.run_for(Duration::from_secs(1));
    bob.replies(180);
    world.run_until(Duration::from_secs(60), || alice.final_status().is_some());
    bob.replies_to("INVITE", 200);
    world.run_for(Duration::from_secs(2));
    let told = heard.take();
    assert_eq!(told.len(), 1, "{told:?}");
    let call_id = alice.call_id();
    assert!(told[0].starts_with("E_DLG_LATE_ANSWER {\"id\":"), "{told:?}");
    assert!(told[0].contains(&format!("\"callid\":\"{call_id}\"")), "{told:?}");
}
