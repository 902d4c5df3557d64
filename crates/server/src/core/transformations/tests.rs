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
    let args: Vec<_> = arg.iter().map(|arg| Value::Str(arg.as_bytes())).collect();
    assert_eq!(args.len(), usize::from(found.args_min), "{written}");
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
            ("via.port", "#5066"),
            ("via.branch", "z9hG4bK776"),
            ("via.received", "192.0.2.1"),
            ("via.rport", "NULL"),
            ("via.param,rport", ""),
            ("via.params", "branch=z9hG4bK776;received=192.0.2.1;rport"),
        ],
    );
    check("SIP/2.0/UDP h", &[("via.port", "NULL"), ("via.params", "NULL")]);
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

#[test]
fn numbers_are_places_in_the_table() {
    for (place, declared) in TRANSFORMATIONS.iter().enumerate() {
        assert_eq!(usize::from(declared.id.0), place);
        assert_eq!(declared.standing == Standing::Built, place < TABLE.len());
    }
}
