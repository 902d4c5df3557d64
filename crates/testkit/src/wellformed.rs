//! What a user agent may expect of a message that reached it through a proxy.

use std::net::SocketAddr;

use crate::text::{Message, param, socket_of};

/// What our agents put into `Max-Forwards` (RFC 3261 §8.1.1.6).
const MAX_FORWARDS: usize = 70;

/// Headers that every message has exactly once (RFC 3261 §8.1.1).
const ONCE: [&str; 4] = ["From", "To", "Call-ID", "CSeq"];

/// What is wrong with a message that `from` sent to the agent at `me`, a sentence each.
pub(crate) fn complaints(message: &Message, me: SocketAddr, from: SocketAddr) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |what: String| found.push(format!("{}: {what}", message.title()));
    let lines = |name: &str| {
        message.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count()
    };
    for name in ONCE {
        if lines(name) != 1 {
            note(format!("{} {name} headers", lines(name)));
        }
    }
    if message.from_tag().is_empty() {
        note("From without a tag".to_owned());
    }
    // RFC 3261 §18.3: over UDP the length may be missing, but not wrong.
    match message.header("Content-Length").map(str::parse::<usize>) {
        Some(Ok(length)) if length == message.body.len() => {}
        None => {}
        Some(told) => note(format!("Content-Length {told:?}, body {}", message.body.len())),
    }
    let vias = message.list("Via");
    let sent_by = vias.first().and_then(|via| socket_of(via.split_ascii_whitespace().nth(1)?));
    let branches: Vec<_> = vias.iter().filter_map(|via| param(via, "branch")).collect();
    if branches.iter().any(|branch| !branch.starts_with("z9hG4bK")) || branches.is_empty() {
        note("a Via branch without the cookie of RFC 3261 §8.1.1.7".to_owned());
    }
    let repeated = |(at, branch): (usize, &&str)| branches[..at].contains(branch);
    if branches.iter().enumerate().any(repeated) {
        note("two Vias with one branch".to_owned());
    }
    if message.is_response() {
        // RFC 3261 §8.1.3.3: the proxies took their own Vias off.
        if vias.len() != 1 || sent_by != Some(me) {
            note(format!("Via should be mine alone, is {vias:?}"));
        }
        return found;
    }
    if message.cseq().1 != message.method().unwrap_or_default() {
        note(format!("CSeq says {:?}", message.cseq().1));
    }
    // RFC 3261 §18.1.1: the topmost Via names its sender (or asks for rport).
    let top = vias.first().copied().unwrap_or_default();
    if param(top, "rport").is_none() && sent_by.is_some_and(|sent_by| sent_by != from) {
        note(format!("the topmost Via is not of its sender {from}: {top}"));
    }
    // RFC 3261 §16.6 step 3: each proxy takes one.
    let expected = MAX_FORWARDS.saturating_sub(vias.len().saturating_sub(1));
    match message.header("Max-Forwards").map(str::parse::<usize>) {
        Some(Ok(left)) if left <= expected => {}
        told => note(format!("Max-Forwards {told:?} after {} hops", vias.len())),
    }
    // RFC 3261 §16.4, §16.12: the last proxy leaves no route behind.
    if lines("Route") > 0 {
        note(format!("a Route is left over: {:?}", message.list("Route")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Message {
        Message::request("INVITE", "sip:bob@10.0.0.12")
            .with("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKp")
            .with("Via", "SIP/2.0/UDP 10.0.0.11;branch=z9hG4bKa")
            .with("Max-Forwards", "69")
            .with("From", "<sip:alice@10.0.0.11>;tag=a")
            .with("To", "<sip:bob@10.0.0.12>")
            .with("Call-ID", "1")
            .with("CSeq", "1 INVITE")
    }

    fn judge(message: &Message) -> Vec<String> {
        complaints(message, "10.0.0.12:5060".parse().unwrap(), "10.0.0.1:5060".parse().unwrap())
    }

    #[test]
    fn a_good_request_gives_no_complaint() {
        assert_eq!(judge(&request()), Vec::<String>::new());
    }

    #[test]
    fn each_flaw_is_named() {
        let change = |name: &str, value: &str| {
            let mut message = request();
            let header = message.headers.iter_mut().find(|(other, _)| other == name).unwrap();
            header.1 = value.to_owned();
            judge(&message).join("\n")
        };
        assert!(change("Max-Forwards", "70").contains("after 2 hops"));
        assert!(change("CSeq", "1 BYE").contains("CSeq says"));
        assert!(change("From", "<sip:alice@x>").contains("without a tag"));
        assert!(change("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa").contains("one branch"));
        assert!(change("Via", "SIP/2.0/UDP 10.0.0.1;branch=1").contains("cookie"));
        assert!(change("Via", "SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKp").contains("not of its"));
        assert!(judge(&request().with("To", "x")).join("").contains("2 To headers"));
        assert!(judge(&request().with("Route", "<sip:x;lr>")).join("").contains("left over"));
        assert!(judge(&request().with("Content-Length", "7")).join("").contains("Content-Length"));
    }

    #[test]
    fn a_response_carries_our_via_alone() {
        let mut response = request();
        response.start = "SIP/2.0 200 OK".to_owned();
        assert!(judge(&response).join("").contains("mine alone"));
    }
}
