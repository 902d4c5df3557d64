//! What scripts do with transactions (spec/modules.md §1), as whole calls.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::time::Duration;

use duologue_server::module::Module;
use duologue_server::new_requests::{self, NewRequest};
use duologue_server::statistics::{
    TM_REPEATED_1, TM_REPEATED_2, TM_REPEATED_3, TM_REPEATED_REPLIES, TM_REPEATED_T2, TM_TIMED_OUT,
    TM_TIMED_OUT_INV,
};
use duologue_testkit::{Agent, CallState, Served, World};
use serde_json::json;
use world::notes::{NOTE, notes};
use world::operator::asked;
use world::{CAROL, Proxy, forgotten, script_to};

const SETTINGS: &str = "loadmodule \"notes.so\"\n loadmodule \"cfgutils.so\"";

/// A module of another crate that lets a script tell the test something.
static MODULE: Module = Module { name: "notes", functions: &[NOTE], ..Module::EMPTY };

fn stage(seed: u64, targets: &str, rest: &str) -> (World, Agent, Served<Proxy>, Agent) {
    set(seed, "", targets, rest)
}

fn set(
    seed: u64,
    settings: &str,
    targets: &str,
    rest: &str,
) -> (World, Agent, Served<Proxy>, Agent) {
    let script = script_to(&format!("{SETTINGS}\n{settings}"), targets, rest);
    let world = World::seeded(seed);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&MODULE]));
    (world, alice, proxy, bob)
}

/// The refusal of a script when it loads.
fn refusal(settings: &str, targets: &str, rest: &str) -> String {
    let script = script_to(&format!("{SETTINGS}\n{settings}"), targets, rest);
    let text = world::Text(&script);
    let plan = duologue::Plan::load(world::NAME, &text, &[&MODULE], Default::default());
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return error.to_string(),
    };
    let sockets = plan.sockets().unwrap();
    match plan.build(sockets, 1, Default::default(), 7) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// The value of a header in the latest message of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

// --- Replies ------------------------------------------------------------------------------------

// spec/modules.md §1.2, t_reply_with_body.
#[test]
fn a_reply_may_have_a_body() {
    let targets = r#"
        append_to_reply("Content-Type: text/plain\r\n");
        t_reply_with_body(404, "Nobody here", "Try again");
        exit;
    "#;
    let (world, alice, proxy, bob) = stage(1, targets, "");
    alice.invite(&bob);
    world.settle();
    let reply = alice.last("404");
    assert_eq!(
        (reply.header("Content-Type"), &*reply.body),
        (Some("text/plain"), &b"Try again"[..])
    );
    assert_eq!(reply.header("Content-Length"), Some("9"));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2, t_reply_by_callid: another request of the same call, and one of another call.
#[test]
fn another_transaction_is_answered() {
    let targets = r#"
        if (is_method("MESSAGE")) {
            if ($hdr(X-Of))
                $avp(of) = $hdr(X-Of);
            else
                $avp(of) = $ci;
            if (t_reply_by_callid(486, "Busy elsewhere", $avp(of), "1"))
                t_reply(202, "Done");
            else
                t_reply(404, "No such call");
            exit;
        }
    "#;
    let (world, alice, proxy, bob) = stage(2, targets, "");
    alice.invite(&bob);
    bob.rings();
    world.settle();
    let carol = world.agent("carol");
    let call_id = alice.call_id();
    carol.sends_with("MESSAGE", &bob.uri(), |message| message.with("X-Of", "unknown@nowhere"));
    world.settle();
    assert_eq!(carol.status_of("MESSAGE"), Some(404));
    carol.sends_with("MESSAGE", &bob.uri(), |message| message.with("X-Of", call_id));
    world.settle();
    assert_eq!(carol.status_of("MESSAGE"), Some(202));
    assert_eq!((alice.final_status(), bob.final_status()), (Some(486), Some(487)));
    assert!(alice.last("486").title().contains("486"));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2, t_local_replied: time-outs and replies of our own are local, received ones
// are not.
#[test]
fn local_replies_are_told_from_received_ones() {
    let settings = "modparam(\"tm\", \"fr_timeout\", 2)";
    let targets = "t_on_failure(\"ask\");";
    let rest = r#"failure_route[ask] {
        $avp(last) = t_local_replied("last");
        $avp(all) = t_local_replied("all");
        note("$T_reply_code last $avp(last) all $avp(all)");
        $avp(reason) = $(<reply>rr);
        note("$avp(reason)");
    }"#;
    let (world, alice, proxy, bob) = set(3, settings, targets, rest);
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(notes(), ["486 last -1 all -1", "Busy Here"]);
    bob.silent();
    alice.invite(&bob);
    world.run_for(seconds(8));
    // spec/script.md §7: a local winner has no reply.
    assert_eq!(notes(), ["408 last 1 all 1", "<null>"]);
    bob.speaks();
    forgotten(&world, &proxy);
}

#[test]
fn a_reply_of_the_script_is_local() {
    let targets = r#"
        t_reply(180, "Ringing");
        $avp(local) = t_local_replied("last");
        note("$avp(local)");
        t_reply(480, "Gone");
        $avp(local) = t_local_replied("all");
        note("$avp(local)");
        exit;
    "#;
    let (world, alice, proxy, bob) = stage(4, targets, "");
    alice.invite(&bob);
    world.settle();
    assert_eq!((notes(), alice.final_status()), (vec!["1".to_owned(), "1".to_owned()], Some(480)));
    forgotten(&world, &proxy);
}

// --- Headers and reasons ------------------------------------------------------------------------

// spec/modules.md §1.2, t_add_hdrs: on every branch, of later rounds too.
#[test]
fn added_headers_are_on_all_branches() {
    let targets = r#"
        t_add_hdrs("X-All: yes\r\n");
        t_on_failure("next");
    "#;
    let rest = r#"failure_route[next] { $ru = "sip:carol@10.0.0.13:5060"; t_relay(); }"#;
    let (world, alice, proxy, bob) = stage(5, targets, rest);
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    carol.answers();
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-All"), "yes");
    assert_eq!(shown(&carol, "INVITE", "X-All"), "yes");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2, t_add_cancel_reason, for an INVITE; RFC 3326 §2 for a fork that was answered.
#[test]
fn cancels_say_why() {
    let targets = "append_branch(\"sip:carol@10.0.0.13:5060\");";
    let (world, alice, proxy, bob) = stage(6, targets, "");
    let carol = world.agent("carol");
    alice.invite(&bob);
    carol.rings();
    bob.answers();
    world.settle();
    let reason = shown(&carol, "CANCEL", "Reason");
    assert_eq!(reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    alice.hangs_up();
    forgotten(&world, &proxy);

    let own = format!("t_add_cancel_reason(\"Reason: SIP;cause=600\\r\\n\");\n{targets}");
    let (world, alice, proxy, bob) = stage(7, &own, "");
    let carol = world.agent("carol");
    alice.invite(&bob);
    carol.rings();
    bob.answers();
    world.settle();
    assert_eq!(shown(&carol, "CANCEL", "Reason"), "SIP;cause=600");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §1.3, pass-reason-hdr: the Reason of the caller's CANCEL goes on, if asked for.
#[test]
fn the_callers_reason_goes_on_if_asked_for() {
    for (flags, reason) in [("", "(none)"), ("\"pass-reason-hdr\"", "Q.850;cause=16")] {
        let script = script_to(SETTINGS, "", "");
        let script = script
            .replace("if (!t_relay())\n        sl", &format!("if (!t_relay({flags}))\n        sl"));
        let world = World::seeded(8);
        let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&MODULE]));
        alice.invite(&bob);
        bob.rings();
        world.settle();
        // The agent's own CANCEL has no Reason: this one says the same with one.
        let invite = alice.sent("INVITE")[0].message.clone();
        let line = |name: &str| format!("{name}: {}\r\n", invite.header(name).unwrap());
        let cancel = [
            format!("CANCEL {} SIP/2.0\r\n", invite.uri().unwrap()),
            ["Via", "Max-Forwards", "From", "To", "Call-ID"].map(line).concat(),
            "CSeq: 1 CANCEL\r\nReason: Q.850;cause=16\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ]
        .concat();
        world.tolerate();
        alice.sends_raw(&proxy, cancel.as_bytes());
        world.settle();
        assert_eq!(shown(&bob, "CANCEL", "Reason"), reason, "{flags}");
        assert_eq!(alice.final_status(), Some(487));
        forgotten(&world, &proxy);
    }
}

// --- Requests of our own ------------------------------------------------------------------------

// spec/modules.md §1.2, t_new_request; §1.5, local_route and its $avp(uac_ctx).
#[test]
fn a_script_sends_a_request_of_its_own() {
    let targets = r#"
        if (is_method("INVITE")) {
            $avp(sent) = t_new_request("MESSAGE", "sip:carol@10.0.0.13:5060", "Watch sip:watch@10.0.0.1",
                "sip:carol@10.0.0.13", "text/plain Alice calls", "the context");
            note("$avp(sent)");
            $avp(sent) = t_new_request("MESSAGE", "sip:carol@nowhere.invalid", "sip:a@h", "sip:b@h");
            note("$avp(sent)");
        }
    "#;
    let rest = r#"local_route {
        append_hf("X-Context: $avp(uac_ctx)\r\n");
    }"#;
    let (world, alice, proxy, bob) = stage(9, targets, rest);
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.answers();
    world.settle();
    assert_eq!(notes(), ["1", "-1"]);
    let message = carol.last("MESSAGE");
    assert_eq!(message.body, b"Alice calls");
    assert_eq!(message.header("Content-Type"), Some("text/plain"));
    assert_eq!(message.header("X-Context"), Some("the context"));
    assert_eq!(message.header("Max-Forwards"), Some("70"));
    assert!(message.header("User-Agent").is_some());
    assert!(message.header("From").unwrap().starts_with("\"Watch\" <sip:watch@10.0.0.1>;tag="));
    assert_ne!(message.header("Call-ID"), Some(&*alice.call_id()));
    assert_eq!(carol.count("MESSAGE"), 1, "its 200 came back to its transaction");
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// It is sent again until it is answered, as any other (RFC 3261 §17.1.2).
#[test]
fn a_request_of_our_own_is_repeated() {
    let targets = r#"if (is_method("INVITE"))
        t_new_request("OPTIONS", "sip:carol@10.0.0.13:5060", "sip:a@10.0.0.1", "sip:carol@10.0.0.13");"#;
    let (world, alice, proxy, bob) = stage(10, targets, "");
    let carol = world.agent("carol");
    world.lose_next(proxy.to(&carol));
    alice.invite(&bob);
    bob.answers();
    world.settle();
    assert_eq!(carol.count("OPTIONS"), 1);
    alice.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2, t_replicate: a copy goes elsewhere; its replies are not relayed.
#[test]
fn a_copy_goes_elsewhere_and_is_not_heard_of() {
    let targets = r#"
        if (is_method("MESSAGE")) {
            append_hf("X-Copy: too\r\n");
            $avp(sent) = t_replicate("sip:10.0.0.13:5060");
            note("$avp(sent)");
            t_reply(200, "Stored");
            exit;
        }
    "#;
    let (world, alice, proxy, bob) = stage(11, targets, "");
    let carol = world.agent("carol");
    carol.manual();
    alice.sends("MESSAGE", &bob.uri());
    carol.replies_to("MESSAGE", 404);
    world.settle();
    assert_eq!((notes(), alice.status_of("MESSAGE")), (vec!["1".to_owned()], Some(200)));
    let copy = carol.last("MESSAGE");
    assert_eq!(copy.uri(), Some("sip:10.0.0.13:5060"));
    assert_eq!((copy.header("X-Copy"), alice.count("404")), (Some("too"), 0));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.1, local_request_route, local_reply_route [4.0+].
#[test]
fn routes_see_what_we_make_ourselves() {
    let settings = r#"
        modparam("tm", "local_request_route", "mine")
        modparam("tm", "local_reply_route", "answers")
    "#;
    let targets = r#"
        if (is_method("MESSAGE")) {
            t_new_request("OPTIONS", "sip:carol@10.0.0.13:5060", "sip:a@10.0.0.1", "sip:c@10.0.0.13");
            t_reply(404, "Nobody");
            exit;
        }
    "#;
    let rest = r#"
        route[mine] { note("$rm $ru"); append_hf("X-Not: written\r\n"); }
        route[answers] { note("$rs $rr"); }
    "#;
    let (world, alice, proxy, bob) = set(12, settings, targets, rest);
    let carol = world.agent("carol");
    alice.sends("MESSAGE", &bob.uri());
    world.settle();
    assert_eq!(notes(), ["404 Nobody", "OPTIONS sip:carol@10.0.0.13:5060"]);
    assert_eq!(shown(&carol, "OPTIONS", "X-Not"), "(none)");
    forgotten(&world, &proxy);
    let unknown = "modparam(\"tm\", \"local_reply_route\", \"gone\")";
    assert!(refusal(unknown, "", "").contains("there is no route[gone]"));
}

// --- Branches that come later -------------------------------------------------------------------

const WAITING: &str = r#"
    if (is_method("INVITE")) {
        t_newtran();
        t_on_failure("failed");
        note("waits");
        t_wait_for_new_branches();
        async(sleep(3), later);
    }
"#;

// spec/modules.md §1.2, t_wait_for_new_branches, t_inject_branches("msg").
#[test]
fn branches_are_injected_while_the_invite_waits() {
    let rest = r#"
        route[later] {
            $ru = "sip:bob@10.0.0.12:5060";
            append_branch("sip:carol@10.0.0.13:5060");
            $avp(sent) = t_inject_branches("msg", "last");
            note("$avp(sent)");
        }
        failure_route[failed] { note("failed $T_reply_code"); }
    "#;
    let (world, alice, proxy, bob) = stage(13, WAITING, rest);
    let carol = world.agent("carol");
    alice.invite_uri("sip:bob@10.0.0.1");
    world.run_for(seconds(2));
    assert_eq!((bob.count(""), alice.count("100")), (0, 1));
    bob.rejects(486);
    carol.rings();
    world.settle();
    assert_eq!(alice.final_status(), None, "carol rings still");
    carol.rejects(480);
    world.settle();
    assert_eq!(notes(), ["waits", "1", "failed 480"]);
    assert_eq!(alice.final_status(), Some(480));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2: source "event" takes the contact from AVPs; `cancel` ends what rings so far.
#[test]
fn an_event_tells_of_a_contact() {
    let targets = r#"
        if (is_method("INVITE")) {
            t_newtran();
            t_wait_for_new_branches();
            t_relay();
            async(sleep(2), later);
        }
    "#;
    let rest = r#"route[later] {
        $avp(uri) = "sip:carol@10.9.9.9:5060";
        $avp(received) = "sip:10.0.0.13:5060";
        t_inject_branches("event", "cancel,last");
    }"#;
    let (world, alice, proxy, bob) = stage(14, targets, rest);
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rings();
    carol.answers();
    world.settle();
    assert_eq!(bob.count("CANCEL"), 1);
    assert_eq!(carol.last("INVITE").uri(), Some("sip:carol@10.9.9.9:5060"));
    assert_eq!(alice.state(), CallState::Talking);
    world.tolerate();
    alice.hangs_up_now();
    world.run_for(seconds(120));
    drop(proxy);
}

// spec/modules.md §1.2: nobody injects anything: after fr_inv_timeout the INVITE has failed.
#[test]
fn a_wait_in_vain_ends_with_408() {
    let settings = "modparam(\"tm\", \"fr_inv_timeout\", 5)";
    let rest = r#"
        route[later] { note("nothing"); }
        failure_route[failed] { note("failed $T_reply_code"); }
    "#;
    let (world, alice, proxy, bob) = set(15, settings, WAITING, rest);
    alice.invite(&bob);
    world.run_for(seconds(8));
    assert_eq!(notes(), ["waits", "nothing", "failed 408"]);
    assert_eq!(alice.final_status(), Some(408));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2, t_wait_for_new_branches(n): so many, and the wait is over.
#[test]
fn a_wait_ends_with_the_branch_it_was_for() {
    let targets = r#"
        if (is_method("INVITE")) {
            t_newtran();
            t_wait_for_new_branches(1);
            async(sleep(1), later);
        }
    "#;
    let rest = r#"route[later] {
        $ru = "sip:bob@10.0.0.12:5060";
        t_inject_branches("msg");
    }"#;
    let (world, alice, proxy, bob) = stage(16, targets, rest);
    alice.invite_uri("sip:bob@10.0.0.1");
    bob.rejects(486);
    world.settle();
    assert_eq!(alice.final_status(), Some(486));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2, t_wait_no_more_branches: what failed so far decides.
#[test]
fn a_script_ends_the_wait() {
    let targets = r#"
        if (is_method("INVITE")) {
            t_newtran();
            t_wait_for_new_branches();
            t_relay();
            async(sleep(4), later);
        }
    "#;
    let rest = "route[later] { t_wait_no_more_branches(); }";
    let (world, alice, proxy, bob) = stage(17, targets, rest);
    alice.invite(&bob);
    bob.rejects(486);
    world.run_for(seconds(2));
    assert_eq!(alice.final_status(), None);
    world.run_for(seconds(3));
    assert_eq!(alice.final_status(), Some(486));
    forgotten(&world, &proxy);
}

// A caller that gives up while nobody rings.
#[test]
fn a_waiting_invite_is_cancelled() {
    let rest = r#"
        route[later] { note("injected $rc"); }
        failure_route[failed] { note("failed"); }
    "#;
    let (world, alice, proxy, bob) = stage(18, WAITING, rest);
    alice.invite(&bob);
    world.run_for(seconds(1));
    alice.cancels();
    world.run_for(seconds(5));
    assert_eq!((alice.final_status(), bob.count("")), (Some(487), 0));
    forgotten(&world, &proxy);
}

// --- Flags, values and branches -----------------------------------------------------------------

// spec/modules.md §1.2, t_flush_flags: what was set after t_relay() is known while the script still runs.
#[test]
fn flags_reach_a_transaction_that_is_under_way() {
    let targets = r#"
        t_on_failure("next");
        t_relay();
        setflag("LATE");
        $avp(flushed) = t_flush_flags();
        note("$avp(flushed)");
        exit;
    "#;
    let rest = r#"failure_route[next] { if (isflagset("LATE")) note("late"); }"#;
    let (world, alice, proxy, bob) = stage(19, targets, rest);
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(notes(), ["1", "late"]);
    forgotten(&world, &proxy);
}

// spec/modules.md §1.6, $bavp: values of a branch, from its branch route to its failure route.
#[test]
fn each_branch_has_values_of_its_own() {
    let targets = r#"
        t_on_branch("each"); t_on_reply("all"); t_on_failure("next");
        append_branch("sip:carol@10.0.0.13:5060");
        $bavp(x) = "nowhere";
    "#;
    let rest = r#"
        branch_route[each] {
            $bavp(name) = $rU;
            append_hf("X-Branch: $T_branch_idx $bavp(name) $bavp(code)\r\n");
        }
        onreply_route[all] {
            if ($rs == 486 || $rs == 404) {
                $bavp(code) = $rs;
                note("reply $bavp(name) $bavp(code)");
            }
        }
        failure_route[next] { note("failure $bavp(name) $bavp(code)"); }
    "#;
    let (world, alice, proxy, bob) = stage(20, targets, rest);
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    carol.rejects(404);
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Branch"), "0 bob <null>");
    assert_eq!(shown(&carol, "INVITE", "X-Branch"), "1 carol <null>");
    let mut notes = notes();
    assert_eq!(notes.pop().as_deref(), Some("failure carol 404"));
    notes.sort_unstable();
    assert_eq!(notes, ["reply bob 486", "reply carol 404"]);
    forgotten(&world, &proxy);
}

// spec/modules.md §1.6, $tm.branch.…, $T_branch_last_reply_code.
#[test]
fn the_branches_of_a_transaction_can_be_looked_at() {
    let targets = r#"
        t_on_branch("each"); t_on_failure("next");
        setbflag("FIRST");
        append_branch("sip:carol@10.0.0.13:5060", "0.5");
        resetbflag("FIRST", 1);
    "#;
    let rest = r#"
        branch_route[each] {
            $(tm.branch.attr(kind)) = $rU;
            append_hf("X-Here: $tm.branch.uri $tm.branch.flag(FIRST)\r\n");
        }
        failure_route[next] {
            note("$(tm.branch.uri[*])");
            note("$tm.branch.uri");
            note("$(tm.branch.flags[0]) $(tm.branch.flag(FIRST)[0]) $(tm.branch.flag(FIRST)[1])");
            note("$(tm.branch.q[0]) $(tm.branch.q[1]) $(tm.branch.socket[-1])");
            note("$(T_branch_last_reply_code[0]) $(T_branch_last_reply_code[1]) $T_branch_last_reply_code");
            note("$(tm.branch.last_received[*]) $(tm.branch.uri[7])");
            note("$(tm.branch.attr(kind)[0]) $(tm.branch.attr(kind)[1])");
            $avp(found) = t_get_branch_idx_by_attr("kind", "carol",, $avp(index));
            note("$avp(found) $avp(index)");
            $avp(found) = t_get_branch_idx_by_attr("kind", "bob",, $avp(index), 1);
            note("$avp(found)");
            $(tm.branch.flag(FIRST)[1]) = 1;
            note("$(tm.branch.flag(FIRST)[1])");
        }
    "#;
    let (world, alice, proxy, bob) = stage(21, targets, rest);
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    carol.rejects(404);
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Here"), format!("{} 1", bob.uri()));
    assert_eq!(shown(&carol, "INVITE", "X-Here"), format!("{CAROL} 0"));
    let both = format!("{}, {CAROL}", bob.uri());
    assert_eq!(
        notes(),
        [
            &*both,
            CAROL,
            "FIRST 1 0",
            "<null> 500 udp:10.0.0.1:5060",
            "486 404 404",
            "486, 404 <null>",
            "bob carol",
            "1 1",
            "-1",
            "1",
        ]
    );
    forgotten(&world, &proxy);
}

// spec/script.md §3.1: what a branch route changes is that branch's alone, its Record-Route too.
#[test]
fn a_branch_route_changes_its_branch_only() {
    let targets = r#"
        t_on_branch("each");
        append_branch("sip:carol@10.0.0.13:5060");
        t_relay();
        note("$rU");
        exit;
    "#;
    let rest = r#"branch_route[each] {
        $avp(added) = record_route(";of=$rU");
        note("$avp(added)");
        $rU = "changed";
    }"#;
    let script = script_to(SETTINGS, targets, rest).replace("    record_route();\n", "");
    let world = World::seeded(22);
    let (alice, proxy, bob) = world.three_party(Proxy::with_modules(&script, &[&MODULE]));
    let carol = world.agent("carol");
    alice.invite(&bob);
    bob.rejects(486);
    carol.rejects(486);
    world.settle();
    assert_eq!(notes(), ["1", "1", "bob"]);
    assert!(shown(&bob, "INVITE", "Record-Route").contains(";of=bob"));
    assert!(shown(&carol, "INVITE", "Record-Route").contains(";of=carol"));
    assert!(!shown(&carol, "INVITE", "Record-Route").contains(";of=bob"));
    assert_eq!(carol.last("INVITE").uri(), Some("sip:changed@10.0.0.13:5060"));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.1, minor_branch_flag: not waited for, and cancelled when all others are final.
#[test]
fn nobody_waits_for_a_minor_branch() {
    let settings = "modparam(\"tm\", \"minor_branch_flag\", \"MINOR\")";
    let targets = r#"
        append_branch("sip:carol@10.0.0.13:5060");
        setbflag("MINOR", 1);
    "#;
    let (world, alice, proxy, bob) = set(23, settings, targets, "");
    let carol = world.agent("carol");
    alice.invite(&bob);
    carol.rings();
    bob.rejects(486);
    world.settle();
    assert_eq!((alice.final_status(), carol.count("CANCEL")), (Some(486), 1));
    forgotten(&world, &proxy);
}

// spec/modules.md §1.6, $T_fr_timeout, $T_fr_inv_timeout: of the transaction; NULL resets.
#[test]
fn timeouts_belong_to_the_transaction() {
    let settings = "modparam(\"tm\", \"fr_timeout\", 4)";
    let targets = r#"
        t_newtran();
        $T_fr_timeout = 2;
        note("$T_fr_timeout");
        $T_fr_timeout = NULL;
        note("$T_fr_timeout");
        $T_fr_timeout = 3;
        t_on_failure("next");
    "#;
    let rest = r#"failure_route[next] { note("$T_fr_timeout $T_reply_code"); }"#;
    let (world, alice, proxy, bob) = set(24, settings, targets, rest);
    bob.silent();
    alice.invite(&bob);
    world.run_for(seconds(4));
    assert_eq!(notes(), ["2", "4", "3 408"]);
    bob.speaks();
    forgotten(&world, &proxy);
}

// spec/modules.md §1.2: names of routes may be computed; an unknown one is an error.
#[test]
fn routes_are_armed_by_computed_names() {
    let targets = r#"
        $avp(name) = "busy";
        $avp(armed) = t_on_failure($avp(name));
        $avp(other) = t_on_reply("for_$rU");
        $avp(unknown) = t_on_branch("nobody_$rU");
        note("$avp(armed) $avp(other) $avp(unknown)");
    "#;
    let rest = r#"
        failure_route[busy] { note("busy"); }
        onreply_route[for_bob] { note("reply $rs"); }
    "#;
    let (world, alice, proxy, bob) = stage(26, targets, rest);
    alice.invite(&bob);
    bob.rejects(486);
    world.settle();
    assert_eq!(notes(), ["1 1 -1", "reply 486", "busy"]);
    forgotten(&world, &proxy);
}

// spec/modules.md §1.7: what had to be said again, and what nobody answered.
#[test]
fn repetitions_and_time_outs_are_counted() {
    let settings = "modparam(\"tm\", \"fr_timeout\", 9)\nmodparam(\"tm\", \"fr_inv_timeout\", 5)";
    let (world, alice, proxy, bob) = set(31, settings, "", "");
    let counted = |counter| proxy.borrow().node.statistics.read(counter);
    bob.silent();
    alice.invite(&bob);
    world.run_for(seconds(1));
    // The caller does not acknowledge the 408 either.
    alice.silent();
    world.run_for(seconds(12));
    let requests = [TM_REPEATED_1, TM_REPEATED_2, TM_REPEATED_3, TM_REPEATED_T2].map(counted);
    assert_eq!(requests, [1, 1, 1, 1]);
    assert_eq!([TM_TIMED_OUT, TM_TIMED_OUT_INV].map(counted), [1, 0]);
    assert!(counted(TM_REPEATED_REPLIES) >= 2);
    world.run_for(seconds(60));
    alice.speaks();
    bob.speaks();
    alice.invite(&bob);
    bob.rings();
    world.run_for(seconds(8));
    assert_eq!([TM_TIMED_OUT, TM_TIMED_OUT_INV].map(counted), [1, 1]);
    forgotten(&world, &proxy);
}

// --- Management ---------------------------------------------------------------------------------

// spec/modules.md §1.7, t_uac_dlg: the final reply, whole.
#[test]
fn an_operator_sends_a_request() {
    let (world, _alice, proxy, bob) = stage(27, "", "");
    let headers = "From: <sip:op@10.0.0.1>\r\nTo: <sip:bob@10.0.0.12>\r\nX-Op: yes\r\n\
                   Content-Type: text/plain\r\nCall-ID: mine@here\r\nCSeq: 7 MESSAGE";
    let params = json!({
        "method": "MESSAGE", "ruri": bob.uri(), "headers": headers, "body": "Hello",
    });
    let told = asked(&world, &proxy, "t_uac_dlg", params);
    assert_eq!(told["result"]["Status"], "200 OK");
    assert!(told["result"]["Message"].as_str().unwrap().starts_with("SIP/2.0 200 OK\r\n"));
    let message = bob.last("MESSAGE");
    assert_eq!(message.body, b"Hello");
    assert_eq!((message.header("X-Op"), message.cseq()), (Some("yes"), (7, "MESSAGE")));
    assert_eq!((message.call_id(), message.from_tag().len()), ("mine@here", 16));

    let other = "sip:carol@10.0.0.99:5060";
    let params = json!({ "method": "OPTIONS", "ruri": other, "headers": headers,
        "next_hop": bob.uri(), "socket": "udp:10.0.0.1:5060" });
    let told = asked(&world, &proxy, "tm:uac_dlg", params);
    assert_eq!(told["result"]["Status"], "200 OK");
    assert_eq!(bob.last("OPTIONS").uri(), Some(other));

    for (headers, uri) in [("From: <sip:op@10.0.0.1>", &*bob.uri()), (headers, "nonsense")] {
        let params = json!({ "method": "OPTIONS", "ruri": uri, "headers": headers });
        let told = asked(&world, &proxy, "t_uac_dlg", params);
        assert_eq!(told["error"]["code"], 400);
    }
    forgotten(&world, &proxy);
}

// spec/modules.md §1.7, t_reply: by the transaction's id, as $T_id tells it.
#[test]
fn an_operator_answers_a_request() {
    let targets = r#"
        t_newtran();
        note("$T_id");
        t_reply(180, "Wait");
        exit;
    "#;
    let (world, alice, proxy, bob) = stage(28, targets, "");
    alice.invite(&bob);
    world.settle();
    let id = notes().pop().unwrap();
    let reply = |id: &str| {
        let params = json!({ "code": 480, "reason": "Later", "trans_id": id, "to_tag": "op",
            "new_headers": "X-Op: yes\r\n", "body": "Sorry" });
        asked(&world, &proxy, "t_reply", params)
    };
    assert_eq!(reply("1:1")["error"]["code"], 404);
    world.tolerate(); // The operator's To-tag is another than that of the 180.
    assert_eq!(reply(&id)["result"], "OK");
    world.settle();
    assert_eq!(alice.final_status(), Some(480));
    let refusal = alice.last("480");
    assert_eq!((refusal.to_tag(), refusal.header("X-Op")), ("op", Some("yes")));
    assert_eq!(refusal.body, b"Sorry");
    assert_eq!(reply(&id)["error"]["code"], 404);
    forgotten(&world, &proxy);
}

// spec/modules.md §1.7, t_uac_cancel.
#[test]
fn an_operator_gives_a_request_up() {
    let (world, _alice, proxy, bob) = stage(29, "", "");
    let headers = "From: <sip:op@10.0.0.1>\r\nTo: <sip:bob@10.0.0.12>\r\nCall-ID: mine@here";
    let node = std::sync::Arc::clone(&proxy.borrow().node);
    let request = NewRequest::described("INVITE", &bob.uri(), headers, None).unwrap();
    let (asker, heard) = std::sync::mpsc::channel();
    assert!(new_requests::send(&node, NewRequest { asker: Some(asker), ..request }));
    bob.rings();
    world.run_for(seconds(1));
    let give_up = |cseq: &str| asked(&world, &proxy, "t_uac_cancel", json!(["mine@here", cseq]));
    assert_eq!(give_up("2 INVITE")["error"]["code"], 404);
    assert_eq!(give_up("1 INVITE")["result"], "OK");
    world.settle();
    assert_eq!((bob.count("CANCEL"), heard.try_recv().unwrap().status), (1, 487));
    forgotten(&world, &proxy);
}

// --- Mistakes -----------------------------------------------------------------------------------

#[test]
fn wrong_arguments_are_told_at_load() {
    assert_eq!(refusal("", "", ""), "");
    let wrong = |targets: &str| refusal("", targets, "");
    assert!(wrong("t_local_replied(\"first\");").contains("\"all\" or \"last\""));
    assert!(wrong("t_inject_branches(\"reply\");").contains("\"event\" or \"msg\""));
    assert!(wrong("t_inject_branches(\"msg\", \"first\");").contains("cancel and last"));
    assert!(wrong("t_add_cancel_reason(\"X: y\");").contains("Reason"));
    assert!(wrong("t_write_unix(\"/tmp/x\", \"y\");").contains("not built yet"));
    assert!(wrong("strip(-1);").contains("negative"));
}

// spec/modules.md §1.6: branches of all rounds, or of the present one with `/active`; `$T_ruri` and
// the next hops of each.
#[test]
fn the_branches_of_the_present_round_are_counted_apart() {
    let targets = r#"
        t_on_failure("next"); t_on_reply("all");
        $du = "sip:10.0.0.12:5060";
        append_msg_branch("sip:carol@10.0.0.13:5060");
    "#;
    let rest = r#"
        onreply_route[all] { if ($rs >= 300) note("$rs $T_ruri"); }
        failure_route[next] {
            note("$(tm.branch.uri[*/active]) of $(tm.branch.last_received[*/all])");
            note("$(tm.branch.duri[0]) $(tm.branch.duri[1]) $(tm.branch.duri[*])");
            if ($T_reply_code == 404) {
                t_on_failure("last");
                $ru = "sip:dave@10.0.0.14:5060"; $du = NULL;
                t_relay();
            }
        }
        failure_route[last] {
            note("$(tm.branch.uri[*/active]) of $(tm.branch.last_received[*])");
            note("$(tm.branch.uri[0/active]) $(tm.branch.uri[-1/active]) $(tm.branch.uri[1/active])");
            for ($var(code) in $(tm.branch.last_received[*/active])) note("$var(code)");
            $(tm.branch.attr(kind)[0/active]) = "new";
            note("$(tm.branch.attr(kind)[2]) $(tm.branch.attr(kind)[2/active]) $T_ruri");
        }
    "#;
    let (world, alice, proxy, bob) = stage(31, targets, rest);
    let (carol, dave) = (world.agent("carol"), world.agent("dave"));
    alice.invite(&bob);
    bob.rejects(486);
    world.run_for(seconds(1));
    carol.rejects(404);
    dave.rejects(480);
    world.settle();
    let (bob, dave) = (bob.uri(), dave.uri());
    assert_eq!(
        notes(),
        [
            &*format!("486 {bob}"),
            &*format!("404 {CAROL}"),
            &*format!("{bob}, {CAROL} of 486, 404"),
            "sip:10.0.0.12:5060 <null> sip:10.0.0.12:5060",
            &*format!("480 {dave}"),
            &*format!("{dave} of 486, 404, 480"),
            &*format!("{dave} {dave} <null>"),
            "480",
            &*format!("new <null> {dave}"),
        ]
    );
    assert_eq!(alice.final_status(), Some(480));
    forgotten(&world, &proxy);
    let wrong = "xlog(\"$(tm.branch.uri[0/old])\");";
    assert!(refusal("", wrong, "").contains("is no index"));
}

// spec/modules.md §1.2, t_cancel_branch: this branch, all others, all.
#[test]
fn a_reply_route_cancels_branches() {
    for (call, cancelled) in [
        ("t_cancel_branch();", (1, 0)),
        ("t_cancel_branch(\"o\");", (0, 1)),
        ("t_cancel_branch(\"a\");", (1, 1)),
        ("$avp(which) = \"x\"; t_cancel_branch($avp(which));", (0, 0)),
    ] {
        let targets = format!("append_branch(\"{CAROL}\"); t_on_reply(\"all\");");
        let rest = format!(
            "onreply_route[all] {{ if ($rs == 183) {{ {call} $avp(code) = $rc; note(\"$avp(code)\"); }} }}"
        );
        let (world, alice, proxy, bob) = stage(32, &targets, &rest);
        let carol = world.agent("carol");
        bob.manual();
        alice.invite(&bob);
        carol.rings();
        world.run_for(seconds(1));
        bob.replies(183);
        world.run_for(seconds(1));
        assert_eq!((bob.count("CANCEL"), carol.count("CANCEL")), cancelled, "{call}");
        let code = if cancelled == (0, 0) { "-1" } else { "1" };
        assert_eq!(notes(), [code], "{call}");
        bob.rejects(if cancelled.0 == 1 { 487 } else { 486 });
        world.settle();
        if cancelled.1 == 0 {
            carol.rejects(480);
        }
        world.settle();
        assert!(alice.final_status().is_some(), "{call}");
        forgotten(&world, &proxy);
    }
    let rest = "onreply_route[all] { t_cancel_branch(\"x\"); }";
    assert!(refusal("", "t_on_reply(\"all\");", rest).contains("all others"));
    assert!(refusal("", "t_cancel_branch();", "").contains("cannot be used in the block"));
}

// spec/modules.md §2: is_direction() needs append_fromtag.
#[test]
fn directions_need_the_from_tag() {
    let off = "modparam(\"rr\", \"append_fromtag\", 0)";
    assert_eq!(refusal(off, "", ""), "");
    let asks = "if (is_direction(\"upstream\")) exit;";
    assert!(refusal(off, asks, "").contains("append_fromtag"));
}

// spec/modules.md §5: is_maxfwd_lt() compares the value after processing, in later routes too.
#[test]
fn max_forwards_is_known_after_processing() {
    let rest = r#"
        branch_route[each] { route(compare); }
        failure_route[next] { route(compare); }
        route[compare] {
            $avp(lower) = is_maxfwd_lt(10);
            $avp(higher) = is_maxfwd_lt(9);
            note("$avp(lower) $avp(higher)");
        }
    "#;
    let (world, alice, proxy, bob) =
        stage(30, "t_on_branch(\"each\"); t_on_failure(\"next\");", rest);
    alice.invite_with(&bob.uri(), |mut invite| {
        invite.headers.retain(|(name, _)| name != "Max-Forwards");
        invite.with("Max-Forwards", "10")
    });
    bob.rejects(486);
    world.settle();
    assert_eq!(notes(), ["1 -1", "1 -1"]);
    forgotten(&world, &proxy);
}

// The dialog of an INVITE that is answered by somebody injected is an ordinary one.
#[test]
fn an_injected_branch_makes_an_ordinary_call() {
    let rest = r#"
        route[later] {
            $ru = "sip:bob@10.0.0.12:5060";
            t_inject_branches("msg", "last");
        }
        failure_route[failed] { exit; }
    "#;
    let (world, alice, proxy, bob) = stage(25, WAITING, rest);
    alice.invite_uri("sip:bob@10.0.0.1");
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    assert_eq!(proxy.borrow().node.dialogs.statistics().active_dialogs, 1);
    bob.requests("INFO");
    world.settle();
    assert_eq!(bob.status_of("INFO"), Some(200));
    bob.hangs_up();
    forgotten(&world, &proxy);
}
