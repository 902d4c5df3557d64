//! What scripts read of the program around them, and of what went wrong (spec/script.md §2.2, §3.4,
//! §8).

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::net::SocketAddr;

use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, World};
use world::{NAME, Proxy, Text, cast, forgotten, script_to};

const HEAD: &str = r#"
    socket = udp:10.0.0.1:5060
    loadmodule "proto_udp.so"
    loadmodule "sl.so"
    loadmodule "sipmsgops.so"
"#;

const ERROR_ROUTE: &str = r#"
    error_route {
        append_to_reply("X-Numbers: $err.class $err.level $err.rcode\r\n");
        append_to_reply("X-Texts: $err.info / $err.rreason\r\n");
        $var(reason) = $err.rreason;
        sl_send_reply(500, $var(reason));
    }
"#;

fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

// spec/script.md §3.4, §4: a failed assert() is told to the error route.
#[test]
fn an_error_route_reads_what_failed() {
    let script = format!(
        "enable_asserts = yes\n{HEAD}\nroute {{\n\
             append_to_reply(\"X-Before: $err.class $err.level $err.rcode $err.info $err.rreason\\r\\n\");\n\
             assert($rU == \"carol\", \"only carol\");\n\
             sl_send_reply(200, \"Not reached\");\n\
         }}\n{ERROR_ROUTE}"
    );
    let (world, alice, proxy, bob) = cast(1, &script);
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(500));
    // Nothing had gone wrong before.
    assert_eq!(shown(&alice, "500", "X-Before"), "<null> <null> <null> <null> <null>");
    assert_eq!(shown(&alice, "500", "X-Numbers"), "2 1 500");
    assert_eq!(shown(&alice, "500", "X-Texts"), "only carol / server error");
    forgotten(&world, &proxy);
}

// spec/script.md §3.1, §3.4: a request that breaks a rule of SIP comes to the error route alone.
#[test]
fn an_error_route_reads_what_a_message_breaks() {
    let script = format!("{HEAD}\nroute {{ sl_send_reply(200, \"Not reached\"); }}\n{ERROR_ROUTE}");
    let (world, alice, proxy, bob) = cast(2, &script);
    alice.sends_with("OPTIONS", &bob.uri(), |message| message.with("Max-Forwards", "many"));
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(500));
    assert_eq!(shown(&alice, "500", "X-Numbers"), "1 3 400");
    let texts = shown(&alice, "500", "X-Texts");
    assert!(texts.contains("Max-Forwards") && texts.ends_with("/ Bad Request"), "{texts}");
    forgotten(&world, &proxy);
}

// spec/script.md §8: $pp, and $argv of the command line's `-o name=value`, the last one of a name.
#[test]
fn the_program_is_read() {
    let script = format!(
        "{HEAD}\nroute {{\n\
             append_to_reply(\"X-Pid: $pp\\r\\nX-Args: $argv(zone) $argv(none) $argv($rU)\\r\\n\");\n\
             sl_send_reply(200, \"OK\");\n\
         }}"
    );
    let argv = [("zone", "west"), ("bob", "called"), ("zone", "east")];
    let argv = argv.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let overrides = Overrides { argv, ..Overrides::default() };
    let plan = Plan::load(NAME, &Text(&script), &[], overrides).unwrap();
    let world = World::seeded(3);
    let (alice, proxy, bob) = world.three_party(Proxy::of(plan));
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
    assert_eq!(shown(&alice, "200", "X-Pid"), std::process::id().to_string());
    assert_eq!(shown(&alice, "200", "X-Args"), "east <null> called");
    forgotten(&world, &proxy);
}

// spec/script.md §8: the log level of the process is set for all, kept within -3 to 4, and comes back
// with NULL.
#[test]
fn the_log_level_is_changed() {
    let script = format!(
        "{HEAD}\nroute {{\n\
             append_to_reply(\"X-Level: $log_level\\r\\n\");\n\
             $log_level = -1; append_to_reply(\"X-Level: $log_level\\r\\n\");\n\
             $log_level = 9; append_to_reply(\"X-Level: $log_level\\r\\n\");\n\
             $log_level = \"much\"; append_to_reply(\"X-Level: $rc $log_level\\r\\n\");\n\
             $log_level = NULL; append_to_reply(\"X-Level: $log_level\\r\\n\");\n\
             sl_send_reply(200, \"OK\");\n\
         }}"
    );
    let (world, alice, proxy, bob) = cast(4, &script);
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
    assert_eq!(alice.last("200").list("X-Level"), ["2", "-1", "4", "-1 4", "2"]);
    forgotten(&world, &proxy);
}

// spec/script.md §11, force_send_socket: one of ours, for this message.
#[test]
fn a_script_says_from_which_socket_a_request_leaves() {
    let targets = r#"
        force_send_socket("udp:10.0.0.2:5070");
        append_hf("X-Forced: $rc $socket_out $socket_out(forced)\r\n");
        $var(foreign) = "udp:192.0.2.1:5060";
        force_send_socket($var(foreign));
        append_hf("X-Foreign: $rc $socket_out\r\n");
    "#;
    let script = script_to("socket = udp:10.0.0.2:5070", targets, "");
    let world = World::seeded(5);
    let addresses = ["10.0.0.1:5060", "10.0.0.2:5070"].map(|it| it.parse::<SocketAddr>().unwrap());
    let proxy = world.serve_at(&addresses, Proxy::new(&script));
    let (alice, bob) = (world.agent("alice"), world.agent("bob"));
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Forced"), "1 udp:10.0.0.2:5070 udp:10.0.0.2:5070");
    assert_eq!(shown(&bob, "INVITE", "X-Foreign"), "-1 udp:10.0.0.2:5070");
    let via = bob.last("INVITE").list("Via")[0].to_owned();
    assert!(via.contains(" 10.0.0.2:5070;"), "{via}");
    forgotten(&world, &proxy);
    let wrong = script_to("", "force_send_socket(\"10.0.0.2\");", "");
    let refused = Plan::load(NAME, &Text(&wrong), &[], Overrides::default()).unwrap_err();
    assert!(refused.to_string().contains("proto:host[:port]"), "{refused}");
}
