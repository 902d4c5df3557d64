//! `mi()` of `mi_script`: management commands in scripts, with calls up (spec/script.md §12, §15,
//! spec/dialog.md §13).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::sync::Arc;
use std::time::Duration;

use duologue::management::for_scripts;
use duologue::management::rpc::{Answer, Command, Registry};
use duologue::server::module::Module;
use duologue_testkit::{Agent, CallState, Served, World};
use serde_json::{Map, Value, json};
use world::notes::{NOTE, notes};
use world::operator::commands;
use world::{Proxy, answered, forgotten, script_to};

static NOTES: Module = Module { name: "notes", functions: &[NOTE], ..Module::EMPTY };

const SETTINGS: &str = "loadmodule \"notes.so\"\n loadmodule \"mi_script.so\"";

/// The cast, and the commands that its scripts have as long as they are kept.
type Stage = (World, Agent, Served<Proxy>, Agent, Arc<Registry>);

fn stage(seed: u64, settings: &str, targets: &str, rest: &str) -> Stage {
    let script = script_to(&format!("{SETTINGS}\n{settings}"), targets, rest);
    let world = World::seeded(seed);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&NOTES]));
    let mut registry = commands(&proxy.borrow().node);
    let told = |params: &duologue::management::rpc::Params| {
        let names = ["one", "two", "list"].into_iter();
        let given = names.filter_map(|name| Some((name.to_owned(), params.raw(name)?.clone())));
        Ok(Value::Object(given.collect()).into())
    };
    let signatures: &[&[&str]] = &[&[], &["one"], &["one", "two"], &["one", "list"]];
    registry.add(Command::new("test:tell", "test", told).signatures(&signatures[..3])).unwrap();
    let named = Command::new("test:tell_list", "test", told).named_only();
    registry.add(named.signatures(&signatures[3..])).unwrap();
    let long = |_: &_| {
        let items = std::iter::repeat_with(|| Value::from("x".repeat(1000)));
        Ok(Answer::listing(Map::new(), "Items", items))
    };
    registry.add(Command::new("test:long", "test", long)).unwrap();
    registry.add(Command::new("test:stumble", "test", |_| panic!("a mistake"))).unwrap();
    let registry = Arc::new(registry);
    assert!(for_scripts(&proxy.borrow().node, &registry));
    (world, alice, proxy, bob, registry)
}

/// Lets the world go on until a command that runs on a thread of its own has come back.
fn until_noted(world: &World, proxy: &Served<Proxy>) -> Vec<String> {
    let queue = Arc::clone(&proxy.borrow().node.queue);
    // What asks for the command is still under way.
    world.run_for(Duration::from_millis(20));
    loop {
        if !queue.is_empty() {
            // Not until all is quiet: the thread has no share in this world's time.
            world.run_for(Duration::from_millis(100));
        }
        let noted = notes();
        if !noted.is_empty() {
            return noted;
        }
        std::thread::yield_now();
    }
}

// The command's result is JSON; its code is 1
#[test]
fn a_command_is_run_in_place() {
    let targets = r#"
        mi("list_all_profiles", $var(ret));
        note("$rc $var(ret)");
        mi("dialog:list_all_profiles");
        note("$rc");
        mi("test:tell a b", $avp(ret));
        note("$rc $avp(ret)");
    "#;
    let settings = "modparam(\"dialog\", \"profiles_no_value\", \"all\")";
    let (world, alice, proxy, bob, _registry) = stage(1, settings, targets, "");
    answered(&world, &alice, &bob);
    let profiles = json!({ "Profiles": [{ "name": "all", "has value": false, "shared": "no",
        "replicated": "no" }] });
    let expected = [format!("1 {profiles}"), "1".into(), r#"1 {"one":"a","two":"b"}"#.into()];
    assert_eq!(notes(), expected);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// One AVP has values, in the order in which they were given; two have names and values
#[test]
fn parameters_come_from_avps() {
    let targets = r#"
        $avp(p) = "first"; $avp(p) = 2;
        mi("test:tell ignored", $var(ret), $avp(p));
        note("$rc $var(ret)");
        $avp(names) = "two"; $avp(vals) = 5;
        $avp(names) = "one"; $avp(vals) = "x y";
        mi("test:tell", $var(ret), $avp(names), $avp(vals));
        note("$rc $var(ret)");
        $avp(n) = "list"; $avp(v) = "__array(HEARTBEAT BACKGROUND_JOB)";
        $avp(n) = "one"; $avp(v) = "z";
        mi("test:tell_list", $var(ret), $avp(n), $avp(v));
        note("$rc $var(ret)");
        mi("test:tell", , $avp(none));
        note("$rc");
    "#;
    let (world, alice, proxy, bob, _registry) = stage(2, "", targets, "");
    answered(&world, &alice, &bob);
    let expected = [
        r#"1 {"one":"first","two":2}"#,
        r#"1 {"one":"x y","two":5}"#,
        r#"1 {"one":"z","list":["HEARTBEAT","BACKGROUND_JOB"]}"#,
        "1",
    ];
    assert_eq!(notes(), expected);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A failed command: its code as a negative number, its message in the variable
#[test]
fn errors_are_negative_codes() {
    let targets = r#"
        mi("profile_get_size nothing", $var(ret));
        note("$rc $var(ret)");
        mi("no_such_command", $var(ret));
        note("$rc $var(ret)");
        mi("test:tell a b c", $var(ret));
        note("$rc $var(ret)");
        mi("test:stumble", $var(ret));
        note("$rc $var(ret)");
        mi("test:long", $var(ret));
        note("$rc $var(ret)");
        $avp(n) = "one";
        mi("test:tell", $var(ret), $avp(n), $avp(v));
        note("$rc");
        mi("test:tell", $var(ret), $var(no_avp));
        note("$rc");
    "#;
    let (world, alice, proxy, bob, _registry) = stage(3, "", targets, "");
    answered(&world, &alice, &bob);
    let expected = [
        "-404 Profile not found",
        "-32601 Method not found",
        "-32602 Invalid params: Too few or too many parameters",
        "-32000 Server error: Command handler returned null",
        "-3 the result is too long",
        "-1",
        "-1",
    ];
    assert_eq!(notes(), expected);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

/// Asks for a request within the call, whose command waits for the reply.
const ASKS: &str = r#"
    $avp(n) = "callid"; $avp(v) = $ci;
    $avp(n) = "mode"; $avp(v) = "caller";
    $avp(n) = "method"; $avp(v) = "MESSAGE";
"#;

// spec/script.md §12: a command that waits for this very call stops nobody: the run waits
#[test]
fn a_command_that_waits_lets_the_run_wait() {
    let rest = format!(
        r#"
        route[within] {{
            if (!is_method("INFO")) return;
            t_newtran();   # else the INFO that comes again meanwhile runs the script again
            {ASKS}
            $avp(kept) = "kept";
            mi("dlg_send_sequential", $avp(ret), $avp(n), $avp(v));
            note("$rc $avp(ret) $avp(kept)");
        }}"#
    );
    let (world, alice, proxy, bob, _registry) = stage(4, "", "", &rest);
    answered(&world, &alice, &bob);
    alice.requests("INFO");
    let noted = until_noted(&world, &proxy);
    assert_eq!(noted, [r#"1 {"Code":200,"Reason":"OK"} kept"#]);
    world.settle();
    assert_eq!((alice.count("MESSAGE"), bob.count("INFO")), (1, 1));
    assert_eq!(alice.status_of("INFO"), Some(200));
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §12: in `async()` any command runs beside the workers
#[test]
fn a_command_runs_asynchronously() {
    let targets = "async(mi(\"test:tell a\", $avp(ret)), told);";
    let rest = r#"route[told] { note("$rc $avp(ret)"); t_relay(); }"#;
    let (world, alice, proxy, bob, _registry) = stage(5, "", targets, rest);
    alice.invite(&bob);
    assert_eq!(until_noted(&world, &proxy), [r#"1 {"one":"a"}"#]);
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/dialog.md §13: where a run cannot wait, the request leaves and nobody waits for the reply
#[test]
fn where_nobody_can_wait_it_is_accepted() {
    let rest = format!(
        r#"
        local_route {{
            if (!is_method("INFO")) return;
            {ASKS}
            mi("dlg_send_sequential", $var(ret), $avp(n), $avp(v));
            note("$rc $var(ret)");
        }}"#
    );
    let (world, alice, proxy, bob, _registry) = stage(6, "", "", &rest);
    answered(&world, &alice, &bob);
    let dialogs = proxy.borrow().node.dialogs.clone();
    let dialog = dialogs.by_callid(alice.call_id().as_bytes(), None).unwrap();
    dialog.send_request(duologue::dialog::NewRequest::to_caller("INFO"), |_| ()).unwrap();
    world.settle();
    assert_eq!(notes(), [r#"1 "Accepted""#]);
    assert_eq!(alice.count("MESSAGE"), 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// `pretty_printing`: for people who read it in a log
#[test]
fn results_may_be_pretty() {
    let settings = "modparam(\"mi_script\", \"pretty_printing\", 1)";
    let targets = "mi(\"test:tell a\", $var(ret)); note(\"$var(ret)\");";
    let (world, alice, proxy, bob, _registry) = stage(7, settings, targets, "");
    answered(&world, &alice, &bob);
    assert_eq!(notes(), ["{\n  \"one\": \"a\"\n}"]);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// A script whose program has no commands, or none any more, is told so
#[test]
fn without_commands_there_is_nothing_to_run() {
    let targets = "mi(\"test:tell\", $var(ret)); note(\"$rc\");";
    let script = script_to(SETTINGS, targets, "");
    let world = World::seeded(8);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&NOTES]));
    answered(&world, &alice, &bob);
    assert_eq!(notes(), ["-1"]);
    let registry = Arc::new(Registry::new());
    let node = Arc::clone(&proxy.borrow().node);
    assert!(for_scripts(&node, &registry) && !for_scripts(&node, &registry));
    drop(registry);
    alice.hangs_up();
    world.settle();
    alice.invite(&bob);
    world.settle();
    assert_eq!(notes(), ["-32000"]);
    bob.answers();
    alice.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn the_name_of_a_command_is_needed() {
    let script = script_to(SETTINGS, "mi(\" \");", "");
    let plan =
        duologue::Plan::load(world::NAME, &world::Text(&script), &[&NOTES], Default::default());
    assert!(plan.err().unwrap().to_string().contains("the name of a command is needed"));
}
