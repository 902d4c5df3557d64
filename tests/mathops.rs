//! Arithmetic with fractions in scripts, by the public documentation of `mathops`.

mod world;

use duologue::{Overrides, Plan};
use duologue_testkit::Agent;
use world::{NAME, Text, cast, forgotten, script_to};

const MATHOPS: &str = "loadmodule \"mathops.so\"\nmodparam(\"mathops\", \"decimal_digits\", 3)";

/// Bob, who has got the INVITE of a script.
fn invited(targets: &str) -> Agent {
    let (world, alice, proxy, bob) = cast(5, &script_to(MATHOPS, targets, ""));
    alice.invite(&bob);
    world.settle();
    bob.rejects(486);
    forgotten(&world, &proxy);
    bob
}

fn shown(agent: &Agent, header: &str) -> String {
    agent.last("INVITE").header(header).unwrap_or("(none)").to_owned()
}

/// What goes in and comes out is text.
#[test]
fn fractions_are_reckoned() {
    let bob = invited(
        r#"
        $var(x) = "2.5";
        $var(a) = math_eval("($var(x) + 1) * 2 ^ 3", $var(r));
        append_hf("X-Eval: $var(a) $var(r)\r\n");
        math_trunc("-2.7", $var(a));
        math_floor("-2.7", $var(b));
        math_ceil($var(x), $var(c));
        math_round($var(x), $var(d));
        math_round("3.14159", $var(e), 2);
        math_round_sf("123456", $var(f), 3);
        append_hf("X-Round: $var(a) $var(b) $var(c) $var(d) $var(e) $var(f)\r\n");
        $var(bad) = "1 / 0";
        $var(a) = math_eval($var(bad), $var(r));
        $var(b) = math_round("1", $var(r), -1);
        append_hf("X-Bad: $var(a) $var(b) $var(r)\r\n");
        "#,
    );
    assert_eq!(shown(&bob, "X-Eval"), "1 28.000");
    assert_eq!(shown(&bob, "X-Round"), "-2 -3 3 3 3.14 123000");
    assert_eq!(shown(&bob, "X-Bad"), "-1 -1 28.000");
}

/// The figures that the documentation gives for `math_round_sf()`.
#[test]
fn significant_figures_are_those_of_the_documentation() {
    for (figures, expected) in [
        (1, "20000"),
        (2, "18000"),
        (3, "17900"),
        (4, "17890"),
        (5, "17893"),
        (6, "17893.0"),
        (7, "17892.99"),
    ] {
        let targets = format!(
            "math_round_sf(\"17892.987\", $var(r), {figures});\nappend_hf(\"X-R: $var(r)\\r\\n\");"
        );
        assert_eq!(shown(&invited(&targets), "X-R"), expected, "{figures}");
    }
}

/// Values go onto a stack, operations work on its top; one value must be left.
#[test]
fn polish_notation_is_reckoned() {
    let bob = invited(
        r#"
        $avp(x) = "3";
        $var(a) = math_rpn("1 $avp(x) swap swap dup drop / exp ln 1 swap /", $var(r));
        append_hf("X-Rpn: $var(a) $var(r)\r\n");
        $var(text) = "1 2";
        $var(a) = math_rpn($var(text), $var(r));
        $var(text) = "1 +";
        $var(b) = math_rpn($var(text), $var(r));
        append_hf("X-Bad: $var(a) $var(b) $var(r)\r\n");
        "#,
    );
    assert_eq!(shown(&bob, "X-Rpn"), "1 3.000");
    assert_eq!(shown(&bob, "X-Bad"), "-1 -1 3.000", "and the variable is as it was");
}

/// 1, 0, −1: the first is more, the same, less.
#[test]
fn expressions_are_compared() {
    let bob = invited(
        r#"
        $var(one) = "1 + 8";
        $var(two) = "7/2";
        $var(a) = math_compare($var(one), $var(two), $var(more));
        math_compare($var(two), $var(one), $var(less));
        math_compare("0.5", "1 / 2", $var(same));
        if ($var(more) == 1 && $var(less) == -1 && $var(same) == 0)
            append_hf("X-Order: $var(a) numbers\r\n");
        $var(bad) = "1 +";
        $var(a) = math_compare($var(bad), "1", $var(more));
        $var(b) = math_compare("1", $var(bad), $var(more));
        append_hf("X-Bad: $var(a) $var(b) $var(more)\r\n");
        "#,
    );
    assert_eq!(shown(&bob, "X-Order"), "1 numbers");
    assert_eq!(shown(&bob, "X-Bad"), "-1 -1 1");
}

#[test]
fn literal_nonsense_does_not_load() {
    for call in [
        "math_eval(\"1 +\", $var(x));",
        "math_rpn(\"1 +\", $var(x));",
        "math_compare(\"1\", \"1 +\", $var(x));",
    ] {
        let script = script_to(MATHOPS, call, "");
        let plan = Plan::load(NAME, &Text(&script), &[], Overrides::default());
        let error = plan.expect_err("it must not load").to_string();
        assert!(error.contains("has no value"), "{call}: {error}");
    }
}
