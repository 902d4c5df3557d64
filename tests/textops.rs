//! What scripts change in messages: whole calls through `textops`, `sipmsgops` and `$sdp`
//! (spec/modules.md §6 and §7, spec/script.md §8).
#![allow(clippy::unwrap_used)] // An error is a failed test.

mod world;

use duologue_testkit::{CallState, Message};
use world::{cast, forgotten, script_to};

const TEXTOPS: &str = "loadmodule \"textops.so\"";

const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 10.0.0.11\r\ns=-\r\nc=IN IP4 10.0.0.11\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=sendrecv\r\nm=video 4002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n";

fn with_offer(message: Message) -> Message {
    Message { body: OFFER.into(), ..message }
}

/// The body as text, after a look at what Content-Length says of it.
fn body(message: &Message) -> String {
    let length = message.header("Content-Length").unwrap();
    assert_eq!(length, message.body.len().to_string(), "{message}");
    String::from_utf8(message.body.clone()).unwrap()
}

/// The INVITE that bob gets when a script does this to alice's.
fn relayed(statements: &str) -> Message {
    relayed_with(statements, "", with_offer)
}

fn relayed_with(statements: &str, rest: &str, edit: impl FnOnce(Message) -> Message) -> Message {
    let (world, alice, proxy, bob) = cast(1, &script_to(TEXTOPS, statements, rest));
    alice.invite_with(&bob.uri(), edit);
    bob.rejects(486);
    world.settle();
    let invite = bob.last("INVITE");
    forgotten(&world, &proxy);
    invite
}

/// What a call of a function returns, told to bob in a header.
fn code_of(call: &str) -> String {
    let invite = relayed(&format!("{call}; append_hf(\"X-Code: $rc\\r\\n\");"));
    assert_eq!(body(&invite), OFFER, "{call} only looks");
    invite.header("X-Code").unwrap().to_owned()
}

/// The session description that bob gets.
fn offered(statements: &str) -> String {
    body(&relayed(statements))
}

fn without(text: &str, lines: &[&str]) -> String {
    text.split_inclusive('\n').filter(|line| !lines.contains(&line.trim_end())).collect()
}

// --- textops ----------------------------------------------------------------------------------

// spec/modules.md §7: `search`, `search_body`; §7's patterns ignore case and see lines.
#[test]
fn messages_and_bodies_are_searched() {
    for (call, code) in [
        (r#"search("^invite sip:bob@")"#, "1"),
        (r#"search("^m=AUDIO")"#, "1"),
        (r#"search("From.*To")"#, "-1"),
        (r#"search_body("^a=sendrecv")"#, "1"),
        (r#"search_body("^From")"#, "-1"),
        (r#"$var(p) = "^c=in"; search_body($var(p))"#, "1"),
    ] {
        assert_eq!(code_of(call), code, "{call}");
    }
}

// spec/modules.md §7: `search_append`, `search_append_body`.
#[test]
fn texts_are_put_behind_the_first_match() {
    let with_subject = |message: Message| message.with("Subject", "ac");
    let invite = relayed_with(r#"search_append("^Subject: a", "b");"#, "", with_subject);
    assert_eq!(invite.header("Subject"), Some("abc"));
    let text = offered(r#"search_append_body("^a=rtpmap:[0-9]+", "!");"#);
    assert_eq!(text, OFFER.replacen("a=rtpmap:0", "a=rtpmap:0!", 1));
}

// spec/modules.md §7: `replace`, `replace_body`, `replace_all`, `replace_body_all`.
#[test]
fn matches_are_replaced() {
    let first = offered(r#"replace_body("10.0.0.11", "192.0.2.1");"#);
    assert_eq!(first, OFFER.replacen("10.0.0.11", "192.0.2.1", 1));
    let all = offered(r#"replace_body_all("10\.0\.0\.11", "192.0.2.1");"#);
    assert_eq!(all, OFFER.replace("10.0.0.11", "192.0.2.1"));
    let lines = offered(r#"replace_body_all("^a=.+$", "a=x");"#);
    assert!(lines.ends_with("RTP/AVP 31\r\na=x\n"), "line by line: {lines}");

    let with_headers = |message: Message| message.with("X-A", "one").with("X-B", "one one");
    let invite = relayed_with(r#"replace("X-[AB]: one", "X-C: two");"#, "", with_headers);
    assert_eq!((invite.header("X-C"), invite.header("X-B")), (Some("two"), Some("one one")));
    let invite = relayed_with(r#"replace_all("\<one\>", "two");"#, "", with_headers);
    assert_eq!((invite.header("X-A"), invite.header("X-B")), (Some("two"), Some("two two")));

    assert_eq!(code_of(r#"replace("nowhere", "x")"#), "-1");
    assert_eq!(code_of(r#"replace_body_all("nowhere", "x")"#), "-1");
}

// spec/modules.md §7: `replace_body_atonce` takes the body as one text.
#[test]
fn a_body_is_replaced_at_once() {
    let invite = relayed(r#"replace_body_atonce("^.+$", "nothing");"#);
    assert_eq!(body(&invite), "nothing");
    let invite = relayed(r#"replace_body_atonce("m=video.*", "");"#);
    assert_eq!(body(&invite), OFFER[..OFFER.find("m=video").unwrap()]);
}

// spec/modules.md §7: `subst`, `subst_body`: groups, variables, flags, the number of matches.
#[test]
fn substitutions_edit_messages_and_bodies() {
    let with_headers = |message: Message| message.with("X-A", "one").with("X-B", "one one");
    let statements = r#"
        subst('/^X-A:(.*)ne/X-A:\1h $rU/');
        subst('|X-B: ONE one|X-B: none|');
        subst('/x-b: ONE/X-B: two/i');
        append_hf("X-Code: $rc\r\n");
    "#;
    let invite = relayed_with(statements, "", with_headers);
    assert_eq!(invite.header("X-A"), Some("oh bob"));
    assert_eq!(invite.header("X-B"), Some("two one"));
    assert_eq!(invite.header("X-Code"), Some("1"));

    let invite = relayed(r#"subst_body("/10.0.0.11/$si-\0/g"); append_hf("X-Code: $rc\r\n");"#);
    assert_eq!(body(&invite), OFFER.replace("10.0.0.11", "10.0.0.11-10.0.0.11"));
    assert_eq!(invite.header("X-Code"), Some("2"));
    assert_eq!(
        body(&relayed(r"subst_body('/m=video.*$//s');")),
        OFFER[..OFFER.find("m=v").unwrap()]
    );
    assert_eq!(code_of(r"subst_body('/nowhere/x/g')"), "-1");
}

// spec/modules.md §7: `subst_uri`, `subst_user` act on the Request-URI as it stands.
#[test]
fn substitutions_edit_the_request_uri() {
    for (statements, uri, code) in [
        (r"subst_uri('/bob(@.*)/rob\1;x=y/')", "sip:rob@10.0.0.12:5060;x=y", "1"),
        (r"subst_user('/B/p/ig')", "sip:pop@10.0.0.12:5060", "2"),
        (r#"$rU = "49123"; subst_user('/^49/0/')"#, "sip:0123@10.0.0.12:5060", "1"),
        (r"subst_uri('/sip:/bad/')", "sip:bob@10.0.0.12:5060", "-1"),
        (r"subst_uri('/x/y/')", "sip:bob@10.0.0.12:5060", "-1"),
        (r"subst_user('/^sip/x/')", "sip:bob@10.0.0.12:5060", "-1"),
    ] {
        let invite = relayed(&format!("{statements}; append_hf(\"X-Code: $rc\\r\\n\");"));
        assert_eq!(invite.uri(), Some(uri), "{statements}");
        assert_eq!(invite.header("X-Code"), Some(code), "{statements}");
    }
}

// What is too much for one message is refused as a whole.
#[test]
fn changes_are_bounded() {
    let long = "a".repeat(1100);
    for call in [
        r#"replace_body_all("a", "b")"#,
        r"subst_body('/a/b/g')",
        r"$var(x) = $(rb{s.substr,0,500}); subst_body('/a/$var(x)/g')",
    ] {
        let edit = |message| Message { body: long.clone().into(), ..message };
        let statements = format!("{call}; append_hf(\"X-Code: $rc\\r\\n\");");
        let invite = relayed_with(&statements, "", edit);
        assert_eq!(invite.header("X-Code"), Some("-1"), "{call}");
        assert_eq!(body(&invite), long, "{call}");
    }
}

// spec/modules.md §6: later calls see the message as received, and all changes come together.
#[test]
fn changes_of_several_functions_come_together() {
    let text = offered(
        r#"
        replace_body("^s=-", "s=call");
        codec_delete("G729");
        replace_body("^c=IN IP4 10.0.0.11", "c=IN IP4 192.0.2.1");
        codec_move_up("PCMA");
        subst_body('/sendrecv/recvonly/');
        "#,
    );
    let wanted = without(OFFER, &["a=rtpmap:18 G729/8000", "a=fmtp:18 annexb=no"])
        .replace("s=-", "s=call")
        .replace("0 8 18 101", "8 0 101")
        .replace("c=IN IP4 10.0.0.11", "c=IN IP4 192.0.2.1")
        .replace("sendrecv", "recvonly");
    assert_eq!(text, wanted);
}

// spec/modules.md §6: changes in a branch route are the branch's own; a failure route goes on from
// those of the request route.
#[test]
fn branches_have_bodies_of_their_own() {
    let rest = r#"
    branch_route[each] {
        if ($T_branch_idx == 0) {
            codec_delete("PCMU");
            add_body_part("first", "text/plain");
        }
    }
    failure_route[next] {
        $ru = "sip:carol@10.0.0.13:5060";
        codec_delete("PCMA");
        t_relay();
    }
    "#;
    let statements = "codec_delete(\"G729\"); t_on_branch(\"each\"); t_on_failure(\"next\");";
    let (world, alice, proxy, bob) = cast(3, &script_to(TEXTOPS, statements, rest));
    let carol = world.agent("carol");
    alice.invite_with(&bob.uri(), with_offer);
    bob.rejects(486);
    carol.answers();
    world.settle();
    let sent = body(&bob.last("INVITE"));
    assert!(sent.contains("m=audio 4000 RTP/AVP 8 101\r\n") && sent.contains("\r\nfirst\r\n"));
    assert_eq!(
        body(&carol.last("INVITE")).lines().find(|line| line.starts_with("m=audio")),
        Some("m=audio 4000 RTP/AVP 0 101")
    );
    assert_eq!(carol.last("INVITE").header("Content-Type"), Some("application/sdp"));
    carol.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §7: replies, with the route's own kinds of messages.
#[test]
fn replies_are_edited_on_their_way() {
    let rest = r#"
    onreply_route[edit] {
        replace_body("^s=-", "s=answer");
        codec_delete("PCMA");
        subst('/^(Contact:.*)>/\1;x=y>/');
    }
    "#;
    let (world, alice, proxy, bob) = cast(4, &script_to(TEXTOPS, "t_on_reply(\"edit\");", rest));
    alice.invite(&bob);
    bob.replies_with("INVITE", 200, with_offer);
    world.settle();
    assert_eq!(alice.state(), CallState::Talking);
    let answer = alice.last("200 INVITE");
    let wanted = OFFER.replace("s=-", "s=answer").replace("0 8 18", "0 18");
    assert_eq!(body(&answer), without(&wanted, &["a=rtpmap:8 PCMA/8000"]));
    assert!(answer.header("Contact").unwrap().ends_with(";x=y>"));
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// --- sipmsgops: headers and replies -----------------------------------------------------------

// spec/modules.md §6: `remove_hf_re`, `remove_hf_glob`, `get_glob_headers_values`.
#[test]
fn headers_are_picked_by_patterns() {
    let with_headers = |message: Message| {
        message.with("X-One", "1").with("P-Two", "2").with("x-three", "3").with("k", "timer")
    };
    let invite = relayed_with(r#"remove_hf_re("^(x-|supp)");"#, "", with_headers);
    assert_eq!((invite.header("X-One"), invite.header("x-three")), (None, None));
    assert_eq!((invite.header("Supported"), invite.header("P-Two")), (None, Some("2")));
    let invite = relayed_with(r#"remove_hf_glob("[px]-t*");"#, "", with_headers);
    assert_eq!((invite.header("X-One"), invite.header("Supported")), (Some("1"), Some("timer")));
    assert_eq!((invite.header("P-Two"), invite.header("x-three")), (None, None));

    let statements = r#"
        get_glob_headers_values("x-*", $avp(names), $avp(values));
        append_hf("Seen: $rc $(avp(names)[*]) $(avp(values)[*])\r\n");
        if (!get_glob_headers_values("y-*", $var(n), $var(v))
                && !remove_hf_re("^y-") && !remove_hf_glob("y-*"))
            append_hf("Unseen: yes\r\n");
    "#;
    let invite = relayed_with(statements, "", with_headers);
    assert_eq!(invite.header("Seen"), Some("1 X-One, x-three 1, 3"));
    assert_eq!(invite.header("Unseen"), Some("yes"));
}

// spec/modules.md §6: `append_body_to_reply`: the last one, in all local replies but 100.
#[test]
fn local_replies_get_a_body() {
    let statements = r#"
        append_to_reply("Content-Type: text/plain\r\n");
        append_body_to_reply("not this");
        append_body_to_reply("no $rU here");
    "#;
    for reply in ["t_reply(480, \"No\"); exit;", "sl_send_reply(480, \"No\"); exit;"] {
        let script = script_to(TEXTOPS, &format!("{statements} {reply}"), "");
        let (world, alice, proxy, bob) = cast(5, &script);
        alice.invite(&bob);
        world.settle();
        let refusal = alice.last("480");
        assert_eq!(body(&refusal), "no bob here", "{reply}");
        assert_eq!(refusal.header("Content-Type"), Some("text/plain"));
        if alice.count("100") > 0 {
            assert_eq!(body(&alice.last("100")), "");
        }
        forgotten(&world, &proxy);
    }
    // Kept with the transaction for what it says later.
    let settings = "modparam(\"tm\", \"fr_timeout\", 2)\nloadmodule \"textops.so\"";
    let (world, alice, proxy, bob) = cast(6, &script_to(settings, statements, ""));
    bob.silent();
    alice.invite(&bob);
    world.run_for(std::time::Duration::from_secs(5));
    assert_eq!(body(&alice.last("408")), "no bob here");
    bob.speaks();
    forgotten(&world, &proxy);
}

// spec/modules.md §6: `change_reply_status`, below 300 within the class only.
#[test]
fn the_status_of_replies_is_changed() {
    let rest = r#"
    onreply_route[other] {
        if ($rs == 183)
            change_reply_status(180, "Soon");
        if ($rs == 200)
            change_reply_status(480, "Never");
        if ($rs == 404) {
            change_reply_status(200, "Fine");
            change_reply_status(486, "Busy for $si");
        }
    }
    failure_route[see] {
        t_reply(600, "$T_reply_code $(<reply>rs)");
    }
    "#;
    let arm = "t_on_reply(\"other\");";
    let cast = |seed| cast(seed, &script_to(TEXTOPS, arm, rest));
    let (world, alice, proxy, bob) = cast(7);
    alice.invite(&bob);
    bob.replies_to("INVITE", 183);
    world.settle();
    assert_eq!((alice.count("180"), alice.count("183")), (1, 0));
    assert_eq!(alice.last("180").start, "SIP/2.0 180 Soon");
    bob.rejects(404);
    world.settle();
    assert_eq!(alice.state(), CallState::Failed(486));
    assert_eq!(alice.last("486").start, "SIP/2.0 486 Busy for 10.0.0.12");
    forgotten(&world, &proxy);

    // What comes after the reply route goes by the new one.
    let arm = "t_on_reply(\"other\"); t_on_failure(\"see\");";
    let (world, alice, proxy, bob) = world::cast(8, &script_to(TEXTOPS, arm, rest));
    alice.invite(&bob);
    bob.rejects(404);
    world.settle();
    assert_eq!(alice.last("600").start, "SIP/2.0 600 486 486");
    forgotten(&world, &proxy);

    let (world, alice, proxy, bob) = cast(9);
    alice.invite(&bob);
    bob.answers();
    world.settle();
    assert_eq!(alice.state(), CallState::Talking, "a 200 stays one");
    bob.hangs_up();
    forgotten(&world, &proxy);
}

// spec/modules.md §6: `ruri_tel2sip`.
#[test]
fn telephone_numbers_become_sip_uris() {
    let statements = r#"
        ruri_tel2sip();
        append_hf("X-Uri: $rc $ru\r\n");
        $ru = "sip:bob@10.0.0.12";
    "#;
    let script = script_to(TEXTOPS, statements, "");
    let (world, alice, proxy, bob) = cast(9, &script);
    alice.invite_with(&bob.uri(), |invite| Message {
        start: "INVITE tel:+43-1-23;ext=4 SIP/2.0".to_owned(),
        ..invite
    });
    bob.rejects(486);
    world.settle();
    let wanted = "1 sip:+43123;ext=4@10.0.0.11;user=phone";
    assert_eq!(bob.last("INVITE").header("X-Uri"), Some(wanted));
    forgotten(&world, &proxy);
}

// --- sipmsgops: bodies ------------------------------------------------------------------------

/// A body of two parts.
fn multipart(message: Message) -> Message {
    let body = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b\r\nContent-Type: text/plain\r\n\
         \r\nhello\r\n--b--\r\n"
    );
    let mut message = Message { body: body.into(), ..message };
    message.headers.retain(|(name, _)| name != "Content-Type");
    message.with("Content-Type", "multipart/mixed;boundary=b")
}

// spec/modules.md §6: `has_body`, `has_body_part`.
#[test]
fn bodies_and_parts_are_asked_for() {
    let statements = |function: &str| {
        format!(
            r#"
            {function}(); append_hf("X-Any: $rc\r\n");
            {function}("application/sdp"); append_hf("X-Sdp: $rc\r\n");
            {function}("text/PLAIN"); append_hf("X-Text: $rc\r\n");
            "#
        )
    };
    for function in ["has_body", "has_body_part"] {
        let seen = |edit: fn(Message) -> Message| {
            let invite = relayed_with(&statements(function), "", edit);
            ["X-Any", "X-Sdp", "X-Text"].map(|name| invite.header(name).unwrap().to_owned())
        };
        assert_eq!(seen(with_offer), ["1", "1", "-1"]);
        assert_eq!(seen(multipart), ["1", "1", "1"]);
        assert_eq!(seen(|message| Message { body: Vec::new(), ..message }), ["-1", "-1", "-1"]);
    }
}

// spec/modules.md §6: `add_body_part`: Content-Type and Content-Length are those of the new body.
#[test]
fn parts_are_added() {
    let add = r#"add_body_part("hi $rU", "text/plain", "Content-Disposition: render");"#;
    let invite = relayed_with(add, "", |message| Message { body: Vec::new(), ..message });
    assert_eq!(body(&invite), "hi bob");
    assert_eq!(invite.header("Content-Type"), Some("text/plain"));
    assert_eq!(invite.header("Content-Disposition"), Some("render"));

    let invite = relayed(add);
    let content_type = invite.header("Content-Type").unwrap();
    let boundary = content_type.strip_prefix("multipart/mixed;boundary=").unwrap();
    let wanted = format!(
        "--{boundary}\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--{boundary}\r\n\
         Content-Type: text/plain\r\nContent-Disposition: render\r\n\r\nhi bob\r\n--{boundary}--\r\n"
    );
    assert_eq!(body(&invite), wanted);

    let invite = relayed_with(add, "", multipart);
    assert_eq!(invite.header("Content-Type"), Some("multipart/mixed;boundary=b"));
    let added =
        "--b\r\nContent-Type: text/plain\r\nContent-Disposition: render\r\n\r\nhi bob\r\n--b--\r\n";
    assert!(body(&invite).ends_with(added));
}

// spec/modules.md §6: `remove_body_part`, also reverted; what is left alone is the body.
#[test]
fn parts_are_removed() {
    let invite = relayed("remove_body_part();");
    assert_eq!((body(&invite).as_str(), invite.header("Content-Type")), ("", None));
    let code = |call: &str| format!("{call}; append_hf(\"X-Code: $rc\\r\\n\");");
    let invite = relayed(&code("remove_body_part(\"text/plain\")"));
    assert_eq!((body(&invite).as_str(), invite.header("X-Code")), (OFFER, Some("-1")));

    let invite = relayed_with(&code("remove_body_part(\"text/plain\")"), "", multipart);
    assert_eq!((body(&invite).as_str(), invite.header("X-Code")), (OFFER, Some("1")));
    assert_eq!(invite.header("Content-Type"), Some("application/sdp"));
    let invite = relayed_with("remove_body_part(\"text/plain\", \"revert\");", "", multipart);
    assert_eq!(body(&invite), "hello");
    assert_eq!(invite.header("Content-Type"), Some("text/plain"));
    let invite = relayed_with(
        "remove_body_part(\"text/plain\"); codec_delete(\"PCMU\"); add_body_part(\"x\", \"a/b\");",
        "",
        multipart,
    );
    let sent = body(&invite);
    assert!(sent.contains("m=audio 4000 RTP/AVP 8 18 101\r\n") && sent.contains("\r\nx\r\n--b--"));
    assert!(!sent.contains("hello"));
}

// spec/modules.md §6: `get_updated_body_part`: with the changes that are still to come.
#[test]
fn bodies_are_read_with_their_changes() {
    let statements = r#"
        replace_body("^s=-", "s=new");
        add_body_part("more", "text/plain");
        get_updated_body_part("application/sdp", $var(sdp));
        append_hf("X-Sdp: $rc $(var(sdp){s.index,s=new})\r\n");
        get_updated_body_part("text/plain", $var(text));
        append_hf("X-Text: $rc $var(text)\r\n");
        get_updated_body_part("text/html", $var(none));
        append_hf("X-None: $rc $var(none)\r\n");
        get_updated_body_part(, $var(all));
        append_hf("X-All: $rc $(var(all){s.len})\r\n");
    "#;
    let invite = relayed(statements);
    let place = OFFER.find("s=-").unwrap();
    assert_eq!(invite.header("X-Sdp"), Some(format!("1 {place}").as_str()));
    assert_eq!(invite.header("X-Text"), Some("1 more"));
    assert_eq!(invite.header("X-None"), Some("-1 <null>"));
    assert_eq!(invite.header("X-All"), Some(format!("1 {}", body(&invite).len()).as_str()));
}

// spec/modules.md §6: `codec_exists`, `codec_exists_re`.
#[test]
fn codecs_are_asked_for() {
    for (call, code) in [
        (r#"codec_exists("pcma")"#, "1"),
        (r#"codec_exists("PCMA", "8000")"#, "1"),
        (r#"codec_exists("PCMA", "16000")"#, "-1"),
        (r#"codec_exists("PCM")"#, "-1"),
        (r#"codec_exists("H261")"#, "1"),
        (r#"codec_exists_re("pcm")"#, "1"),
        (r#"codec_exists_re("^speex")"#, "-1"),
    ] {
        assert_eq!(code_of(call), code, "{call}");
    }
}

// spec/modules.md §6: `codec_delete*`, `codec_move_*`, one after the other.
#[test]
fn codecs_come_together_from_several_calls() {
    let g729 = ["a=rtpmap:18 G729/8000", "a=fmtp:18 annexb=no"];
    let order = |list: &str| OFFER.replace("0 8 18 101", list);
    for (statements, wanted) in [
        (r#"codec_delete("g729");"#, without(&order("0 8 101"), &g729)),
        (r#"codec_delete("G729", "8000");"#, without(&order("0 8 101"), &g729)),
        (r#"codec_move_up("G729");"#, order("18 0 8 101")),
        (r#"codec_move_down("PCMU", "8000");"#, order("8 18 101 0")),
        (r#"codec_move_up_re("PCMA|event");"#, order("8 101 0 18")),
        (r#"codec_move_down_re("^PCM");"#, order("18 101 0 8")),
        (
            r#"codec_delete_re("G7.9"); codec_move_up("PCMA"); codec_move_down("PCMU");"#,
            without(&order("8 101 0"), &g729),
        ),
        (
            r#"codec_delete_except_re("PCM|event|H261"); codec_move_up("PCMA");"#,
            without(&order("8 0 101"), &g729),
        ),
        (r#"codec_delete("speex"); codec_delete("PCMU", "16000");"#, OFFER.to_owned()),
        (r#"codec_delete("H261");"#, OFFER.replace("video 4002", "video 0")),
    ] {
        assert_eq!(offered(statements), wanted, "{statements}");
    }
    assert_eq!(code_of(r#"codec_delete("speex")"#), "-1");
    assert_eq!(code_of(r#"codec_move_up_re("speex")"#), "-1");
}

// spec/modules.md §6: `stream_exists`, `stream_delete`.
#[test]
fn streams_are_asked_for_and_deleted() {
    for (call, code) in [
        (r#"stream_exists("audio|video")"#, "2"),
        (r#"stream_exists("audio", "AVP$")"#, "1"),
        (r#"stream_exists("audio", "SAVP")"#, "-1"),
        (r#"stream_exists("image")"#, "-1"),
        (r#"stream_delete("image")"#, "-1"),
        ("is_audio_on_hold()", "-1"),
    ] {
        assert_eq!(code_of(call), code, "{call}");
    }
    let audio_only = &OFFER[..OFFER.find("m=video").unwrap()];
    assert_eq!(offered(r#"stream_delete("video");"#), audio_only);
    assert_eq!(offered(r#"stream_delete("video", "SAVP"); stream_delete("VID");"#), audio_only);
    // What is gone cannot be changed any more.
    assert_eq!(offered(r#"stream_delete("video"); codec_delete("H261");"#), audio_only);
    let session = &OFFER[..OFFER.find("m=audio").unwrap()];
    assert_eq!(offered(r#"stream_delete(".");"#), session);
}

// spec/modules.md §6: `is_audio_on_hold`.
#[test]
fn a_call_on_hold_is_told() {
    let held = |from: &'static str, to: &'static str| {
        let statements = "is_audio_on_hold(); append_hf(\"X-Code: $rc\\r\\n\");";
        let edit = |message| Message { body: OFFER.replace(from, to).into(), ..message };
        relayed_with(statements, "", edit).header("X-Code").unwrap().to_owned()
    };
    assert_eq!(held("c=IN IP4 10.0.0.11", "c=IN IP4 0.0.0.0"), "1");
    assert_eq!(held("a=sendrecv", "a=sendonly"), "2");
    assert_eq!(held("a=sendrecv", "a=recvonly"), "-1");
}

// spec/modules.md §6: `sipmsg_validate`; the words for what is wrong go into a variable.
#[test]
fn messages_are_validated() {
    let statements = r#"
        sipmsg_validate("shrftc", $var(why));
        append_hf("X-Code: $rc $var(why)\r\n");
    "#;
    assert_eq!(relayed(statements).header("X-Code"), Some("1 <null>"));
    let without_type = |mut message: Message| {
        message.headers.retain(|(name, _)| name != "Content-Type");
        with_offer(message)
    };
    let invite = relayed_with(statements, "", without_type);
    assert_eq!(invite.header("X-Code"), Some("-21 there is a body and no Content-Type"));
}

// spec/modules.md §6: `sip_to_json`.
#[test]
fn messages_are_dumped_as_json() {
    let statements = "sip_to_json($avp(json)); append_hf(\"X-Json: $avp(json)\\r\\n\");";
    let invite = relayed(statements);
    let json: serde_json::Value = serde_json::from_str(invite.header("X-Json").unwrap()).unwrap();
    assert_eq!(json["first_line"], "INVITE sip:bob@10.0.0.12:5060 SIP/2.0");
    assert_eq!(json["headers"]["Call-ID"][0], invite.call_id());
    assert_eq!(json["body"], OFFER);
}

// --- $sdp -------------------------------------------------------------------------------------

// spec/script.md §8: `$sdp` and its parts are read.
#[test]
fn descriptions_are_read_piece_by_piece() {
    for (variable, value) in [
        ("$(sdp{s.len})", OFFER.len().to_string().as_str()),
        ("$sdp.line(c=)", "c=IN IP4 10.0.0.11"),
        ("$sdp.line(m=)", "m=audio 4000 RTP/AVP 0 8 18 101"),
        ("$sdp.line(m=[1]/[1])", "4002"),
        ("$sdp.line(a=rtpmap[-1])", "a=rtpmap:31 H261/90000"),
        ("$sdp.line(m=audio/RTP)", "RTP/AVP"),
        ("$sdp.line(a=ptime)", "<null>"),
        ("$sdp.stream(video/m=/[1])", "4002"),
        ("$sdp.stream([1]/a=)", "a=rtpmap:31 H261/90000"),
        ("$sdp.stream(audio/a=sendrecv)", "a=sendrecv"),
        ("$sdp.stream(image)", "<null>"),
        ("$sdp.session(c=/[2])", "10.0.0.11"),
        ("$sdp.session(a=)", "<null>"),
        ("$sdp.stream.idx(video)", "1"),
        ("$sdp.stream.idx(image)", "<null>"),
    ] {
        let invite = relayed(&format!("append_hf(\"X-Value: {variable}\\r\\n\");"));
        assert_eq!(invite.header("X-Value"), Some(value), "{variable}");
    }
    let none = |message: Message| Message { body: Vec::new(), ..message };
    let invite = relayed_with("append_hf(\"X-Value: $sdp $sdp.line(v=)\\r\\n\");", "", none);
    assert_eq!(invite.header("X-Value"), Some("<null> <null>"));
}

// spec/script.md §8: and written; NULL deletes.
#[test]
fn descriptions_are_written_piece_by_piece() {
    let video = OFFER.find("m=video").unwrap();
    for (statements, wanted) in [
        ("$sdp.line(s=) = \"s=x\";", OFFER.replace("s=-", "s=x")),
        ("$sdp.line(a=fmtp) = NULL;", without(OFFER, &["a=fmtp:18 annexb=no"])),
        ("$sdp.line(m=video/[1]) = \"0\";", OFFER.replace("4002", "0")),
        ("$sdp.stream(audio/m=/[-1]) = NULL;", OFFER.replace(" 18 101", " 18")),
        ("$sdp.stream(video) = NULL;", OFFER[..video].to_owned()),
        ("$sdp.stream(video) = \"m=x 1 y z\";", format!("{}m=x 1 y z\r\n", &OFFER[..video])),
        (
            "$sdp.stream(audio/a=ptime) = \"a=ptime:20\";",
            OFFER.replace("a=sendrecv\r\n", "a=sendrecv\r\na=ptime:20\r\n"),
        ),
        ("$sdp.session(b=) = \"b=AS:1\";", OFFER.replace("t=0 0\r\n", "t=0 0\r\nb=AS:1\r\n")),
        (
            "$sdp.session(c=/[2]) = \"192.0.2.1\";",
            OFFER.replace("P4 10.0.0.11\r\nt", "P4 192.0.2.1\r\nt"),
        ),
        ("$sdp = \"v=0\\r\\n\"; $sdp.line(s=) = \"s=-\";", "v=0\r\ns=-\r\n".to_owned()),
        ("$sdp = NULL;", String::new()),
        // What it does not hold, and what is none of its pieces.
        ("$sdp.line(a=x[3]) = \"a=x\"; $sdp.stream(image/a=x) = \"a=x\";", OFFER.to_owned()),
        ("$sdp.session = NULL;", OFFER.to_owned()),
    ] {
        assert_eq!(offered(statements), wanted, "{statements}");
    }
    let none = |mut message: Message| {
        message.headers.retain(|(name, _)| name != "Content-Type");
        Message { body: Vec::new(), ..message }
    };
    let statements = "$sdp = \"v=0\\r\\n\"; $sdp.line(s=) = \"s=-\";";
    let invite = relayed_with(statements, "", none);
    assert_eq!(body(&invite), "v=0\r\ns=-\r\n");
    assert_eq!(invite.header("Content-Type"), Some("application/sdp"));
}

// What other functions did before is kept, and they go on with what was written.
#[test]
fn descriptions_are_written_on_top_of_other_changes() {
    let text = offered(
        r#"
        codec_delete("PCMA");
        replace_body("^s=-", "s=x");
        $sdp.stream(audio/a=sendrecv) = "a=sendonly";
        codec_move_up("G729");
        stream_delete("video");
        append_hf("X-Line: $sdp.line(m=)\r\n");
        "#,
    );
    let wanted = without(&OFFER[..OFFER.find("m=video").unwrap()], &["a=rtpmap:8 PCMA/8000"]);
    let wanted = wanted.replace("s=-", "s=x").replace("sendrecv", "sendonly");
    assert_eq!(text, wanted.replace("0 8 18 101", "18 0 101"));
}

// spec/modules.md §6, `append_urihf`: prefix, the Request-URI as it came, suffix.
#[test]
fn the_received_uri_is_told_in_a_header() {
    let add = r#"append_urihf("P-Original: <", ">;x=1\r\n"); $ru = "sip:carol@10.0.0.12:5060";"#;
    let invite = relayed(add);
    assert_eq!(invite.uri(), Some("sip:carol@10.0.0.12:5060"));
    assert_eq!(invite.header("P-Original"), Some("<sip:bob@10.0.0.12:5060>;x=1"));
    // A blank line would end the headers.
    let code = r#"append_urihf("P-Original: <", ">\r\n\r\nX: "); append_hf("X-Code: $rc\r\n");"#;
    let invite = relayed(code);
    assert_eq!((invite.header("X-Code"), invite.header("P-Original")), (Some("-1"), None));
}

// spec/modules.md §6, `has_body_part`: any, or one of a type.
#[test]
fn parts_of_a_body_are_asked_for() {
    let codes = r#"
        $var(any) = has_body_part();
        $var(sdp) = has_body_part("APPLICATION/sdp");
        $var(text) = has_body_part("text/plain");
        append_hf("X-Codes: $var(any) $var(sdp) $var(text)\r\n");
    "#;
    let of = |edit: fn(Message) -> Message| {
        relayed_with(codes, "", edit).header("X-Codes").unwrap().to_owned()
    };
    assert_eq!(of(with_offer), "1 1 -1");
    assert_eq!(of(multipart), "1 1 1");
    assert_eq!(of(|message| Message { body: Vec::new(), ..message }), "-1 -1 -1");
}

// spec/modules.md §6, `list_hdr_add_option`, `list_hdr_remove_option`: lists of options.
#[test]
fn options_come_and_go() {
    let listed = |message: Message| {
        message.with("Require", "timer, 100REL").with("Require", "path").with("X-One", "only")
    };
    let sent = |call: &str| {
        let statements = format!("{call} append_hf(\"X-Code: $rc\\r\\n\");");
        let invite = relayed_with(&statements, "", listed);
        let lists = |name: &str| invite.list(name).join(", ");
        (invite.header("X-Code").unwrap().to_owned(), lists("Require"), lists("X-One"))
    };
    for (call, code, require, one) in [
        (r#"list_hdr_add_option("Require", "gruu");"#, "1", "timer, 100REL, path, gruu", "only"),
        // What is there is not added, whatever its case.
        (r#"list_hdr_add_option("require", "100rel");"#, "1", "timer, 100REL, path", "only"),
        (r#"list_hdr_add_option("X-One", "two");"#, "1", "timer, 100REL, path", "only, two"),
        (r#"list_hdr_remove_option("Require", "100rel");"#, "1", "timer, path", "only"),
        (r#"list_hdr_remove_option("Require", "timer");"#, "1", "100REL, path", "only"),
        (r#"list_hdr_remove_option("Require", "path");"#, "1", "timer, 100REL", "only"),
        // The last one takes its line along.
        (r#"list_hdr_remove_option("X-One", "only");"#, "1", "timer, 100REL, path", ""),
        (r#"list_hdr_remove_option("Require", "gruu");"#, "-1", "timer, 100REL, path", "only"),
        (r#"list_hdr_remove_option("X-None", "x");"#, "-1", "timer, 100REL, path", "only"),
    ] {
        let wanted = (code.to_owned(), require.to_owned(), one.to_owned());
        assert_eq!(sent(call), wanted, "{call}");
    }
    let made = relayed(r#"list_hdr_add_option("X-New", "first");"#);
    assert_eq!(made.header("X-New"), Some("first"));
}

// spec/modules.md §6, `append_time`; §4, `$sig_local_totag`: what our own replies say.
#[test]
fn our_replies_tell_the_time_and_their_tag() {
    let own = r#"append_time(); append_to_reply("X-Code: $rc\r\nX-Tag: $sig_local_totag\r\n");"#;
    for reply in [r#"send_reply(404, "No");"#, r#"t_newtran(); send_reply(404, "No");"#] {
        let script = script_to(TEXTOPS, &format!("{own} {reply} exit;"), "");
        let (world, alice, proxy, bob) = cast(2, &script);
        alice.sends("MESSAGE", &bob.uri());
        world.settle();
        let reply = alice.last("404");
        assert_eq!(reply.header("X-Code"), Some("1"));
        // The testkit's clock (RFC 3261 §20.17 wants GMT).
        let date = reply.header("Date").unwrap();
        let unix = duologue_testkit::UNIX_AT_START;
        let day = jiff::Timestamp::from_second(i64::try_from(unix).unwrap()).unwrap();
        let day = day.strftime("%a, %d %b %Y ").to_string();
        assert!(date.starts_with(&day) && date.ends_with(" GMT"), "{date}");
        let tag = reply.header("To").unwrap().split_once(";tag=").unwrap().1;
        assert_eq!(reply.header("X-Tag"), Some(tag));
        forgotten(&world, &proxy);
    }
}

/// Refused while loading, with these words.
fn refused(statements: &str) -> String {
    use duologue::{Overrides, Plan};
    let script = script_to(TEXTOPS, statements, "");
    match Plan::load(world::NAME, &world::Text(&script), &[], Overrides::default()) {
        Ok(_) => panic!("{statements} loads"),
        Err(error) => error.to_string(),
    }
}

// spec/script.md §6: literal arguments are looked at when the script loads.
#[test]
fn wrong_literals_keep_a_script_from_loading() {
    for (statements, words) in [
        ("search(\"(\");", "wrong regular expression"),
        ("replace_body_atonce(\"[\", \"\");", "wrong regular expression"),
        ("subst(\"/a/b\");", "wrong substitution"),
        ("subst_user(\"/a/b/q\");", "unknown flag `q`"),
        ("add_body_part(\"x\", \"text\");", "no type"),
        ("remove_body_part(\"a/b\", \"back\");", "revert"),
        ("sipmsg_validate(\"sq\");", "letters of"),
        ("change_reply_status(200, \"OK\");", "cannot be used in the block"),
        ("xlog(\"$sdp.line(a=x[y])\");", "is no index"),
        ("xlog(\"$sdp.line(a=x/y/z)\");", "too many"),
    ] {
        let error = refused(statements);
        assert!(error.contains(words), "{statements}: {error}");
    }
}
