//! Core functions seen through what leaves: spec/script.md §11 and the settings of §2.3 that go with
//! them.

use crate::core::variables::tests::{
    HEAD, INVITE, NOW, PEER, Script, flow, marks, read, run, start,
};
use crate::road::Load;
use crate::server::{Overrides, Plan, StartError};

/// What a script sends when the INVITE comes in: where to, and the text.
fn sent(settings: &str, route: &str) -> Vec<(String, String)> {
    let script = format!(
        "{settings}\n{HEAD}loadmodule \"tm.so\"\nloadmodule \"rr.so\"\nroute {{\n{route}\n}}\n"
    );
    let (node, mut worker) = start(script);
    worker.receive(&node, NOW, INVITE.as_bytes(), flow(PEER), Load::Calm);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    worker.outbox.iter().map(|(flow, bytes)| (flow.peer.to_string(), text(bytes))).collect()
}

/// The one message that a script sends.
fn one(settings: &str, route: &str) -> (String, String) {
    let mut all = sent(settings, route);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// What the author of a script that loads is told.
fn told(script: &str) -> Vec<String> {
    match load(script) {
        Ok(plan) => plan.warnings().list().iter().map(|warning| warning.message.clone()).collect(),
        Err(error) => panic!("{error}"),
    }
}

fn load(script: &str) -> Result<Plan, StartError> {
    let script = Script(format!("{HEAD}{script}"));
    Plan::load("test.cfg", &script, &[], Overrides::default())
}

fn refused(script: &str) -> String {
    match load(script) {
        Ok(_) => String::new(),
        Err(StartError::Script(found)) => found
            .list()
            .iter()
            .map(|mistake| mistake.message.as_str())
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => error.to_string(),
    }
}

/// What a call returns, and what the expression shows then.
fn after(call: &str, expression: &str) -> String {
    run(&format!("{call} append_to_reply(\"X: $rc {expression}\");")).remove(0)
}

/// spec/script.md §11: each part of the Request-URI, under its name and its old one.
#[test]
fn the_request_uri_is_edited() {
    for (call, wanted) in [
        ("seturi(\"sip:new@h:5070\");", "1 sip:new@h:5070"),
        ("rewriteuri(\"sip:new@h:5070\");", "1 sip:new@h:5070"),
        ("setuser(\"bob\");", "1 sip:bob@example.com;x=y"),
        ("rewriteuser(\"$fU\");", "1 sip:alice@example.com;x=y"),
        ("setuserpass(\"bob:pw\");", "1 sip:bob:pw@example.com;x=y"),
        ("rewriteuserpass(\"bob:pw\");", "1 sip:bob:pw@example.com;x=y"),
        ("sethost(\"192.0.2.9\");", "1 sip:0431@192.0.2.9;x=y"),
        ("rewritehost(\"192.0.2.9\");", "1 sip:0431@192.0.2.9;x=y"),
        ("sethostport(\"192.0.2.9:5070\");", "1 sip:0431@192.0.2.9:5070;x=y"),
        ("rewritehostport(\"[::1]:5070\");", "1 sip:0431@[::1]:5070;x=y"),
        ("setport(\"5080\");", "1 sip:0431@example.com:5080;x=y"),
        ("rewriteport(\"5080\");", "1 sip:0431@example.com:5080;x=y"),
        ("strip_tail(2);", "1 sip:04@example.com;x=y"),
        ("strip_tail(0);", "1 sip:0431@example.com;x=y"),
        // More than there is leaves no user.
        ("strip_tail(9);", "1 sip:example.com;x=y"),
    ] {
        assert_eq!(after(call, "$ru"), wanted, "{call}");
    }
}

/// spec/script.md §11: what a new host leaves of the rest.
#[test]
fn a_new_host_drops_maddr() {
    let uri = "$ru = \"sip:a:pw@h:5070;maddr=192.0.2.1;x=y\";";
    for (call, wanted) in [
        ("sethost(\"i\");", "1 sip:a:pw@i:5070;x=y"),
        ("sethostport(\"i\");", "1 sip:a:pw@i;x=y"),
        ("sethostport(\"i:5071\");", "1 sip:a:pw@i:5071;x=y"),
        ("setuser(\"b\");", "1 sip:b:pw@h:5070;maddr=192.0.2.1;x=y"),
        ("setuserpass(\"b\");", "1 sip:b@h:5070;maddr=192.0.2.1;x=y"),
        ("setport(\"\");", "1 sip:a:pw@h;maddr=192.0.2.1;x=y"),
    ] {
        assert_eq!(after(&format!("{uri} {call}"), "$ru"), wanted, "{call}");
    }
}

/// spec/script.md §11: what no request could carry is refused and changes nothing.
#[test]
fn wrong_parts_are_refused() {
    let long = "a".repeat(1024);
    for call in [
        "seturi(\"nonsense\");",
        "seturi(\"\");",
        "setuser(\"a b\");",
        "sethost(\"a@b\");",
        "sethostport(\"h:70000\");",
        "sethostport(\"h:\");",
        "setport(\"70000\");",
        "setport(\"five\");",
        &format!("setuser(\"{long}\");"),
        "$var(none) = NULL; setuser($var(none));",
    ] {
        assert_eq!(after(call, "$ru"), "-1 sip:0431@example.com;x=y", "{call}");
    }
    assert!(refused("route { strip_tail(-1); }").contains("negative"));
    assert!(refused("route { setuser(5); }").contains("string"));
    assert!(refused("route { setport(5060); }").contains("string"));
}

/// spec/script.md §11: back to what came in; the next hop is another matter.
#[test]
fn a_changed_uri_is_reverted() {
    let change = "seturi(\"sip:new@h\"); setdsturi(\"sip:10.0.0.1\");";
    let shown = after(&format!("{change} revert_uri();"), "$ru $du");
    assert_eq!(shown, "1 sip:0431@example.com;x=y sip:10.0.0.1");
    assert_eq!(after("revert_uri();", "$ru"), "1 sip:0431@example.com;x=y");
}

/// spec/script.md §11: `setdsturi`, `isdsturiset`.
#[test]
fn the_next_hop_is_set() {
    assert_eq!(after("setdsturi(\"sip:10.0.0.1:5070\");", "$du"), "1 sip:10.0.0.1:5070");
    assert_eq!(after("setdsturi(\"sip:10.0.0.1\"); isdsturiset();", ""), "1");
    // One that cannot be a URI leaves the one before.
    let wrong = after("setdsturi(\"sip:10.0.0.1\"); setdsturi(\"10.0.0.2 \");", "$du");
    assert_eq!(wrong, "-1 sip:10.0.0.1");
    assert_eq!(one("", "setdsturi(\"sip:192.0.2.9:5070\"); forward();").0, "192.0.2.9:5070");
}

/// spec/script.md §10: a flag is taken back alone.
#[test]
fn a_flag_is_reset() {
    assert_eq!(after("setflag(\"A\"); setflag(\"B\"); resetflag(\"A\");", "$mf"), "1 B");
    assert_eq!(after("setflag(\"A\"); resetflag(\"A\"); isflagset(\"A\");", "$mf"), "-1 <null>");
    assert_eq!(after("resetflag(\"A\");", "$mf"), "1 <null>");
    assert!(refused("route { resetflag(A); }").contains("resetflag"));
}

/// spec/script.md §11: what a branch takes over from the Request-URI's, and what it leaves there.
#[test]
fn branches_inherit_as_they_are_told() {
    let set = "$du = \"sip:10.0.0.1\"; $ru_q = 700; setbflag(\"NAT\");\n";
    let shown = "$(msg.branch.uri[*]) / $(msg.branch.duri[*]) / $(msg.branch.q[*]) / \
        $(msg.branch.flags[*]) / $du";
    let ru = "sip:0431@example.com;x=y";
    for (call, wanted) in [
        // All of it moves into the new branch; the Request-URI's starts anew.
        ("append_branch_old();", format!("1 {ru}, {ru} / , sip:10.0.0.1 / , 0.7 / , NAT / <null>")),
        (
            "append_branch_old(\"sip:b@h\");",
            format!(
                "1 {ru}, sip:b@h / sip:10.0.0.1, sip:10.0.0.1 / 0.7, 0.7 / NAT, NAT / sip:10.0.0.1"
            ),
        ),
        (
            "append_branch_old(\"sip:b@h\", \"0.5\");",
            format!(
                "1 {ru}, sip:b@h / sip:10.0.0.1, sip:10.0.0.1 / 0.7, 0.5 / NAT, NAT / sip:10.0.0.1"
            ),
        ),
        (
            "append_msg_branch(\"sip:b@h\");",
            format!("1 {ru}, sip:b@h / sip:10.0.0.1,  / 0.7,  / NAT,  / sip:10.0.0.1"),
        ),
        (
            "append_msg_branch(\"sip:b@h\", \"0.3\");",
            format!("1 {ru}, sip:b@h / sip:10.0.0.1,  / 0.7, 0.3 / NAT,  / sip:10.0.0.1"),
        ),
        (
            "append_msg_branch(\"sip:b@h\", , \"inherite\");",
            format!(
                "1 {ru}, sip:b@h / sip:10.0.0.1, sip:10.0.0.1 / 0.7, 0.7 / NAT, NAT / sip:10.0.0.1"
            ),
        ),
        // No URI: no branch.
        (
            "append_msg_branch(\"nonsense\");",
            format!("-1 {ru} / sip:10.0.0.1 / 0.7 / NAT / sip:10.0.0.1"),
        ),
        (
            "$var(q) = \"7\"; append_msg_branch(\"sip:b@h\", $var(q));",
            format!("-1 {ru} / sip:10.0.0.1 / 0.7 / NAT / sip:10.0.0.1"),
        ),
    ] {
        assert_eq!(after(&format!("{set}{call}"), shown), wanted, "{call}");
    }
    assert!(refused("route { append_msg_branch(\"sip:a@h\", \"7\"); }").contains("from 0 to 1"));
    assert!(refused("route { append_msg_branch(); }").contains("too few"));
}

/// spec/script.md §11: 0 is the first additional branch, later ones move up.
#[test]
fn branches_are_removed() {
    let set = "append_branch(\"sip:b@h\"); append_branch(\"sip:c@h\"); append_branch(\"sip:d@h\");";
    for (call, wanted) in [
        ("remove_branch(0);", "1 sip:c@h, sip:d@h"),
        ("remove_msg_branch(1);", "1 sip:b@h, sip:d@h"),
        ("remove_branch(2); remove_branch(1);", "1 sip:b@h"),
        ("remove_branch(3);", "-1 sip:b@h, sip:c@h, sip:d@h"),
        ("remove_msg_branch(-1);", "-1 sip:b@h, sip:c@h, sip:d@h"),
    ] {
        assert_eq!(after(&format!("{set} {call}"), "$(branch(uri)[*])"), wanted, "{call}");
    }
    assert!(refused("route { remove_branch(\"0\"); }").contains("without quotes"));
}

/// spec/script.md §11: `tcp_close_conn`; messages come by UDP.
#[test]
fn there_is_no_connection_to_close() {
    assert_eq!(after("tcp_close_conn(\"192.0.2.7:5066\");", ""), "-1");
    assert_eq!(after("tcp_close_conn(\"17\");", ""), "-1");
    let told = told("route { tcp_close_conn(\"17\"); tcp_close_conn(\"18\"); }");
    assert!(told.len() == 1 && told[0].contains("it always answers -1"), "{told:?}");
}

/// spec/script.md §11, §15.4: the program itself reports; it is not ready while it ends.
#[test]
fn readiness_is_told() {
    assert_eq!(after("sr_check_status(\"core\");", ""), "1");
    assert_eq!(after("sr_check_status(\"core\", \"main\");", ""), "1");
    assert_eq!(after("$var(g) = \"drouting\"; sr_check_status($var(g));", ""), "-1");
    assert_eq!(after("$var(i) = \"other\"; sr_check_status(\"core\", $var(i));", ""), "-1");
    assert!(refused("route { sr_check_status(\"drouting\"); }").contains("\"core\""));
    assert!(refused("route { sr_check_status(\"core\", \"x\"); }").contains("\"main\""));
    let (node, mut worker) = start(format!(
        "{HEAD}route {{ if (!sr_check_status(\"core\")) sl_send_reply(503, \"Going\"); }}\n"
    ));
    node.drain();
    // No new call gets so far; who asks whether we are well does.
    let options = INVITE.replace("INVITE", "OPTIONS");
    worker.receive(&node, NOW, options.as_bytes(), flow(PEER), Load::Calm);
    let sent: Vec<_> = worker.outbox.iter().map(|(_, bytes)| bytes.to_vec()).collect();
    assert!(sent.len() == 1 && sent[0].starts_with(b"SIP/2.0 503 Going"), "{sent:?}");
}

/// What needs a module or a transport that is not built is known, with or without arguments.
#[test]
fn planned_names_are_told() {
    let tm = |call: &str| refused(&format!("loadmodule \"tm.so\"\nroute {{ {call} }}"));
    for call in [
        "t_write_req(\"/tmp/fifo\", \"info\");",
        "t_write_unix(\"/tmp/socket\", \"info\");",
        "xlog(\"$(tm.branch.type[0]) \");",
    ] {
        assert!(tm(call).contains("known, but not built yet"), "{call}: {}", tm(call));
    }
}

/// spec/script.md §2.2, §11: a bond is forced like a socket, and the member that fits is used.
#[test]
fn bonds_of_sockets() {
    let define = "socket = bond:outside {\"udp:127.0.0.1:5060\"}\n";
    let script = |define: &str, statements: &str| {
        refused(&format!("{define}route {{ {statements} exit; }}"))
    };
    assert_eq!(script(define, "force_send_socket(\"bond:outside\");"), "");
    assert_eq!(script("socket = bond:a{\"udp:127.0.0.1:5060\"}\n", ""), "");
    for (wrong, why) in [
        ("socket = bond: {\"udp:127.0.0.1:5060\"}\n", "a bond needs a name"),
        ("socket = bond:a {}\n", "a bond has sockets in quotes"),
        ("socket = bond:a {\"udp:127.0.0.1:5060\"\n", "expected `,` or `}`"),
        (&format!("{define}{define}"), "is defined twice"),
    ] {
        assert!(script(wrong, "").contains(why), "{wrong}: {}", script(wrong, ""));
    }
    assert!(
        script(define, "socket_belongs_to_bond(\"127.0.0.1\", \"outside\");").contains("proto:")
    );
    // One that nobody defined is told when the script loads; the definition may come later.
    let belongs = |bond: &str| format!("socket_belongs_to_bond(\"udp:127.0.0.1\", \"{bond}\");");
    for call in ["force_send_socket(\"bond:outsied\");", &belongs("outsied"), &belongs("bond:x")] {
        assert!(script(define, call).contains("there is no bond `"), "{call}");
    }
    for bond in ["outside", "bond:outside"] {
        let before = format!("route {{ {} exit; }}\n{define}", belongs(bond));
        assert_eq!(refused(&before), "", "{bond}");
    }
}

/// spec/modules.md §1.1, §1.2: one proxy behind an anycast address has nobody to replicate to.
#[test]
fn what_belongs_to_several_proxies_is_told() {
    let tm = |rest: &str| told(&format!("loadmodule \"tm.so\"\n{rest}"));
    let call = tm("route { t_anycast_replicate(); }");
    assert!(call.len() == 1 && call[0].contains("anycast"), "{call:?}");
    for parameter in
        ["tm_replication_cluster\", 1", "cluster_param\", \"x\"", "cluster_auto_cancel\", 0"]
    {
        let told = tm(&format!("modparam(\"tm\", \"{parameter})\nroute {{ exit; }}"));
        assert!(told.len() == 1 && told[0].contains("not shared"), "{parameter}: {told:?}");
    }
    assert!(tm("modparam(\"tm\", \"tm_replication_cluster\", 0)\nroute { exit; }").is_empty());
    let relay = "$ru = \"sip:b@192.0.2.9\"; t_relay();";
    let sent = sent("", &format!("t_anycast_replicate(); append_hf(\"X: $rc\\r\\n\"); {relay}"));
    assert_eq!(marks(sent.last().unwrap().1.as_bytes()), ["-1"]);
}

#[test]
fn branches_are_moved_and_swapped() {
    let before = "append_branch(\"sip:b@192.0.2.2\", \"0.5\"); append_branch(\"sip:c@192.0.2.3\");\n\
        $(msg.branch.duri[0]) = \"sip:10.0.0.1\";\n";
    let all = "$(msg.branch.uri[*]) / $(msg.branch.duri[*])";
    let ru = "sip:0431@example.com;x=y";
    for (act, wanted) in [
        (
            "swap_branches(0, 1);",
            format!("{ru}, sip:c@192.0.2.3, sip:b@192.0.2.2 / sip:10.0.0.1, , "),
        ),
        (
            "swap_branches(, 1);",
            format!("sip:c@192.0.2.3, sip:b@192.0.2.2, {ru} / , , sip:10.0.0.1"),
        ),
        (
            "swap_msg_branches(0, -1);",
            format!("sip:b@192.0.2.2, {ru}, sip:c@192.0.2.3 / , sip:10.0.0.1, "),
        ),
        ("move_branch(1);", "sip:c@192.0.2.3, sip:b@192.0.2.2 / , ".to_owned()),
        ("move_branch(1, 0);", format!("{ru}, sip:c@192.0.2.3 / sip:10.0.0.1, ")),
        (
            "move_msg_branch(1, 0, \"keep\");",
            format!("{ru}, sip:c@192.0.2.3, sip:c@192.0.2.3 / sip:10.0.0.1, , "),
        ),
        // The Request-URI's stays: a request must have one.
        (
            "move_branch(, 1);",
            format!("{ru}, sip:b@192.0.2.2, {ru} / sip:10.0.0.1, , sip:10.0.0.1"),
        ),
    ] {
        read(&format!("{before}{act}\n"), &[(all, &wanted)]);
    }
    for wrong in ["swap_branches(0, 2)", "move_branch(2)", "move_branch(0, 7)"] {
        let marks = run(&format!(
            "{before}if ({wrong}) append_to_reply(\"X: yes\"); else append_to_reply(\"X: no\");"
        ));
        assert_eq!(marks, ["no"], "{wrong}");
    }
    assert!(refused("route { move_branch(0, 1, \"copy\"); }").contains("\"keep\""));
}

#[test]
fn at_most_twelve_destinations() {
    let eleven: String =
        (0..11).map(|n| format!("append_branch(\"sip:b{n}@192.0.2.2\");\n")).collect();
    let marks = run(&format!(
        "{eleven} append_to_reply(\"X: $rc $msg.branch.last_idx\");\n\
         append_branch(\"sip:one@192.0.2.3\"); append_to_reply(\"X: $rc\");"
    ));
    assert_eq!(marks, ["1 11", "-1"]);
}

/// By falling q; equals ring together; 2 tells the last group.
#[test]
fn branches_wait_in_groups() {
    let next = "next_branches(); append_to_reply(\"X: $rc $(msg.branch.uri[*])\");\n";
    let targets = "$ru = \"sip:a@h\"; $ru_q = 500; append_branch(\"sip:b@h\", \"0.9\");\n\
        append_branch(\"sip:c@h\", \"0.5\");\n";
    let rounds = |serialize: &str| run(&format!("{targets}{serialize}\n{}", next.repeat(4)));
    assert_eq!(
        rounds("serialize_branches(1);"),
        ["1 sip:b@h", "2 sip:a@h, sip:c@h", "-1 sip:a@h, sip:c@h", "-1 sip:a@h, sip:c@h"]
    );
    assert_eq!(rounds("serialize_branches(1, 1);")[..3], ["1 sip:a@h", "1 sip:b@h", "2 sip:c@h"]);
    // Nothing to put in order: all of one q, or nobody else.
    let same = run(&format!(
        "append_branch(\"sip:b@h\"); serialize_branches(1); append_to_reply(\"X: $rc\"); {next}"
    ));
    assert_eq!(same[0], "1");
    assert!(same[1].starts_with("-1 "));
    let cleared = rounds("serialize_branches(1); $ru_q = -1; serialize_branches(1);");
    assert!(cleared[0].starts_with("-1 "), "{cleared:?}");
}

#[test]
fn requests_are_forwarded_without_state() {
    let (to, text) = one("", "if (!forward(\"udp:192.0.2.9:5070\")) exit;");
    assert_eq!(to, "192.0.2.9:5070");
    assert!(text.starts_with("INVITE sip:0431@example.com;x=y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKs"), "{text}");
    assert!(text.contains(";rport=5066"), "{text}");
    let (to, text) =
        one("", "$du = \"sip:192.0.2.8\"; record_route(); append_hf(\"X-A: 1\"); forward();");
    assert_eq!(to, "192.0.2.8:5060");
    assert!(
        text.contains("Record-Route: <sip:127.0.0.1;lr;ftag=1928>\r\n")
            && text.contains("X-A: 1\r\n")
    );
    // What comes again gets the same branch.
    assert_eq!(one("", "forward(\"192.0.2.9\");"), one("", "forward(\"192.0.2.9\");"));
    let codes = run(
        "forward(); append_to_reply(\"X: $rc\"); forward(\"tcp:192.0.2.9\"); append_to_reply(\"X: $rc\");\n\
         $ru = \"tel:+431\"; forward(); append_to_reply(\"X: $rc\");",
    );
    assert_eq!(codes, ["-476", "-474", "-475"]);
    assert!(refused("route { forward(\"a b\"); }").contains("[proto:]host[:port]"));
    assert!(refused("disable_stateless_fwd = yes\nroute { forward(); }").contains("forbids"));
    assert_eq!(refused("disable_stateless_fwd = yes\nroute { exit; }"), "");
}

#[test]
fn the_received_message_is_sent_as_it_is() {
    let (to, text) = one(
        "",
        "$rU = \"bob\"; append_hf(\"X-A: 1\"); send(\"192.0.2.9:5070\", \"X-Copy: yes\\r\\n\");",
    );
    assert_eq!(to, "192.0.2.9:5070");
    let (line, rest) = INVITE.split_once("\r\n").unwrap();
    assert_eq!(text, format!("{line}\r\nX-Copy: yes\r\n{rest}"));
    assert_eq!(one("", "send(\"192.0.2.9\");").1, INVITE);
    assert_eq!(run("send(\"nowhere.invalid\"); append_to_reply(\"X: $rc\");"), ["-476"]);
    assert!(refused("route { send(\"192.0.2.9\", \"\\n\"); }").contains("blank line"));
}

#[test]
fn our_via_shows_what_the_script_wants() {
    let via = |statements: &str| {
        let (_, text) = one("", &format!("record_route(); {statements} forward(\"192.0.2.9\");"));
        let line =
            |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        let own = line("Via:");
        (
            own.split(";branch").next().unwrap().to_owned(),
            own.contains(";rport"),
            line("Record-Route:"),
        )
    };
    assert_eq!(
        via("set_advertised_address(\"sip.example.com\"); set_advertised_port(\"5080\");"),
        (
            "Via: SIP/2.0/UDP sip.example.com:5080".to_owned(),
            false,
            "Record-Route: <sip:sip.example.com:5080;lr;ftag=1928>".to_owned()
        )
    );
    assert_eq!(
        via("set_advertised_address(\"2001:db8::1\");").0,
        "Via: SIP/2.0/UDP [2001:db8::1]:5060"
    );
    assert_eq!(
        via("set_advertised_address(\"2001:db8::1\");").2,
        "Record-Route: <sip:[2001:db8::1];lr;ftag=1928>"
    );
    assert!(via("add_local_rport();").1);
    assert!(via("set_via_handling(\"add-local-rport\");").1);
    assert!(!via("add_local_rport(); set_via_handling(\"force-rport\");").1);
    assert!(refused("route { set_advertised_port(\"0\"); }").contains("no port"));
    assert!(refused("route { set_via_handling(\"rport\"); }").contains("force-rport"));
}

#[test]
fn replies_go_where_the_script_wants() {
    let invite =
        INVITE.replace(";rport", "").replace("192.0.2.7:5066;branch", "192.0.2.6:5088;branch");
    let reply_to = |statements: &str| {
        let (node, mut worker) =
            start(format!("{HEAD}route {{ {statements} sl_send_reply(404, \"No\"); }}\n"));
        worker.receive(&node, NOW, invite.as_bytes(), flow(PEER), Load::Calm);
        worker.outbox.iter().next().expect("a reply").0.peer.to_string()
    };
    // RFC 3261 §18.2.2: to the source address, the port of the Via.
    assert_eq!(reply_to(""), "192.0.2.7:5088");
    assert_eq!(reply_to("force_rport();"), "192.0.2.7:5066");
    assert_eq!(reply_to("set_via_handling(\"force-rport\");"), "192.0.2.7:5066");
    assert_eq!(reply_to("set_via_handling(\"reply-to-via\");"), "192.0.2.6:5088");
    assert_eq!(reply_to("set_via_handling(\"reply-to-via\"); force_rport();"), "192.0.2.7:5066");
}

/// It is for connections; who calls it is told, and it does no harm.
#[test]
fn aliases_are_for_connections() {
    let marks = run(
        "force_tcp_alias(); append_to_reply(\"X: $rc\"); force_tcp_alias(5070); append_to_reply(\"X: $rc\"); force_tcp_alias(70000); append_to_reply(\"X: $rc\");",
    );
    assert_eq!(marks, ["1", "1", "-1"]);
    let told = told("route { force_tcp_alias(); }");
    assert!(told.len() == 1 && told[0].contains("nothing changes"), "{told:?}");
}

/// RFC 3327 §5.5: the path becomes the route.
#[test]
fn a_path_is_sent_as_route() {
    let (_, text) =
        one("", "$msg.branch.path = \"<sip:edge.example.com;lr>\"; forward(\"192.0.2.9\");");
    assert!(text.contains("\r\nRoute: <sip:edge.example.com;lr>\r\n"), "{text}");
    read("$msg.branch.path = \"<sip:edge;lr>\";", &[("$path", "<sip:edge;lr>")]);
}

const LISTS: &str = "dst_blacklist = nets: { (udp, 192.0.2.0/24, 0, \"\"), !(10.0.0.0/8) }\n\
    dst_blacklist = bad/default,expire\n";

#[test]
fn nothing_goes_to_a_blacklisted_place() {
    let code = |statements: &str| {
        let script = format!(
            "{LISTS}{HEAD}loadmodule \"tm.so\"\nroute {{ {statements}\n append_to_reply(\"X: $rc\"); sl_send_reply(404, \"No\"); }}\n"
        );
        let (node, mut worker) = start(script);
        worker.receive(&node, NOW, INVITE.as_bytes(), flow(PEER), Load::Calm);
        let last = worker.outbox.iter().last().expect("a reply").1.to_vec();
        marks(&last).join(" ")
    };
    assert_eq!(code("forward(\"192.0.2.9\");"), "1");
    assert_eq!(code("use_blacklist(\"nets\"); forward(\"192.0.2.9\");"), "-473");
    assert_eq!(code("use_blacklist(\"nets\"); forward(\"10.0.0.1\");"), "1");
    assert_eq!(code("use_blacklist(\"nets\"); forward(\"172.16.0.1\");"), "-473");
    assert_eq!(
        code("use_blacklist(\"nets\"); unuse_blacklist(\"nets\"); forward(\"192.0.2.9\");"),
        "1"
    );
    assert_eq!(code("use_blacklist(\"none\");"), "-1");
    // spec/modules.md §1.3: t_relay() tells −5 where the script answers itself.
    let relay = "use_blacklist(\"nets\"); t_newtran(); $du = \"sip:192.0.2.9\"; t_relay();";
    assert_eq!(code(relay), "-5");

    let add = "add_blacklist_rule(\"bad\", \"192.0.2.9\", 5060, \"udp\", \"\", 60);";
    assert_eq!(code(&format!("{add} forward(\"192.0.2.9\");")), "-473");
    assert_eq!(code(&format!("{add} unuse_blacklist(\"bad\"); forward(\"192.0.2.9\");")), "1");
    assert_eq!(code(&format!("{add} forward(\"192.0.2.9:5070\");")), "1");
    assert_eq!(code(&format!("{add} check_blacklist_rule(\"bad\", \"192.0.2.9\", 5060);")), "1");
    assert_eq!(code(&format!("{add} check_blacklist_rule(\"bad\", \"192.0.2.9\", 5070);")), "-1");
    let delete = "del_blacklist_rule(\"bad\", \"192.0.2.9\", 5060, \"udp\");";
    assert_eq!(code(&format!("{add} {delete} forward(\"192.0.2.9\");")), "1");
    assert_eq!(code(delete), "-1");
    assert_eq!(code("add_blacklist_rule(\"nets\", \"192.0.2.9\");"), "-1", "it is read-only");
    assert_eq!(code("check_blacklist_rule(\"nets\", \"192.0.2.9\");"), "1");

    assert!(refused("route { add_blacklist_rule(\"a\", \"nonsense\"); }").contains("no network"));
    assert!(
        refused("dst_blacklist = a: { (10.0.0.1) }\ndst_blacklist = a\nroute { exit; }")
            .contains("twice")
    );
    assert!(
        refused("dst_blacklist = a: { (10.0.0.1 }\nroute { exit; }").contains("`)` is missing")
    );
}

#[test]
fn values_are_made_for_variables() {
    read(
        "construct_uri(\"sip\", \"bob\", \"h\", \"5070\", \"lr\", $avp(a)); construct_uri(\"sips\", , \"h\", , , $var(b));\n\
         get_timestamp($avp(s), $avp(u)); pv_printf($var(p), \"<$rU>\");\n",
        &[
            ("$avp(a) $var(b)", "sip:bob@h:5070;lr sips:h"),
            ("$avp(s) $avp(u)", "1704103200 0"),
            ("$var(p)", "<0431>"),
        ],
    );
    let marks = run(
        "construct_uri(\"\", , \"h\", , , $avp(a)); append_to_reply(\"X: $rc\"); avp_print(); append_to_reply(\"X: $rc\");",
    );
    assert_eq!(marks, ["-1", "1"]);
}

/// spec/script.md §2.3, `sip_warning`.
#[test]
fn local_replies_carry_a_warning_if_wanted() {
    let reply = |settings| one(settings, "$rU = \"bob\"; sl_send_reply(404, \"No\");").1;
    let warning = format!(
        "Warning: 392 duologue \"pid={} in_uri=sip:0431@example.com;x=y out_uri=sip:bob@example.com;x=y\"\r\n",
        std::process::id()
    );
    assert!(reply("sip_warning = yes").contains(&warning), "{}", reply("sip_warning = yes"));
    assert!(!reply("").contains("Warning:"));
}
