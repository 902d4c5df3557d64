//! Headers and URIs that turn out to be unreadable in the middle of a script (spec/script.md §3.4):
//! the error route runs in place, behind the statement that found them.

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

mod world;

use std::time::Duration;

use duologue_testkit::{CallState, Message};
use world::{CAROL, cast, forgotten, script_to};

const HEAD: &str = r#"
    socket = udp:10.0.0.1:5060
    loadmodule "proto_udp.so"
    loadmodule "sl.so"
    loadmodule "rr.so"
    loadmodule "sipmsgops.so"
"#;

const TELLS: &str = r#"
    error_route {
        append_to_reply("X-Error: $err.class $err.rcode $err.rreason: $err.info\r\n");
    }
"#;

/// What the error route and the statement behind say, when `statement` runs on a request with this
/// header.
fn after(header: (&'static str, &'static str), statement: &str) -> (Vec<String>, String) {
    let script = format!(
        "{HEAD}\nroute {{\n{statement}\nappend_to_reply(\"X-Code: $rc\\r\\n\");\n\
         sl_send_reply(200, \"OK\");\n}}\n{TELLS}"
    );
    let (world, alice, proxy, bob) = cast(1, &script);
    alice.sends_with("OPTIONS", &bob.uri(), |message| with(message, header));
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(200), "{header:?}: {statement}");
    let reply = alice.last("200");
    let errors = reply.list("X-Error").iter().map(ToString::to_string).collect();
    let code = reply.header("X-Code").unwrap_or_default().to_owned();
    forgotten(&world, &proxy);
    (errors, code)
}

/// The message with one more header; From and To, which it has, get another address.
fn with(message: Message, (name, value): (&str, &str)) -> Message {
    let Some(present) = message.header(name) else { return message.with(name, value) };
    let tag = present.find(";tag=").map_or("", |at| &present[at..]);
    let (before, after) = (format!("{name}: {present}\r\n"), format!("{name}: {value}{tag}\r\n"));
    let text = String::from_utf8(message.to_bytes()).unwrap();
    assert!(text.contains(&before), "{text}");
    Message::parse(text.replace(&before, &after).as_bytes()).unwrap()
}

#[test]
fn section_3_4_what_cannot_be_read_is_told_behind_the_statement() {
    let broken = "\"A <sip:a@h>";
    for (name, header, statement) in [
        ("Contact", ("Contact", broken), "$var(x) = $ct.fields(uri);"),
        ("P-Asserted-Identity", ("P-Asserted-Identity", broken), "$var(x) = $ai;"),
        ("Diversion", ("Diversion", broken), "$var(x) = $(di{s.len});"),
        ("Remote-Party-ID", ("Remote-Party-ID", broken), "xlog(\"$re\");"),
        ("Proxy-Authorization", ("Proxy-Authorization", "Digest"), "$var(x) = $au;"),
        ("From", ("From", "<sip:a@b@c>"), "$var(x) = $fU;"),
        ("To", ("To", "<sip:bob@h:x>"), "$var(x) = $td;"),
        ("Route", ("Route", broken), "loose_route();"),
    ] {
        let (errors, _) = after(header, statement);
        assert_eq!(errors, [format!("1 400 Bad Request: malformed {name} header")], "{statement}");
    }
}

#[test]
fn section_3_4_a_uri_that_none_can_be_is_told() {
    let plain = ("X-Plain", "yes");
    for statement in [
        "$ru = \"nonsense\";",
        "seturi(\"sip:a b@h\");",
        "$du = \"nonsense\";",
        "setdsturi(\"sip:h:x\");",
    ] {
        let (errors, code) = after(plain, statement);
        assert_eq!(errors.len(), 1, "{statement}");
        assert!(errors[0].starts_with("1 400 Bad Request: "), "{errors:?}");
        assert_eq!(code, "-1", "{statement}");
    }
}

#[test]
fn section_3_4_what_is_missing_or_fine_is_no_error() {
    for (header, statement) in [
        (("X-Plain", "yes"), "$var(x) = $ai + $di + $au;"),
        (("Contact", "*"), "$var(x) = $ct.fields(uri);"),
        (("To", "<tel:+431>"), "$var(x) = $tU + $td;"),
        (("X-Plain", "yes"), "strip(70); $ru = \"sip:a@h\";"),
        // The text of a header may be anything.
        (("P-Asserted-Identity", "\"A <sip:a@h>"), "$var(x) = $hdr(P-Asserted-Identity);"),
    ] {
        assert_eq!(after(header, statement).0, [""; 0], "{statement}");
    }
}

// Once per statement, and the statements go on as they would have without.
#[test]
fn section_3_4_the_script_goes_on() {
    let broken = ("P-Asserted-Identity", "\"A <sip:a@h>");
    let (errors, code) = after(broken, "$var(x) = $ai + $ai; if ($ai == NULL) $var(y) = $(ai);");
    assert_eq!((errors.len(), &*code), (3, "1"));
    // What the error route itself stumbles over starts it no second time.
    let script = format!(
        "{HEAD}\nroute {{ $var(x) = $ai; sl_send_reply(200, \"OK\"); }}\n\
         error_route {{ append_to_reply(\"X-Error: $ai\\r\\n\"); $var(x) = $ai; }}"
    );
    let (world, alice, proxy, bob) = cast(1, &script);
    alice.sends_with("OPTIONS", &bob.uri(), |message| message.with(broken.0, broken.1));
    world.settle();
    assert_eq!(alice.last("200").list("X-Error"), ["<null>"]);
    forgotten(&world, &proxy);
}

#[test]
fn section_3_4_an_error_route_may_end_the_script() {
    let script = format!(
        "{HEAD}\nroute {{ route(inner); sl_send_reply(200, \"Not reached\"); }}\n\
         route[inner] {{ $var(x) = $ai; sl_send_reply(200, \"Not reached\"); }}\n\
         error_route {{ $var(why) = $err.rreason; sl_send_reply(400, $var(why)); exit; }}"
    );
    let (world, alice, proxy, bob) = cast(1, &script);
    alice.sends_with("OPTIONS", &bob.uri(), |message| {
        message.with("P-Asserted-Identity", "\"A <sip:a@h>")
    });
    world.settle();
    assert_eq!(alice.status_of("OPTIONS"), Some(400));
    forgotten(&world, &proxy);
}

// In branch and failure routes as well, but not for replies.
#[test]
fn section_3_4_blocks_of_all_kinds_but_for_replies() {
    let main = "t_on_branch(\"out\"); t_on_reply(\"back\"); t_on_failure(\"no\");";
    let rest = format!(
        "branch_route[out] {{ $var(x) = $ai; append_hf(\"X-Branch: $avp(seen)\\r\\n\"); }}\n\
         onreply_route {{ $var(x) = $ai; }}\n\
         onreply_route[back] {{ $var(x) = $ai; append_hf(\"X-Back: $(avp(seen)[2]) $(avp(seen)[3])\\r\\n\"); }}\n\
         failure_route[no] {{ $ru = \"nonsense\"; append_hf(\"X-Failed: $avp(seen)\\r\\n\");\n\
             $ru = \"{CAROL}\"; t_relay(); }}\n\
         error_route {{ $avp(seen) = $err.info; }}"
    );
    let (world, alice, proxy, bob) =
        cast(2, &script_to("modparam(\"tm\", \"onreply_avp_mode\", 1)", main, &rest));
    let carol = world.agent("carol");
    let broken = |message: Message| message.with("P-Asserted-Identity", "\"A <sip:a@h>");
    alice.invite_with(&bob.uri(), broken);
    world.run_for(Duration::from_secs(1));
    let of_bob = bob.last("INVITE");
    assert_eq!(of_bob.list("X-Branch"), ["malformed P-Asserted-Identity header"]);
    bob.rejects(486);
    world.run_for(Duration::from_secs(1));
    let of_carol = carol.last("INVITE");
    let failed = of_carol.header("X-Failed").unwrap();
    assert!(failed.contains("scheme"), "{failed}");
    carol.replies_with("INVITE", 200, broken);
    world.run_for(Duration::from_secs(1));
    assert_eq!(alice.state(), CallState::Talking);
    // Two branches and the failure route were told, no reply was.
    let first = "malformed P-Asserted-Identity header <null>";
    assert_eq!(alice.last("200").header("X-Back"), Some(first));
    alice.hangs_up();
    forgotten(&world, &proxy);
}
