//! JSON documents in scripts (spec/script.md §7.3).

mod world;

use duologue::{Overrides, Plan};
use duologue_testkit::Agent;
use world::{NAME, Text, cast, forgotten, script_to};

const JSON: &str = "loadmodule \"json.so\"";

/// What a header of the INVITE says that a script has worked on.
fn shown(agent: &Agent, header: &str) -> String {
    agent.last("INVITE").header(header).unwrap_or("(none)").to_owned()
}

/// Bob, who has got the INVITE of a script.
fn invited(targets: &str, rest: &str) -> Agent {
    let (world, alice, proxy, bob) = cast(1, &script_to(JSON, targets, rest));
    alice.invite(&bob);
    world.settle();
    bob.rejects(486);
    forgotten(&world, &proxy);
    bob
}

#[test]
fn documents_are_built_and_printed() {
    let bob = invited(
        r#"
        $json(call) := "{\"from\": {}}";
        $json(call/from/user) = $fU;
        $json(call/port) = 5060;
        $json(call/tags) := "[]";
        $json(call/tags[]) = "a/b";
        $json(call/tags[]) = 7;
        $json(call/tags[0]) = "first";
        $json(call/not_json) = "{}";
        append_hf("X-Spaced: $json(call)\r\n");
        append_hf("X-Compact: $json_compact(call)\r\n");
        $var(pretty) = $(json_pretty(call/from){s.len});
        append_hf("X-Pretty: $var(pretty)\r\n");
        if ($json(call/port) == 5060 && $json(call/from/user) == "alice")
            append_hf("X-Typed: yes\r\n");
        $json(call/port) = NULL;
        $json(call/tags[-1]) = NULL;
        $json(call/from) := NULL;
        append_hf("X-Less: $json_compact(call)\r\n");
        $json(call) = NULL;
        append_hf("X-Gone: $json(call) $json(call/port)\r\n");
        "#,
        "",
    );
    assert_eq!(
        shown(&bob, "X-Spaced"),
        r#"{ "from": { "user": "alice" }, "port": 5060, "tags": [ "first", 7 ], "not_json": "{}" }"#
    );
    assert_eq!(
        shown(&bob, "X-Compact"),
        r#"{"from":{"user":"alice"},"port":5060,"tags":["first",7],"not_json":"{}"}"#
    );
    assert_eq!(shown(&bob, "X-Pretty"), "{\n  \"user\": \"alice\"\n}".len().to_string());
    assert_eq!(shown(&bob, "X-Typed"), "yes");
    assert_eq!(shown(&bob, "X-Less"), r#"{"from":null,"tags":["first"],"not_json":"{}"}"#);
    assert_eq!(shown(&bob, "X-Gone"), "<null> <null>");
}

/// A key out of a variable is one key, whatever it contains.
#[test]
fn paths_take_variables() {
    let bob = invited(
        r#"
        $json(x) := "{\"a/b\": [10, 20], \"a\": {\"b\": 30}}";
        $var(k) = "a/b";
        $var(i) = 1;
        append_hf("X-Read: $json(x/$var(k)[$var(i)])\r\n");
        $var(p) = "x/a/b";
        append_hf("X-Whole: $json($var(p))\r\n");
        $json(x/$fU) = "caller";
        $var(i) = -1;
        $json(x/$var(k)[$var(i)]) = "last";
        append_hf("X-Written: $json_compact(x)\r\n");
        $avp(none) = NULL;
        append_hf("X-Empty: $json(x/$avp(none))\r\n");
        "#,
        "",
    );
    assert_eq!(shown(&bob, "X-Read"), "20");
    assert_eq!(shown(&bob, "X-Whole"), "30");
    let written = r#"{"a/b":[10,"last"],"a":{"b":30},"alice":"caller"}"#;
    assert_eq!(shown(&bob, "X-Written"), written);
    assert_eq!(shown(&bob, "X-Empty"), "<null>");
}

#[test]
fn loops_go_over_keys_values_and_elements() {
    let bob = invited(
        r#"
        $json(x) := "{\"a\": 1, \"b\": {\"n\": 2}, \"c\": [{\"n\": 3}, null, {\"n\": 5}]}";
        for ($var(k) in $(json(x.keys)[*]))
            append_hf("X-Key: $var(k)=$json_compact(x/$var(k))\r\n");
        for ($var(v) in $(json(x.values)[*]))
            append_hf("X-Value: $var(v)\r\n");
        for ($json(e) in $(json(x/c)[*]))
            append_hf("X-Element: $json(e/n)\r\n");
        "#,
        "",
    );
    let all = |header: &str| {
        let invite = bob.last("INVITE");
        let named = invite.headers.iter().filter(|(name, _)| name == header);
        named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(all("X-Key"), ["a=1", "b={\"n\":2}", "c=[{\"n\":3},null,{\"n\":5}]"]);
    assert_eq!(all("X-Value"), ["1", "{ \"n\": 2 }", "[ { \"n\": 3 }, null, { \"n\": 5 } ]"]);
    // A null among the elements does not end the loop.
    assert_eq!(all("X-Element"), ["3", "<null>", "5"]);
}

/// As a `$var`, a document is there for one run and its sub-routes.
#[test]
fn a_document_is_gone_with_its_message() {
    let (world, alice, proxy, bob) = cast(
        2,
        &script_to(
            JSON,
            "route(fill); append_hf(\"X-Json: $json(x)\\r\\n\"); $json(x/none/deep) = 1;",
            "route[fill] { append_hf(\"X-Before: $json(x)\\r\\n\"); $json(x) = 5; }",
        ),
    );
    for _ in 0..2 {
        alice.invite(&bob);
        world.settle();
        assert_eq!(shown(&bob, "X-Before"), "<null>");
        assert_eq!(shown(&bob, "X-Json"), "5");
        bob.rejects(486);
        world.settle();
    }
    forgotten(&world, &proxy);
}

#[test]
fn broken_paths_do_not_load() {
    let refusal = |targets: &str| {
        let script = script_to(JSON, targets, "");
        let plan = Plan::load(NAME, &Text(&script), &[], Overrides::default());
        plan.expect_err("it must not load").to_string()
    };
    assert!(refusal("$json(x/) = 1;").contains("a name in the path is empty"));
    assert!(refusal("$json(x[a]) = 1;").contains("an index is a number"));
    assert!(refusal("$json = 1;").contains("needs a name"));
    assert!(refusal("$json_pretty(x) = 1;").contains("operand"));
}

/// `json_link()`: two names of one value.
#[test]
fn a_value_stands_in_several_places() {
    let bob = invited(
        r#"
        $json(b) := "[{},{},{}]";
        $var(ok) = json_link($json(stub), $json(b[0]));
        $json(stub/ana) = "are";
        $json(stub/ar) := "[1,2,3]";
        $json(b[0]/ar[0]) = NULL;
        append_hf("X-Stub: $var(ok) $json_compact(stub)\r\n");
        append_hf("X-Whole: $json_compact(b)\r\n");
        $var(sum) = 0;
        for ($var(n) in $(json(b[0]/ar)[*])) $var(sum) = $var(sum) + $var(n);
        for ($var(o) in $(json(b)[*])) $var(last) = $var(o);
        append_hf("X-Loop: $var(sum) $var(last)\r\n");
        $json(stub) = NULL;
        append_hf("X-Alone: $json(stub) $json_compact(b[0])\r\n");
        $var(circle) = json_link($json(b[1]), $json(b));
        $var(nothing) = json_link($json(x), $json(none));
        $var(plain) = json_link($json(x), $var(ok));
        append_hf("X-Refused: $var(circle) $var(nothing) $var(plain) $json(b[1])\r\n");
        "#,
        "",
    );
    assert_eq!(shown(&bob, "X-Stub"), r#"1 {"ana":"are","ar":[2,3]}"#);
    assert_eq!(shown(&bob, "X-Whole"), r#"[{"ana":"are","ar":[2,3]},{},{}]"#);
    assert_eq!(shown(&bob, "X-Loop"), "5 { }");
    assert_eq!(shown(&bob, "X-Alone"), r#"<null> {"ana":"are","ar":[2,3]}"#);
    assert_eq!(shown(&bob, "X-Refused"), "-1 -1 -1 { }");
}

/// `json_merge()`: the second changes the first (RFC 7396), neither of them is changed.
#[test]
fn a_document_is_changed_by_another() {
    let bob = invited(
        r#"
        $json(one) := "{\"test1\": \"a\", \"common\": 1, \"gone\": true}";
        $json(two) := "{\"test2\": \"b\", \"common\": 2, \"gone\": null}";
        $var(ok) = json_merge($json(one), $json(two), $var(merged));
        append_hf("X-Merged: $var(ok) $var(merged)\r\n");
        append_hf("X-One: $json_compact(one)\r\n");
        $var(ok) = json_merge("{\"a\":{\"b\":1}}", "{\"a\":{\"c\":2}}", $var(merged));
        append_hf("X-Deep: $var(ok) $var(merged)\r\n");
        $var(ok) = json_merge("{", "{}", $var(merged));
        $var(ok2) = json_merge("{}", "no", $var(merged));
        append_hf("X-Bad: $var(ok) $var(ok2) $var(merged)\r\n");
        "#,
        "",
    );
    assert_eq!(shown(&bob, "X-Merged"), r#"1 {"test1":"a","common":2,"test2":"b"}"#);
    assert_eq!(shown(&bob, "X-One"), r#"{"test1":"a","common":1,"gone":true}"#);
    assert_eq!(shown(&bob, "X-Deep"), r#"1 {"a":{"b":1,"c":2}}"#);
    assert_eq!(shown(&bob, "X-Bad"), r#"-1 -1 {"a":{"b":1,"c":2}}"#);
}

/// `enable_long_quoting`: a number beyond 32 bits is text and nothing else.
#[test]
fn long_numbers_are_texts_if_the_script_wants_it() {
    let seen = |settings: &str| {
        let targets = r#"
            $json(x) := "{\"long\": 5000000000, \"short\": 5}";
            if ($json(x/long) > 2000000000) append_hf("X-Number: yes\r\n");
            if ($json(x/short) > 4) append_hf("X-Short: yes\r\n");
            append_hf("X-Text: $json(x/long)\r\n");
        "#;
        let settings = format!("{JSON}\n{settings}");
        let (world, alice, proxy, bob) = cast(1, &script_to(&settings, targets, ""));
        alice.invite(&bob);
        world.settle();
        bob.rejects(486);
        forgotten(&world, &proxy);
        ["X-Number", "X-Short", "X-Text"].map(|header| shown(&bob, header))
    };
    assert_eq!(seen(""), ["yes", "yes", "5000000000"]);
    let quoted = seen(r#"modparam("json", "enable_long_quoting", 1)"#);
    assert_eq!(quoted, ["(none)", "yes", "5000000000"]);
}
