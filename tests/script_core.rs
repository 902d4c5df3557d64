//! What the core's functions make of whole calls (spec/script.md §2.2, §3, §11).

mod world;

use std::time::Duration;

use duologue_testkit::{Agent, CallState};
use world::{CAROL, Proxy, answered, cast, forgotten, script_to};

/// Enough for a message to arrive, not for anybody to repeat it.
const SOON: Duration = Duration::from_millis(100);

/// A proxy that keeps nothing.
const STATELESS: &str = r#"
    socket = udp:10.0.0.1:5060
    loadmodule "proto_udp.so"
    loadmodule "rr.so"
    loadmodule "sl.so"
    loadmodule "sipmsgops.so"
    loadmodule "maxfwd.so"
    route {
        mf_process_maxfwd_header(10);
        if (has_totag())
            loose_route();
        else
            record_route();
        forward();
    }
    onreply_route {
        append_hf("X-Passed: $rs\r\n");
        if ($rs == 183)
            drop;
    }
"#;

fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

// RFC 3261 §16.11, spec/script.md §17.3: requests and replies pass, nothing stays.
#[test]
fn a_call_passes_a_proxy_without_state() {
    let (world, alice, proxy, bob) = cast(1, STATELESS);
    answered(&world, &alice, &bob);
    assert_eq!((alice.state(), bob.state()), (CallState::Talking, CallState::Talking));
    assert_eq!(shown(&alice, "200 INVITE", "X-Passed"), "200");
    // No transaction says 100, and the reply has the caller's Via alone.
    assert_eq!(alice.count("100"), 0);
    assert_eq!(alice.last("200 INVITE").list("Via").len(), 1);
    assert!(proxy.borrow().node.calls.is_empty());
    bob.hangs_up();
    world.settle();
    assert_eq!(alice.state(), CallState::Ended);
    assert_eq!(bob.status_of("BYE"), Some(200));
    forgotten(&world, &proxy);
}

// RFC 3261 §16.11: a CANCEL and an ACK get the branch of their INVITE.
#[test]
fn a_call_without_state_is_cancelled() {
    let (world, alice, proxy, bob) = cast(2, STATELESS);
    alice.invite(&bob);
    bob.rings();
    world.settle();
    alice.cancels();
    world.settle();
    assert_eq!(bob.last("CANCEL").branch(), bob.last("INVITE").branch());
    assert_eq!(bob.last("ACK").branch(), bob.last("INVITE").branch());
    assert_eq!(alice.final_status(), Some(487));
    forgotten(&world, &proxy);
}

// spec/script.md §3.3: a provisional can be dropped, here before any transaction.
#[test]
fn a_provisional_without_state_is_dropped() {
    let (world, alice, proxy, bob) = cast(3, STATELESS);
    bob.manual();
    alice.invite(&bob);
    world.run_for(SOON);
    bob.replies(183);
    bob.replies(180);
    world.settle();
    assert_eq!((alice.count("183"), alice.count("180")), (0, 1));
    bob.rejects(486);
    world.settle();
    forgotten(&world, &proxy);
}

// spec/script.md §11: groups by falling q, one after the other.
#[test]
fn destinations_are_tried_one_group_after_the_other() {
    let targets = format!(
        "$ru_q = 300; append_branch(\"{CAROL}\", \"0.9\");\n\
         serialize_branches(1); next_branches(); append_hf(\"X-Code: $rc\\r\\n\");\n\
         t_on_failure(\"next\");"
    );
    let rest = r#"
        failure_route[next] {
            if (t_was_cancelled())
                exit;
            if (next_branches()) {
                append_hf("X-Then: $rc\r\n");
                t_on_failure("next");
                t_relay();
            }
        }
    "#;
    let (world, alice, proxy, bob) = cast(4, &script_to("", &targets, rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    carol.rings();
    world.settle();
    assert_eq!((carol.count("INVITE"), bob.count("INVITE")), (1, 0));
    assert_eq!(shown(&carol, "INVITE", "X-Code"), "1");
    carol.rejects(486);
    bob.rings();
    world.settle();
    assert_eq!(bob.count("INVITE"), 1);
    assert_eq!(shown(&bob, "INVITE", "X-Then"), "2");
    bob.rejects(603);
    world.settle();
    assert_eq!(alice.final_status(), Some(603));
    forgotten(&world, &proxy);
}

// spec/script.md §2.3: what a message asked for holds for the branches of its failure route.
#[test]
fn manners_go_along_with_the_transaction() {
    let targets = "add_local_rport(); t_on_failure(\"next\");";
    let rest = format!(
        "failure_route[next] {{ if (t_check_status(\"486\")) {{ $ru = \"{CAROL}\"; t_relay(); }} }}"
    );
    let (world, alice, proxy, bob) = cast(5, &script_to("", targets, &rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    world.settle();
    bob.rejects(486);
    carol.rings();
    world.settle();
    carol.answers();
    world.settle();
    for callee in [&bob, &carol] {
        let via = callee.last("INVITE").list("Via")[0].to_owned();
        assert!(via.ends_with(";rport"), "{via}");
    }
    assert_eq!(alice.state(), CallState::Talking);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §3.3: what `drop` cancels, block by block.
#[test]
fn a_dropped_branch_is_not_sent() {
    let targets = format!("append_branch(\"{CAROL}\"); t_on_branch(\"b\");");
    let rest =
        "branch_route[b] { if ($rU == \"bob\") drop; append_hf(\"X-B: $T_branch_idx\\r\\n\"); }";
    let (world, alice, proxy, bob) = cast(6, &script_to("", &targets, rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    carol.rings();
    carol.answers();
    world.settle();
    assert_eq!((bob.count("INVITE"), carol.count("INVITE")), (0, 1));
    carol.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn a_provisional_is_dropped_and_a_final_is_not() {
    let rest = "onreply_route[r] { drop; }";
    let (world, alice, proxy, bob) = cast(7, &script_to("", "t_on_reply(\"r\");", rest));
    answered(&world, &alice, &bob);
    assert_eq!((alice.count("180"), alice.count("200 INVITE")), (0, 1));
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn a_negative_answer_survives_drop_in_a_failure_route() {
    let rest = "failure_route[f] { drop; }";
    let (world, alice, proxy, bob) = cast(8, &script_to("", "t_on_failure(\"f\");", rest));
    alice.invite(&bob);
    bob.rings();
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    forgotten(&world, &proxy);
}

// spec/script.md §3.1: a change in a branch route is that branch's alone; §10: flags set there are
// seen by the next, and branch flags by the routes of their branch.
#[test]
fn branches_have_changes_and_flags_of_their_own() {
    let targets = format!(
        "setbflag(\"FIRST\"); append_branch(\"{CAROL}\"); resetbflag(\"FIRST\", 1);\n\
         t_on_branch(\"b\"); t_on_reply(\"r\");"
    );
    let rest = r#"
        branch_route[b] {
            append_hf("X-Mark: $rU $bf $mf\r\n");
            setflag("SEEN");
        }
        onreply_route[r] {
            append_hf("X-Mark: $bf $mf\r\n");
        }
    "#;
    let (world, alice, proxy, bob) = cast(9, &script_to("", &targets, rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    world.run_for(SOON);
    let marks = |agent: &Agent| {
        let message = agent.last("INVITE");
        message.list("X-Mark").iter().map(|mark| (*mark).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(marks(&bob), ["bob FIRST <null>"]);
    assert_eq!(marks(&carol), ["carol <null> SEEN"]);
    bob.rings();
    world.run_for(SOON);
    assert_eq!(shown(&alice, "180", "X-Mark"), "FIRST SEEN");
    carol.rings();
    world.run_for(SOON);
    assert_eq!(shown(&alice, "180", "X-Mark"), "<null> SEEN");
    carol.answers();
    world.settle();
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/script.md §10: message flags stay with the transaction; a failure route sees the branch flags
// of the branch that won.
#[test]
fn a_failure_route_sees_the_flags_of_the_winning_branch() {
    let targets = format!(
        "setflag(\"3\"); append_branch(\"{CAROL}\"); setbflag(\"CAROL\", 1); t_on_failure(\"f\");"
    );
    let rest = r#"
        failure_route[f] {
            if (isflagset("3") && isbflagset("CAROL"))
                t_reply(480, "Flags are right");
        }
    "#;
    let (world, alice, proxy, bob) = cast(12, &script_to("", &targets, rest));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.rings();
    world.settle();
    bob.rejects(503);
    carol.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(480));
    forgotten(&world, &proxy);
}

// spec/script.md §8: what a reply asks credentials for.
#[test]
fn challenges_are_read() {
    let rest = r#"
        onreply_route[r] {
            append_hf("X-Challenge: $(challenge.realm) $(challenge.algorithm) $(challenge.nonce{s.len})\r\n");
            append_hf("X-More: $(challenge.qop) $(challenge.opaque) $(challenge.ik) $(challenge.ck)\r\n");
        }
    "#;
    let (world, alice, proxy, bob) = cast(10, &script_to("", "t_on_reply(\"r\");", rest));
    alice.invite(&bob);
    bob.manual();
    world.run_for(SOON);
    bob.replies_with("INVITE", 401, |reply| {
        reply.with(
            "WWW-Authenticate",
            "Digest realm=\"biloxi.com\", nonce=\"f84f1cec\", algorithm=MD5, qop=\"auth\", \
             opaque=\"o\", ik=\"00aa\"",
        )
    });
    world.settle();
    assert_eq!(shown(&alice, "401", "X-Challenge"), "biloxi.com MD5 8");
    assert_eq!(shown(&alice, "401", "X-More"), "auth o 00aa <null>");
    forgotten(&world, &proxy);
}

// spec/script.md §2.2: several sockets, one of them shown under another name.
#[test]
fn a_socket_shows_what_it_is_told_to() {
    let script = r#"
        socket = udp:10.0.0.1:5060 as 10.0.0.1:5060 tag edge
        socket = udp:10.0.0.1:5070 anycast
        alias = udp:sip.example.com any:example.net:5080 accept_subdomain
        loadmodule "proto_udp.so"
        loadmodule "sl.so"
        loadmodule "sipmsgops.so"
        route {
            append_to_reply("X-In: $socket_in $socket_in(tag) $socket_in(anycast)\r\n");
            if (is_myself("sip.example.com")) append_to_reply("X-Me: alias\r\n");
            if (is_myself("sip.example.com", 9)) append_to_reply("X-Me: any port\r\n");
            if (is_myself("a.example.net", 5080)) append_to_reply("X-Me: below\r\n");
            if (is_myself("a.example.net", 5081)) append_to_reply("X-Me: wrong port\r\n");
            if (is_myself("a.sip.example.com")) append_to_reply("X-Me: not below\r\n");
            sl_send_reply(404, "Not Here");
        }
    "#;
    let proxy = Proxy::new(script);
    let second = proxy.node.sockets.get(1).unwrap();
    assert!(second.spec().anycast);
    let (world, alice, proxy, bob) = cast(11, script);
    alice.sends("OPTIONS", &bob.uri());
    world.settle();
    assert_eq!(shown(&alice, "404", "X-In"), "udp:10.0.0.1:5060 edge 0");
    let message = alice.last("404");
    assert_eq!(message.list("X-Me"), ["alias", "any port", "below"]);
    forgotten(&world, &proxy);
}
