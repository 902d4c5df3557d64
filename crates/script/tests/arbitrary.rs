//! Whatever the text is: loading ends, nothing panics, each mistake has its place, and what loads runs
//! to an end.

mod common;

use common::{Shop, World, have_places};
use duologue_script::*;
use proptest::prelude::*;

fn load_and_run(text: &str) {
    match Script::load("any.cfg", text, &Shop) {
        Err(diagnostics) => {
            assert!(diagnostics.errors() > 0);
            have_places(text, &diagnostics);
        }
        Ok((script, warnings)) => {
            have_places(text, &warnings);
            let mut machine = Machine::new();
            for (route, _) in script.program.routes() {
                let mut world = World::new();
                machine.start(&script.program, route);
                for _ in 0..5 {
                    if machine.resume(&script.program, &mut world) == Outcome::Park {
                        machine.resume_with(1);
                    }
                }
            }
        }
    }
}

/// Bits of the language, so that random sequences of them get far.
const WORDS: &[&str] = &[
    "route",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    "if",
    "else",
    "while",
    "for",
    "in",
    "switch",
    "case",
    "default",
    ":",
    "break",
    "return",
    "exit",
    "drop",
    "$ru",
    "$var(x)",
    "$avp(x)",
    "$(avp(x)[*])",
    "$(avp(x)[$var(i)])",
    "$(ru{s.len})",
    "$hdr($var(x))",
    "=",
    ":=",
    "+=",
    "/=",
    "==",
    "!=",
    "=~",
    "!~",
    "<",
    "&&",
    "||",
    "!",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "~",
    "<<",
    "1",
    "-1",
    "0",
    "\"a\"",
    "\"$ru\"",
    "\"$var(x)\"",
    "NULL",
    "10.0.0.0/8",
    "::1",
    "xlog",
    "log",
    "assert",
    "async",
    "launch",
    "code",
    "say",
    "fetch",
    "wait",
    "search",
    "setflag",
    ",",
    "yes",
    "log_level",
    "loadmodule",
    "\"tm.so\"",
    "modparam",
    "\n",
    "/*",
    "*/",
    "#",
    "[a]",
    "socket",
    "alias",
    "udp:1.2.3.4:5060",
    "error_route",
    "timer_route[t,5]",
    "route(a)",
    "route[a] {",
    "code(-77);",
    "include_file \"x\"",
    "$(",
    "$",
    "\"",
    "'",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        load_and_run(&text);
    }

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        load_and_run(&format!("route {{ {} }}", words.join(" ")));
        load_and_run(&words.join(" "));
    }

    #[test]
    fn any_format(text in "[a-z$(){}\\[\\]<>.,\\\\ ]{0,40}") {
        load_and_run(&format!("route {{ xlog(\"{text}\"); }}"));
    }
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    for part in ["(", "!", "[", "~", "{", "if (1) ", "$avp(", "/*", "$(avp($", "- "] {
        load_and_run(&format!("route {{ if ({} }}", part.repeat(20_000)));
        load_and_run(&format!("route {{ $var(a) = {} }}", part.repeat(20_000)));
        load_and_run(&format!("route {{ {} }}", part.repeat(20_000)));
    }
}
