//! The language, section by section of its specification, run against a small host.

mod common;

use common::*;
use duologue_script::*;

#[test]
fn section_1_3_formats() {
    let text = run(r#"$var(n) = 5; $var(s) = "x"; $var(dyn) = "n";
           xlog("a $var(n) $$ $(var(s)). $var(none) $ru $rp $var($var(dyn)) $hdr($var(s)) $(hdr(A)[-1])");"#);
    assert_eq!(text, "a 5 $ x. <null> sip:bob@example.com 5060 5 x A-1");
}

/// What a variable brings is one step of a path, unless it is the whole of it.
#[test]
fn section_7_3_paths_take_variables() {
    let text = run(r#"$var(k) = "a/b[0]\\c"; $var(n) = -1;
           xlog("$tree(x/y[0]) $tree(x/$var(k)) $tree($var(k)) $tree($var(k)/z)");
           xlog("$tree(x[$var(n)]) $tree(x/$(var(n))/$tree(in/$var(n)))");
           $tree(x/$var(none)) = 1;
           xlog("$tree(x/$var(none))");"#);
    let lines: Vec<&str> = text.split(" | ").collect();
    assert_eq!(lines[0], r"x/y[0] x/a\/b\[0\]\\c a/b[0]\c a\/b\[0\]\\c/z");
    assert_eq!(lines[1], r"x[-1] x/-1/in\/-1");
    // Without a name nothing is read or written.
    assert!(lines[2].contains("a variable in the name of a variable is empty"), "{text}");
    assert_eq!(lines.last(), Some(&"<null>"));
    let nested = format!("$tree({}x{})", "a/$tree(".repeat(20), ")".repeat(20));
    let script = format!("route {{ xlog(\"{nested}\"); }}");
    assert!(Script::load("test.cfg", script.as_str(), &Shop).is_err(), "too deep");
}

#[test]
fn section_6_some_functions_take_any_variable() {
    assert_eq!(run("look($hdr(A)); look($var(x)); look($avp(x));"), ["function 14"; 3].join(" | "));
    for bad in ["look(\"$avp(x)\");", "look($(avp(x){s.len}));", "look(5);"] {
        let script = format!("route {{ {bad} }}");
        assert!(Script::load("test.cfg", script.as_str(), &Shop).is_err(), "{bad}");
    }
}

/// Module parameters may say what a `$var` is when a run starts; others are NULL (§7.1).
#[test]
fn section_7_1_a_var_may_have_a_first_value() {
    let mut script = load(
        r#"loadmodule "tm.so"
           route { xlog("$var(a) $var(b) $var($var(c))"); $var(a) = 7; async(wait(1), next); }
           route[next] { xlog("$var(a)"); }"#,
    );
    script.program.preset_var("a", Setting::Int(5));
    script.program.preset_var("c", Setting::Str("a".to_owned()));
    let route = script.program.route(RouteKind::Request, "0").unwrap();
    let (mut world, mut machine) = (World::new(), Machine::new());
    for _ in 0..2 {
        machine.start(&script.program, route);
        assert_eq!(machine.resume(&script.program, &mut world), Outcome::Park);
        machine.resume_with(1);
        machine.resume(&script.program, &mut world);
    }
    assert_eq!(world.said, ["5 <null> 5", "5", "5 <null> 5", "5"]);
    assert!(!script.program.has_module("rr"));
    assert!(load("loadmodule \"tm.so\" route { exit; }").program.has_module("tm"));
}

#[test]
fn section_1_4_includes() {
    struct Two;
    impl Sources for Two {
        fn read(&self, path: &str, from: Option<&str>) -> Result<String, String> {
            match (path, from) {
                ("main", None) => {
                    Ok("include_file \"sub\" junk\nroute {\n  import_file 'body'\n}".into())
                }
                ("sub", Some("main")) => Ok("log_level=3".into()),
                ("body", Some("main")) => Ok("xlog(\"$cfg_file:$cfg_line\");".into()),
                _ => Err("no such file".into()),
            }
        }
    }
    let (script, _) = Script::load("main", &Two, &Shop).unwrap();
    assert_eq!(script.setup.global("log_level"), Some(&Setting::Int(3)));
    let mut world = World::new();
    let mut machine = Machine::new();
    machine.start(&script.program, script.program.route(RouteKind::Request, "0").unwrap());
    machine.resume(&script.program, &mut world);
    assert_eq!(world.said, ["body:1"]);
}

#[test]
fn section_1_4_endless_includes_end() {
    struct Itself;
    impl Sources for Itself {
        fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
            Ok("include_file \"x\"".into())
        }
    }
    assert_eq!(Script::load("x", &Itself, &Shop).err().unwrap().errors(), 1);
}

#[test]
fn section_2_settings_modules_and_sockets() {
    let script = load(
        r#"
        log_level = -1   xlog_level=4
        server_header = "Server: x"
        mpath="/a/lib" socket=udp:127.0.0.1:5060 use_workers 3 tag main as 1.2.3.4:5070
        socket = tcp:[::1]
        socket=udp:my-host.example.com:5060-5062,5070
        alias = udp:a.example.com:5060 b.example.com
        auto_aliases = no
        loadmodule "/usr/lib/tm.so"
        loadmodule "rr"
        modparam("tm|rr", "name", "one" "two")
        modparam("TM", "fr_timeout", 5)
        route { forward(); }
        timer_route[gc, 30] { code(1); }
        "#,
    );
    assert_eq!(script.setup.global("log_level"), Some(&Setting::Int(-1)));
    let socket = &script.setup.sockets[0];
    assert_eq!(
        (socket.host.as_str(), &socket.ports, socket.workers),
        ("127.0.0.1", &vec![5060], Some(3))
    );
    assert_eq!(socket.advertised, Some(("1.2.3.4".to_owned(), Some(5070))));
    assert_eq!(socket.tag.as_deref(), Some("main"));
    assert_eq!(script.setup.sockets[1].host, "::1");
    assert_eq!(script.setup.sockets[2].host, "my-host.example.com");
    assert_eq!(script.setup.sockets[2].ports, [5060, 5061, 5062, 5070]);
    assert_eq!(script.setup.aliases.len(), 2);
    assert_eq!(script.setup.modparams.len(), 3);
    assert_eq!(script.setup.modparam(RR, "name").next(), Some(&Setting::Str("onetwo".into())));
    assert!(script.program.needs(FORWARD));
    assert!(!script.program.needs(T_RELAY));
    let timer = script.program.route(RouteKind::Timer, "gc").unwrap();
    assert_eq!(script.program.route_info(timer).unwrap().interval_seconds, Some(30));
}

#[test]
fn section_3_2_parameters_and_return_codes() {
    let (said, _) = play(
        r#"route {
            route(greet, 7, "plain $ru", $ru, NULL);
            xlog("rc=$rc r0=$return(0) r1=$return(1) r2=$return(2) p=$param(1)");
            route(last); xlog("$retcode");
            route("la$var(x)");
            $var(n) = "greet"; route($var(n), 1); xlog("$rc");
        }
        route[greet] {
            xlog("$param(1) $param(2) $param(3) $param(4) $param(5)");
            if ($param(1) == 7) return(3, $param(3), 42);
            return(-1);
        }
        route[last] { code(5); if ($var(none)) { code(6); } }"#,
    );
    assert_eq!(
        said,
        [
            "7 plain $ru sip:bob@example.com <null> <null>",
            "rc=3 r0=sip:bob@example.com r1=42 r2=<null> p=<null>",
            "code 5",
            "1",
            "Machine:Error:5: route() names no route",
            "1 <null> <null> <null> <null>",
            "-1",
        ]
    );
}

#[test]
fn section_3_2_a_result_of_zero_ends_everything() {
    let (said, finish) = play("route { route(a); code(2); } route[a] { return(0); }");
    assert!(said.is_empty());
    assert_eq!(finish, Finish { code: 0, dropped: false, exited: true });
    let (said, _) = play("route { if (code(0)) xlog(\"x\"); xlog(\"y\"); }");
    assert_eq!(said, ["code 0"]);
}

#[test]
fn section_3_2_recursion_is_bounded() {
    let (said, finish) = play("route { route(a); } route[a] { route(a); }");
    assert_eq!(said, ["Machine:Error:1: too many routes call each other"]);
    assert!(!finish.exited);
}

#[test]
fn section_3_3_exit_and_drop() {
    let (said, finish) = play("route { route(a); code(2); } route[a] { drop; }");
    assert!(said.is_empty() && finish.dropped && finish.exited);
    let (_, finish) = play("route { exit(); }");
    assert!(!finish.dropped && finish.exited);
}

#[test]
fn section_3_4_error_route_runs_in_place() {
    let (said, finish) =
        play("route { code(-77); xlog(\"on\"); } error_route { xlog(\"E $route\"); code(-77); }");
    assert_eq!(said, ["code -77", "E error_route", "code -77", "on"]);
    assert!(!finish.exited);
}

#[test]
fn section_3_4_an_error_in_a_condition_keeps_the_condition() {
    let (said, _) = play(
        "route { if (!code(-77)) xlog(\"yes $rc\"); code(-77); xlog(\"$rc\"); } error_route { if (0) exit; code(3); }",
    );
    assert_eq!(said, ["code -77", "code 3", "yes -77", "code -77", "code 3", "-77"]);
}

/// Before the first round `$rc` is what the statement above left.
#[test]
fn section_4_the_condition_of_while_sees_the_code_before() {
    let shown = "code(5); while ($retcode == 5) { xlog(\"in $rc\"); code(3); } xlog(\"out $rc\");";
    assert_eq!(run(shown), "code 5 | in 5 | code 3 | out 3");
    // A round that never was leaves it alone, a condition that calls sets it.
    assert_eq!(run("code(5); while ($rc < 0) { code(1); } xlog(\"$rc\");"), "code 5 | 5");
    assert_eq!(run("while (code(-2)) { code(1); } xlog(\"$rc\");"), "code -2 | -2");
    // The route that ends with it was successful.
    let (said, _) = play(
        "route { route(r); xlog(\"$rc\"); } route[r] { code(-3); while ($rc > 0) { code(1); } }",
    );
    assert_eq!(said, ["code -3", "1"]);
}

/// Branches are counted over all rounds or in the present one; spec/modules.md §1.6.
#[test]
fn section_7_indexes_name_a_set_of_branches() {
    let set = |statements: &str| play(&format!("loadmodule \"tm\" route {{ {statements} }}")).0;
    assert_eq!(
        set("$var(n) = -1; xlog(\"$branch.uri $(branch.uri[1]) $(branch.uri[1/all]) $(branch.uri[*/all])\");
             xlog(\"$(branch.uri[0/active]) $(branch.uri[$var(n)/active]) $(branch.uri[$var(n)/all])\");
             xlog(\"$(branch.uri[*/active])\");"),
        ["None At(1) At(1) All", "AtActive(0) AtActive(-1) At(-1)", "AllActive"]
    );
    let each = "for ($var(b) in $(branch.uri[*/active])) xlog(\"$var(b)\");
                for ($var(b) in $(branch.uri[*/all])) xlog(\"$var(b)\");";
    assert_eq!(set(each), ["AtActive(0)", "AtActive(1)", "At(0)", "At(1)", "At(2)"]);
    for wrong in ["$(branch.uri[1/old])", "$(branch.uri[active])", "$(hdr(A)[1/active])"] {
        let script = format!("loadmodule \"tm\" route {{ xlog(\"{wrong}\"); }}");
        let Err(found) = Script::load("test.cfg", script.as_str(), &Shop) else {
            panic!("{wrong}");
        };
        assert!(found.list()[0].message.contains("is no index"), "{wrong}: {found}");
    }
}

#[test]
fn section_4_loops_and_switch() {
    assert_eq!(
        run(
            "$var(i) = 0; while ($var(i) < 5) { $var(i) += 1; if ($var(i) == 3) break; xlog(\"$var(i)\"); }"
        ),
        "1 | 2"
    );
    let (said, _) = play("max_while_loops=3 route { while (1) $var(i) = 1; xlog(\"out\"); }");
    assert_eq!(said, ["Machine:Error:1: max_while_loops reached, the loop ends", "out"]);
    assert_eq!(run("for ($var(h) in $(hdr(V)[*])) xlog(\"$var(h)\");"), "V0 | V1 | V2");
    assert_eq!(
        run("for ($var(h) in $hdr(V)) xlog(\"x\"); xlog(\"$rc\");"),
        "Machine:Error:2: the list of `for` has no [*] | -10"
    );
    let switch = |value: &str| {
        run(&format!(
            "$var(a) = {value}; switch ($var(a)) {{ case 1: xlog(\"one\"); case \"Two\": xlog(\"two\"); break; \
             case -3: xlog(\"minus\"); break; default: xlog(\"other\"); }} xlog(\"end\");"
        ))
    };
    assert_eq!(switch("1"), "one | two | end");
    assert_eq!(switch("\"tWO\""), "two | end");
    assert_eq!(switch("-3"), "minus | end");
    assert_eq!(switch("\"1\""), "other | end", "a text has no integer form");
    // The selector may be the code of the statement before; without a case, 1 is left.
    let code = "code(-2); switch ($retcode) { case -2: xlog(\"two\"); break; } xlog(\"$rc\");";
    assert_eq!(run(code), "code -2 | two | 1");
    assert_eq!(
        run("code(-2); switch ($retcode) { case 3: xlog(\"no\"); } xlog(\"$rc\");"),
        "code -2 | 1"
    );
}

#[test]
fn section_4_asserts() {
    let (said, _) = play("route { assert($var(x) == 1, \"no\"); xlog(\"on\"); }");
    assert_eq!(said, ["on"], "off by default");
    let (said, finish) = play(
        "enable_asserts = yes route { assert($var(x) == 1, \"no\"); xlog(\"on\"); } error_route { xlog(\"E\"); }",
    );
    assert_eq!(said, ["Machine:Critical:1: assertion failed", "assert no", "E"]);
    assert!(finish.exited);
}

#[test]
fn section_4_result_codes() {
    assert_eq!(run("$var(a) = 1; xlog(\"$rc\"); if ($var(x)) { } xlog(\"$rc\");"), "1 | 0");
    assert_eq!(run("if (1) code(4); xlog(\"$rc\");"), "code 4 | 4");
    assert_eq!(run("$ru = NULL; xlog(\"$rc\");"), "Machine:Error:2: it cannot be set to NULL | -1");
}

#[test]
fn section_5_1_conditions() {
    // `a || b && c` is `(a || b) && c`.
    assert!(!truth("", "1 || 1 && 0"));
    assert!(truth("", "1 || (1 && 0)"));
    assert!(truth("$var(a) = 2;", "!$var(a) == 1"));
    assert!(truth("$var(a) = 6;", "[ $var(a) & 4 ] and not [ $var(a) & 1 ]"));
    // Errors: false, but not the negation of true.
    assert!(!truth("", "$ru == 5"));
    assert!(!truth("", "!$ru == 5"));
    assert!(!truth("", "$ru == 5 || 1"), "an error stops `||`");
    assert!(truth("", "code(3) && !code(-1)"));
    assert!(truth("$var(z) = \"0\";", "$var(z)"));
    assert!(!truth("$var(z) = 0;", "$var(z)"));
    assert!(!truth("$var(z) = \"\";", "$var(z)"));
    assert!(truth("", "$var(q) = 4"), "an assignment is a condition");
    assert!(truth("", "{ code(2); }"));
}

#[test]
fn section_5_2_comparisons() {
    for (condition, wanted) in [
        ("$null == NULL", true),
        ("$null != NULL", false),
        ("$null != \"x\"", true),
        ("$null == \"\"", false),
        ("$null !~ \"x\"", true),
        ("$null =~ \"x\"", false),
        ("$null == $var(none)", true),
        ("$null < $var(none)", false),
        ("$ru != $null", true),
        ("$ru == \"SIP:BOB@example.com\"", true),
        ("$ru == \"$ru\"", false),
        ("$ru =~ \"^sip:.*@EXAMPLE\"", true),
        ("$ru !~ \"^tel:\"", true),
        ("$rp == 5060", true),
        ("$rp == \"5060\"", true),
        ("$rp >= 5061", false),
        ("$var(i) == \"12\"", true),
        ("$var(i) == $var(s)", true),
        ("$var(s) == 12", false),
        ("$var(i) > 9", true),
        ("$var(s) > \"9\"", false),
        ("$si == 10.0.0.0/8", true),
        ("$si == 10.1.2.3", true),
        ("$si != 192.168.0.0/255.255.0.0", true),
        ("$ru == 10.0.0.0/8", false),
        ("$ru =~ $var(p)", true),
        ("$si == ::1", false),
    ] {
        let setup = "$var(i) = 12; $var(s) = \"12\"; $var(p) = \"B.B@\";";
        assert_eq!(truth(setup, condition), wanted, "{condition}");
    }
}

#[test]
fn section_5_3_expressions() {
    let value =
        |expression: &str| run(&format!("$var(i) = 7; $var(a) = {expression}; xlog(\"$var(a)\");"));
    for (expression, wanted) in [
        ("2 + 3 * 4", "20"),
        ("10 - 2 * 3", "24"),
        ("2 + (3 * 4)", "14"),
        ("1 | 2 + 4", "7"),
        ("~5", "-6"),
        ("1 << 4", "16"),
        ("2147483647 + 1", "-2147483648"),
        ("\"a\" + $var(i)", "a7"),
        ("\"a\" + \"b\" + $null", "ab"),
        ("$null + \"b\"", "b"),
        ("5 + $null", "5"),
        ("\"ab\" & \"bb\"", "`b"),
        ("yes", "1"),
        ("-5 - -3", "-2"),
        ("$rp + \"x\"", "5060x"),
        ("code(4) + 1", "code 4 | 5"),
        ("$var(i) == 7", "1"),
        ("0x10", "16"),
        ("7 % 4", "3"),
    ] {
        assert_eq!(value(expression), wanted, "{expression}");
    }
    assert!(value("7 / 0").ends_with("| 0"), "logged, then 0");
    for wrong in ["\"a\" + 5", "5 + \"a\"", "\"a\" - \"b\"", "\"abc\" | \"b\""] {
        assert!(value(wrong).ends_with("no value in right expression | <null>"), "{wrong}");
    }
    assert_eq!(
        run("$var(a) = 5; $var(a) /= 0; xlog(\"$rc $var(a)\");").rsplit(" | ").next(),
        Some("-1 5")
    );
    assert_eq!(run("$var(a) = \"x\"; $var(a) += \"y\"; xlog(\"$var(a)\");"), "xy");
    assert!(run("$var(a) += 1; xlog(\"$rc\");").ends_with("| -1"), "NULL has no sum");
}

#[test]
fn section_6_arguments() {
    assert_eq!(
        run("say(\"$ru $null\",,\"x\");"),
        "say Some(\"sip:bob@example.com <null>\") None Some(\"x\")"
    );
    assert_eq!(run("say($null); xlog(\"$rc\");"), "-1", "a lone NULL does not reach the function");
    assert_eq!(run("$var(n) = 5; say($var(n), $var(n));"), "say Some(\"5\") Some(5) None");
    assert_eq!(run("say(\"a\", $ru); xlog(\"$rc\");"), "-1");
    assert_eq!(
        run("fetch(\"k\", $var(x)); fetch(\"l\", $avp(y)); xlog(\"$var(x)$avp(y)\");"),
        "kl"
    );
    assert!(truth("", "search(\"^SIP:B\")"));
    assert!(truth("$var(p) = \"x$\";", "!search($var(p))"));
    assert!(truth("setflag(\"A\"); setflag('B');", "$msg.flag(B) == 1 and !$msg.flag(C)"));
}

/// Expands `text`, which the script sees only while it runs.
fn eval(text: &str, show: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    run(&format!(
        "$var(k) = \"four\"; $var(h) = \"{hex}\"; $var(f) = $(var(h){{s.decode.hexa}}); \
         xlog(\"{show}\");"
    ))
}

/// A format string that is known only at run time names what the script names; what is wrong with it
/// is an error in the log and NULL.
#[test]
fn section_9_1_eval() {
    let plain = |text| eval(text, "$(var(f){s.eval})");
    assert_eq!(plain("$var(k)-$ru"), "four-sip:bob@example.com");
    assert_eq!(plain("$(ru{s.select,1,:}{s.toupper})"), "BOB@EXAMPLE.COM");
    assert_eq!(plain("plain"), "plain");
    assert_eq!(plain("$var(other)"), "<null>");
    assert_eq!(eval("", "<$(var(f){s.eval})>"), "<>");
    assert_eq!(eval("$ru", "<$(var(f){s.eval}{s.len})>"), "<19>");
    let wrong = plain("$nothing_like_that");
    assert!(wrong.contains("{s.eval}: unknown script variable `$nothing_like_that`"), "{wrong}");
    assert!(wrong.ends_with("<null>"), "{wrong}");
}

/// A text that asks for itself ends.
#[test]
fn section_9_1_eval_of_itself_is_bounded() {
    let said = eval("$(var(f){s.eval})", "$(var(f){s.eval})");
    assert!(said.contains("it asks for itself too often"), "{said}");
    assert!(said.ends_with("<null>"), "{said}");
}

#[test]
fn section_7_2_avps_and_9_transformations() {
    assert_eq!(
        run(
            "$avp(x) = 1; $avp(x) = \"b\"; $(avp(x)[append]) = 0; xlog(\"$avp(x) $(avp(x)[-1]) $(avp(x)[*])\");"
        ),
        "b 0 b, 1, 0"
    );
    assert_eq!(
        run(
            "$var(k) = 4; xlog(\"$(ru{s.substr,$var(k),3}{s.toupper}{s.len}) $(ru{s.select,1,:}{s.select,0,@}) $(null{s.len})\");"
        ),
        "3 bob <null>"
    );
    assert_eq!(
        run("$var(h) = 7; xlog(\"$(ru{re.subst,/@.*$/@$si:$var(h)/})\");"),
        "sip:bob@10.1.2.3:7"
    );
    assert_eq!(
        run("xlog(\"$(ru{re.subst,/^sip:(.*)@.*/\\1/}) $(ru{uri.user}) $(si{nameaddr.1.uri})\");"),
        "bob <sip:bob@example.com> <10.1.2.3>1"
    );
}

#[test]
fn section_8_route_names() {
    let (said, _) = play(
        "route { route(a); } route[a] { xlog(\"$route $route.name $route.type $(route[-1]) $(route[*])\"); }",
    );
    assert_eq!(said, ["route[a] a route route route > route[a]"]);
}

#[test]
fn section_12_async_and_parking() {
    let script = load(
        r#"loadmodule "tm.so"
           route { $var(v) = 1; async(wait(5, $avp(out)), done, 3); xlog("never"); }
           route[done] { xlog("done $rc $var(v) $avp(out)"); if (wait(1)) xlog("after $rc"); }
           event_route[E_X] { xlog("$param(who) $param(1)"); launch(wait(1), done, "t $ru"); async(wait(0), done); }"#,
    );
    let program = &script.program;
    let mut world = World::new();
    let mut machine = Machine::new();
    machine.start(program, program.route(RouteKind::Request, "0").unwrap());
    assert_eq!(machine.resume(program, &mut world), Outcome::Park);
    assert_eq!(machine.resume(program, &mut world), Outcome::Park, "nothing came yet");
    machine.parked_args(program).unwrap().store(&mut world, 1, Value::Str(b"row")).unwrap();
    machine.resume_with(4);
    assert_eq!(machine.resume(program, &mut world), Outcome::Park, "a call may park as well");
    machine.resume_with(2);
    let finish = Finish { code: 1, dropped: false, exited: false };
    assert_eq!(machine.resume(program, &mut world), Outcome::Done(finish));
    assert_eq!(world.said, ["done 4 <null> row", "after 2"]);

    let mut world = World::new();
    machine.start(program, program.route(RouteKind::Event, "E_X").unwrap());
    machine.push_param(Some(b"who"), Value::Str(b"me"));
    assert_eq!(machine.resume(program, &mut world), Outcome::Park);
    assert_eq!(world.said[..2], ["me me", "launch true Some(\"t sip:bob@example.com\")"]);
    assert_eq!(world.said[2], "done 7 <null> <null>", "finished at once: the route runs in place");
}

// Output variables are filled, a `$var` among them; the other `$var` are NULL.
#[test]
fn section_12_a_var_that_the_call_fills_is_there() {
    let script = load(
        r#"loadmodule "tm.so"
           route { $var(v) = 1; $var(out) = 2; async(wait(5, $var(out)), done); }
           route[done] { xlog("$var(v) $var(out)"); }"#,
    );
    let program = &script.program;
    let mut world = World::new();
    let mut machine = Machine::new();
    machine.start(program, program.route(RouteKind::Request, "0").unwrap());
    assert_eq!(machine.resume(program, &mut world), Outcome::Park);
    machine.parked_args(program).unwrap().store(&mut world, 1, Value::Str(b"row")).unwrap();
    machine.resume_with(1);
    assert!(matches!(machine.resume(program, &mut world), Outcome::Done(_)));
    assert_eq!(world.said, ["<null> row"]);
}

#[test]
fn section_16_event_routes_have_names_with_colons_and_scripts_name_events() {
    let script = load(
        r#"event_route[dialog:start] { say("E_A"); say("E_$ru"); route(more); }
           event_route["dialog:end"] { say($ru, 1, "E_B"); }
           route[more] { say("E_C"); fetch("E_D", $avp(x)); }"#,
    );
    let program = &script.program;
    for name in ["dialog:start", "dialog:end"] {
        assert!(program.route(RouteKind::Event, name).is_some(), "{name}");
    }
    let names: Vec<&[u8]> = program.literals(SAY, 0).collect();
    assert_eq!(names, [&b"E_A"[..], b"E_C"], "not what is only known at run time");
    assert_eq!(program.literals(SAY, 2).collect::<Vec<_>>(), [&b"E_B"[..]]);
    assert_eq!(program.literals(SAY, 3).count(), 0);
}

#[test]
fn section_13_logging() {
    assert_eq!(
        run(
            "xlog(\"L_DBG\", \"no\"); xdbg(\"no\"); xlog(\"L_ERR\", \"a\" \"b\"); log(2, \"$ru\"); log(\"x\");"
        ),
        "ab | Log:Notice:2: $ru"
    );
    let (said, _) = play("xlog_buf_size = 5 route { xlog(\"$ru\"); xlog(\"$rc\"); }");
    assert_eq!(said, ["-1"]);
}

#[test]
fn section_17_4_a_run_ends() {
    let (said, finish) = play("max_while_loops=10000000 route { while (1) { $var(i) = 1; } }");
    assert_eq!(said, ["Machine:Critical:1: the script runs too long, it is ended"]);
    assert!(finish.exited);
}

#[test]
fn programs_are_shared_and_runs_move_between_threads() {
    fn is<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    is::<Machine>();
    shared::<Script>();
}

#[test]
fn section_4_long_else_if_chains() {
    let arms: String =
        (0..500).map(|n| format!("if ($var(i) == {n}) xlog(\"{n}\"); else ")).collect();
    assert_eq!(run(&format!("$var(i) = 499; {arms} xlog(\"none\");")), "499");
}

#[test]
fn section_17_4_parentheses_may_nest() {
    let (open, close) = ("(".repeat(60), ")".repeat(60));
    assert!(truth("", &format!("{open}1{close}")));
    assert_eq!(run(&format!("$var(a) = {open}1{close}; xlog(\"$var(a)\");")), "1");
}

#[test]
fn section_7_1_vars_begin_as_null_in_each_run() {
    let script = load("route { xlog(\"$var(a) $rc\"); $var(a) = 1; $var($ru) = 2; }");
    let mut world = World::new();
    let mut machine = Machine::new();
    for _ in 0..2 {
        machine.start(&script.program, script.program.route(RouteKind::Request, "0").unwrap());
        machine.resume(&script.program, &mut world);
    }
    assert_eq!(world.said, ["<null> <null>", "<null> <null>"]);
}

#[test]
fn a_typical_proxy_script_loads() {
    let (_, warnings) =
        Script::load("opensips.cfg", TYPICAL, &Shop).map_err(|d| d.render(false)).unwrap();
    assert_eq!(warnings.list().len(), 0);
}

const TYPICAL: &str = r#"
####### Global Parameters #########
log_level=3
xlog_level=3
udp_workers=4

/* uncomment the following line to
   enable debugging */
#debug_mode=yes

socket=udp:127.0.0.1:5060   /* main */

####### Modules Section ########
mpath="/usr/lib/x86_64-linux-gnu/opensips/modules/"
loadmodule "tm.so"
modparam("tm", "fr_timeout", 5)
loadmodule "rr.so"
modparam("rr", "append_fromtag", 0)

####### Routing Logic ########
route{
	if ($hdr(Max-Forwards) == NULL || $(hdr(Max-Forwards){s.int}) == 0) {
		xlog("L_WARN", "too many hops from $si\n");
		exit;
	}
	if ( !($hdr(To) =~ "tag=") ) {
		if (loose_route()) {
			route(relay);
			exit;
		} else if ($ru=~"^sip:.*@.*") {
			setflag("ACC_DO");
			$avp(caller) = $hdr(From);
			if($(avp(caller){s.len})>0 && $si!=10.0.0.0/24) { $ru = "sip:" + $(ru{s.select,1,:}); }
		}
	}
	switch ($hdr(Method)) {
	case "INVITE":
		t_on_failure("missed_call");
	case "BYE":
		route(relay);
		break;
	default:
		xlog("L_INFO","$(hdr(Method)) to <$ru>\n");
	}
	route(relay);
}

route[relay] {
	if (!t_relay()) {
		xlog("relaying failed with $retcode");
	};
	exit;
}

failure_route[missed_call] {
	if ([ $rc & 4 ] and not $(avp(caller)[1]) ) {
		t_relay();
	}
}

onreply_route { xlog("reply"); }
"#;

// spec/modules.md §7: the argument is not expanded, variables of the replacement are.
#[test]
fn section_6_substitutions_as_arguments() {
    let ru =
        |statements: &str| run(&format!("$ru = \"sip:bob@h\"; {statements} xlog(\"$rc $ru\");"));
    assert_eq!(ru(r"swap('/b(o)(b)/\2\1$si/');"), "1 sip:bo10.1.2.3@h");
    assert_eq!(ru(r#"swap("/B/$var(x)-$null/ig");"#), "2 sip:<null>-<null>o<null>-<null>@h");
    assert_eq!(ru(r"$var(n) = 7; swap('|b{1}|$var(n)|g');"), "2 sip:7o7@h");
    assert_eq!(ru(r"swap('/B/x/');"), "-1 sip:bob@h");
    // From a variable, where names are looked up when it runs.
    assert_eq!(ru(r"$var(s) = '/b/$si/g'; swap($var(s));"), "2 sip:10.1.2.3o10.1.2.3@h");
    assert!(ru(r"$var(s) = '/b/x'; swap($var(s));").ends_with("-1 sip:bob@h"));
    assert_eq!(ru(r"$var(s) = NULL; swap($var(s));"), "-1 sip:bob@h");
    // More than the function can take.
    assert_eq!(
        ru(r"swap('/b/$ru$ru$ru$ru$ru/g');"),
        "2 sip:sip:bob@hsip:bob@hsip:bob@hsip:bob@hsip:bob@hosip:bob@hsip:bob@hsip:bob@hsip:bob@hsip:bob@h@h"
    );
    assert_eq!(ru(r"swap('/./$ru$ru$ru$ru/g');"), "-1 sip:bob@h");
}

#[test]
fn section_6_patterns_over_lines_and_over_whole_texts() {
    let found = |call: &str| run(&format!("$ru = \"a\nb\"; {call}; xlog(\"$rc\");"));
    assert_eq!(found("search(\"^b$\")"), "1");
    assert_eq!(found("search(\"a.b\")"), "-1");
    assert_eq!(found("across(\"A.B\")"), "1");
    assert_eq!(found("across(\"^b$\")"), "-1");
    assert_eq!(found("$var(p) = \"a.b\"; across($var(p))"), "1");
    assert_eq!(found("$var(p) = \"a.b\"; search($var(p))"), "-1");
}

#[test]
fn section_6_wrong_substitutions_are_found_at_load() {
    for wrong in ["/a/b", "/(/b/", "/a/\\\\1/", "/a/b/x", "/a/$nothing/", "/a/$si$si$si$si$si$si/"]
    {
        let text = format!("route {{ swap(\"{wrong}\"); }}");
        assert!(Script::load("test.cfg", text.as_str(), &common::Shop).is_err(), "{wrong}");
    }
}
