//! Wrong scripts and what is said about them. The texts are snapshots, to be read by people.

mod common;

use common::Shop;
use duologue_script::*;

fn mistakes(text: &str) -> Diagnostics {
    match Script::load("opensips.cfg", text, &Shop) {
        Ok(_) => panic!("this script is fine:\n{text}"),
        Err(diagnostics) => diagnostics,
    }
}

#[test]
fn five_mistakes_show_five_errors() {
    let text = r#"log_levle = 3
socket = udp:127.0.0.1:5060
loadmodule "tm.so"
modparam("tm", "fr_timer", 5)

route {
    if ($ru = ~ "^sip:") {
        xlog("came from $si.")
    }
    if (!t_realy()) {
        $si = "10.0.0.1";
    }
    route(relay);
}

route[relai] {
    exit;
}
"#;
    let diagnostics = mistakes(text);
    insta::assert_snapshot!(diagnostics.render(false));
}

#[test]
fn each_mistake_is_named() {
    let table: &[&str] = &[
        // Section 1.
        "route { xlog(\"never closed); }",
        "route { /* never closed }",
        "route { $var(x = 1; }\nroute[a] { exit; }",
        "include_file \"gone.cfg\"\nroute { exit; }",
        "route { xlog(\"100$\"); }",
        // Section 2.
        "children = 4\nroute { exit; }",
        "log_level = \"3\"\nroute { exit; }",
        "server_header = 5\nroute { exit; }",
        "auto_aliases = maybe\nroute { exit; }",
        "mhomed = yes\nroute { exit; }",
        "loadmodule \"acc.so\"",
        "loadmodule \"ttm.so\"",
        "modparam(\"tm\", \"fr_timeout\", 5)",
        "modparam(\"tm\", \"fr_timeout\", 5)\n\nloadmodule \"tm.so\"",
        "loadmodule \"tm.so\"\nmodparam(\"tm\", \"fr_timeout\", \"5\")",
        "socket = 10.0.0.1:5060",
        "socket = upd:10.0.0.1:5060",
        "socket = udp:10.0.0.1:99999",
        "socket = udp:10.0.0.1 use_worker 3",
        // Section 3.
        "route { exit; }\nroute { exit; }",
        "route[a] { exit; }\nroute[a] { exit; }",
        "failure_route { exit; }",
        "timer_route[a] { exit; }",
        "loadmodule \"tm.so\"\nonreply_route { t_relay(); }",
        "loadmodule \"tm.so\"\nroute[a] { t_relay(); }\nonreply_route { route(a); }",
        "loadmodule \"tm.so\"\nroute { t_on_failure(\"f\"); }",
        // Section 4.
        "route { exit }",
        "route { exit xlog(\"a\"); }",
        "route { break; }",
        "route { forward; }",
        "route { switch ($ru) { default: exit; case 1: exit; } }",
        "route { for ($ru in $(hdr(a)[*])) exit; }",
        "route { if ($ru) { exit; }",
        // Section 5.
        "route { if (\"a\" == $ru) exit; }",
        "route { if ($ru + 1 == 2) exit; }",
        "route { if (code(1) == 1) exit; }",
        "route { if ($ru =~ \"(\") exit; }",
        "route { if ($ru < NULL) exit; }",
        "route { $(ru{s.len}) = 1; }",
        "route { $var(a){s.len} = 1; }",
        "route { $var(a) = ; }",
        // Section 6.
        "route { say(); }",
        "route { say(\"a\", \"5\"); }",
        "route { say(5); }",
        "route { say(word); }",
        "route { say(NULL); }",
        "route { say(,5); }",
        "route { say(\"a\",5,\"b\",\"c\"); }",
        "route { fetch(\"a\", \"$var(b)\"); }",
        "route { fetch(\"a\", $si); }",
        "route { setflag($ru); }",
        "route { search(\"[\"); }",
        "route { t_relay(); }",
        "route { cache_store(); }",
        // Sections 7 and 9.
        "route { xlog(\"$uri\"); }",
        "route { xlog(\"$hdr\"); }",
        "route { xlog(\"$ru(x)\"); }",
        "route { xlog(\"$(ru[0])\"); }",
        "route { xlog(\"$(hdr(a)[x])\"); }",
        "route { xlog(\"$(<request>ru)\"); }",
        "route { xlog(\"$T_branch_idx $mb\"); }",
        "route { xlog(\"$(ru{s.length})\"); }",
        "route { xlog(\"$(ru{s.substr,1})\"); }",
        "route { xlog(\"$(ru{s.md5})\"); }",
        "route { xlog(\"$(ru{uri.usr})\"); }",
        "route { xlog(\"$(hdr(Via){via.host})\"); }",
        "route { xlog(\"$(ru{re.subst,/a/b})\"); }",
        // Sections 12 and 13.
        "loadmodule \"tm.so\"\nroute { async(code(1), done); }\nroute[done] { exit; }",
        "loadmodule \"tm.so\"\nroute { async(wait(1), gone); }",
        "route { async(wait(1), done); }\nroute[done] { exit; }",
        "route { xlog(\"L_FOO\", \"x\"); }",
        "route { xlog(\"\"); }",
    ];
    let mut out = String::new();
    for text in table {
        let diagnostics = mistakes(text);
        out.push_str(&format!("# {}\n", text.replace('\n', "\n# ")));
        for found in diagnostics.list() {
            let kind = if found.severity == Severity::Error { "" } else { "warning: " };
            out.push_str(&format!("{}:{}: {kind}{}\n", found.line, found.column, found.message));
            if let Some(help) = &found.help {
                out.push_str(&format!("     {help}\n"));
            }
        }
        out.push('\n');
    }
    insta::assert_snapshot!(out);
}

#[test]
fn an_included_file_is_named_with_its_road() {
    struct Two;
    impl Sources for Two {
        fn read(&self, path: &str, _: Option<&str>) -> Result<String, String> {
            match path {
                "main.cfg" => Ok("# first\ninclude_file \"sub.cfg\"\n".into()),
                _ => Ok("route {\n\txlgo(\"x\");\n}\n".into()),
            }
        }
    }
    let diagnostics = Script::load("main.cfg", &Two, &Shop).err().unwrap();
    insta::assert_snapshot!(diagnostics.render(false));
    assert!(diagnostics.render(true).contains("\u{1b}["));
}

#[test]
fn warnings_do_not_stop_a_script() {
    let text = "listen = udp:127.0.0.1:5060\nroute { }";
    let (_, diagnostics) = Script::load("opensips.cfg", text, &Shop).unwrap();
    assert_eq!((diagnostics.errors(), diagnostics.list().len()), (0, 2));
}

#[test]
fn echo_is_bounded() {
    let text = format!("route {{ {} }}", "nothing(); ".repeat(1000));
    let diagnostics = mistakes(&text);
    assert_eq!(diagnostics.errors(), 1000);
    assert_eq!(diagnostics.list().len(), limits::ERRORS_MAX);
    assert!(
        diagnostics.render(false).ends_with("… and 950 more\n\nbad config file (1000 errors)\n")
    );
}

fn shown(text: &str) -> String {
    mistakes(text).render(false)
}

/// spec §2.1: a module that is missing is named, beside those that there are.
#[test]
fn section_2_1_missing_modules() {
    let unknown = shown("loadmodule \"mysql.so\"\nroute { exit; }");
    assert!(unknown.contains("failed to load module `mysql`"), "{unknown}");
    assert!(unknown.contains("there are tm, rr"), "{unknown}");
    let planned = shown("loadmodule \"acc.so\"\nroute { exit; }");
    assert!(planned.contains("the module `acc` is known, but not built yet"), "{planned}");
    assert!(planned.contains("there are tm, rr"), "{planned}");
    let mistyped = shown("loadmodule \"tn.so\"\nroute { exit; }");
    assert!(mistyped.contains("did you mean `tm`?"), "{mistyped}");
}
