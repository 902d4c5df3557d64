//! Record-Route and Route as scripts use them (spec/modules.md §2), as whole calls.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::net::SocketAddr;

use duologue_testkit::{Message, World};
use world::{NAME, Proxy, Text, answered, cast, forgotten};

const MODULES: &str = r#"
    socket = udp:10.0.0.1:5060
    loadmodule "proto_udp.so"
    loadmodule "sl.so"
    loadmodule "tm.so"
    loadmodule "rr.so"
    loadmodule "maxfwd.so"
    loadmodule "sipmsgops.so"
"#;

/// A script that does `first` with a new request and `within` with one of a call.
fn script(settings: &str, first: &str, within: &str) -> String {
    format!(
        "{MODULES}\n{settings}\nroute {{\n\
             mf_process_maxfwd_header(10);\n\
             if (has_totag()) {{ {within} t_relay(); exit; }}\n\
             {first}\n\
             t_relay();\n\
         }}\n"
    )
}

/// The INVITE that bob gets.
fn relayed(settings: &str, first: &str) -> Message {
    let (world, alice, proxy, bob) = cast(1, &script(settings, first, ""));
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    let invite = bob.last("INVITE");
    forgotten(&world, &proxy);
    invite
}

/// Its Record-Routes, with a dot for what the From tag is.
fn record_routes(settings: &str, first: &str) -> Vec<String> {
    let invite = relayed(settings, first);
    let tag = invite.header("From").unwrap().split_once(";tag=").unwrap().1.to_owned();
    let shown = |route: &str| route.replace(&format!("ftag={tag}"), "ftag=.");
    invite.list("Record-Route").into_iter().map(shown).collect()
}

fn refusal(script: &str) -> String {
    match duologue::Plan::load(NAME, &Text(script), &[], Default::default()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

// spec/modules.md §2, add_rr_param: before or after, the From tag first.
#[test]
fn parameters_are_added_in_their_order() {
    let all = r#"add_rr_param(";a=1"); record_route(";b=2"); add_rr_param(";c=3");"#;
    assert_eq!(record_routes("", all), ["<sip:10.0.0.1;lr;ftag=.;a=1;b=2;c=3>"]);
    // On their own they are in no header.
    assert_eq!(record_routes("", "add_rr_param(\";a=1\");"), [""; 0]);
    let none = "modparam(\"rr\", \"append_fromtag\", 0)";
    assert_eq!(record_routes(none, "record_route();"), ["<sip:10.0.0.1;lr>"]);
}

// spec/modules.md §2, record_route_preset: host and port are the script's, the rest is as ever.
#[test]
fn a_script_says_where_requests_are_to_come() {
    let one = "record_route_preset(\"192.0.2.50:5070\"); add_rr_param(\";a=1\");";
    assert_eq!(record_routes("", one), ["<sip:192.0.2.50:5070;lr;ftag=.;a=1>"]);
    let two = "record_route_preset(\"out.example.com;r2=on\", \"in.example.com;r2=on\");";
    assert_eq!(
        record_routes("", two),
        ["<sip:out.example.com;r2=on;lr;ftag=.>", "<sip:in.example.com;r2=on;lr;ftag=.>"]
    );
    // Two need what makes two; a second call of either kind is one too many.
    let code = "append_hf(\"X-Code: $rc\\r\\n\");";
    let single = "modparam(\"rr\", \"enable_double_rr\", 0)";
    let invite = relayed(single, &format!("{two} {code}"));
    assert_eq!((invite.header("X-Code"), invite.header("Record-Route")), (Some("-1"), None));
    for again in ["record_route();", "record_route_preset(\"192.0.2.51\");"] {
        let invite = relayed("", &format!("{one} {again} {code}"));
        assert_eq!(invite.header("X-Code"), Some("-1"), "{again}");
        assert_eq!(invite.list("Record-Route").len(), 1);
    }
    let timer = format!("{MODULES}\nroute {{ exit; }} timer_route[t, 5] {{ {one} }}");
    assert!(refusal(&timer).contains("cannot be used in the block"));
}

// spec/modules.md §2, add_username.
#[test]
fn the_user_stands_in_the_record_route() {
    let named = "modparam(\"rr\", \"add_username\", 1)";
    assert_eq!(record_routes(named, "record_route();"), ["<sip:bob@10.0.0.1;lr;ftag=.>"]);
    let preset = "record_route_preset(\"192.0.2.50\");";
    assert_eq!(record_routes(named, preset), ["<sip:bob@192.0.2.50;lr;ftag=.>"]);
    assert_eq!(record_routes("", "record_route();"), ["<sip:10.0.0.1;lr;ftag=.>"]);
}

// spec/modules.md §2, enable_double_rr: one header or two when a call goes from socket to socket.
#[test]
fn two_sockets_are_two_headers_if_wanted() {
    for (double, count) in [(0, 1), (1, 2)] {
        let settings =
            format!("socket = udp:10.0.0.2:5060\nmodparam(\"rr\", \"enable_double_rr\", {double})");
        let first = "record_route(); $socket_out = \"udp:10.0.0.2:5060\";";
        let world = World::seeded(2);
        let addresses = ["10.0.0.1:5060", "10.0.0.2:5060"].map(|it| it.parse::<SocketAddr>());
        let addresses = addresses.map(Result::unwrap);
        let proxy =
            world.serve_at(&addresses, Proxy::new(&script(&settings, first, "loose_route();")));
        let (alice, bob) = (world.agent("alice"), world.agent("bob"));
        answered(&world, &alice, &bob);
        let routes = bob.last("INVITE").list("Record-Route").len();
        assert_eq!(routes, count, "enable_double_rr = {double}");
        alice.hangs_up();
        world.settle();
        assert_eq!(alice.status_of("BYE"), Some(200));
        forgotten(&world, &proxy);
    }
}

// spec/modules.md §2, step 6: what our own Route said, after loose_route() and not before.
#[test]
fn a_script_reads_what_it_put_into_the_route() {
    let first = r#"
        $avp(none) = check_route_param("lr");
        append_hf("X-Code: $avp(none) [$rr_params]\r\n");
        record_route(";kind=Green");
    "#;
    let within = r#"
        $avp(before) = check_route_param("kind");
        loose_route();
        $avp(green) = check_route_param(";KIND=green(;|$)");
        $avp(start) = check_route_param("^;");
        $avp(red) = check_route_param("red");
        append_hf("X-Codes: $avp(before) $avp(green) $avp(start) $avp(red)\r\n");
        append_hf("X-Params: $rr_params\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(3, &script("", first, within));
    answered(&world, &alice, &bob);
    assert_eq!(bob.last("INVITE").header("X-Code"), Some("-1 [<null>]"));
    alice.requests("INFO");
    world.settle();
    let info = bob.last("INFO");
    assert_eq!(info.header("X-Codes"), Some("-1 1 1 -1"));
    let tag = info.header("From").unwrap().split_once(";tag=").unwrap().1;
    let wanted = format!(";lr;ftag={tag};kind=Green");
    assert_eq!(info.header("X-Params"), Some(wanted.as_str()));
    bob.hangs_up();
    forgotten(&world, &proxy);
    let wrong = script("", "check_route_param(\"(\");", "");
    assert!(refusal(&wrong).contains("regular expression"), "{}", refusal(&wrong));
    let route =
        format!("{MODULES}\nroute {{ exit; }} failure_route[f] {{ check_route_param(\"a\"); }}");
    assert!(refusal(&route).contains("cannot be used in the block"));
}

// spec/modules.md §2, steps 2 and 4: a Route that is not ours stays, and has no parameters for us.
#[test]
fn the_route_of_another_proxy_tells_us_nothing() {
    let first = r#"
        $avp(loose) = loose_route();
        $avp(found) = check_route_param("x=1");
        append_hf("X-Codes: $avp(loose) $avp(found) [$rr_params]\r\n");
        $du = NULL;
    "#;
    let (world, alice, proxy, bob) = cast(4, &script("", first, ""));
    alice.preloads(&["<sip:192.0.2.77;lr;x=1>"]);
    // Bob is no proxy that a Route could have led to.
    world.tolerate();
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    let invite = bob.last("INVITE");
    assert_eq!(invite.header("X-Codes"), Some("1 -1 [<null>]"));
    assert_eq!(invite.header("Route"), Some("<sip:192.0.2.77;lr;x=1>"));
    forgotten(&world, &proxy);
}
