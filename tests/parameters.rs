//! Parameters of modules that no other test sets: those that change something, and those that change
//! nothing here, of which a script's author is told (spec/modules.md, spec/dialog.md §14.4).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::time::Duration;

use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, CallState, Served, World};
use world::{CAROL, NAME, Proxy, Text, answered, cast, forgotten, script_to};

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A `modparam`, the value as it is written.
fn modparam(module: &str, name: &str, value: &str) -> String {
    format!("modparam(\"{module}\", \"{name}\", {value})\n")
}

fn load(settings: &str) -> Result<Plan, String> {
    let script = script_to(settings, "", "");
    let plan = Plan::load(NAME, &Text(&script), &[], Overrides::default());
    plan.map_err(|error| error.to_string())
}

/// What the author of a script that sets this is told.
fn told(settings: &str) -> Vec<String> {
    let plan = load(settings).unwrap_or_else(|error| panic!("{error}"));
    plan.warnings().list().iter().map(|warning| warning.message.clone()).collect()
}

fn refusal(module: &str, name: &str, value: &str) -> String {
    load(&modparam(module, name, value)).err().unwrap_or_default()
}

fn staged(seed: u64, settings: &str, targets: &str) -> (World, Agent, Served<Proxy>, Agent) {
    cast(seed, &script_to(settings, targets, ""))
}

// --- Without effect -----------------------------------------------------------------------------

// spec/modules.md §1.1, §3, spec/dialog.md §14.4: accepted, with a word unless it is so anyway.
#[test]
fn what_has_no_effect_is_told() {
    // A module, a parameter, a value that asks for what happens anyway, one that does not, and a
    // word of the reason.
    for (module, name, ours, other, reason) in [
        ("sl", "enable_stats", Some("1"), "0", "never off"),
        ("tm", "enable_stats", Some("yes"), "no", "never off"),
        ("dialog", "enable_stats", Some("1"), "0", "never off"),
        ("tm", "delete_timer", None, "2", "removed at once"),
        ("tm", "ruri_matching", Some("1"), "0", "Request-URI"),
        ("tm", "via1_matching", Some("1"), "0", "top Via"),
        ("tm", "syn_branch", Some("1"), "0", "state"),
        ("tm", "pass_provisional_replies", Some("0"), "1", "final reply"),
        ("tm", "timer_partitions", Some("1"), "4", "timer"),
    ] {
        if let Some(ours) = ours {
            assert_eq!(told(&modparam(module, name, ours)), [""; 0], "{module} {name}");
        }
        let heard = told(&modparam(module, name, other).repeat(2));
        assert_eq!(heard.len(), 1, "{module} {name}: once");
        let beginning = format!("`{name}` changes nothing here: ");
        assert!(heard[0].starts_with(&beginning) && heard[0].contains(reason), "{}", heard[0]);
        assert!(refusal(module, name, "\"text\"").contains("number expected"), "{module} {name}");
    }
}

// spec/modules.md §2, §13: texts, and what another module does.
#[test]
fn what_others_decide_is_told() {
    for (module, name, value, reason) in [
        ("rr", "ignore_user", "\"rr\"", "host and port"),
        ("usrloc", "pinging_mode", "\"ownership\"", "clusters"),
        ("usrloc", "contact_refresh_timer", "1", "pn_enable"),
    ] {
        let load = format!("loadmodule \"usrloc.so\"\n{}", modparam(module, name, value));
        let heard = told(&load);
        assert!(heard.len() == 1 && heard[0].contains(reason), "{heard:?}");
        assert!(heard[0].starts_with(&format!("`{name}` changes nothing here: ")), "{heard:?}");
    }
}

// spec/modules.md §1.1: with the statistics off or not, they count.
#[test]
fn statistics_count_whatever_is_asked_for() {
    let off = ["sl", "tm", "dialog"].map(|module| modparam(module, "enable_stats", "0")).concat();
    let (world, alice, proxy, bob) = staged(1, &off, "");
    answered(&world, &alice, &bob);
    alice.hangs_up();
    forgotten(&world, &proxy);
    let node = std::sync::Arc::clone(&proxy.borrow().node);
    let count = |name: &[u8]| node.read_statistic(Default::default(), name);
    assert_eq!((count(b"tm:2xx_transactions"), count(b"processed_dialogs")), (Some(2), Some(1)));
}

// --- tm -----------------------------------------------------------------------------------------

// spec/modules.md §1.1: T1_timer and T2_timer rule retransmissions (RFC 3261 §17.1.2.2, Timer E).
#[test]
fn requests_are_repeated_as_the_timers_say() {
    let slow = modparam("tm", "T1_timer", "1000") + &modparam("tm", "T2_timer", "2000");
    // At 0, 1, 3, 5 and 7 s; with 500 ms and 4 s at 0, 0.5, 1.5 and 3.5 s, and next at 7.5 s.
    for (settings, sent) in [(slow.as_str(), 5), ("", 4)] {
        let (world, alice, proxy, bob) = staged(2, settings, "");
        bob.silent();
        alice.sends("MESSAGE", &bob.uri());
        world.run_for(Duration::from_millis(7_400));
        assert_eq!(bob.count("MESSAGE") + bob.repeats("MESSAGE"), sent, "{settings}");
        forgotten(&world, &proxy);
    }
    for name in ["T1_timer", "T2_timer"] {
        assert!(refusal("tm", name, "0").contains("at least 1"), "{name}");
    }
}

// spec/modules.md §1.1, restart_fr_on_each_reply: which provisionals prolong the patience.
#[test]
fn provisionals_prolong_the_wait_if_wanted() {
    // A provisional after 8 s; when it is the same again, and when it tells more.
    for (restart, second, ends) in [(1, 180, 18), (0, 180, 10), (0, 183, 18), (1, 183, 18)] {
        let settings = modparam("tm", "fr_inv_timeout", "10")
            + &modparam("tm", "restart_fr_on_each_reply", &restart.to_string());
        let (world, alice, proxy, bob) = staged(3, &settings, "");
        bob.manual();
        alice.invite(&bob);
        world.run_for(Duration::from_millis(200));
        bob.replies(180);
        world.run_for(seconds(8));
        bob.replies(second);
        world.run_for(seconds(ends - 8) - Duration::from_millis(700));
        assert_eq!(alice.final_status(), None, "restart {restart}, {second} after 180");
        world.run_for(seconds(2));
        assert_eq!(alice.final_status(), Some(408), "restart {restart}, {second} after 180");
        bob.rejects(487);
        forgotten(&world, &proxy);
    }
}

// spec/modules.md §1.1, auto_100trying.
#[test]
fn the_caller_hears_100_if_wanted() {
    for (value, heard) in [("1", 1), ("0", 0)] {
        let (world, alice, proxy, bob) = staged(4, &modparam("tm", "auto_100trying", value), "");
        bob.manual();
        alice.invite(&bob);
        world.run_for(Duration::from_millis(200));
        assert_eq!(alice.count("100"), heard, "auto_100trying = {value}");
        bob.rejects(486);
        forgotten(&world, &proxy);
    }
}

// spec/modules.md §1.1, disable_6xx_block: a 6xx ends everything, or is a reply like any other.
#[test]
fn a_6xx_is_like_others_if_wanted() {
    let both = format!("append_branch(\"{CAROL}\");");
    for (value, cancelled) in [("0", 1), ("1", 0)] {
        let (world, alice, proxy, bob) =
            staged(5, &modparam("tm", "disable_6xx_block", value), &both);
        let carol = world.agent("carol");
        alice.invite(&bob);
        bob.manual();
        carol.rings();
        world.run_for(Duration::from_millis(200));
        bob.rejects(603);
        world.run_for(seconds(1));
        assert_eq!(carol.count("CANCEL"), cancelled, "disable_6xx_block = {value}");
        if cancelled == 1 {
            assert_eq!(alice.final_status(), Some(603));
        } else {
            assert_eq!(alice.final_status(), None);
            carol.answers();
            world.settle();
            assert_eq!(alice.state(), CallState::Talking);
            alice.hangs_up();
        }
        forgotten(&world, &proxy);
    }
}

// --- proto_udp, maxfwd --------------------------------------------------------------------------

// spec/modules.md §29, udp_port: the port of sockets that name none.
#[test]
fn sockets_without_a_port_get_the_modules() {
    let port = |settings: &str| {
        let script = format!(
            "socket = udp:10.0.0.1\nsocket = udp:10.0.0.2:5070\nloadmodule \"proto_udp.so\"\n\
             {settings}\nroute {{ exit; }}"
        );
        let proxy = Proxy::new(&script);
        let ports: Vec<u16> =
            proxy.node.sockets.iter().map(|(_, it)| it.address().port()).collect();
        ports
    };
    assert_eq!(port(""), [5060, 5070]);
    assert_eq!(port(&modparam("proto_udp", "udp_port", "5080")), [5080, 5070]);
    assert!(refusal("proto_udp", "udp_port", "0").contains("at least 1"));
    assert!(refusal("proto_udp", "udp_port", "70000").contains("below 65536"));
}

// spec/modules.md §5, max_limit: no more hops leave than this, whatever came and whatever is asked.
#[test]
fn no_more_hops_leave_than_the_limit() {
    // The script asks for 10 hops; alice's requests have 70.
    for (limit, having, without) in [("256", "69", "10"), ("20", "20", "10"), ("5", "5", "5")] {
        let (world, alice, proxy, bob) = staged(6, &modparam("maxfwd", "max_limit", limit), "");
        let left = || bob.last("MESSAGE").header("Max-Forwards").unwrap().to_owned();
        alice.sends("MESSAGE", &bob.uri());
        world.settle();
        assert_eq!(left(), having, "max_limit = {limit}");
        alice.sends_with("MESSAGE", &bob.uri(), |mut message| {
            message.headers.retain(|(name, _)| name != "Max-Forwards");
            message
        });
        world.settle();
        assert_eq!(left(), without, "max_limit = {limit}");
        forgotten(&world, &proxy);
    }
    assert!(refusal("maxfwd", "max_limit", "0").contains("at least 1"));
}

// --- dialog -------------------------------------------------------------------------------------

// spec/dialog.md §4.3, rr_param: the name under which a dialog is found again.
#[test]
fn the_dialog_is_named_in_the_route_as_wanted() {
    let rest = "route[within] { append_hf(\"X-Status: $DLG_status\\r\\n\"); }";
    // Mode 0 finds a dialog by this parameter alone.
    let settings =
        modparam("dialog", "rr_param", "\"call\"") + &modparam("dialog", "dlg_match_mode", "0");
    let (world, alice, proxy, bob) = cast(7, &script_to(&settings, "", rest));
    answered(&world, &alice, &bob);
    let route = bob.last("INVITE").header("Record-Route").unwrap().to_owned();
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None).unwrap();
    assert!(route.contains(&format!(";call={}", dialog.id())), "{route}");
    assert!(!route.contains(";did="), "{route}");
    alice.requests("INFO");
    world.settle();
    assert_eq!(bob.last("INFO").header("X-Status"), Some("4"));
    bob.hangs_up();
    forgotten(&world, &proxy);
    for wrong in ["\"\"".to_owned(), format!("\"{}\"", "a".repeat(33))] {
        assert!(refusal("dialog", "rr_param", &wrong).contains("1 to 32"), "{wrong}");
    }
}

/// The id of the dialog of one call.
fn id_of_a_call(settings: &str) -> duologue::dialog::DialogId {
    let (world, alice, proxy, bob) = staged(8, settings, "");
    answered(&world, &alice, &bob);
    let dialog = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None).unwrap();
    let id = dialog.id();
    alice.hangs_up();
    forgotten(&world, &proxy);
    id
}

// spec/dialog.md §4.2, hash_size: how many entries there are; a power of two, rounded down.
#[test]
fn entries_are_as_many_as_wanted() {
    let entry = |size: &str| id_of_a_call(&modparam("dialog", "hash_size", size)).entry;
    let many = entry("65536");
    assert!(many < 65_536);
    assert_eq!((entry("4096"), entry("100"), entry("64")), (many % 4096, many % 64, many % 64));
    assert!(refusal("dialog", "hash_size", "0").contains("at least 1"));
}

// spec/dialog.md §18.1 D29, node_id: ids that no other node gives.
#[test]
fn ids_tell_the_node() {
    for node in [0, 7, 255] {
        let id = id_of_a_call(&modparam("dialog", "node_id", &node.to_string())).id;
        assert_eq!(id >> 24, node);
    }
    for wrong in ["256", "-1"] {
        assert!(refusal("dialog", "node_id", wrong).contains("0 to 255"), "{wrong}");
    }
}

// spec/dialog.md §14.4, log_profile_hash_size: 2^n parts that a profile's values lie in.
#[test]
fn profiles_have_as_many_parts_as_wanted() {
    let memory = |log: &str| {
        let settings = modparam("dialog", "profiles_with_value", "\"calls\"")
            + &modparam("dialog", "log_profile_hash_size", log);
        Proxy::new(&script_to(&settings, "", "")).node.dialogs.memory()
    };
    let (one, default, many) = (memory("0"), memory("4"), memory("10"));
    assert!(one < default && default < many, "{one} {default} {many}");
    let whole =
        Proxy::new(&script_to(&modparam("dialog", "profiles_with_value", "\"calls\""), "", ""));
    assert_eq!(whole.node.dialogs.memory(), default);
    assert!(refusal("dialog", "log_profile_hash_size", "-1").contains("at least 0"));
    assert_eq!(told(&modparam("dialog", "log_profile_hash_size", "10")), [""; 0]);
}
