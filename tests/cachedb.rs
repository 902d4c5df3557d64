//! Values that outlive their message: `cachedb_local` and the core's cache functions
//! (spec/modules.md §26, spec/script.md §11).

mod world;

use std::time::Duration;

use duologue::{Overrides, Plan};
use duologue_testkit::{Agent, Served, World};
use world::{NAME, Proxy, Text, answered, cast, forgotten, script_to};

const LOCAL: &str = r#"
    loadmodule "cachedb_local.so"
"#;

/// The value of a header in the latest request of a kind.
fn shown(agent: &Agent, kind: &str, header: &str) -> String {
    agent.last(kind).header(header).unwrap_or("(none)").to_owned()
}

/// Bob has got the INVITE of a script, and refuses it.
fn invited(settings: &str, targets: &str) -> (World, Agent, Served<Proxy>, Agent) {
    let (world, alice, proxy, bob) = cast(1, &script_to(settings, targets, ""));
    alice.invite(&bob);
    world.settle();
    bob.rejects(486);
    forgotten(&world, &proxy);
    (world, alice, proxy, bob)
}

#[test]
fn what_one_message_stores_a_later_one_fetches() {
    let targets = r#"
        cache_store("local", "caller_$ci", "$fU", 20);
        cache_store("local", "for_ever", "1");
    "#;
    let within = r#"
    route[within] {
        $var(old) = "untouched";
        $var(code) = cache_fetch("local", "caller_$ci", $var(old));
        append_hf("X-Fetched: $var(code) $var(old)\r\n");
        $var(code) = cache_fetch("local", "for_ever", $avp(kept));
        append_hf("X-Kept: $var(code) $avp(kept)\r\n");
    }
    "#;
    let (world, alice, proxy, bob) = cast(1, &script_to(LOCAL, targets, within));
    answered(&world, &alice, &bob);
    world.run_for(Duration::from_secs(10));
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Fetched"), "1 alice");
    // 20 seconds have passed: the value is gone at once (spec/modules.md §26).
    world.run_for(Duration::from_secs(11));
    alice.requests("INFO");
    world.settle();
    assert_eq!(shown(&bob, "INFO", "X-Fetched"), "-2 untouched");
    assert_eq!(shown(&bob, "INFO", "X-Kept"), "1 1");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

#[test]
fn counters_count() {
    let targets = r#"
        $var(a) = cache_add("local", "n", 5, 0, $var(new));
        append_hf("X-Added: $var(a) $var(new)\r\n");
        $var(a) = cache_sub("local", "n", 7, 0, $var(new));
        append_hf("X-Subtracted: $var(a) $var(new)\r\n");
        $var(a) = cache_counter_fetch("local", "n", $var(read));
        append_hf("X-Read: $var(a) $var(read)\r\n");
        if ($var(read) == -2)
            append_hf("X-Number: yes\r\n");
        cache_store("local", "t", "text");
        $var(a) = cache_add("local", "t", 1, 0);
        $var(b) = cache_counter_fetch("local", "t", $var(read));
        append_hf("X-Text: $var(a) $var(b)\r\n");
        $var(a) = cache_counter_fetch("local", "nothing", $var(read));
        append_hf("X-Nothing: $var(a) $var(read)\r\n");
    "#;
    let (_, _, _, bob) = invited(LOCAL, targets);
    assert_eq!(shown(&bob, "INVITE", "X-Added"), "1 5");
    assert_eq!(shown(&bob, "INVITE", "X-Subtracted"), "1 -2");
    assert_eq!(shown(&bob, "INVITE", "X-Read"), "1 -2");
    assert_eq!(shown(&bob, "INVITE", "X-Number"), "yes");
    assert_eq!(shown(&bob, "INVITE", "X-Text"), "-1 -1");
    assert_eq!(shown(&bob, "INVITE", "X-Nothing"), "-2 -2");
}

#[test]
fn groups_are_collections_of_their_own() {
    let settings = r#"
    loadmodule "cachedb_local.so"
    modparam("cachedb_local", "cache_collections", "one = 3; two")
    modparam("cachedb_local", "cachedb_url", "local:g1:///one")
    modparam("cachedb_local", "cachedb_url", "local:g2:///two")
    "#;
    let targets = r#"
        cache_store("local:g1", "k", "one");
        cache_store("local:g2", "k", "two");
        cache_fetch("local:g1", "k", $var(a));
        cache_fetch("local:g2", "k", $var(b));
        append_hf("X-Groups: $var(a) $var(b)\r\n");
        $var(c) = cache_store("local", "k", "v");
        append_hf("X-Plain: $var(c)\r\n");
        $var(id) = "redis:main";
        $var(c) = cache_store($var(id), "k", "v");
        $var(d) = cache_fetch("local:g1", "$avp(none)", $var(x));
        $var(key) = "";
        $var(e) = cache_store("local:g1", $var(key), "v");
        append_hf("X-Failures: $var(c) $var(d) $var(e)\r\n");
        $var(c) = cache_raw_query("local:g1", "ask", "$avp(answer)");
        append_hf("X-Query: $var(c)\r\n");
    "#;
    let (_, _, _, bob) = invited(settings, targets);
    assert_eq!(shown(&bob, "INVITE", "X-Groups"), "one two");
    // With URLs there is only what they name.
    assert_eq!(shown(&bob, "INVITE", "X-Plain"), "-1");
    assert_eq!(shown(&bob, "INVITE", "X-Failures"), "-1 -2 -1");
    assert_eq!(shown(&bob, "INVITE", "X-Query"), "-1");
}

#[test]
fn keys_are_removed_one_by_one_or_by_a_pattern() {
    let settings = r#"
    loadmodule "cachedb_local.so"
    modparam("cachedb_local", "cache_collections", "one")
    modparam("cachedb_local", "cachedb_url", "local://")
    modparam("cachedb_local", "cachedb_url", "local:g1:///one")
    "#;
    let targets = r#"
        cache_store("local", "call_1", "a");
        cache_store("local", "call_2", "b");
        cache_store("local", "other", "c");
        cache_store("local:g1", "call_1", "d");
        $var(a) = cache_remove("local", "other");
        $var(b) = cache_remove("local", "never_there");
        append_hf("X-Removed: $var(a) $var(b)\r\n");
        $var(a) = cache_remove_chunk("call_*");
        $var(b) = cache_fetch("local", "call_1", $var(x));
        $var(c) = cache_fetch("local:g1", "call_1", $var(x));
        append_hf("X-Chunk: $var(a) $var(b) $var(c)\r\n");
        $var(a) = cache_remove_chunk("one", "call_?");
        $var(c) = cache_fetch("local:g1", "call_1", $var(x));
        $var(b) = cache_remove_chunk("three", "*");
        append_hf("X-Named: $var(a) $var(c) $var(b)\r\n");
    "#;
    let (_, _, _, bob) = invited(settings, targets);
    assert_eq!(shown(&bob, "INVITE", "X-Removed"), "1 1");
    assert_eq!(shown(&bob, "INVITE", "X-Chunk"), "1 -2 1");
    assert_eq!(shown(&bob, "INVITE", "X-Named"), "1 -2 -1");
}

#[test]
fn what_cannot_be_meant_is_refused_when_the_script_loads() {
    let refusal = |settings: &str, targets: &str| {
        let script = script_to(settings, targets, "");
        let plan = Plan::load(NAME, &Text(&script), &[], Overrides::default());
        plan.expect_err("it must not load").to_string()
    };
    assert!(refusal(LOCAL, "cache_store(\"\", \"k\", \"v\");").contains("engine:group"));
    assert!(refusal(LOCAL, "cache_store(\"local\", \"\", \"v\");").contains("a key is needed"));
    assert!(refusal(LOCAL, "cache_store(\"local\", \"k\", 5);").contains("cache_store"));
    let wrong = "cache_raw_query(\"local\", \"q\", \"$var(x)\");";
    assert!(refusal(LOCAL, wrong).contains("the answer goes to AVPs"));
    let parameter = |line: &str| refusal(&format!("{LOCAL}\n{line}"), "");
    let url = "modparam(\"cachedb_local\", \"cachedb_url\", \"local:g:///nowhere\")";
    assert!(parameter(url).contains("there is no collection nowhere"));
    let slow = "modparam(\"cachedb_local\", \"exec_threshold\", -1)";
    assert!(parameter(slow).contains("at least 0"));
    let replicated = "modparam(\"cachedb_local\", \"cache_collections\", \"c/r\")";
    assert!(parameter(replicated).contains("not built yet"));
}
