//! Counters that scripts make (spec/modules.md §24, spec/script.md §14).

mod world;

use std::time::Duration;

use duologue_testkit::{Agent, Served};
use world::{Proxy, answered, cast, forgotten, script_to};

const SETTINGS: &str = r#"
    loadmodule "statistics.so"
    modparam("statistics", "variable", "declared")
    modparam("statistics", "variable", "kept/no_reset")
    modparam("statistics", "stat_groups", "methods, other")
    modparam("statistics", "stat_series_profile",
        "asr: algorithm=percentage window=60 slots=6 group=series percentage_factor=100")
    modparam("statistics", "stat_series_profile", "sum: algorithm=accumulate window=10")
"#;

/// The value of a header in the latest request of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

/// The values of all headers of a name in the INVITE.
fn all(agent: &Agent, header: &str) -> Vec<String> {
    let invite = agent.last("INVITE");
    let named = invite.headers.iter().filter(|(name, _)| name == header);
    named.map(|(_, value)| value.clone()).collect()
}

fn value(proxy: &Served<Proxy>, name: &str) -> Option<u64> {
    let node = &proxy.borrow().node;
    node.read_statistic(node.started, name.as_bytes())
}

#[test]
fn scripts_count_and_read() {
    let targets = r#"
        append_hf("X-Start: $stat(declared) $stat(unknown)\r\n");
        update_stat("declared", 3);
        update_stat("declared", -1);
        update_stat("declared", 0);
        update_stat("methods:$rm", 1);
        $var(a) = update_stat("nowhere:x", 1);
        $var(b) = update_stat("fresh", -5);
        append_hf("X-Codes: $var(a) $var(b)\r\n");
        append_hf("X-Read: $stat(DECLARED) $stat(methods:invite) $stat(fresh)\r\n");
        if ($stat(declared) == 2)
            append_hf("X-Number: yes\r\n");
        if ($stat(rcv_requests) > 0 && $stat(core:timestamp) >= 0 && $stat(early_dialogs) == 0)
            append_hf("X-Server: yes\r\n");
        $var(before) = $stat(sl:sent_replies);
        update_stat("sl:sent_replies", 4);
        $var(after) = $stat(sl:sent_replies);
        update_stat("sl:sent_replies", -100);
        append_hf("X-Own: $var(before) $var(after) $stat(sl:sent_replies)\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(1, &script_to(SETTINGS, targets, ""));
    alice.invite(&bob);
    world.settle();
    assert_eq!(shown(&bob, "INVITE", "X-Start"), "0 <null>");
    assert_eq!(shown(&bob, "INVITE", "X-Codes"), "-1 1");
    assert_eq!(shown(&bob, "INVITE", "X-Read"), "2 1 0");
    assert_eq!(shown(&bob, "INVITE", "X-Number"), "yes");
    assert_eq!(shown(&bob, "INVITE", "X-Server"), "yes");
    assert_eq!(shown(&bob, "INVITE", "X-Own"), "0 4 0");
    assert_eq!(value(&proxy, "dynamic:declared"), Some(2));
    assert_eq!(value(&proxy, "methods:INVITE"), Some(1));
    bob.rejects(486);
    forgotten(&world, &proxy);
}

#[test]
fn counters_are_reset_unless_they_were_declared_otherwise() {
    let within = r#"
    route[within] {
        if (!is_method("INFO"))
            return;
        update_stat("declared", 3);
        update_stat("kept", 3);
        update_stat("free", 3);
        $var(a) = reset_stat("declared");
        $var(b) = reset_stat("kept");
        $var(c) = reset_stat("unknown");
        $stat(free) = 17;
        append_hf("X-Codes: $var(a) $var(b) $var(c)\r\n");
        append_hf("X-Left: $stat(declared) $stat(kept) $stat(free)\r\n");
        reset_stat("processed_dialogs");
        reset_stat("active_dialogs");
        append_hf("X-Dialogs: $stat(processed_dialogs) $stat(active_dialogs)\r\n");
        $stat(rcv_replies) = 0;
        append_hf("X-Server: $stat(rcv_replies)\r\n");
    }
    "#;
    let (world, alice, proxy, bob) = cast(2, &script_to(SETTINGS, "", within));
    answered(&world, &alice, &bob);
    assert_eq!(value(&proxy, "processed_dialogs"), Some(1));
    assert!(value(&proxy, "rcv_replies") > Some(0));
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Codes"), "1 1 -1");
    assert_eq!(shown(&bob, "INFO", "X-Left"), "0 3 0");
    // What was counted starts again; what is computed does not.
    assert_eq!(shown(&bob, "INFO", "X-Dialogs"), "0 1");
    assert_eq!(shown(&bob, "INFO", "X-Server"), "0");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn a_group_is_gone_through() {
    let targets = r#"
        update_stat("other:a", 1);
        update_stat("other:b", 2);
        $var(init) = stat_iter_init("other", "it");
        $var(n) = 0;
        stat_iter_init("OTHER", "it");
        while (stat_iter_next($var(name), $var(value), "it")) {
            append_hf("X-Stat: $var(name)=$var(value)\r\n");
            $var(n) += $var(value);
        }
        $var(end) = stat_iter_next($var(name), $var(value), "it");
        $var(none) = stat_iter_init("nowhere", "it2");
        append_hf("X-Sum: $var(init) $var(n) $var(end) $var(none)\r\n");
    "#;
    let (world, alice, proxy, bob) = cast(3, &script_to(SETTINGS, targets, ""));
    alice.invite(&bob);
    world.settle();
    assert_eq!(all(&bob, "X-Stat"), ["a=1", "b=2"]);
    assert_eq!(shown(&bob, "INVITE", "X-Sum"), "1 3 -1 -1");
    bob.rejects(486);
    forgotten(&world, &proxy);
}

#[test]
fn series_forget_what_is_past() {
    let within = r#"
    route[within] {
        if (!is_method("INFO"))
            return;
        append_hf("X-Asr: $stat(series:gw1)\r\n");
        append_hf("X-Sum: $stat(hits)\r\n");
        update_stat_series("asr", "gw1", -1);
        $var(a) = update_stat_series("nothing", "gw1", 1);
        $var(b) = update_stat("gw1", 1);
        append_hf("X-Codes: $var(a) $var(b)\r\n");
    }
    "#;
    let targets = r#"
        update_stat_series("asr", "gw1", 1);
        update_stat_series("asr", "gw1", 1);
        update_stat_series("sum", "hits", 40);
        update_stat_series("sum", "hits", 2);
    "#;
    let (world, alice, proxy, bob) = cast(4, &script_to(SETTINGS, targets, within));
    answered(&world, &alice, &bob);
    let asks = || {
        alice.requests("INFO");
        world.settle();
        (shown(&bob, "INFO", "X-Asr"), shown(&bob, "INFO", "X-Sum"))
    };
    assert_eq!(asks(), ("100".to_owned(), "42".to_owned()));
    // A profile that does not exist; a name that belongs to a series.
    assert_eq!(shown(&bob, "INFO", "X-Codes"), "-1 -1");
    world.run_for(Duration::from_secs(12));
    // Two of three were good; the sum looked back ten seconds.
    assert_eq!(asks(), ("66".to_owned(), "0".to_owned()));
    world.run_for(Duration::from_secs(70));
    assert_eq!(asks().0, "0");
    bob.hangs_up();
    forgotten(&world, &proxy);
}
