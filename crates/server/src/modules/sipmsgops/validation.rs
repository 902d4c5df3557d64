//! `sipmsg_validate()`: a message held against the rules that routing does not need.

use duologue_script::{Args, Called, Value};
use duologue_sip::{Auth, HeaderName, Message, Method, NameAddr, Sdp, StatusCode, Uri, host_ip};

use crate::context::Context;
use crate::session_description::SDP;
use crate::sockets::Proto;

/// 1, or what is wrong first; the words for it go into the variable.
pub(super) fn sipmsg_validate(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(flags) = Flags::parse(args.str(0).unwrap_or_default()) else {
        return Called::Value(Fault::Other.code());
    };
    let proto = ctx.turn.node.sockets.get(ctx.flow.socket).map(|socket| socket.proto());
    let framed = proto.is_some_and(|proto| proto != Proto::Udp);
    match validate(ctx.message, flags, framed) {
        Ok(()) => Called::Value(1),
        Err((fault, words)) => {
            if args.has(1) && args.store(ctx, 1, Value::Str(words.as_bytes())).is_err() {
                return Called::Value(Fault::Other.code());
            }
            Called::Value(fault.code())
        }
    }
}

pub(super) fn check_flags(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if !text.contains('$') && Flags::parse(text.as_bytes()).is_none() => {
            Err(format!("flags are letters of \"shmrftc\", not \"{text}\""))
        }
        _ => Ok(()),
    }
}

/// What to look at beside the headers that every message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flags {
    sdp: bool,
    all_headers: bool,
    skip_max_forwards: bool,
    uri: bool,
    from: bool,
    to: bool,
    contact: bool,
}

impl Flags {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut flags = Self::default();
        for letter in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            match letter {
                b's' => flags.sdp = true,
                b'h' => flags.all_headers = true,
                b'm' => flags.skip_max_forwards = true,
                b'r' => flags.uri = true,
                b'f' => flags.from = true,
                b't' => flags.to = true,
                b'c' => flags.contact = true,
                _ => return None,
            }
        }
        Some(flags)
    }
}

/// What is wrong, with the number that scripts get (spec/modules.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Header = -2,
    CallId = -3,
    NoContentLength = -4,
    ContentLength = -5,
    Sdp = -6,
    CSeq = -7,
    From = -8,
    To = -9,
    Via = -10,
    Uri = -11,
    UriHost = -12,
    MaxForwards = -13,
    Contact = -14,
    UriUser = -15,
    NoAllow = -16,
    NoMinExpires = -17,
    NoProxyAuthenticate = -18,
    NoUnsupported = -19,
    NoWwwAuthenticate = -20,
    NoContentType = -21,
    ToUri = -22,
    ToHost = -23,
    ToUser = -24,
    FromUri = -25,
    FromHost = -26,
    FromUser = -27,
    ContactUri = -28,
    ContactHost = -29,
    ContactUser = -30,
    Other = -255,
}

impl Fault {
    const fn code(self) -> i32 {
        self as i32
    }
}

type Verdict = Result<(), (Fault, String)>;

/// The faults of an address: of the URI as such, its host, its user.
type AddressFaults = [Fault; 3];

fn validate(message: &Message<'_>, flags: Flags, framed: bool) -> Verdict {
    if flags.all_headers {
        all_headers(message)?;
    }
    mandatory(message, flags)?;
    body(message, flags, framed)?;
    let of = |name, faults, uri: &Uri<'_>| address(name, faults, uri);
    if flags.uri && message.is_request() {
        let uri = message.uri().map_err(|error| (Fault::Uri, error.to_string()))?;
        of("Request-URI", [Fault::Uri, Fault::UriHost, Fault::UriUser], &uri)?;
    }
    if flags.to {
        let faults = [Fault::ToUri, Fault::ToHost, Fault::ToUser];
        header_address("To", faults, message.to().ok())?;
    }
    if flags.from {
        let faults = [Fault::FromUri, Fault::FromHost, Fault::FromUser];
        header_address("From", faults, message.from().ok())?;
    }
    contacts(message, flags)?;
    replies(message)?;
    message.check().map_err(|error| (Fault::Other, error.to_string()))
}

/// The headers that every message has (RFC 3261 §8.1.1).
fn mandatory(message: &Message<'_>, flags: Flags) -> Verdict {
    message.call_id().map_err(|error| (Fault::CallId, error.to_string()))?;
    let cseq = message.cseq().map_err(|error| (Fault::CSeq, error.to_string()))?;
    if message.method().is_some_and(|method| method != cseq.method) {
        return Err((Fault::CSeq, "CSeq names another method than the request".to_owned()));
    }
    message.from().map_err(|error| (Fault::From, error.to_string()))?;
    message.to().map_err(|error| (Fault::To, error.to_string()))?;
    message.top_via().map_err(|error| (Fault::Via, error.to_string()))?;
    for via in message.vias() {
        via.map_err(|error| (Fault::Via, error.to_string()))?;
    }
    if !message.is_request() {
        return Ok(());
    }
    message.uri().map_err(|error| (Fault::Uri, error.to_string()))?;
    if flags.skip_max_forwards {
        return Ok(());
    }
    match message.max_forwards() {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err((Fault::MaxForwards, "Max-Forwards is missing".to_owned())),
        Err(error) => Err((Fault::MaxForwards, error.to_string())),
    }
}

fn body(message: &Message<'_>, flags: Flags, framed: bool) -> Verdict {
    match message.content_length() {
        Ok(Some(length)) if length as usize != message.rest().len() => {
            let octets = message.rest().len();
            let words = format!("Content-Length is {length}, the body has {octets} octets");
            return Err((Fault::ContentLength, words));
        }
        Ok(None) if framed => {
            return Err((Fault::NoContentLength, "Content-Length is missing".to_owned()));
        }
        Ok(_) => {}
        Err(error) => return Err((Fault::ContentLength, error.to_string())),
    }
    if !message.body().is_empty() && message.content_type().is_none_or(<[u8]>::is_empty) {
        return Err((Fault::NoContentType, "there is a body and no Content-Type".to_owned()));
    }
    let sdp = message.body_of_type(SDP).filter(|_| flags.sdp);
    if sdp.is_some_and(|sdp| !Sdp::new(sdp).is_well_formed()) {
        return Err((Fault::Sdp, "the session description breaks its grammar".to_owned()));
    }
    Ok(())
}

/// Headers that have a grammar which we know.
fn all_headers(message: &Message<'_>) -> Verdict {
    let addresses =
        [HeaderName::Route, HeaderName::RecordRoute, HeaderName::Path, HeaderName::ServiceRoute];
    let single = [HeaderName::ReferTo, HeaderName::ReferredBy, HeaderName::ReplyTo];
    let credentials = [
        HeaderName::Authorization,
        HeaderName::ProxyAuthorization,
        HeaderName::WwwAuthenticate,
        HeaderName::ProxyAuthenticate,
    ];
    let good = |name: HeaderName| match name {
        name if addresses.contains(&name) => {
            message.values(name).all(|value| NameAddr::parse(value.bytes).is_some())
        }
        name if single.contains(&name) => {
            message.all(name).all(|header| NameAddr::parse(header.value()).is_some())
        }
        name if credentials.contains(&name) => {
            message.all(name).all(|header| Auth::parse(header.value()).is_some())
        }
        HeaderName::Via => message.vias().all(|via| via.is_ok()),
        HeaderName::Contact => message.contacts().all(|contact| contact.is_ok()),
        HeaderName::MaxForwards => message.max_forwards().is_ok(),
        HeaderName::ContentLength => message.content_length().is_ok(),
        HeaderName::Expires => message.expires().is_ok(),
        HeaderName::RSeq => message.rseq().is_ok(),
        HeaderName::RAck => message.rack().is_ok(),
        HeaderName::CSeq => message.cseq().is_ok() && message.count(name) == 1,
        HeaderName::From => message.from().is_ok() && message.count(name) == 1,
        HeaderName::To => message.to().is_ok() && message.count(name) == 1,
        HeaderName::CallId => message.call_id().is_ok() && message.count(name) == 1,
        _ => true,
    };
    let mut seen = [false; HeaderName::COUNT];
    for name in message.headers().filter_map(|header| header.known()) {
        if !std::mem::replace(&mut seen[name as usize], true) && !good(name) {
            return Err((Fault::Header, format!("{name} breaks its grammar")));
        }
    }
    Ok(())
}

/// RFC 3261 §8.1.1.8 and §12.1.1: where to send what follows, in a request that makes a dialog and
/// in its answer.
fn contacts(message: &Message<'_>, flags: Flags) -> Verdict {
    let makes_dialog = match (message.method(), message.status()) {
        (Some(method), _) => {
            matches!(method, Method::Invite | Method::Subscribe | Method::Refer)
        }
        (None, Some(status)) => {
            let invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
            invite && status.is_success()
        }
        (None, None) => false,
    };
    if makes_dialog && !message.has(HeaderName::Contact) {
        return Err((Fault::Contact, "Contact is missing".to_owned()));
    }
    for contact in message.contacts() {
        match contact {
            Err(error) => return Err((Fault::Contact, error.to_string())),
            Ok(contact) if flags.contact => {
                let faults = [Fault::ContactUri, Fault::ContactHost, Fault::ContactUser];
                header_address("Contact", faults, contact.address())?;
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Headers without which a reply of this status is no use (RFC 3261 §21.4).
fn replies(message: &Message<'_>) -> Verdict {
    let (fault, name) = match message.status() {
        Some(StatusCode::METHOD_NOT_ALLOWED) => (Fault::NoAllow, HeaderName::Allow),
        Some(StatusCode::INTERVAL_TOO_BRIEF) => (Fault::NoMinExpires, HeaderName::MinExpires),
        Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
            (Fault::NoProxyAuthenticate, HeaderName::ProxyAuthenticate)
        }
        Some(StatusCode::BAD_EXTENSION) => (Fault::NoUnsupported, HeaderName::Unsupported),
        Some(StatusCode::UNAUTHORIZED) => (Fault::NoWwwAuthenticate, HeaderName::WwwAuthenticate),
        _ => return Ok(()),
    };
    if message.has(name) {
        return Ok(());
    }
    Err((fault, format!("{name} is missing")))
}

fn header_address(name: &str, faults: AddressFaults, found: Option<NameAddr<'_>>) -> Verdict {
    let Some(found) = found else { return Ok(()) };
    match found.uri() {
        Ok(uri) => address(name, faults, &uri),
        Err(error) => Err((faults[0], format!("{name}: {error}"))),
    }
}

fn address(name: &str, faults: AddressFaults, uri: &Uri<'_>) -> Verdict {
    if !uri.scheme().is_sip() {
        return Ok(());
    }
    if !is_host(uri.host()) {
        return Err((faults[1], format!("{name} has no valid host")));
    }
    if uri.user().is_some_and(|user| !is_user(user)) {
        return Err((faults[2], format!("{name} has no valid user")));
    }
    Ok(())
}

/// An address, or labels of letters, digits and inner hyphens, the last one no number (RFC 3261
/// §25.1).
fn is_host(host: &[u8]) -> bool {
    if host_ip(host).is_some() {
        return true;
    }
    let name = host.strip_suffix(b".").unwrap_or(host);
    let is_label = |label: &[u8]| {
        label.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && label.first().is_some_and(|&byte| byte != b'-')
            && label.last().is_some_and(|&byte| byte != b'-')
    };
    let last = name.rsplit(|&byte| byte == b'.').next();
    name.split(|&byte| byte == b'.').all(is_label)
        && last.and_then(|label| label.first()).is_some_and(u8::is_ascii_alphabetic)
}

/// Characters that a user may have, others escaped (RFC 3261 §25.1).
fn is_user(user: &[u8]) -> bool {
    let mut rest = user;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                after
            }
            (byte, after)
                if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(byte) =>
            {
                after
            }
            _ => return false,
        };
    }
    !user.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@h.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nFrom: <sip:a@h.example>;tag=1\r\nTo: <sip:bob@192.0.2.1>\r\n\
        Call-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h.example>\r\n\
        Content-Type: application/sdp\r\nContent-Length: 50\r\n\r\n\
        v=0\r\no=a 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 1 x 0\r\n";

    fn code(text: &str, flags: &str) -> i32 {
        code_over(text, flags, false)
    }

    fn code_over(text: &str, flags: &str, framed: bool) -> i32 {
        let message = Message::parse(text.as_bytes()).unwrap();
        match validate(&message, Flags::parse(flags.as_bytes()).unwrap(), framed) {
            Ok(()) => 1,
            Err((fault, words)) => {
                assert!(!words.is_empty() && !words.contains('\n'));
                fault.code()
            }
        }
    }

    fn broken(from: &str, to: &str) -> String {
        assert!(INVITE.contains(from), "{from}");
        INVITE.replacen(from, to, 1)
    }

    #[test]
    fn a_good_message_passes_every_check() {
        for flags in ["", "s", "shmrftc", "sh mr"] {
            assert_eq!(code(INVITE, flags), 1, "{flags}");
        }
    }

    /// spec/modules.md §6, `sipmsg_validate`: each number but -1, which no script can get.
    #[test]
    fn each_fault_has_its_number() {
        for (from, to, flags, wanted) in [
            ("Contact: <sip:a@h.example>", "Contact: <sip:a@h.example>\r\nRoute: <", "h", -2),
            ("Max-Forwards: 70", "Max-Forwards: many", "h", -2),
            ("To: <sip:bob@192.0.2.1>", "To: <sip:b@h>\r\nTo: <sip:b@h>", "h", -2),
            ("Call-ID: x\r\n", "", "", -3),
            ("Length: 50", "Length: 4", "", -5),
            ("Length: 50", "Length: x", "", -5),
            ("m=audio 1 x 0", "m=audio q x 0", "s", -6),
            ("1 INVITE", "1 BYE", "", -7),
            ("1 INVITE", "INVITE", "", -7),
            ("From: <sip:a@h.example>;tag=1", "From: <", "", -8),
            ("To: <sip:bob@192.0.2.1>\r\n", "", "", -9),
            ("SIP/2.0/UDP h", "SIP/2.0", "", -10),
            ("INVITE sip:bob@h.example", "INVITE bob", "", -11),
            ("INVITE sip:bob@h.example", "INVITE sip:bob@-h", "r", -12),
            ("Max-Forwards: 70\r\n", "", "", -13),
            ("Max-Forwards: 70", "Max-Forwards: 256", "", -13),
            ("Contact: <sip:a@h.example>\r\n", "", "", -14),
            ("Contact: <sip:a@h.example>", "Contact: <", "", -14),
            ("INVITE sip:bob@h.example", "INVITE sip:b{@h.example", "r", -15),
            ("Content-Type: application/sdp\r\n", "", "", -21),
            ("To: <sip:bob@192.0.2.1>", "To: <bob>", "t", -22),
            ("To: <sip:bob@192.0.2.1>", "To: <sip:bob@192.0.2.300>", "t", -23),
            ("To: <sip:bob@192.0.2.1>", "To: <sip:b^@h>", "t", -24),
            ("From: <sip:a@h.example>", "From: <a>", "f", -25),
            ("From: <sip:a@h.example>", "From: <sip:a@h_.example>", "f", -26),
            ("From: <sip:a@h.example>", "From: <sip:a{@h>", "f", -27),
            ("Contact: <sip:a@h.example>", "Contact: <a>", "c", -28),
            ("Contact: <sip:a@h.example>", "Contact: <sip:a@h..example>", "c", -29),
            ("Contact: <sip:a@h.example>", "Contact: <sip:a|@h>", "c", -30),
            ("Call-ID: x", "Call-ID: x\r\nCall-ID: y", "", -255),
        ] {
            assert_eq!(code(&broken(from, to), flags), wanted, "{from} -> {to}");
        }
    }

    /// What a flag is for is not looked at without it.
    #[test]
    fn flags_choose() {
        assert_eq!(code(&broken("Max-Forwards: 70\r\n", ""), "m"), 1);
        assert_eq!(code(&broken("m=audio 1 x 0", "m=audio q x 0"), ""), 1);
        assert_eq!(code(&broken("To: <sip:bob@192.0.2.1>", "To: <sip:b^@h>"), "rfc"), 1);
        assert_eq!(Flags::parse(b"sx"), None);
        assert!(check_flags(0, "sx").is_err() && check_flags(0, "shm").is_ok());
    }

    /// RFC 3261 §20.14: only a stream needs the length.
    #[test]
    fn streams_need_the_length() {
        let text = broken("Content-Length: 50\r\n", "");
        assert_eq!(code(&text, ""), 1);
        assert_eq!(code_over(&text, "", true), -4);
    }

    /// spec/modules.md §6: -16 to -20.
    #[test]
    fn replies_need_what_they_are_about() {
        for (status, header, wanted) in [
            (405, "Allow: INVITE", -16),
            (423, "Min-Expires: 60", -17),
            (407, "Proxy-Authenticate: Digest realm=\"x\"", -18),
            (420, "Unsupported: x", -19),
            (401, "WWW-Authenticate: Digest realm=\"x\"", -20),
        ] {
            let reply = |extra: &str| {
                format!(
                    "SIP/2.0 {status} No\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>;tag=1\r\n\
                     To: <sip:b@h>;tag=2\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n{extra}\
                     Content-Length: 0\r\n\r\n"
                )
            };
            assert_eq!(code(&reply(""), "h"), wanted, "{status}");
            assert_eq!(code(&reply(&format!("{header}\r\n")), "h"), 1, "{status}");
        }
    }
}
