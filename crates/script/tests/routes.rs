//! Routes, row by row: spec/script.md §3, and the limits of §17.4.

mod common;

use common::*;
use duologue_script::*;

fn mistakes(text: &str) -> Vec<String> {
    match Script::load("test.cfg", text, &Shop) {
        Ok(_) => Vec::new(),
        Err(found) => found.list().iter().map(|mistake| mistake.message.clone()).collect(),
    }
}

fn warnings(text: &str) -> Vec<String> {
    let (_, found) = Script::load("test.cfg", text, &Shop).unwrap_or_else(|e| panic!("{e}"));
    found.list().iter().map(|warning| warning.message.clone()).collect()
}

fn refused(text: &str, with: &str) {
    let found = mistakes(text);
    assert!(found.iter().any(|message| message.contains(with)), "{found:?}");
}

// Names: identifier, number or quoted string; kinds are name spaces of their own.
#[test]
fn section_3_1_names() {
    let (said, _) = play(
        r#"route { route(plain); route("with space"); route(7); route(a); }
        route[plain] { say("plain"); }
        route["with space"] { say("spaced"); }
        route[7] { say("seven"); }
        route[a] { say("route"); }
        branch_route[a] { say("branch"); }
        failure_route[a] { say("failure"); }
        onreply_route[a] { say("reply"); }"#,
    );
    let names: Vec<_> = said.iter().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(names, ["plain", "spaced", "seven", "route"]);
    // `route()` means plain routes only.
    refused("route { route(b); }\nfailure_route[b] { exit; }", "b");
}

#[test]
fn section_3_1_definitions_are_unique() {
    refused("route { exit; }\nroute[0] { exit; }", "overwriting default");
    refused("onreply_route { exit; }\nonreply_route[0] { exit; }", "overwriting default");
    refused("branch_route[a] { exit; }\nbranch_route[\"a\"] { exit; }", "is redefined");
    refused("error_route { exit; }\nerror_route { exit; }", "overwriting default");
    assert_eq!(mistakes("route[a] { exit; }\nbranch_route[a] { exit; }"), [] as [&str; 0]);
}

// Check 1 looks at blocks, check 2 along the calls; what nobody reaches is not looked at.
#[test]
fn section_3_1_functions_are_checked_against_the_blocks_that_reach_them() {
    let tm = "loadmodule \"tm.so\"\n";
    refused(&format!("{tm}branch_route[b] {{ t_relay(); }}"), "cannot be used in the block");
    let two_steps = "route[one] { route(two); }\nroute[two] { t_relay(); }\n";
    refused(&format!("{tm}{two_steps}onreply_route {{ route(one); }}"), "t_relay");
    assert_eq!(mistakes(&format!("{tm}{two_steps}route {{ route(one); }}")), [] as [&str; 0]);
    assert_eq!(
        mistakes(&format!("{tm}route {{ exit; }}\nroute[unused] {{ t_check(); }}")),
        [] as [&str; 0]
    );
}

// A constant name must exist; a computed one is looked for when it is needed.
#[test]
fn section_3_1_unknown_routes() {
    refused("route { route(gone); }", "gone");
    let (said, finish) = play("route { $var(n) = \"gone\"; route($var(n)); xlog(\"$rc\"); }");
    assert_eq!(said.last().map(String::as_str), Some("-5"));
    assert!(!finish.exited);
}

// Each level sees its own parameters; the index may be a variable; literals are not expanded.
#[test]
fn section_3_2_parameters() {
    let (said, _) = play(
        r#"route { route(outer, 1, "two $ru", $ru, NULL); xlog("[$param(1)]"); }
        route[outer] {
            route(inner, $param(2));
            $var(i) = 3;
            xlog("$param(1)|$param(2)|$param($var(i))|$param(4)|$param(5)|$param(0)");
        }
        route[inner] { xlog("$param(1)|$param(2)"); }"#,
    );
    assert_eq!(
        said,
        ["two $ru|<null>", "1|two $ru|sip:bob@example.com|<null>|<null>|<null>", "[<null>]"]
    );
    refused("route { route(a,,1); }\nroute[a] { exit; }", "expected a string");
    refused("route { route(a,1,2,3,4,5,6,7,8,9); }\nroute[a] { exit; }", "too many parameters");
}

#[test]
fn section_3_2_return_codes() {
    let code = |body: &str| {
        let (said, _) =
            play(&format!("route {{ route(r); xlog(\"$rc\"); }}\nroute[r] {{ {body} }}"));
        said.last().cloned().unwrap_or_default()
    };
    for (body, wanted) in [
        ("return;", "1"),
        ("return(3);", "3"),
        ("return -4;", "-4"),
        ("return($var(none));", "-1"),
        ("return($ru);", "1"),
        ("$var(n) = 9; return($var(n));", "9"),
        // The result of the last statement.
        ("code(5);", "5"),
        ("code(5); $var(x) = 1;", "1"),
        ("code(-5); if ($var(none)) code(7);", "1"),
        ("if (!$var(none)) code(7);", "7"),
        ("$var(x) = \"a\" + 5;", "-1"),
        ("route(s);", "6"),
        ("", "1"),
    ] {
        let body = format!("{body} }}\nroute[s] {{ return(6);");
        assert_eq!(code(&body), wanted, "{body}");
    }
    assert!(warnings("route { exit; }\nroute[r] { }").iter().any(|text| text.contains("empty")));
}

#[test]
fn section_3_2_extra_values_stay_until_the_next_route_returns() {
    let (said, _) = play(
        r#"route {
            route(two); $var(i) = 1; xlog("$return(0) $return($var(i)) $return(2)");
            route(none); xlog("$return(0)");
        }
        route[two] { return(1, "a", $ru); }
        route[none] { return(1); }"#,
    );
    assert_eq!(said, ["a sip:bob@example.com <null>", "<null>"]);
}

#[test]
fn section_3_3_return_exit_and_drop() {
    let ended = |body: &str| {
        let rest = "xlog(\"after\");\n}\nroute[deep] { route(deeper); xlog(\"no\"); }\n";
        let (said, finish) = play(&format!("route {{ {body} {rest}{DEEPER}"));
        (said.len(), finish.exited, finish.dropped)
    };
    const DEEPER: &str = "route[deeper] { if (1) { while (1) { exit; } } }\n\
        route[dropped] { drop(); }\nroute[zero] { return(0); }\nroute[back] { return(2); }";
    // `return` in the top block ends the script, as there is nothing to return to.
    assert_eq!(ended("return(1);"), (0, false, false));
    assert_eq!(ended("exit;"), (0, true, false));
    assert_eq!(ended("exit();"), (0, true, false));
    assert_eq!(ended("route(deep);"), (0, true, false));
    assert_eq!(ended("drop;"), (0, true, true));
    assert_eq!(ended("route(dropped);"), (0, true, true));
    assert_eq!(ended("route(zero);"), (0, true, false));
    assert_eq!(ended("if (route(back)) code(1);").0, 2);
    assert_eq!(ended("code(0);"), (1, true, false));
}

#[test]
fn section_3_3_break_ends_the_innermost_loop_or_switch() {
    let text = run(r#"$var(i) = 0;
        while ($var(i) < 3) {
            $var(i) += 1;
            switch ($var(i)) { case 2: break; default: xlog("s$var(i)"); }
            $var(k) = 0;
            while (1) { $var(k) += 1; if ($var(k) == 2) { break; } }
        }
        xlog("k$var(k) i$var(i)");"#);
    assert_eq!(text, "s1 | s3 | k2 i3");
    refused("route { if (1) { break; } }", "break");
    refused("route { continue; }", "continue");
}

// The error route runs once, in place, and the script goes on; not for replies.
#[test]
fn section_3_4_error_routes() {
    let (said, _) = play(
        "route { code(-77); xlog(\"on\"); code(-77); }\nerror_route { xlog(\"e\"); code(-77); }",
    );
    assert_eq!(said, ["code -77", "e", "code -77", "on", "code -77", "e", "code -77"]);
    let script = load("onreply_route { code(-77); }\nerror_route { xlog(\"e\"); }");
    let mut world = World::new();
    let mut machine = Machine::new();
    let route = script.program.route(RouteKind::Reply, "0").unwrap();
    machine.start(&script.program, route);
    machine.resume(&script.program, &mut world);
    assert_eq!(world.said, ["code -77"]);
}

#[test]
fn section_17_4_routes_are_bounded() {
    let routes = |count: usize| {
        let named: String = (1..count).map(|n| format!("route[r{n}] {{ exit; }}\n")).collect();
        format!("route {{ exit; }}\n{named}")
    };
    assert_eq!(limits::ROUTES_MAX, 10_000);
    assert_eq!(mistakes(&routes(10_000)), [] as [&str; 0]);
    refused(&routes(10_001), "more than 10000");
}

#[test]
fn section_17_4_a_hundred_levels() {
    let levels = |count: usize| {
        let chain: String = (1..count)
            .map(|n| format!("route[r{n}] {{ route(\"r{}$var(none2)\"); }}\n", n + 1))
            .collect();
        chain.replace("$var(none2)", "")
    };
    // The default block is the first level.
    let (said, _) =
        play(&format!("route {{ route(r1); }}\n{}route[r99] {{ say(\"x\"); }}", levels(99)));
    assert_eq!(said.len(), 1);
    let (said, _) = play("route { route(again); }\nroute[again] { route(again); }");
    assert!(said[0].contains("too many routes"), "{said:?}");
}

#[test]
fn section_17_4_arguments_flags_and_includes() {
    assert_eq!(limits::ARGUMENTS_MAX, 8);
    assert_eq!(limits::INCLUDE_DEPTH_MAX, 20);
    let flags = |count: usize| {
        let set: String = (0..count).map(|n| format!("setflag(\"F{n}\");\n")).collect();
        format!("route {{ {set} }}")
    };
    assert_eq!(limits::FLAGS_MAX, 32);
    assert_eq!(mistakes(&flags(32)), [] as [&str; 0]);
    refused(&flags(33), "more than 32 flags");

    struct Nested(usize);
    impl Sources for Nested {
        fn read(&self, path: &str, _: Option<&str>) -> Result<String, String> {
            let depth: usize = path.parse().map_err(|_| "no such file".to_owned())?;
            let next = depth + 1;
            match next < self.0 {
                true => Ok(format!("include_file \"{next}\"\n")),
                false => Ok("route { exit; }\n".to_owned()),
            }
        }
    }
    assert!(Script::load("0", &Nested(20), &Shop).is_ok());
    assert!(Script::load("0", &Nested(21), &Shop).is_err());
}

// spec/script.md §11, `script_trace()`: each statement is told, with the format expanded anew.
#[test]
fn section_11_statements_are_traced() {
    struct Traced(World);
    impl Host for Traced {
        fn call(&mut self, function: FunctionId, args: &mut Args<'_>) -> Called {
            self.0.call(function, args)
        }
        fn read(&mut self, var: &VarAccess<'_>, out: &mut Text) -> Reading {
            self.0.read(var, out)
        }
        fn write(
            &mut self,
            var: &VarAccess<'_>,
            how: Assign,
            value: Value<'_>,
        ) -> Result<(), WriteError> {
            self.0.write(var, how, value)
        }
        fn log(&mut self, line: LogLine<'_>) {
            self.0.log(line);
        }
        fn catalog(&self) -> Option<&dyn Catalog> {
            Some(&Shop)
        }
        fn traces(&self) -> bool {
            true
        }
        fn trace_format(&self) -> Option<&[u8]> {
            Some(b"$ru $var(x)")
        }
        fn trace(&mut self, place: Place<'_>, text: &[u8]) {
            let text = String::from_utf8_lossy(text);
            self.0.said.push(format!("{}:{} {text}", place.line, place.route));
        }
    }
    let script =
        load("route {\n$var(x) = 1;\n$ru = \"sip:a\";\nroute(r);\n}\nroute[r] {\nexit;\n}");
    let mut world = Traced(World::new());
    let mut machine = Machine::new();
    machine.start(&script.program, script.program.route(RouteKind::Request, "0").unwrap());
    machine.resume(&script.program, &mut world);
    assert_eq!(
        world.0.said,
        [
            "2:0 sip:bob@example.com <null>",
            "3:0 sip:bob@example.com 1",
            "4:0 sip:a 1",
            "7:r sip:a 1"
        ]
    );
}

// spec/script.md §2.3: what a host says of its settings and functions is told once.
#[test]
fn section_2_3_notes_are_warnings() {
    struct Noted;
    impl Catalog for Noted {
        fn modules(&self) -> &[Module] {
            Shop.modules()
        }
        fn functions(&self) -> &[Function] {
            Shop.functions()
        }
        fn variables(&self) -> &[Variable] {
            Shop.variables()
        }
        fn globals(&self) -> &[Global] {
            const LIST: &[Global] = &[
                Global::new("log_level", GlobalKind::Int),
                Global::new("shm_*", GlobalKind::Int),
                Global::new("mem-group", GlobalKind::Any),
            ];
            LIST
        }
        fn parameters(&self) -> &[Parameter] {
            Shop.parameters()
        }
        fn note_global(&self, name: &str, value: &Setting) -> Option<String> {
            (name != "log_level").then(|| format!("{name} is {value:?}"))
        }
        fn note_parameter(&self, of: ModuleId, name: &str, value: &Setting) -> Option<String> {
            (of == RR && name == "name").then(|| format!("{name} is {value:?}"))
        }
        fn note_function(&self, function: FunctionId) -> Option<&'static str> {
            (function == FORWARD).then_some("forward!")
        }
    }
    let text = "log_level = 3\nmem-group = \"a\": \"tm\"\nshm_size = 5\nshm_size = 6\n\
        loadmodule \"tm\"\nloadmodule \"rr\"\nmodparam(\"tm|rr\", \"name\", \"x\")\n\
        modparam(\"rr\", \"name\", \"y\")\nmodparam(\"rr\", \"append_fromtag\", 0)\n\
        route { forward(); forward(); code(1); }";
    let (script, found) = Script::load("test.cfg", text, &Noted).unwrap_or_else(|e| panic!("{e}"));
    let told: Vec<_> = found.list().iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "mem-group is Str(\"\\\"a\\\": \\\"tm\\\"\")",
            "shm_size is Int(5)",
            "name is Str(\"x\")",
            "forward!"
        ]
    );
    assert_eq!(script.setup.global("shm_size"), Some(&Setting::Int(6)));
}

/// A thousand routes that call each other load in well under a second; the compiler's help is worth
/// a factor of ten.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn section_17_4_a_thousand_routes_load_at_once() {
    let mut text = String::from("route { route(r0); }\n");
    for n in 0..1_000 {
        let next = (n + 1) % 1_000;
        text += &format!(
            "route[r{n}] {{\n  if ($ru =~ \"^sip:0{n}\" && $si == \"10.0.0.{}\") {{ $var(v{n}) = $ru + \"x\"; \
             route(r{next}, $var(v{n})); }}\n  else xlog(\"$ru came to r{n}\");\n}}\n",
            n % 250
        );
    }
    let begun = std::time::Instant::now();
    let script = load(&text);
    assert_eq!(script.program.routes().count(), 1_001);
    let limit = if cfg!(debug_assertions) { 5_000 } else { 500 };
    assert!(begun.elapsed().as_millis() < limit, "{:?}", begun.elapsed());
}
