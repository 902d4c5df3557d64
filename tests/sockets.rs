//! Several listening sockets: each side of a call stays on its own.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::net::SocketAddr;

use duologue::dialog::NewRequest;
use duologue_testkit::{Agent, CallState, Served, World};
use world::{Proxy, forgotten, plain, script_to};

const INNER: &str = "10.0.0.1:5060";
const OUTER: &str = "10.0.0.2:5060";
const OUTER_V6: &str = "[2001:db8::2]:5060";

/// Alice behind the first socket; bob is reached from the second.
fn two_sockets(seed: u64, second: &str, bob: &str) -> (World, Agent, Served<Proxy>, Agent) {
    let settings = format!("socket = udp:{second}");
    let targets = format!("$socket_out = \"udp:{second}\";");
    let world = World::seeded(seed);
    let addresses = [INNER, second].map(|text| text.parse::<SocketAddr>().unwrap());
    let proxy = world.serve_at(&addresses, Proxy::new(&script_to(&settings, &targets, "")));
    let alice = world.agent("alice");
    let bob = world.agent_at("bob", bob.parse().unwrap());
    bob.through(&addresses[1]);
    (world, alice, proxy, bob)
}

fn record_routes(agent: &Agent, kind: &str) -> Vec<String> {
    let message = agent.last(kind);
    message.list("Record-Route").into_iter().map(str::to_owned).collect()
}

fn whole_call((world, alice, proxy, bob): (World, Agent, Served<Proxy>, Agent)) {
    alice.invite(&bob);
    bob.rings();
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    // RFC 5658: the one towards bob first, then the one towards alice, each marked r2.
    let routes = record_routes(&bob, "INVITE");
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes.iter().all(|route| route.contains(";r2=on") && route.contains(";lr")));
    assert!(routes[1].contains(INNER) || routes[1].contains("10.0.0.1;"), "{routes:?}");
    // Each side's requests come in on its own socket and leave by the other's.
    alice.requests("INFO");
    bob.requests("INFO");
    world.settle();
    assert_eq!((alice.status_of("INFO"), bob.status_of("INFO")), (Some(200), Some(200)));
    alice.reinvites();
    world.settle();
    assert_eq!(bob.count("ACK"), 2);
    assert!(bob.last("INFO").header("Route").is_none(), "both of our Routes are consumed");
    bob.hangs_up();
    world.settle();
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(proxy.borrow().node.dialogs.statistics().processed_dialogs, 1);
    forgotten(&world, &proxy);
}

#[test]
fn a_call_from_one_socket_to_another_is_routed_twice() {
    whole_call(two_sockets(1, OUTER, "10.0.0.99:5060"));
}

#[test]
fn a_call_from_ipv4_to_ipv6_is_routed_twice() {
    whole_call(two_sockets(2, OUTER_V6, "[2001:db8::99]:5060"));
}

// RFC 3261 §18.1.2: a reply whose top Via is not ours was not meant for us.
#[test]
fn check_via_drops_replies_with_a_foreign_top_via() {
    for (setting, heard) in [("check_via = yes", 0), ("check_via = no", 1)] {
        let world = World::seeded(3);
        let (alice, proxy, bob) = world.three_party(Proxy::new(&script_to(setting, "", "")));
        alice.invite(&bob);
        world.run_for(std::time::Duration::from_millis(100));
        bob.replies_with("INVITE", 180, |mut reply| {
            let via = reply.headers.iter_mut().find(|(name, _)| name == "Via").unwrap();
            via.1 = via.1.replacen("10.0.0.1", "192.0.2.7", 1);
            reply
        });
        world.run_for(std::time::Duration::from_millis(100));
        assert_eq!(alice.count("180"), heard, "{setting}");
        bob.rejects(486);
        forgotten(&world, &proxy);
    }
}

/// What an in-dialog request makes of its Route before it leaves its sender.
type Spoil = fn(&str) -> String;

fn without_did(route: &str) -> String {
    let start = route.find(";did=").expect("the dialog is named");
    let end = route[start + 1..].find([';', '>']).map_or(route.len(), |at| start + 1 + at);
    format!("{}{}", &route[..start], &route[end..])
}

fn with_did(route: &str, did: &str) -> String {
    without_did(route).replacen('>', &format!(";did={did}>"), 1)
}

// spec/dialog.md §4.4: the three modes, by the did that comes back.
#[test]
fn the_match_mode_says_what_a_did_is_worth() {
    let rest = "route[within] { append_hf(\"X-Status: $DLG_status\\r\\n\"); }";
    let cases: [(u8, &str, Spoil, bool); 10] = [
        (0, "right", |route| route.to_owned(), true),
        (0, "absent", |route| without_did(route), false),
        (0, "unknown", |route| with_did(route, "000.1"), false),
        (0, "malformed", |route| with_did(route, "x.y"), false),
        (1, "right", |route| route.to_owned(), true),
        (1, "absent", |route| without_did(route), true),
        (1, "unknown", |route| with_did(route, "000.1"), true),
        (1, "malformed", |route| with_did(route, "x.y"), false),
        (2, "absent", |route| route.to_owned(), true),
        (2, "malformed", |route| route.replacen('>', ";did=x.y>", 1), true),
    ];
    for (mode, did, spoil, known) in cases {
        let settings = format!("modparam(\"dialog\", \"dlg_match_mode\", {mode})");
        let world = World::seeded(4);
        let (alice, proxy, bob) = world.three_party(Proxy::new(&script_to(&settings, "", rest)));
        world::answered(&world, &alice, &bob);
        alice.requests_with("INFO", |mut info| {
            let route = info.headers.iter_mut().find(|(name, _)| name == "Route").unwrap();
            // Mode 2 puts no did into Record-Route.
            assert_eq!(route.1.contains(";did="), mode != 2);
            route.1 = spoil(&route.1);
            info
        });
        world.settle();
        let status = bob.last("INFO").header("X-Status").map(str::to_owned);
        assert_eq!(status.as_deref() == Some("4"), known, "mode {mode}, did {did}: {status:?}");
        alice.hangs_up();
        forgotten(&world, &proxy);
    }
}

// spec/dialog.md §4.4: without a Route, the did may stand in the Request-URI.
#[test]
fn match_dialog_finds_a_did_in_a_request_uri_of_ours() {
    let script =
        plain().replace("loose_route();", "if (!loose_route()) match_dialog(\"did_only\");");
    for in_user in [false, true] {
        let rest = "route[within] { append_hf(\"X-Status: $DLG_status\\r\\n\"); \
                    if (is_method(\"INFO\")) $ru = \"sip:bob@10.0.0.12:5060\"; }";
        let script = script.replace("route[within] { return; }", rest);
        let world = World::seeded(5);
        let (alice, proxy, bob) = world.three_party(Proxy::new(&script));
        world::answered(&world, &alice, &bob);
        let did = proxy.borrow().node.dialogs.by_callid(alice.call_id().as_bytes(), None);
        let did = did.unwrap().id().to_string();
        let uri = match in_user {
            true => format!("sip:bob.did.{did}@10.0.0.1:5060"),
            false => format!("sip:bob@10.0.0.1:5060;did={did}"),
        };
        alice.requests_with("INFO", |mut info| {
            info.headers.retain(|(name, _)| name != "Route");
            info.start = format!("INFO {uri} SIP/2.0");
            info
        });
        world.settle();
        assert_eq!(bob.last("INFO").header("X-Status"), Some("4"), "{uri}");
        bob.hangs_up();
        forgotten(&world, &proxy);
    }
}

// spec/script.md §2.2, spec/dialog.md §16: what the local route forces for a request of our own, a bond or
// a socket of the other family, keeps it from nobody.
#[test]
fn our_own_requests_leave_by_what_is_forced() {
    let settings = format!(
        "socket = udp:{OUTER}\nsocket = udp:{OUTER_V6}\n\
         socket = bond:outside {{\"udp:{OUTER}\", \"udp:{OUTER_V6}\"}}"
    );
    let six = format!("udp:{OUTER_V6}");
    for (seed, forced, own) in
        [(9, "bond:outside", OUTER), (10, &*format!("udp:{OUTER}"), OUTER), (11, &*six, INNER)]
    {
        let world = World::seeded(seed);
        let addresses = [INNER, OUTER, OUTER_V6].map(|text| text.parse::<SocketAddr>().unwrap());
        let local = format!("local_route {{ $socket_out = \"{forced}\"; }}");
        let proxy = world.serve_at(&addresses, Proxy::new(&script_to(&settings, "", &local)));
        let (alice, bob) = (world.agent("alice"), world.agent("bob"));
        world::answered(&world, &alice, &bob);
        let dialogs = proxy.borrow().node.dialogs.clone();
        let dialog = dialogs.by_callid(alice.call_id().as_bytes(), None).unwrap();
        let sent = dialog.send_request(NewRequest::to_callee("INFO"), |_| ());
        sent.expect("the call is up");
        world.settle();
        let via = bob.last("INFO").list("Via")[0].to_owned();
        assert!(via.contains(&format!(" {own};")), "{forced}: {via}");
        alice.hangs_up();
        forgotten(&world, &proxy);
    }
}

// spec/script.md §2.2, §8, §11: of a bond that is forced the member leaves that can reach the callee.
#[test]
fn a_bond_leaves_by_the_member_that_fits() {
    let settings = format!(
        "socket = udp:{OUTER}\nsocket = udp:{OUTER_V6}\n\
         socket = bond:outside {{\"udp:{OUTER}\", \"udp:{OUTER_V6}\"}}"
    );
    let targets = format!(
        "$socket_out = \"bond:outside\";\n\
         append_hf(\"X-Out: $socket_out $socket_out(ip)\\r\\n\");\n\
         socket_belongs_to_bond(\"udp:{OUTER}\", \"outside\"); $var(in) = $rc;\n\
         socket_belongs_to_bond(\"udp:{INNER}\", \"outside\");\n\
         append_hf(\"X-In: $var(in) $rc\\r\\n\");\n\
         $socket_out = \"bond:none\";"
    );
    for (seed, peer, own) in [(7, "10.0.0.12:5060", OUTER), (8, "[2001:db8::12]:5060", OUTER_V6)] {
        let world = World::seeded(seed);
        let addresses = [INNER, OUTER, OUTER_V6].map(|text| text.parse::<SocketAddr>().unwrap());
        let script = script_to(&settings, &targets, "");
        let proxy = world.serve_at(&addresses, Proxy::new(&script));
        let alice = world.agent("alice");
        let bob = world.agent_at("bob", peer.parse().unwrap());
        alice.invite(&bob);
        bob.rejects(486);
        world.settle();
        let invite = bob.last("INVITE");
        assert!(invite.list("Via")[0].contains(&format!(" {own};")), "{:?}", invite.list("Via"));
        assert_eq!(invite.header("X-Out"), Some("bond:outside <null>"));
        assert_eq!(invite.header("X-In"), Some("1 -1"));
        forgotten(&world, &proxy);
    }
}
