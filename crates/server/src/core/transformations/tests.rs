//! The rows of spec/script.md §9.2, one input and one result each.

use super::*;

fn apply(input: &str, written: &str) -> String {
    let (name, arg) = match written.split_once(',') {
        Some((name, arg)) => (name, Some(arg)),
        None => (written, None),
    };
    let (class, op) = name.split_once('.').unwrap();
    let (index, op) = match op.split_once('.') {
        Some((index, op)) => (Some(index.parse().unwrap()), op),
        None => (None, op),
    };
    let found = TRANSFORMATIONS.iter().find(|t| t.class == class && t.op == op).unwrap();
    assert!(index.is_none() || found.indexed, "{written}");
    let args: Vec<_> = arg
        .iter()
        .flat_map(|args| match found.args_max {
            1 => vec![*args],
            _ => args.split(',').collect(),
        })
        .map(|arg| Value::Str(arg.as_bytes()))
        .collect();
    assert!((found.args_min.into()..=found.args_max.into()).contains(&args.len()), "{written}");
    let call = TransformCall { id: found.id, index, input: input.as_bytes(), args: &args };
    let mut out = Text::new(1000);
    let reading = transform(&call, &mut out);
    let text = String::from_utf8_lossy(out.as_bytes()).into_owned();
    match reading {
        Reading::Null => "NULL".to_owned(),
        Reading::Int(number) => format!("#{number}"),
        Reading::Str => text,
        Reading::StrInt(number) => format!("{text}#{number}"),
    }
}

fn check(input: &str, rows: &[(&str, &str)]) {
    for (written, result) in rows {
        assert_eq!(apply(input, written), *result, "{{{written}}} of {input:?}");
    }
}

/// The digests are those of RFC 1321 §A.5, FIPS 180-4's examples, and RFC 2202 §3, RFC 4231 §4.3.
#[test]
fn digests() {
    check(
        "",
        &[
            ("s.md5", "d41d8cd98f00b204e9800998ecf8427e"),
            ("s.sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ],
    );
    check(
        "abc",
        &[
            ("s.md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("s.sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("s.sha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            ("s.sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "s.sha384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "s.sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ],
    );
    check(
        "what do ya want for nothing?",
        &[
            ("s.sha1_hmac,Jefe", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            ("s.sha224_hmac,Jefe", "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            (
                "s.sha256_hmac,Jefe",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "s.sha384_hmac,Jefe",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                 8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                "s.sha512_hmac,Jefe",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ],
    );
}

#[test]
fn dates() {
    check("Sat, 13 Nov 2010 23:29:00 GMT", &[("s.date2unix", "1289690940")]);
    check("Sat, 13 Nov 2010 23:29:00 +0100", &[("s.date2unix", "NULL")]);
    check("yesterday", &[("s.date2unix", "NULL")]);
    check("", &[("s.date2unix", "NULL")]);
}

#[test]
fn uris() {
    check(
        "sip:alice:pw@example.com:5070;transport=tcp;lr;x=;user=phone?subject=a",
        &[
            ("uri.user", "alice"),
            ("uri.host", "example.com"),
            ("uri.domain", "example.com"),
            ("uri.passwd", "pw"),
            ("uri.port", "5070#5070"),
            ("uri.params", "transport=tcp;lr;x=;user=phone"),
            ("uri.headers", "subject=a"),
            ("uri.transport", "tcp"),
            ("uri.uparam", "phone"),
            ("uri.lr", "NULL"),
            ("uri.ttl", "NULL"),
            ("uri.schema", "sip"),
            ("uri.param,Transport", "tcp"),
            ("uri.param,lr", ""),
            ("uri.param,none", "NULL"),
        ],
    );
    check("sip:example.com", &[("uri.user", "NULL"), ("uri.port", "NULL"), ("uri.params", "NULL")]);
    check("sip:h;lr=on;r2=on", &[("uri.lr", "on"), ("uri.r2", "on")]);
    check(
        "sips:h;ttl=5;maddr=239.0.0.1;method=BYE",
        &[
            ("uri.ttl", "5"),
            ("uri.maddr", "239.0.0.1"),
            ("uri.method", "BYE"),
            ("uri.schema", "sips"),
            ("uri.headers", "NULL"),
        ],
    );
    check("nonsense", &[("uri.user", "NULL"), ("uri.param,x", "NULL")]);
    check("", &[("uri.host", "NULL"), ("ip.isip", "NULL")]);
}

#[test]
fn name_addrs() {
    let bob = "\"Bob, B\" <sip:bob@h;x=y,z>;tag=1;Flag";
    check(
        bob,
        &[
            ("nameaddr.name", "\"Bob, B\""),
            ("nameaddr.uri", "sip:bob@h;x=y,z"),
            ("nameaddr.params", "tag=1;Flag"),
            ("nameaddr.param,tag", "1"),
            ("nameaddr.param,Tag", "NULL"),
            ("nameaddr.param,Flag", "NULL"),
        ],
    );
    let two = format!("<sip:a@h>, {bob}");
    check(
        &two,
        &[
            ("nameaddr.uri", "sip:a@h"),
            ("nameaddr.len", "#9"),
            ("nameaddr.1.uri", "sip:bob@h;x=y,z"),
            ("nameaddr.-1.param,tag", "1"),
            ("nameaddr.-2.uri", "sip:a@h"),
            ("nameaddr.2.uri", "NULL"),
            ("nameaddr.-3.uri", "NULL"),
        ],
    );
    check("sip:a@h;tag=7", &[("nameaddr.uri", "sip:a@h"), ("nameaddr.param,tag", "7")]);
}

#[test]
fn vias() {
    check(
        "SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776;received=192.0.2.1;rport",
        &[
            ("via.name", "SIP"),
            ("via.version", "2.0"),
            ("via.transport", "UDP"),
            ("via.host", "pc33.atlanta.com"),
            ("via.domain", "pc33.atlanta.com"),
            ("via.port", "#5066"),
            ("via.branch", "z9hG4bK776"),
            ("via.received", "192.0.2.1"),
            ("via.rport", "NULL"),
            ("via.param,rport", ""),
            ("via.params", "branch=z9hG4bK776;received=192.0.2.1;rport"),
        ],
    );
    check("SIP/2.0/UDP h", &[("via.port", "NULL"), ("via.params", "NULL")]);
    check(
        "SIP/2.0/UDP h:5066;x=\"(\" (edge (1))",
        &[("via.comment", "edge (1)"), ("via.port", "#5066"), ("via.param,x", "\"(\"")],
    );
    check("SIP/2.0/UDP h", &[("via.comment", "NULL")]);
    check("nonsense (comment)", &[("via.comment", "NULL")]);
}

#[test]
fn addresses() {
    check(
        "10.0.1.7",
        &[
            ("ip.isip", "#1"),
            ("ip.isip4", "#1"),
            ("ip.isip6", "#0"),
            ("ip.isprivate", "#1"),
            ("ip.matches,10.0.0.0/16", "#1"),
            ("ip.matches,10.1.0.0/16", "#0"),
            ("ip.matches,0.0.0.0/0", "#1"),
            ("ip.matches,10.0.1.7/32", "#1"),
            ("ip.matches,10.0.0.0/33", "NULL"),
            ("ip.matches,::/0", "NULL"),
            ("ip.matches,nonsense", "NULL"),
            ("ip.pton", "\n\0\u{1}\u{7}"),
        ],
    );
    check("2001:db8::1", &[("ip.isip6", "#1"), ("ip.matches,2001:db8::/32", "#1")]);
    check("100.64.0.1", &[("ip.isprivate", "#1")]);
    check("100.128.0.1", &[("ip.isprivate", "#0")]);
    check("192.0.2.1", &[("ip.isprivate", "#0")]);
    check("example.com", &[("ip.isip", "#0")]);
    check("abcd", &[("ip.ntop", "97.98.99.100"), ("ip.family", "INET")]);
    check("abcdefghijklmnop", &[("ip.family", "INET6")]);
    check("abc", &[("ip.ntop", "NULL")]);
}

/// Names that need no name server; the rest is `resolve`'s.
#[test]
fn names_of_hosts() {
    check("192.0.2.1", &[("ip.resolve", "192.0.2.1"), ("ip.resolve6", "192.0.2.1")]);
    check("localhost", &[("ip.resolve4", "127.0.0.1"), ("ip.resolve6", "::1")]);
    check("nowhere.invalid", &[("ip.resolve", "NULL")]);
}

#[test]
fn sessions() {
    let session = "v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 4 RTP/AVP 0\r\na=x\r\na=y\r\n\
        m=video 6 RTP/AVP 31\r\na=z\r\nm=audio 8 RTP/AVP 8\r\n";
    check(
        session,
        &[
            ("sdp.line,v", "v=0"),
            ("sdp.line,a", "a=x"),
            ("sdp.line,a,1", "a=y"),
            ("sdp.line,m,-1", "m=audio 8 RTP/AVP 8"),
            ("sdp.line,a,3", "NULL"),
            ("sdp.line,s", "NULL"),
            ("sdp.line,a,x", "NULL"),
            ("sdp.stream,0", "m=audio 4 RTP/AVP 0\r\na=x\r\na=y\r\n"),
            ("sdp.stream,video", "m=video 6 RTP/AVP 31\r\na=z\r\n"),
            ("sdp.stream,-1", "m=audio 8 RTP/AVP 8\r\n"),
            ("sdp.stream,3", "NULL"),
            ("sdp.stream,text", "NULL"),
            ("sdp.stream-delete,text", "NULL"),
            (
                "sdp.stream-delete,Audio",
                "v=0\r\no=- 1 1 IN IP4 h\r\nm=video 6 RTP/AVP 31\r\na=z\r\n",
            ),
            (
                "sdp.stream-delete,1",
                "v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 4 RTP/AVP 0\r\na=x\r\na=y\r\n\
                 m=audio 8 RTP/AVP 8\r\n",
            ),
        ],
    );
    check("v=0\r\n", &[("sdp.stream,0", "NULL")]);
    check("", &[("sdp.line,v", "NULL"), ("sdp.stream,0", "NULL")]);
}

#[test]
fn numbers_are_places_in_the_table() {
    for (place, declared) in TRANSFORMATIONS.iter().enumerate() {
        assert_eq!(usize::from(declared.id.0), place);
    }
}
