//! What each lint finds, and what it must leave alone.

mod common;

use common::Shop;
use duologue_script::{LINTS, Script, Sources};

/// The warnings of a script that loads, as `line: code: message`.
#[track_caller]
fn warnings(text: &str) -> Vec<String> {
    let (_, found) = Script::lint("a.cfg", text, &Shop).unwrap_or_else(|it| panic!("{it}\n{text}"));
    assert_eq!(found.list().len(), found.warnings());
    let shown = found.list().iter().map(|it| {
        format!("{}: {}: {}", it.line, it.code.expect("a warning has a name"), it.message)
    });
    shown.collect()
}

/// That a script is warned of by one lint alone, at this line.
#[track_caller]
fn finds(code: &str, line: u32, text: &str) {
    let found = warnings(text);
    let [one] = &found[..] else { panic!("{found:?}\n{text}") };
    assert!(one.starts_with(&format!("{line}: {code}: ")), "{one}\n{text}");
    assert!(LINTS.iter().any(|lint| lint.code == code));
}

#[track_caller]
fn silent(text: &str) {
    assert_eq!(warnings(text), [""; 0], "{text}");
}

#[test]
fn unreachable_code() {
    let finds = |text| finds("unreachable-code", 3, text);
    finds("route {\nexit;\nsay(\"a\"); say(\"b\");\n}");
    finds("route {\nif ($ru) { drop; } else { return(1); }\nsay(\"a\");\n}");
    finds("route {\nwhile (1) { break;\nsay(\"a\"); }\n}");
    finds("loadmodule \"tm.so\"\nroute { async(wait(1), r);\nsay(\"a\"); }\nroute[r] { exit; }");
    finds("route { switch ($ru) {\ncase 1: exit;\nsay(\"a\"); default: exit; } }");
    silent("route { if ($ru) exit; say(\"a\"); }");
    silent("route { if ($ru) { exit; } else if ($si) { drop; } say(\"a\"); }");
    silent("route { switch ($ru) { case 1: exit; break; case 2: say(\"a\"); } say(\"b\"); }");
    silent("route { while ($ru) { exit; } say(\"a\"); }");
    silent("enable_asserts = yes\nroute { assert($ru, \"a\"); say(\"b\"); }");
    silent("route { assert($ru); say(\"b\"); }");
}

#[test]
fn constant_condition() {
    finds("constant-condition", 2, "route {\nif (0) say(\"a\"); }");
    finds("constant-condition", 2, "route {\nif ($ru && (!5)) say(\"a\"); }");
    finds("constant-condition", 2, "route {\nwhile (0) say(\"a\"); }");
    silent("route { while (1) { if ($ru) break; } }");
    silent("route { if ([ $rp & 1 ]) say(\"a\"); if ($rp == 1) say(\"b\"); }");
}

#[test]
fn assignment_in_condition() {
    finds("assignment-in-condition", 2, "route {\nif ($ru = \"sip:a@b\") say(\"a\"); }");
    silent("route { if ($ru == \"sip:a@b\") say(\"a\"); }");
}

#[test]
fn unused_variable() {
    let finds = |text| finds("unused-variable", 2, text);
    finds("route {\n$var(a) = 1; $var(a) = 2; }");
    finds("route {\n$var(a) = 1; $var(a) += 2; }");
    silent("route { $var(a) = 1; }\nerror_route { say(\"$var(a)\"); }");
    silent("route { $var(a) = 1; $var(a) = $var(a) + 1; }");
    silent("route { $var(a) = \"x\"; say(\"$avp($var(a))\"); }");
    silent("route { fetch(\"a\", $var(a)); for ($var(i) in $(avp(x)[*])) say(\"b\"); }");
    // A name that is known at run time only may be any.
    silent("route { $var(a) = 1; say(\"$var($ru)\"); }");
    silent("route { $var(a) = 1; say(\"$(ru{s.eval})\"); }");
    // A module may read what its parameter names.
    silent(
        "loadmodule \"tm.so\"\nmodparam(\"tm\", \"name\", \"x=$var(a)\")\nroute { $var(a) = 1; }",
    );
}

#[test]
fn unassigned_variable() {
    finds("unassigned-variable", 2, "route {\nsay(\"$var(a)\"); }");
    finds("unassigned-variable", 2, "route {\nif ($var(a) == 1) exit; }");
    let (_, found) =
        Script::lint("a.cfg", "route { $var(caller) = $ru; say(\"$var(caler)\"); }", &Shop)
            .unwrap();
    let misspelt = found.list().iter().find(|it| it.code == Some("unassigned-variable")).unwrap();
    assert_eq!(misspelt.help.as_deref(), Some("did you mean `caller`?"));
    silent("route { fetch(\"a\", $var(a)); say(\"$var(a)\"); }");
    silent("route { for ($var(i) in $(avp(x)[*])) say(\"$var(i)\"); }");
    silent("route { $var($ru) = 1; say(\"$var(a)\"); }");
}

#[test]
fn unused_route() {
    finds("unused-route", 2, "route { exit; }\nroute[a] { route(a); }");
    finds(
        "unused-route",
        2,
        "loadmodule \"tm.so\" route { t_on_failure(\"f\"); }\nfailure_route[g] { exit; } \
         failure_route[f] { exit; }",
    );
    assert_eq!(
        warnings("route { exit; }\nroute[a] { route(b); }\nroute[b] { exit; }").len(),
        2,
        "what only an unused one leads to is unused"
    );
    silent("route { route(a); }\nroute[a] { route(b); }\nroute[b] { exit; }");
    silent("route { launch(wait(1), a); }\nroute[a] { exit; }");
    silent("route { route(\"r_$ru\"); }\nroute[r_one] { exit; }");
    finds("unused-route", 2, "route { route(\"r_$ru\"); }\nroute[q_one] { exit; }");
    silent("route { route($var(a)); $var(a) = \"x\"; }\nroute[x] { exit; }");
    silent(
        "route { exit; }\nerror_route { exit; }\ntimer_route[t, 5] { exit; }\nonreply_route { exit; }",
    );
}

#[test]
fn not_expanded() {
    finds("not-expanded", 2, "route {\nif ($ru == \"sip:$si\") exit; }");
    finds("not-expanded", 2, "route {\n$avp(a) = \"sip:$(si)\"; }");
    finds("not-expanded", 2, "route {\nlog(\"$var(a)\"); }");
    silent("route { say(\"sip:$si\"); xlog(\"$si\"); }");
    silent("route { if ($ru =~ \"a$\") exit; $avp(a) = \"5$\"; $avp(a) = \"$nothing $$si\"; }");
}

#[test]
fn mixed_operators() {
    finds("mixed-operators", 2, "route { if ($ru || $si\n&& $rp) exit; }");
    finds("mixed-operators", 2, "route { $rp = 1 + 2\n* 3; }");
    finds("mixed-operators", 2, "route { $rp = 1 | 2\n& 3; }");
    silent("route { if ($ru && $si || $rp) exit; if ($ru || ($si && $rp)) exit; }");
    silent("route { $rp = 2 * 3 + 1; $rp = 1 + (2 * 3); $rp = 1 + 2 - 3; $rp = 1 & 2 + 3; }");
}

#[test]
fn what_the_loader_finds() {
    finds("empty-route", 1, "route { }");
    finds("loaded-twice", 2, "loadmodule \"tm.so\"\nloadmodule \"tm.so\"\nroute { exit; }");
    finds("for-without-all", 1, "route { for ($var(i) in $avp(x)) say(\"$var(i)\"); }");
    finds("deprecated-name", 1, "listen = udp:127.0.0.1:5060\nroute { exit; }");
    finds("no-effect", 1, "socket = udp:127.0.0.1:5060 reuse_port\nroute { exit; }");
}

#[test]
fn comments_silence_them() {
    silent("route {\n$var(a) = 1; # duologue: allow(unused-variable)\n}");
    silent("route {\n# duologue: allow(unused-variable, not-expanded)\n$var(a) = \"$ru\";\n}");
    silent("# duologue: allow(empty-route)\n# and why\n\nroute { }");
    finds("unused-variable", 3, "route {\n# duologue: allow(not-expanded)\n$var(a) = 1;\n}");
    finds("unused-variable", 2, "route { # duologue: allow(unused-variable)\n$var(a) = 1;\n}");
    let text = "# duologue: allow(empty-rout)\nroute { exit; }";
    finds("unknown-lint", 1, text);
    // The loader's own warnings obey them whenever a script is loaded.
    let text = "# duologue: allow(empty-route)\nroute { }";
    assert!(Script::load("a.cfg", text, &Shop).unwrap().1.list().is_empty());
}

#[test]
fn lints_wait_until_a_script_loads() {
    let found = Script::lint("a.cfg", "route {\n$var(a) = 1; nothing();\n}", &Shop).err().unwrap();
    assert_eq!((found.errors(), found.warnings()), (1, 0));
}

#[test]
fn included_files_are_linted_and_named() {
    struct Two;
    impl Sources for Two {
        fn read(&self, path: &str, _: Option<&str>) -> Result<String, String> {
            Ok(match path {
                "main.cfg" => "include_file \"sub.cfg\"\nroute { exit; }\n".to_owned(),
                _ => {
                    "route[a] {\n\texit;\n}\n# duologue: allow(unused-route)\nroute[b] { exit; }\n"
                        .to_owned()
                }
            })
        }
    }
    let (_, found) = Script::lint("main.cfg", &Two, &Shop).unwrap();
    insta::assert_snapshot!(found.render(false));
    let [one] = found.list() else { panic!("{found:?}") };
    let place = (one.file.as_str(), one.line, one.column, one.end_line, one.end_column);
    assert_eq!(place, ("sub.cfg", 1, 7, 1, 8));
}
