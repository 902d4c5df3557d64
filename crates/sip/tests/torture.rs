//! The torture messages of RFC 4475 and RFC 5118, each with the verdict the RFC gives.

use duologue_sip::{
    Contact, HeaderName, Message, Method, Reply, Rport, Scheme, StatusCode, Transport, Uri, render,
};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Well-formed, or close enough that the RFC lets us be liberal.
    Good,
    /// Well-formed as far as this crate goes; a later step refuses it with this status.
    Later(u16),
    /// Answered with this status.
    Refused(u16),
    /// Dropped without a word.
    Dropped,
}
use Verdict::{Dropped, Good, Later, Refused};

macro_rules! messages {
    ($($section:literal $name:literal $verdict:expr;)*) => {
        const MESSAGES: &[(&str, &str, Verdict, &[u8])] = &[
            $(($section, $name, $verdict, include_bytes!(concat!("torture/", $name, ".dat"))),)*
        ];
    };
}

messages! {
    "RFC 4475 §3.1.1.1" "wsinv" Good;
    "RFC 4475 §3.1.1.2" "intmeth" Good;
    "RFC 4475 §3.1.1.3" "esc01" Good;
    "RFC 4475 §3.1.1.4" "escnull" Good;
    "RFC 4475 §3.1.1.5" "esc02" Good;
    "RFC 4475 §3.1.1.6" "lwsdisp" Good;
    "RFC 4475 §3.1.1.7" "longreq" Good;
    "RFC 4475 §3.1.1.8" "dblreq" Good;
    "RFC 4475 §3.1.1.9" "semiuri" Good;
    "RFC 4475 §3.1.1.10" "transports" Good;
    "RFC 4475 §3.1.1.11" "mpart01" Good;
    "RFC 4475 §3.1.1.12" "unreason" Good;
    "RFC 4475 §3.1.1.13" "noreason" Good;
    "RFC 4475 §3.1.2.1" "badinv01" Refused(400);
    "RFC 4475 §3.1.2.2" "clerr" Refused(400);
    "RFC 4475 §3.1.2.3" "ncl" Refused(400);
    "RFC 4475 §3.1.2.4" "scalar02" Refused(400);
    "RFC 4475 §3.1.2.5" "scalarlg" Dropped;
    "RFC 4475 §3.1.2.6" "quotbal" Refused(400);
    "RFC 4475 §3.1.2.7" "ltgtruri" Refused(400);
    "RFC 4475 §3.1.2.8" "lwsruri" Refused(400);
    "RFC 4475 §3.1.2.9" "lwsstart" Refused(400);
    "RFC 4475 §3.1.2.10" "trws" Refused(400);
    "RFC 4475 §3.1.2.11" "escruri" Refused(400);
    // Only who needs the date may refuse it; a proxy does not.
    "RFC 4475 §3.1.2.12" "baddate" Good;
    // The registrar's business.
    "RFC 4475 §3.1.2.13" "regbadct" Later(400);
    // The RFC lets both be taken for what they obviously mean.
    "RFC 4475 §3.1.2.14" "badaspec" Good;
    "RFC 4475 §3.1.2.15" "baddn" Good;
    "RFC 4475 §3.1.2.16" "badvers" Refused(505);
    "RFC 4475 §3.1.2.17" "mismatch01" Refused(400);
    // 501 would do as well.
    "RFC 4475 §3.1.2.18" "mismatch02" Refused(400);
    "RFC 4475 §3.1.2.19" "bigcode" Dropped;
    // Well-formed, but the branch names no transaction.
    "RFC 4475 §3.2.1" "badbranch" Good;
    "RFC 4475 §3.3.1" "insuf" Refused(400);
    "RFC 4475 §3.3.2" "unkscm" Later(416);
    "RFC 4475 §3.3.3" "novelsc" Later(416);
    "RFC 4475 §3.3.4" "unksm2" Later(400);
    "RFC 4475 §3.3.5" "bext01" Later(420);
    "RFC 4475 §3.3.6" "invut" Later(415);
    "RFC 4475 §3.3.7" "regaut01" Good;
    "RFC 4475 §3.3.8" "multi01" Refused(400);
    "RFC 4475 §3.3.9" "mcl01" Refused(400);
    // A response, to be discarded by whoever would forward it to a broadcast address.
    "RFC 4475 §3.3.10" "bcast" Good;
    "RFC 4475 §3.3.11" "zeromf" Later(483);
    "RFC 4475 §3.3.12" "cparam01" Good;
    "RFC 4475 §3.3.13" "cparam02" Good;
    "RFC 4475 §3.3.14" "regescrt" Good;
    "RFC 4475 §3.3.15" "sdp01" Later(406);
    "RFC 4475 §3.4.1" "inv2543" Good;
    "RFC 5118 §4.1" "ipv6-4.1" Good;
    "RFC 5118 §4.2" "ipv6-4.2" Refused(400);
    "RFC 5118 §4.3" "ipv6-4.3" Good;
    "RFC 5118 §4.4" "ipv6-4.4" Good;
    "RFC 5118 §4.5" "ipv6-4.5-brackets" Good;
    "RFC 5118 §4.5" "ipv6-4.5-bare" Good;
    "RFC 5118 §4.6" "ipv6-4.6" Good;
    "RFC 5118 §4.7" "ipv6-4.7" Good;
    "RFC 5118 §4.8" "ipv6-4.8" Good;
    "RFC 5118 §4.9" "ipv6-4.9" Good;
    "RFC 5118 §4.10" "ipv6-4.10-two-colons" Good;
    // Three colons are no address; an element may be liberal, and we are not.
    "RFC 5118 §4.10" "ipv6-4.10-three-colons" Refused(400);
}

fn judge(bytes: &[u8]) -> Verdict {
    let refuse = |status: Option<StatusCode>| status.map_or(Dropped, |s| Refused(s.code()));
    match Message::parse(bytes) {
        Err(error) => refuse(error.status()),
        Ok(message) => match message.check() {
            Ok(()) => Good,
            Err(error) => refuse(message.is_request().then(|| error.status())),
        },
    }
}

fn bytes(name: &str) -> &'static [u8] {
    MESSAGES.iter().find(|message| message.1 == name).expect("a file of the table").3
}

fn message(name: &str) -> Message<'static> {
    Message::parse(bytes(name)).expect("its verdict is good")
}

#[test]
fn each_message_gets_the_verdict_of_the_rfc() {
    for &(section, name, verdict, bytes) in MESSAGES {
        let expected = if let Later(_) = verdict { Good } else { verdict };
        assert_eq!(judge(bytes), expected, "{section} {name}");
    }
}

#[test]
fn each_refused_message_can_be_answered() {
    for &(section, name, verdict, bytes) in MESSAGES {
        let Refused(code) = verdict else { continue };
        // RFC 4475 §3.3.1 lacks From, To and Call-ID: it cannot be salvaged, but it was parsed.
        let request = Message::salvage(bytes).or_else(|| Message::parse(bytes).ok());
        let request = request.unwrap_or_else(|| panic!("{section} {name} has a sender"));
        let mut reply = Vec::new();
        Reply::to(&request, StatusCode::new(code).unwrap()).to_tag(b"x").write(&mut reply);
        let reply = Message::parse(&reply).unwrap();
        assert_eq!(reply.status().map(StatusCode::code), Some(code), "{section} {name}");
        assert_eq!(reply.count(HeaderName::Via), request.count(HeaderName::Via), "{name}");
    }
}

#[test]
fn what_is_good_leaves_bit_for_bit() {
    for &(section, name, _, bytes) in MESSAGES {
        let Ok(message) = Message::parse(bytes) else { continue };
        let mut out = Vec::new();
        render(message.as_bytes(), &[], &mut out);
        assert_eq!(out, bytes, "{section} {name}");
    }
}

#[test]
fn a_short_tortuous_invite_is_understood() {
    let message = message("wsinv");
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    assert_eq!(message.to().unwrap().tag(), Some(&b"1918181833n"[..]));
    assert_eq!(message.from().unwrap().display_unquoted(), &b"J Rosenberg \\\""[..]);
    assert_eq!(message.value(HeaderName::Subject), Some(&b""[..]));
    let unfolded = message.header("newfangledheader").unwrap().unfolded();
    assert_eq!(unfolded, &b"newfangled value continued newfangled value"[..]);
    let vias: Vec<_> = message.vias().map(|via| via.unwrap()).collect();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, [&b"390skdjuw"[..], b"z9hG4bK9ikj8", b"z9hG4bK30239"]);
    assert_eq!(vias[1].transport(), Transport::Tcp);
    assert_eq!(vias[2].host(), b"192.168.255.111");
    let contact = message.contacts().next().unwrap().unwrap();
    assert_eq!(contact.q(), Some(330));
    let route = message.routes().next().unwrap().unwrap().uri().unwrap();
    assert!(route.is_loose() && route.params().has(b"unknown-no-value"));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn percent_is_an_escape_in_uris_alone() {
    let unusual = message("intmeth");
    assert!(matches!(unusual.method(), Some(Method::Other(_))));
    assert_eq!(unusual.cseq().unwrap().method, unusual.method().unwrap());
    assert_eq!(unusual.uri().unwrap().host(), b"example.com");
    assert_eq!(unusual.call_id().unwrap(), b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    let escaped = message("esc02");
    assert_eq!(escaped.contacts().count(), 2);
    assert_eq!(escaped.from().unwrap().display_unquoted(), &b"%Z%45"[..]);
    let escaped = message("esc01");
    assert_eq!(escaped.uri().unwrap().user(), Some(&b"sips%3Auser%40example.com"[..]));
    let plain = Uri::parse(b"sip:user@example.com").unwrap();
    assert!(escaped.to().unwrap().uri().unwrap() == plain);
}

#[test]
fn octets_after_the_body_are_cut() {
    let message = message("dblreq");
    assert_eq!(message.body(), b"");
    assert!(message.framed().ends_with(b"Content-Length: 0\r\n\r\n"));
    assert!(message.rest().len() > 400);
}

#[test]
fn reason_phrases_may_be_anything() {
    assert_eq!(message("noreason").reason(), b"");
    assert!(message("unreason").reason().starts_with(b"= 2**3 * 5**2 "));
}

#[test]
fn later_steps_find_what_they_need() {
    assert!(!message("badbranch").top_via().unwrap().has_magic_branch());
    assert!(matches!(message("unkscm").uri().unwrap().scheme(), Scheme::Other(_)));
    assert!(matches!(message("novelsc").uri().unwrap().scheme(), Scheme::Other(b"soap.beep")));
    assert!(message("bext01").lists(HeaderName::ProxyRequire, b"noproxiessupportthis"));
    assert_eq!(message("bext01").tokens(HeaderName::Require).count(), 2);
    assert_eq!(message("zeromf").max_forwards(), Ok(Some(0)));
    assert_eq!(message("inv2543").content_length(), Ok(None));
    let auth = message("regaut01").auths(HeaderName::Authorization).next().unwrap();
    assert_eq!(auth.scheme, b"NoOneKnowsThisScheme");
    let addr = |name| match message(name).contacts().next() {
        Some(Ok(Contact::Addr(addr))) => addr,
        other => panic!("{name}: {other:?}"),
    };
    // RFC 4475 §3.3.12 and §3.3.13: of the header without brackets, of the URI within them.
    assert!(addr("cparam01").params().has(b"unknownparam"));
    assert!(addr("cparam02").params().is_empty());
    assert!(addr("cparam02").uri().unwrap().params().has(b"unknownparam"));
    assert_eq!(addr("regescrt").uri().unwrap().headers().len(), 1);
    assert_eq!(
        message("transports").vias().map(|v| v.unwrap().transport()).collect::<Vec<_>>(),
        [Transport::Udp, Transport::Sctp, Transport::Tls, Transport::Other, Transport::Tcp]
    );
}

#[test]
fn ipv6_addresses_and_ports_are_told_apart() {
    // RFC 5118 §4.3: inside the brackets it is part of the address, however it looks.
    assert_eq!(message("ipv6-4.3").uri().unwrap().port(), None);
    assert_eq!(message("ipv6-4.4").uri().unwrap().port(), Some(5070));
    for name in ["ipv6-4.5-brackets", "ipv6-4.5-bare"] {
        let via = message(name).top_via().unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()), "{name}");
        assert_eq!(via.rport(), Rport::Absent);
    }
    let ports: Vec<_> = message("ipv6-4.7").vias().map(|v| v.unwrap().port()).collect();
    assert_eq!(ports, [Some(6050), None, None]);
    let mapped = message("ipv6-4.9").top_via().unwrap();
    assert_eq!(mapped.host_ip(), Some("::ffff:192.0.2.10".parse().unwrap()));
}
