//! Names, and what scripts read and write, seen through the headers of a reply.

use std::collections::HashSet;

use duologue_sip::{Flow, Message, Moment, Tick};

use crate::core::{FUNCTIONS, PLANNED_FUNCTIONS, PLANNED_VARIABLES, VARIABLES};
use crate::modules::sipmsgops;
use crate::node::Node;
use crate::road::Load;
use crate::server::{Overrides, Plan};
use crate::sockets::{Advertised, Sockets};
use crate::worker::Worker;

/// A name is either built or planned, and stands once.
#[test]
fn names_are_declared_once() {
    let variables = VARIABLES.iter().flat_map(|variable| variable.names);
    let mut seen = HashSet::new();
    for name in variables.chain(PLANNED_VARIABLES) {
        assert!(seen.insert(*name), "${name}");
    }
    let functions = FUNCTIONS.iter().chain(sipmsgops::MODULE.functions);
    let mut seen = HashSet::new();
    for name in functions.map(|function| &function.name).chain(PLANNED_FUNCTIONS) {
        assert!(seen.insert(*name), "{name}()");
    }
}

pub(in crate::core) const INVITE: &str = "INVITE sip:0431@example.com;x=y SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.7:5066;branch=z9hG4bK776;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Alice A\" <sip:alice@atlanta.com>;tag=1928\r\n\
    To: <sip:bob@biloxi.com>\r\n\
    Call-ID: a84b4c76e66710\r\n\
    CSeq: 314159 INVITE\r\n\
    m: <sip:alice@192.0.2.7:5066>;expires=60, <sip:second@192.0.2.8>\r\n\
    X-Two: first\r\n\
    X-Two: second\r\n\
    Proxy-Authorization: Digest username=\"alice@home\", realm=\"atlanta.com\", nonce=\"n\"\r\n\
    Privacy: id;header\r\n\
    Supported: timer, 100rel\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 4\r\n\r\nhigh";

pub(in crate::core) const HEAD: &str = "socket=udp:127.0.0.1:5060\n\
    loadmodule \"proto_udp.so\"\n\
    loadmodule \"sl.so\"\n\
    loadmodule \"sipmsgops.so\"\n";

/// Runs `statements` on the INVITE and gives the `X:` headers of the reply.
pub(in crate::core) fn run(statements: &str) -> Vec<String> {
    run_on(INVITE, statements)
}

fn run_on(message: &str, statements: &str) -> Vec<String> {
    let script = format!("{HEAD}route {{\n{statements}\nsl_send_reply(404, \"Not Here\");\n}}\n");
    let (node, mut worker) = start(script);
    worker.receive(&node, NOW, message.as_bytes(), flow(PEER), Load::Calm);
    let reply = worker.outbox.iter().next().expect("a reply").1.to_vec();
    marks(&reply)
}

pub(in crate::core) const NOW: Moment =
    Moment { tick: Tick::from_millis(5000), unix: 1_704_103_200 };
pub(in crate::core) const PEER: &str = "192.0.2.7:5066";

pub(in crate::core) fn start(script: String) -> (Node, Worker) {
    let plan = match Plan::load("test.cfg", &Script(script), &[], Overrides::default()) {
        Ok(plan) => plan,
        Err(error) => panic!("{error:?}"),
    };
    let socket = "udp:127.0.0.1:5060".parse().unwrap();
    let sockets = Sockets::build(vec![socket], Vec::new(), Advertised::default()).unwrap();
    (plan.build(sockets, 1, NOW, 1).unwrap(), Worker::new(0))
}

pub(in crate::core) fn flow(peer: &str) -> Flow {
    Flow::datagram(0, peer.parse().unwrap())
}

pub(in crate::core) fn marks(message: &[u8]) -> Vec<String> {
    let message = Message::parse(message).unwrap();
    message.all("X").map(|header| String::from_utf8(header.value().to_vec()).unwrap()).collect()
}

pub(in crate::core) struct Script(pub(in crate::core) String);

impl duologue_script::Sources for Script {
    fn read(&self, _: &str, _: Option<&str>) -> Result<String, String> {
        Ok(self.0.clone())
    }
}

/// The text form of each expression, in a block that starts with `before`.
pub(in crate::core) fn read(before: &str, rows: &[(&str, &str)]) {
    read_on(INVITE, before, rows);
}

fn read_on(message: &str, before: &str, rows: &[(&str, &str)]) {
    let mut statements = before.to_owned();
    for (expression, _) in rows {
        statements.push_str(&format!("append_to_reply(\"X: [{expression}]\\r\\n\");\n"));
    }
    let shown = run_on(message, &statements);
    assert_eq!(shown.len(), rows.len(), "{shown:?}");
    for ((expression, expected), shown) in rows.iter().zip(shown) {
        assert_eq!(shown, format!("[{expected}]"), "{expression}");
    }
}

/// spec/script.md §8, on a request.
#[test]
fn a_request_is_read() {
    read(
        "",
        &[
            ("$ru $rU $rd $rP", "sip:0431@example.com;x=y 0431 example.com UDP"),
            ("$rp $op $ru_q", "5060 5060 -1"),
            ("$du", "<null>"),
            ("$fu $fU $fd $ft", "sip:alice@atlanta.com alice atlanta.com 1928"),
            ("$fn", "\"Alice A\""),
            ("$tu $tU $td", "sip:bob@biloxi.com bob biloxi.com"),
            ("$tt", "<null>"),
            ("$ci $cs $rm $cl $cT", "a84b4c76e66710 314159 INVITE 4 text/plain"),
            ("$ct", "<sip:alice@192.0.2.7:5066>;expires=60"),
            ("$(ct[-1])", "<sip:second@192.0.2.8>"),
            ("$(ct.fields(uri)[1])", "sip:second@192.0.2.8"),
            ("$ct.fields(expires) $(ct.fields(expires)[1])", "60 <null>"),
            ("$hdr(x-two) $(hdr(X-Two)[1]) $(hdr(X-Two)[*])", "first second first, second"),
            ("$hdrcnt(X-Two) $(hdr_name[0])", "2 Via"),
            ("$hdr(Contact)", "<sip:alice@192.0.2.7:5066>;expires=60, <sip:second@192.0.2.8>"),
            ("$au $ad $aU $ar", "alice home alice@home atlanta.com"),
            ("$si $sp $Ri $Rp $proto $af", "192.0.2.7 5066 127.0.0.1 5060 udp INET"),
            ("$socket_in $socket_in(port)", "udp:127.0.0.1:5060 5060"),
            ("$socket_out(forced)", "<null>"),
            ("$rb $msg.is_request $msg.type", "high 1 request"),
            ("$rs $rr $ua", "<null> <null> <null>"),
            ("$Ts $TS $Tsm $mi", "1704103200 1704103200 0 1"),
            ("$path $Au $(challenge.realm)", "<null> alice@atlanta.com <null>"),
            ("[$C(rx)]", "[]"),
            ("$(ru{uri.param,x}) $(ct{nameaddr.uri})", "y sip:alice@192.0.2.7:5066"),
        ],
    );
}

/// spec/script.md §8 and §11: what is written is read back, the received URI stays.
#[test]
fn destinations_are_written() {
    read(
        "$rU = \"bob\"; $rd = \"192.0.2.9\"; $rp = 5070; $du = \"sip:10.0.0.1\"; $dp = 5080;\n\
         $ru_q = 700; setbflag(\"NAT\"); setflag(\"ACC\"); $msg.flag(REC) = 1;\n\
         append_branch(\"sip:second@192.0.2.10\"); $branch = \"sip:third@192.0.2.11\";\n\
         $avp(a) = 1; $avp(a) = \"two\";\n",
        &[
            ("$ru $ou", "sip:bob@192.0.2.9:5070;x=y sip:0431@example.com;x=y"),
            ("$du $dd $dp", "sip:10.0.0.1:5080 10.0.0.1 5080"),
            ("$(branch(uri)[*])", "sip:second@192.0.2.10, sip:third@192.0.2.11"),
            ("$(branch(q)[0]) $(branch(q)[1])", "0.7 <null>"),
            ("$mf / $bf", "ACC REC / NAT"),
            ("$msg.flag(ACC) $branch.flag(NAT)", "1 1"),
            ("$avp(a) $(avp(a)[*])", "two two, 1"),
        ],
    );
    read(
        "prefix(\"00\"); strip(3); append_branch(); $du = \"sip:10.0.0.1\"; resetdsturi();\n",
        &[("$ru $du", "sip:431@example.com;x=y <null>"), ("$branch", "sip:431@example.com;x=y")],
    );
}

/// spec/script.md §8: what came in stays to be read, whatever the script makes of it.
#[test]
fn the_received_uri_is_kept() {
    let change = "$ru = \"sip:new@192.0.2.9:5070;transport=tcp\";\n";
    read(change, &[("$oU $od $op $oP", "0431 example.com 5060 UDP"), ("$rP", "tcp")]);
}

/// spec/script.md §8: the parts of a next hop, NULL without one.
#[test]
fn the_next_hop_has_a_protocol() {
    read("", &[("$dd $dp $dP", "<null> <null> <null>")]);
    read("$du = \"sip:10.0.0.1:5070;transport=tls\";", &[("$dd $dp $dP", "10.0.0.1 5070 tls")]);
    read("$du = \"sip:10.0.0.1\";", &[("$dp $dP", "5060 UDP")]);
    read("$du = \"sips:10.0.0.1\"; $du = NULL;", &[("$dP", "<null>")]);
}

/// spec/script.md §8: the destination set as a header line.
#[test]
fn the_destination_set_is_a_contact() {
    read("", &[("$(ds{s.trim})", "Contact: <sip:0431@example.com;x=y>")]);
    read(
        "$ru_q = 1000; append_branch(\"sip:b@h\", \"0.5\"); $branch = \"sip:c@h\";",
        &[("$(ds{s.trim})", "Contact: <sip:0431@example.com;x=y>;q=1, <sip:b@h>;q=0.5, <sip:c@h>")],
    );
}

/// spec/script.md §8: indexes of branches, from the front, from the end, and all.
#[test]
fn fields_of_all_additional_branches_are_listed() {
    read(
        "append_branch(\"sip:b@h\", \"0.5\"); append_branch(\"sip:c@h\"); setbflag(\"NAT\", 2);\n\
         $(branch(duri)[1]) = \"sip:10.0.0.2\";\n",
        &[
            ("$(branch(uri)[-1]) $(branch(uri)[-2]) $(branch(uri)[-3])", "sip:c@h sip:b@h <null>"),
            ("$(branch(q)[*])", "0.5, "),
            ("$(branch(duri)[*]) / $(branch(flags)[*])", ", sip:10.0.0.2 / , NAT"),
            ("$(branch.flag(NAT)[2]) $(branch.flag(NAT)[-1]) $(branch.flag(NAT)[-2])", "1 1 0"),
            ("$(branch.flag(NAT)[-4]) $(branch.flag(NAT)[3])", "<null> <null>"),
        ],
    );
    read("", &[("$(branch(uri)[*]) $(branch(q)[*])", "<null> <null>")]);
}

/// A request with every header that a variable is made for.
const ADDRESSED: &str = "MESSAGE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.7:5066;branch=z9hG4bK777\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:alice@atlanta.com>;tag=1928\r\n\
    To: \"Bob B\" <sip:bob@biloxi.com>\r\n\
    Call-ID: a84b4c76e66711\r\n\
    CSeq: 1 MESSAGE\r\n\
    Remote-Party-ID: \"A\" <sip:+431@atlanta.com>;party=calling;privacy=off\r\n\
    Diversion: <sip:first@atlanta.com>;reason=no-answer;privacy=full, <sip:second@h>;reason=x\r\n\
    Refer-To: <sip:carol@chicago.com?Replaces=1>\r\n\
    P-Asserted-Identity: \"A\" <sip:asserted@atlanta.com>, <tel:+431>\r\n\
    P-Preferred-Identity: \"Al P\" <sip:preferred@atlanta.com:5080>\r\n\
    Authorization: Digest username=\"alice@home\", realm=\"r\", nonce=\"n1\", uri=\"sip:biloxi.com\",\r\n \
    response=\"6629\", algorithm=SHA-256, cnonce=\"c\", opaque=\"o\", qop=auth, nc=00000001\r\n\
    Content-Type: multipart/mixed;boundary=b1\r\n\
    Content-Length: 162\r\n\r\n\
    --b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\
    --b1\r\n\r\nplain\r\n\
    --b1\r\nContent-Type: text/plain;charset=utf-8\r\n\r\nfirst\r\n\
    --b1\r\nContent-Type: text/plain\r\n\r\nlast\r\n--b1--\r\n";

/// spec/script.md §8: the addresses that other headers name, the first of several.
#[test]
fn addresses_of_other_headers_are_read() {
    read_on(
        ADDRESSED,
        "",
        &[
            ("$tn", "\"Bob B\""),
            ("$re", "sip:+431@atlanta.com"),
            ("$di $dip $dir", "sip:first@atlanta.com full no-answer"),
            ("$rt", "sip:carol@chicago.com?Replaces=1"),
            ("$ai", "sip:asserted@atlanta.com"),
            ("$pu $pU $pd", "sip:preferred@atlanta.com:5080 preferred atlanta.com"),
            ("$pn", "\"Al P\""),
        ],
    );
    let none = "<null> <null> <null> <null> <null> <null> <null> <null> <null> <null> <null>";
    read("", &[("$tn $re $di $dip $dir $rt $ai $pu $pU $pd $pn", none)]);
}

/// spec/script.md §8: credentials, Proxy-Authorization's before Authorization's.
#[test]
fn credentials_are_read() {
    read_on(
        ADDRESSED,
        "",
        &[
            ("$adu $an $auth.nonce", "sip:biloxi.com n1 n1"),
            ("$auth.resp $auth.cnonce $auth.opaque", "6629 c o"),
            ("$auth.alg $auth.qop $auth.nc", "SHA-256 auth 00000001"),
            ("$aU $ar", "alice@home r"),
        ],
    );
    let both = ADDRESSED.replace(
        "Authorization:",
        "Proxy-Authorization: Digest username=\"p\", realm=\"q\", nonce=\"n2\"\r\nAuthorization:",
    );
    read_on(
        &both,
        "",
        &[
            ("$aU $ar $an", "p q n2"),
            // What those of the proxy lack is not taken from the others.
            ("$adu $auth.resp $auth.cnonce $auth.qop", "<null> <null> <null> <null>"),
        ],
    );
}

/// spec/script.md §8: `$cT` and `$rb`, whole and by part.
#[test]
fn parts_of_a_body_are_read() {
    read_on(
        ADDRESSED,
        "",
        &[
            ("$cT", "multipart/mixed;boundary=b1"),
            ("$(cT[0]) $(cT[2])", "application/sdp text/plain;charset=utf-8"),
            // A part without a type has its place all the same.
            ("$(cT[1]) $(cT[-1]) $(cT[4]) $(cT[-5])", "<null> text/plain <null> <null>"),
            ("$(cT[*])", "application/sdp, , text/plain;charset=utf-8, text/plain"),
            ("$(rb[0]) $(rb[1]) $(rb[-1]) $(rb[4])", "v=0 plain last <null>"),
            ("$(rb[*])", "v=0, plain, first, last"),
            ("$rb(application/sdp) $rb(TEXT/plain) $rb(text/html)", "v=0 first <null>"),
            (
                "$(rb(text/plain)[1]) $(rb(text/plain)[-1]) $(rb(text/plain)[*])",
                "last last first, last",
            ),
            ("$(rb{s.substr,0,4}) $(rb{s.len})", "--b1 162"),
        ],
    );
    // A body that is one part.
    read("", &[("$cT $(cT[0]) $(cT[1])", "text/plain text/plain <null>")]);
    read("", &[("$rb $(rb[0]) $(rb[-1]) $rb(text/plain) $(rb[1])", "high high high high <null>")]);
    let each = "for ($var(t) in $(cT[*])) append_to_reply(\"X: $var(t)\");";
    // The list ends at the first NULL: a part that says nothing of its type.
    assert_eq!(run_on(ADDRESSED, each), ["application/sdp"]);
}

/// spec/script.md §8: a datagram begins with no header of a balancer; unknown fields are told.
#[test]
fn nobody_stands_in_front_of_a_datagram() {
    read(
        "",
        &[
            ("$proxy_protocol(src_ip) $proxy_protocol(src_port)", "<null> <null>"),
            ("$proxy_protocol(dst_ip) $proxy_protocol(dst_port)", "<null> <null>"),
            ("$proxy_protocol(af)", "<null>"),
        ],
    );
    let wrong = Script(format!("{HEAD}route {{ xlog(\"$proxy_protocol(ip)\"); }}"));
    let refused = Plan::load("test.cfg", &wrong, &[], Overrides::default()).unwrap_err();
    assert!(refused.to_string().contains("src_port"), "{refused}");
}

/// A write that fails leaves everything as it was.
#[test]
fn bad_values_change_nothing() {
    read(
        "$ru = \"nonsense\"; $rU = \"a b\"; $rp = 70000; sethost(\"a@b\"); $du = \"x\";\n",
        &[("$ru $du", "sip:0431@example.com;x=y <null>")],
    );
}

/// spec/modules.md §6.
#[test]
fn messages_are_looked_at() {
    let questions = [
        ("is_method(\"INVITE\")", true),
        ("is_method(\"ACK|BYE\")", false),
        ("has_totag()", false),
        ("is_present_hf(\"Contact\")", true),
        ("is_present_hf(\"Date\")", false),
        ("has_body()", true),
        ("has_body(\"application/sdp\")", false),
        ("is_privacy(\"header\")", true),
        ("list_hdr_has_option(\"Supported\", \"100rel\")", true),
        ("ruri_has_param(\"x\", \"y\")", true),
        ("remove_hf(\"X-Two\")", true),
        ("remove_hf(\"X-Three\")", false),
        ("is_myself(\"127.0.0.1\", 5060)", true),
        ("is_myself(\"example.com\")", false),
        ("isdsturiset()", false),
    ];
    let mut statements = String::new();
    for (question, _) in questions {
        statements.push_str(&format!(
            "if ({question}) append_to_reply(\"X: true\"); else append_to_reply(\"X: false\");\n"
        ));
    }
    let answers = run(&statements);
    for ((question, expected), answer) in questions.into_iter().zip(answers) {
        assert_eq!(answer, expected.to_string(), "{question}");
    }
}

/// spec/script.md §7: reply routes see the request, failure routes the winning reply.
#[test]
fn the_other_message_of_the_transaction_is_read() {
    let script = format!(
        "{HEAD}loadmodule \"tm.so\"\n\
         route {{ $du = \"sip:127.0.0.9\"; t_on_reply(\"r\"); t_on_failure(\"f\"); t_relay(); }}\n\
         onreply_route[r] {{\n\
             append_hf(\"X: $rs [$ru] $(<request>rU) $(<request>si) $(<reply>rr)\"); }}\n\
         failure_route[f] {{\n\
             append_to_reply(\"X: $rU $(<reply>rs) $(<reply>si) $(<reply>hdr(X-Why))\");\n\
             t_reply(480, \"Nobody\"); }}\n"
    );
    let (node, mut worker) = start(script);
    worker.receive(&node, NOW, INVITE.as_bytes(), flow(PEER), Load::Calm);
    let sent = worker.outbox.iter().map(|(_, packet)| packet.to_vec());
    let request = sent.filter(|packet| packet.starts_with(b"INVITE")).last().expect("relayed");
    let request = Message::parse(&request).unwrap();
    let answer = |status: &str| {
        let mut reply = format!("SIP/2.0 {status}\r\n").into_bytes();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            request.all(name).for_each(|header| reply.extend_from_slice(header.line()));
        }
        reply.extend_from_slice(b"X-Why: because\r\nContent-Length: 0\r\n\r\n");
        reply
    };
    let mut upstream = |status: &str| {
        worker.outbox.clear();
        worker.receive(&node, NOW, &answer(status), flow("127.0.0.9:5060"), Load::Calm);
        let sent = worker.outbox.iter().map(|(_, packet)| packet.to_vec());
        sent.filter(|packet| packet.starts_with(b"SIP/2.0"))
            .flat_map(|reply| marks(&reply))
            .collect()
    };
    let ringing: Vec<_> = upstream("180 Ringing");
    assert_eq!(ringing, ["180 [<null>] 0431 192.0.2.7 Ringing"]);
    let busy: Vec<_> = upstream("486 Busy Here");
    assert_eq!(busy, ["0431 486 127.0.0.9 because"]);
}

/// spec/script.md §8: the branches of a request, the Request-URI's first.
#[test]
fn all_branches_are_numbered() {
    read(
        "$msg.branch = \"sip:b@192.0.2.2\"; $(msg.branch.q[1]) = 700;\n\
         $(msg.branch.duri[0]) = \"sip:10.0.0.1\"; $(msg.branch.flag(NAT)[1]) = 1;\n\
         $(msg.branch.flags[0]) = \"NAT\"; $(msg.branch.attr(id)[1]) = \"x\";\n\
         $(msg.branch.attr(id)[0]) = 7; $(msg.branch.path[1]) = \"<sip:edge;lr>\";\n\
         $(msg.branch.socket[1]) = \"udp:127.0.0.1:5060\"; $(msg.branch.uri[1]) = NULL;\n",
        &[
            ("$msg.branch.last_idx $msg.branch", "1 sip:b@192.0.2.2"),
            ("$msg.branch.uri $(msg.branch.uri[0])", "sip:b@192.0.2.2 sip:0431@example.com;x=y"),
            ("$(msg.branch.uri[*])", "sip:0431@example.com;x=y, sip:b@192.0.2.2"),
            ("$(msg.branch.q[0]) $(msg.branch.q[1]) $(msg.branch.q[-1])", "<null> 0.7 0.7"),
            (
                "$(msg.branch.duri[0]) $du $(msg.branch.duri[*])",
                "sip:10.0.0.1 sip:10.0.0.1 sip:10.0.0.1, ",
            ),
            ("$(msg.branch.flag(NAT)[0]) $msg.branch.flag(NAT)", "1 1"),
            ("$(msg.branch.flags[0]) $(branch(flags)[0])", "NAT NAT"),
            ("$(msg.branch.attr(id)[0]) $msg.branch.attr(id)", "7 x"),
            ("$(msg.branch.path[1]) $(branch(path)[0])", "<sip:edge;lr> <sip:edge;lr>"),
            ("$(msg.branch.socket[1])", "udp:127.0.0.1:5060"),
            ("$(msg.branch.uri[2]) $(msg.branch.attr(no)[0])", "<null> <null>"),
        ],
    );
    read(
        "$msg.branch = \"sip:b@192.0.2.2\"; $(msg.branch.q[1]) = 700; $(msg.branch.q[1]) = NULL;\n\
         $(msg.branch.attr(id)[1]) = 1; $(msg.branch.attr(id)[1]) = 2;\n\
         $(msg.branch.duri[0]) = \"nonsense\"; $(msg.branch.flags[1]) = \"NOSUCH\";\n",
        &[
            ("$(msg.branch.q[1]) $(msg.branch.attr(id)[1])", "<null> 2"),
            ("$(msg.branch.duri[0]) $(msg.branch.flags[1])", "<null> <null>"),
        ],
    );
}

/// spec/script.md §8: a level is set for all, and comes back with NULL.
#[test]
fn the_threshold_of_xlog_is_changed() {
    let (node, mut worker) = start(format!(
        "xlog_level = 3\n{HEAD}route {{\n\
         append_to_reply(\"X: $xlog_level\");\n\
         $xlog_level = 9; append_to_reply(\"X: $xlog_level\");\n\
         $xlog_level = NULL; append_to_reply(\"X: $xlog_level\");\n\
         sl_send_reply(404, \"Not Here\");\n}}\n"
    ));
    worker.receive(&node, NOW, INVITE.as_bytes(), flow(PEER), Load::Calm);
    let reply = worker.outbox.iter().next().expect("a reply").1.to_vec();
    assert_eq!(marks(&reply), ["3", "4", "3"]);
}

/// spec/script.md §8: colours only where they are wanted.
#[test]
fn colors_are_forced() {
    let (node, mut worker) = start(format!(
        "xlog_force_color = yes\n{HEAD}route {{\n\
         append_to_reply(\"X: $(C(Rx){{s.encode.hexa}})\");\n\
         sl_send_reply(404, \"Not Here\");\n}}\n"
    ));
    worker.receive(&node, NOW, INVITE.as_bytes(), flow(PEER), Load::Calm);
    let reply = worker.outbox.iter().next().expect("a reply").1.to_vec();
    assert_eq!(marks(&reply), ["1b5b313b33313b34396d"]);
}

/// spec/script.md §9.2: sessions are taken apart in scripts.
#[test]
fn sessions_are_transformed() {
    read(
        "$var(s) = \"v=0\\nm=audio 4 RTP/AVP 0\\na=x\\n\";\n",
        &[
            ("$(var(s){sdp.line,m}) $(var(s){sdp.line,a,0})", "m=audio 4 RTP/AVP 0 a=x"),
            ("$(var(s){sdp.stream,audio}{s.len}) $(var(s){sdp.stream-delete,0}{s.len})", "24 4"),
            ("$(si{ip.resolve}) $(ru{uri.host})", "192.0.2.7 example.com"),
        ],
    );
}
