//! The one layout of scripts: what it looks like, and that nothing is ever lost.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Tests may read files, and fail.

mod common;

use common::Shop;
use duologue_script::{Script, WIDTH, format};
use proptest::prelude::*;

#[track_caller]
fn formatted(text: &str) -> String {
    format("a.cfg", text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

/// A text without its white space. A backslash may be white space as well: at the end of a line.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect()
}

/// What must hold whatever the text is. Whether it was formatted.
fn holds(text: &str) -> bool {
    match format("a.cfg", text) {
        Ok(once) => {
            assert_eq!(squeezed(&once), squeezed(text), "something is lost");
            assert_eq!(formatted(&once), once, "formatted twice it changes again");
            assert!(once.is_empty() || once.ends_with('\n'));
            true
        }
        Err(mistakes) => {
            assert!(mistakes.errors() > 0);
            mistakes.render(false);
            false
        }
    }
}

/// The mistakes of a script, without their places.
fn mistakes(text: &str) -> Vec<String> {
    let found = match Script::load("a.cfg", text, &Shop) {
        Ok((_, found)) | Err(found) => found,
    };
    found.list().iter().map(|it| it.message.clone()).collect()
}

#[test]
fn a_script_of_all_kinds_of_things() {
    let text = r##"# the head

  log_level=3   udp_workers = 4 # four


socket=udp:127.0.0.1:5060 as 192.0.2.1:5060
    use_workers 2
alias = "a.example"
dst_blacklist = gw:{
( tcp , 192.0.2.1 , 5060 , "" ),
  (udp,192.0.2.2,5060,"")
}
loadmodule "tm.so" # transactions
loadmodule "sipmsgops.so"# requests
modparam( "tm","fr_timeout" , 5 )
  include_file "more.cfg"   # as it is
route{
# why

 if(!mf_process_maxfwd_header( 10 )&&$rm!="ACK"){ send_reply(483,"Too Many Hops");exit; }
 if ($si==10.0.0.0/8) exit;
 else if ( [$var(a)&4] ) { $var(x)=1+-2*( 3-$rp ); }

 else
 {
   $avp(x):="it''s
a   text" ;   # kept
 };
 while(1) { if (not route(busy,"a",,NULL)) break; }


 for($var(i) in $(ct[*])) xlog("L_INFO","$var(i)"
   " and more");
 switch($retcode){
 # the first
 case -1 : case "x":
   exit; break;
 default: drop ( ) ;
 }
 /* before */ t_relay( /* flags */ ) /* behind */ ; /* and
   after */
 async( sleep(1),resumed );
 $var(y) = ~ $var(x) ; if (! $var(y)) { } else if (a()) b(); else c();
 return( -1 ) ; return $var(x);
 # the end
}
timer_route [ tick , 60 ]
{
}
event_route[dialog:start] { exit; } # last
# of all"##;
    let once = formatted(text);
    assert!(holds(text));
    insta::assert_snapshot!(once);
}

#[test]
fn what_is_too_long_is_folded_and_folds_are_kept() {
    let text = r#"route {
	if (is_method("INVITE") && has_body_part("application/sdp") && !is_present_hf("X-One") || is_present_hf("X-Two")) {
		call("the first argument of many", "the second argument of many", "the third argument", $var(x));
	}
	if (one("aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbb") || two("cccccccccccccccccccccc", "ddddddddd")) {
		$var(url) = "http://192.0.2.1:8080/" + $rU + "/" + $(ru{uri.param,transport}) + "/" + $fU + "/" + $ci;
	}
	if ($rm == "A" &&
		$si == "B"
		|| $ru == "C") {
		call("a", # why
			"b",
			"c");
	}
}
"#;
    let once = formatted(text);
    assert!(holds(text));
    let longest = once.lines().map(|line| line.replace('\t', "    ").chars().count()).max();
    assert!(longest <= Some(WIDTH), "{longest:?}");
    insta::assert_snapshot!(once);
}

#[test]
fn a_part_of_a_route_is_a_file_too() {
    assert_eq!(formatted("if($x==1)exit;\nt_relay ( );"), "if ($x == 1)\n\texit;\nt_relay();\n");
    assert_eq!(formatted("route( relay ) ;"), "route(relay);\n");
    assert_eq!(formatted(" \n\n"), "");
    assert_eq!(formatted("\n\n# alone"), "# alone\n");
    assert_eq!(formatted("exit;\r\n\r\n\r\n# a  \r\nexit;"), "exit;\n\n# a\nexit;\n");
}

#[test]
fn mistakes_of_structure_are_told() {
    let mut out = String::new();
    for text in [
        "route { exit }",
        "route { if (a() { exit; } }",
        "route { xlog(\"never closed); }",
        "route { exit; } }",
        "route { exit;\nroute[a] { exit; }",
        "route { forward; }",
        "route { $var(x) = 1 exit; }",
        "route { $var(x); }",
        "route { $var(x) = ; }",
        "route { f(1 2); }",
        "route { else exit; }",
        "route { switch ($x) { case 1 exit; } }",
        "// not a comment here\nroute { exit; }",
        "route { /* never closed }",
        "one\0two",
    ] {
        let mistakes = format("a.cfg", text).expect_err(text);
        let first = &mistakes.list()[0];
        out.push_str(&format!(
            "{}\n{}:{}: {}\n",
            text.replace('\0', "\\0"),
            first.line,
            first.column,
            first.message
        ));
        if let Some(help) = &first.help {
            out.push_str(&format!("     {help}\n"));
        }
        out.push('\n');
    }
    insta::assert_snapshot!(out);
}

/// Words that begin something, and then do not.
#[test]
fn what_only_looks_like_an_item_ends() {
    for text in ["route \"a\"", "mpath(", "mpath \"a\"", "loadmodule(", "modparam \"a\"", "a-b"] {
        assert!(!holds(text), "{text}");
    }
    assert_eq!(formatted("mem-group=\"a\":transaction"), "mem-group = \"a\":transaction\n");
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    for part in ["(", "!", "[", "~", "{", "if (1) ", "f(", "/*", "switch ($x) { case 1: ", "- "] {
        holds(&format!("route {{ if ({} }}", part.repeat(20_000)));
        holds(&format!("route {{ $var(a) = {} }}", part.repeat(20_000)));
        holds(&format!("route {{ {} }}", part.repeat(20_000)));
        holds(&part.repeat(20_000));
    }
}

/// The scripts that the program comes with and is tested with.
fn real_scripts() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut paths = vec![format!("{root}/src/default.cfg")];
    for entry in std::fs::read_dir(format!("{root}/tests/deployments")).unwrap() {
        paths.push(entry.unwrap().path().display().to_string());
    }
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|it| std::fs::read_to_string(it).unwrap()).collect();
    assert!(texts.len() > 5);
    texts
}

/// White space and comments that may stand between any two tokens.
fn trivia() -> impl Strategy<Value = String> {
    const PARTS: &[&str] =
        &[" ", "\n", "\t", "\r\n", "\n\n\n", " # a\n", "# b # c\n", "/* d */", "/* e\n f */"];
    prop::collection::vec(prop::sample::select(PARTS), 1..4).prop_map(|parts| parts.concat())
}

/// A value of an expression, as tokens.
fn value() -> impl Strategy<Value = Vec<String>> {
    let leaf = prop::sample::select(vec![
        "$var(x)",
        "$ru",
        "$(avp(x)[*])",
        "1",
        "-1",
        "\"a  b\"",
        "'c'",
        "NULL",
        "10.0.0.0/8",
        "yes",
    ])
    .prop_map(|text| vec![text.to_owned()]);
    leaf.prop_recursive(4, 24, 3, |inner| {
        const OPERATORS: &[&str] =
            &["==", "!=", "=~", "<", "+", "-", "*", "/", "&", "<<", "&&", "||", "and", "or"];
        prop_oneof![
            (inner.clone(), prop::sample::select(OPERATORS), inner.clone())
                .prop_map(|(a, op, b)| [a, words(op), b].concat()),
            inner.clone().prop_map(|it| [words("("), it, words(")")].concat()),
            inner.clone().prop_map(|it| [words("["), it, words("]")].concat()),
            inner.clone().prop_map(|it| [words("!"), it].concat()),
            prop::collection::vec(inner, 0..4).prop_map(|args| {
                [words("call ("), args.join(&",".to_owned()), words(")")].concat()
            }),
        ]
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A statement, as tokens.
fn statement() -> impl Strategy<Value = Vec<String>> {
    let leaf = prop_oneof![
        value().prop_map(|it| [words("$var(y) ="), it, words(";")].concat()),
        value().prop_map(|it| [words("call ("), it, words(") ;")].concat()),
        Just(words("exit ;")),
        Just(words("return ( -1 ) ;")),
        Just(words(";")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let block = prop::collection::vec(inner.clone(), 0..3)
            .prop_map(|inside| [words("{"), inside.concat(), words("}")].concat());
        prop_oneof![
            block.clone(),
            (value(), inner.clone()).prop_map(|(c, s)| [words("if ("), c, words(")"), s].concat()),
            (value(), block, inner.clone()).prop_map(|(c, a, b)| {
                [words("if ("), c, words(")"), a, words("else"), b].concat()
            }),
            (value(), inner.clone())
                .prop_map(|(c, s)| [words("while ("), c, words(")"), s].concat()),
            (inner.clone(), inner).prop_map(|(a, b)| {
                let head = words("switch ( $rc ) { case 1 :");
                [head, a, words("default :"), b, words("}")].concat()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        holds(&text);
    }

    #[test]
    fn any_bits(text in "[a-z0-9$(){}\\[\\]<>=!&|~:;,.#/*\"' \n\\\\-]{0,80}") {
        holds(&text);
    }

    /// Every script of the grammar is formatted, however it is laid out.
    #[test]
    fn any_script(
        statements in prop::collection::vec(statement(), 1..5),
        trivia in prop::collection::vec(trivia(), 32),
    ) {
        let tokens = [words("route {"), statements.concat(), words("}")].concat();
        let mut text = String::new();
        for (token, between) in tokens.iter().zip(trivia.iter().cycle()) {
            text.push_str(token);
            text.push_str(between);
        }
        prop_assert!(holds(&text), "{}", text);
        prop_assert_eq!(mistakes(&formatted(&text)), mistakes(&text));
        // The layout of the author has no say beyond lines, comments and folds.
        prop_assert_eq!(formatted(&tokens.join("\t \t")), formatted(&tokens.join(" ")));
    }

    /// Scripts of the size that operators run, with something cut out, doubled or put in.
    #[test]
    fn any_mistake_in_a_real_script(
        which in any::<prop::sample::Index>(),
        (from, len, to) in (any::<prop::sample::Index>(), 0usize..40, any::<prop::sample::Index>()),
        put in prop_oneof![
            Just(String::new()),
            "[a-z$(){}\\[\\]=!;,#/*\"' \n]{0,6}",
            trivia(),
        ],
    ) {
        let scripts = real_scripts();
        let text = which.get(&scripts);
        let place = |index: prop::sample::Index| {
            let at = index.index(text.len());
            (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
        };
        let (from, to) = (place(from), place(to));
        let end = (from + len..=text.len()).find(|at| text.is_char_boundary(*at));
        let end = end.unwrap_or(text.len());
        let cut = format!("{}{put}{}", &text[..from], &text[end..]);
        let moved = format!("{}{put}{}{}", &text[..to], &text[from..end], &text[to..]);
        holds(&cut);
        holds(&moved);
    }
}
