//! The callers and the callees of all calls: each answers at once to what it hears, often with
//! several messages, so that the proxy has several of one call in hand at the same time.

use std::net::SocketAddr;
use std::sync::Mutex;

/// Where the callers are.
pub(crate) const CALLER: SocketAddr = SocketAddr::new(ip(10), 5060);
/// Where the callees are.
const CALLEE: SocketAddr = SocketAddr::new(ip(20), 5060);

const fn ip(last: u8) -> std::net::IpAddr {
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, last))
}

/// What becomes of a call, unless somebody else ends it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    CallerHangsUp,
    CalleeHangsUp,
    /// Two BYEs cross.
    BothHangUp,
    Busy,
    /// It rings, and the caller gives up.
    Cancelled,
    /// The CANCEL crosses the 200.
    CancelledTooLate,
    /// Nobody hangs up.
    Stays,
    /// Nobody answers.
    Rings,
}

impl Plot {
    pub(crate) const fn of(call: usize) -> Self {
        match call % 8 {
            0 => Self::CallerHangsUp,
            1 => Self::CalleeHangsUp,
            2 => Self::BothHangUp,
            3 => Self::Busy,
            4 => Self::Cancelled,
            5 => Self::CancelledTooLate,
            6 => Self::Stays,
            _ => Self::Rings,
        }
    }
}

/// What both sides of a call remember of it.
#[derive(Default)]
struct Memory {
    /// The INVITE as the callee got it.
    invite: Option<String>,
    /// The callee sent its final reply.
    answered: bool,
    callee_hung_up: bool,
    cancelled: bool,
}

/// Everybody around the proxy.
pub(crate) struct Peers {
    calls: Vec<Mutex<Memory>>,
}

/// The Call-ID of a call.
pub(crate) fn call_id(call: usize) -> String {
    format!("{call}@storm")
}

/// Which call a Call-ID belongs to.
pub(crate) fn call_of(call_id: &[u8]) -> Option<usize> {
    std::str::from_utf8(call_id).ok()?.strip_suffix("@storm")?.parse().ok()
}

/// The INVITE that begins a call.
pub(crate) fn invite(call: usize) -> Vec<u8> {
    from_caller(call, "INVITE", 1, "", "", "INVITE").into_bytes()
}

impl Peers {
    pub(crate) fn new(calls: usize) -> Self {
        Self { calls: (0..calls).map(|_| Mutex::default()).collect() }
    }

    /// What the one at `to` sends when it hears this.
    pub(crate) fn hear(&self, to: SocketAddr, bytes: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        let text = std::str::from_utf8(bytes).unwrap();
        let call = call_of(value(text, "Call-ID").as_bytes()).unwrap();
        let mut memory = self.calls[call].lock().unwrap();
        let said = match text.strip_prefix("SIP/2.0 ") {
            Some(_) if to != CALLER => Vec::new(),
            Some(reply) => caller_hears(call, &reply[..3], text, &mut memory),
            None if to == CALLER => caller_is_asked(text),
            None => callee_is_asked(call, text, &mut memory),
        };
        said.into_iter().map(|text| (to, text.into_bytes())).collect()
    }
}

fn caller_hears(call: usize, status: &str, text: &str, memory: &mut Memory) -> Vec<String> {
    if !value(text, "CSeq").ends_with("INVITE") {
        return Vec::new();
    }
    let to_tag = value(text, "To").split_once(";tag=").map_or("", |(_, tag)| tag);
    let routes = lines(text, "Record-Route").replace("Record-Route:", "Route:");
    let within = |method: &str, cseq| from_caller(call, method, cseq, to_tag, &routes, method);
    match status.as_bytes()[0] {
        b'1' => {
            let gives_up = matches!(Plot::of(call), Plot::Cancelled | Plot::CancelledTooLate);
            if status == "100" || !gives_up || std::mem::replace(&mut memory.cancelled, true) {
                return Vec::new();
            }
            vec![from_caller(call, "CANCEL", 1, "", "", "INVITE")]
        }
        b'2' => {
            let mut said = vec![within("ACK", 1), within("INFO", 2), within("INFO", 3)];
            let hangs_up = [Plot::CallerHangsUp, Plot::BothHangUp, Plot::CancelledTooLate];
            said.extend(hangs_up.contains(&Plot::of(call)).then(|| within("BYE", 4)));
            said
        }
        _ => vec![from_caller(call, "ACK", 1, to_tag, "", "INVITE")],
    }
}

fn caller_is_asked(text: &str) -> Vec<String> {
    if text.starts_with("ACK") { Vec::new() } else { vec![reply(text, "200 OK", "")] }
}

fn callee_is_asked(call: usize, text: &str, memory: &mut Memory) -> Vec<String> {
    let tag = format!(";tag=callee{call}");
    match text.split(' ').next().unwrap() {
        // It came again: nothing gets lost here, so the answer is under way.
        "INVITE" if memory.invite.is_some() => Vec::new(),
        "INVITE" => {
            memory.invite = Some(text.to_owned());
            let replies: &[&str] = match Plot::of(call) {
                Plot::Busy => &["180 Ringing", "486 Busy Here"],
                Plot::Cancelled | Plot::Rings => &["180 Ringing"],
                _ => &["180 Ringing", "183 Session Progress", "200 OK"],
            };
            memory.answered = replies.len() > 1;
            replies.iter().map(|status| reply(text, status, &tag)).collect()
        }
        "CANCEL" => {
            let mut said = vec![reply(text, "200 OK", &tag)];
            if let Some(invite) = &memory.invite
                && !std::mem::replace(&mut memory.answered, true)
            {
                said.push(reply(invite, "487 Request Terminated", &tag));
            }
            said
        }
        "ACK" => {
            let hangs_up = matches!(Plot::of(call), Plot::CalleeHangsUp | Plot::BothHangUp);
            if !hangs_up || std::mem::replace(&mut memory.callee_hung_up, true) {
                return Vec::new();
            }
            let invite = memory.invite.as_deref().unwrap();
            vec![bye_from_callee(call, &lines(invite, "Record-Route"))]
        }
        _ => vec![reply(text, "200 OK", "")],
    }
}

fn from_caller(
    call: usize,
    method: &str,
    cseq: u32,
    to_tag: &str,
    routes: &str,
    branch: &str,
) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:bob@{CALLEE} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {CALLER};branch=z9hG4bK-{call}-{branch}-{cseq}\r\n{routes}\
         From: <sip:alice@{CALLER}>;tag=caller{call}\r\n\
         To: <sip:bob@{CALLEE}>{to_tag}\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\n\
         Contact: <sip:alice@{CALLER}>\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        call_id = call_id(call),
    )
}

fn bye_from_callee(call: usize, record_routes: &str) -> String {
    format!(
        "BYE sip:alice@{CALLER} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {CALLEE};branch=z9hG4bK-{call}-callee\r\n{routes}\
         From: <sip:bob@{CALLEE}>;tag=callee{call}\r\n\
         To: <sip:alice@{CALLER}>;tag=caller{call}\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 BYE\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n",
        routes = record_routes.replace("Record-Route:", "Route:"),
        call_id = call_id(call),
    )
}

/// A reply; `tag` is added to a To that has none.
fn reply(request: &str, status: &str, tag: &str) -> String {
    let to = value(request, "To");
    let tag = if to.contains(";tag=") { "" } else { tag };
    format!(
        "SIP/2.0 {status}\r\n{vias}{record_routes}From: {from}\r\nTo: {to}{tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq}\r\nContact: <sip:bob@{CALLEE}>\r\n\
         Content-Length: 0\r\n\r\n",
        vias = lines(request, "Via"),
        record_routes = lines(request, "Record-Route"),
        from = value(request, "From"),
        call_id = value(request, "Call-ID"),
        cseq = value(request, "CSeq"),
    )
}

/// All lines of a header, with their ends.
fn lines(text: &str, name: &str) -> String {
    let of_header = |line: &&str| line.split(':').next() == Some(name);
    text.split_inclusive("\r\n").filter(of_header).collect()
}

/// The value of the first line of a header.
fn value<'t>(text: &'t str, name: &str) -> &'t str {
    let header = text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    header.unwrap_or_else(|| panic!("no {name} in {text}")).trim()
}
