//! Requests that we make ourselves outside of any dialog (spec/modules.md §1.5): what
//! `t_new_request()` and management ask for. Each has a call of its own.

use std::hash::Hasher;
use std::sync::mpsc::Sender;

use duologue_script::Value;
use duologue_sip::{Builder, HeaderName, Message, Method, NameAddr, Uri, render};
use duologue_transaction::{
    BranchId, BranchIndex, CancelReason, Kind, NewBranch, Transaction, TransactionId, Winner,
};
use siphasher::sip::SipHasher13;

use crate::call::{Job, Offer, ReplyTo, SendTag};
use crate::context::Context;
use crate::intents::hand_over;
use crate::modules::tm::TmSettings;
use crate::node::Node;
use crate::own_requests;
use crate::relay::with_transaction;
use crate::statistics::TM_UAC_TRANSACTIONS;
use crate::tm::Entry;
use crate::turn::Turn;

/// The AVP in which the local route finds the context of the request.
const CONTEXT_AVP: &[u8] = b"uac_ctx";

/// A request outside of dialogs.
#[derive(Clone, Debug, Default)]
pub struct NewRequest {
    /// The method.
    pub method: Vec<u8>,
    /// The Request-URI.
    pub uri: Vec<u8>,
    /// Where it goes, a URI; `None` for the Request-URI.
    pub next_hop: Option<Vec<u8>>,
    /// From, without its tag.
    pub from: Vec<u8>,
    /// To.
    pub to: Vec<u8>,
    /// Content type and body.
    pub body: Option<(Vec<u8>, Vec<u8>)>,
    /// `$avp(uac_ctx)` of the local route.
    pub context: Option<Vec<u8>>,
    /// Its Call-ID; made up if there is none.
    pub call_id: Option<Vec<u8>>,
    /// The number of its CSeq; 1 if there is none.
    pub cseq: Option<u32>,
    /// Further header lines, each with its CRLF.
    pub lines: Vec<u8>,
    /// The socket that it leaves by; `None` to choose.
    pub socket: Option<u16>,
    /// Who wants to hear how it was answered.
    pub asker: Option<Sender<Heard>>,
}

/// The end of a request of ours, for who [asked](NewRequest::asker).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The status.
    pub status: u16,
    /// The final reply as it came in; empty if there was none and the status is of our own.
    pub reply: Vec<u8>,
}

impl NewRequest {
    /// Checks the parts and brings From and To into their form; `None` if one makes no sense.
    pub fn checked(self) -> Option<Self> {
        if !self.can_leave() {
            return None;
        }
        Some(Self { from: party(&self.from)?, to: party(&self.to)?, ..self })
    }

    /// The request that a command describes with header lines (`t_uac_dlg`): From and To are
    /// needed, Call-ID, CSeq and the tag of From are made up unless given. What only we can know
    /// (Via, Content-Length) is ours.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn described(
        method: &str,
        uri: &str,
        headers: &str,
        body: Option<&str>,
    ) -> Result<Self, &'static str> {
        let mut text = format!("{method} {uri} SIP/2.0\r\n").into_bytes();
        for line in headers.lines().filter(|line| !line.is_empty()) {
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        let message = Message::parse(&text).map_err(|_| "these are no header lines")?;
        let (Ok(from), Ok(to)) = (message.from(), message.to()) else {
            return Err("From and To are needed");
        };
        let cseq = message.has(HeaderName::CSeq).then(|| message.cseq());
        let cseq = cseq.transpose().map_err(|_| "this is no CSeq")?;
        let content_type = message.content_type().unwrap_or_default();
        let mut lines = Vec::new();
        for header in message.headers().filter(|header| !header.known().is_some_and(is_ours)) {
            lines.extend_from_slice(header.line());
        }
        let new = Self {
            method: method.into(),
            uri: uri.into(),
            from: from.as_bytes().to_vec(),
            to: to.as_bytes().to_vec(),
            body: body.map(|body| (content_type.to_vec(), body.as_bytes().to_vec())),
            call_id: message.call_id().ok().map(<[u8]>::to_vec),
            cseq: cseq.map(|cseq| cseq.number),
            lines,
            ..Self::default()
        };
        new.can_leave().then_some(new).ok_or("this request cannot be sent")
    }

    fn can_leave(&self) -> bool {
        let method = Method::parse(&self.method);
        // Neither has a transaction of its own (RFC 3261 §17.1, §9.1).
        let sendable = |method| !matches!(method, Method::Ack | Method::Cancel);
        let hop = self.next_hop.as_deref().unwrap_or(&self.uri);
        method.is_some_and(sendable) && Uri::parse(&self.uri).is_ok() && Uri::parse(hop).is_ok()
    }
}

/// Headers that are written anew.
const fn is_ours(name: HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq
            | HeaderName::MaxForwards
            | HeaderName::ContentLength
            | HeaderName::ContentType
    )
}

/// `[display ]URI` as From and To carry it (spec/modules.md §1.2).
fn party(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if text.contains(&b'\r') || text.contains(&b'\n') {
        return None;
    }
    let (display, uri) = match text.iter().rposition(|&byte| byte == b' ' || byte == b'\t') {
        Some(blank) => (text[..blank].trim_ascii(), &text[blank + 1..]),
        None => (&b""[..], text),
    };
    let uri = uri.strip_prefix(b"<").and_then(|uri| uri.strip_suffix(b">")).unwrap_or(uri);
    Uri::parse(uri).ok()?;
    let quoted = display.first() == Some(&b'"');
    let mark: &[u8] = if quoted || display.is_empty() { b"" } else { b"\"" };
    let blank: &[u8] = if display.is_empty() { b"" } else { b" " };
    let value = [mark, display, mark, blank, b"<", uri, b">"].concat();
    NameAddr::parse(&value)?;
    Some(value)
}

/// Lets a request leave in a call of its own; false if there is no room for one.
pub fn send(node: &Node, request: NewRequest) -> bool {
    let made_up = || format!("{:016x}@duologue.invalid", number(node)).into_bytes();
    let call_id = request.call_id.clone().unwrap_or_else(made_up);
    let job = || Job::NewRequest(Box::new(request.clone()));
    // A Call-ID that somebody gave us may be that of a call that is being run.
    let entered = node.calls.enter(&call_id, true, job);
    hand_over(node, entered, job)
}

/// Gives up a request of ours that is under way; true or false is told when its call had its turn.
pub fn cancel(node: &Node, call_id: &[u8], cseq: u32, done: Sender<bool>) {
    let job = || Job::CancelOwn(cseq, done.clone());
    let entered = node.calls.enter(call_id, false, job);
    // Where there is no such call, `done` is dropped, which says so.
    hand_over(node, entered, job);
}

/// Answers a request that waits for its reply, named as `$T_id` does; false if there is no such call.
/// Whether the request was there is told to [`ReplyTo::done`].
pub fn answer(node: &Node, shown: u64, reply: &ReplyTo) -> bool {
    let Some(call) = node.calls.find_shown(shown) else { return false };
    match call.post_own(Job::Reply(Box::new(reply.clone()))) {
        Offer::Run => node.queue.push(call),
        Offer::Queued(_) => {}
        Offer::Overflow | Offer::Closed => return false,
    }
    true
}

/// The end of a request of ours, told to who asked for it.
pub(crate) fn tell(
    turn: &mut Turn<'_>,
    id: TransactionId,
    winner: Winner,
    reply: Option<&Message<'_>>,
) {
    let Some(entry) = turn.body.transactions.get_mut(id) else { return };
    let Some(kept) = entry.attached.as_deref_mut() else { return };
    let Some(asker) = kept.asker.take() else { return };
    let stored = entry.transaction.branch(winner.branch).and_then(|branch| branch.reply());
    let bytes = reply.map(Message::as_bytes).or(stored).filter(|_| !winner.local);
    // Who does not wait any more does not want to know.
    let _ = asker.send(Heard { status: winner.status, reply: bytes.unwrap_or_default().to_vec() });
}

/// Gives up a request of ours that is under way (`t_uac_cancel`): its INVITE is cancelled.
pub(crate) fn cancel_here(turn: &mut Turn<'_>, cseq: u32, done: &Sender<bool>) {
    let ours = |entry: &&Entry| {
        let transaction = &entry.transaction;
        let branch = transaction.branches().first();
        let sent = branch.and_then(|branch| Message::parse(branch.wire()).ok());
        transaction.flow().is_none()
            && !transaction.is_closed()
            && sent.is_some_and(|sent| sent.cseq().is_ok_and(|it| it.number == cseq))
    };
    let found = turn.body.transactions.iter().find(ours).map(|entry| entry.transaction.id());
    if let Some(id) = found {
        with_transaction(turn, id, |transaction, now, fx| {
            transaction.cancel_branches(now, None, CancelReason::Script, fx);
        });
    }
    let _ = done.send(found.is_some());
}

/// In the call's turn: the request is written, shown to the local route, and sent.
pub(crate) fn send_here(turn: &mut Turn<'_>, new: &NewRequest) {
    if try_to_send(turn, new).is_none() {
        let (method, uri) =
            (String::from_utf8_lossy(&new.method), String::from_utf8_lossy(&new.uri));
        tracing::warn!(call_id = %turn.call_id(), "{method} to {uri} could not be sent");
    }
}

fn try_to_send(turn: &mut Turn<'_>, new: &NewRequest) -> Option<()> {
    let node = turn.node;
    let id = turn.body.transactions.next_id()?;
    let request = write(turn, new)?;
    let next_hop = new.next_hop.as_deref().unwrap_or(&new.uri);
    let flow = own_requests::flow_to(node, next_hop, new.socket)?;
    let context = new.context.as_deref().map(Value::Str);
    let prepare = |ctx: &mut Context<'_>| {
        if let Some(value) = context {
            // The first AVP of its context fits.
            let _ = ctx.draft.avps.push(CONTEXT_AVP, value);
        }
    };
    let (edits, target) = own_requests::shown_to_local_route(turn, &request, flow, prepare);
    let flow = match target.next_hop.as_ref().or(target.uri.as_ref()) {
        Some(moved) if new.next_hop.is_none() || target.next_hop.is_some() => {
            own_requests::flow_to(node, moved, target.socket)?
        }
        _ => match target.socket {
            Some(socket) => own_requests::flow_to(node, next_hop, Some(socket))?,
            None => flow,
        },
    };
    let branch = BranchIndex(0);
    let mut text = Vec::with_capacity(40);
    let name = BranchId { transaction: id, branch };
    node.branch_key.encode(turn.call.key().call_id(), name, &mut text);
    let via = own_requests::via(turn, &request, flow, &text)?;
    let kind = if new.method == b"INVITE" { Kind::Invite } else { Kind::Other };
    let now = turn.now.tick;
    let settings = &node.settings::<TmSettings>().transactions;
    let mut transaction = Transaction::local(now, id, kind, settings);
    own_requests::show_to_request_route(turn, &request, &[&edits, &via], flow);
    let tag = SendTag { call: turn.call.clone(), transaction: id, branch };
    let mut added = false;
    turn.worker.outbox.push(flow, Some(tag), |out| {
        let start = out.len();
        render(&request, &[&edits, &via], out);
        let new = NewBranch { wire: &out[start..], flow, reliable: false, minor: false };
        added = transaction.add_branch(now, new).is_ok();
        if !added {
            out.truncate(start);
        }
    });
    if !added {
        return None;
    }
    let entry = turn.body.transactions.insert(transaction, &new.method);
    if new.asker.is_some() {
        entry.attach().asker.clone_from(&new.asker);
    }
    turn.count(TM_UAC_TRANSACTIONS);
    Some(())
}

/// The request but for its Via.
fn write(turn: &Turn<'_>, new: &NewRequest) -> Option<Vec<u8>> {
    let mut request = Vec::with_capacity(512);
    let method = Method::parse(&new.method)?;
    let own = format!(";tag={:016x}", number(turn.node));
    let tagged = NameAddr::parse(&new.from).is_some_and(|from| from.tag().is_some());
    let tag: &[u8] = if tagged { b"" } else { own.as_bytes() };
    let mut builder = Builder::request(&mut request, method, &new.uri)
        .header(HeaderName::From, &[&new.from, tag])
        .header(HeaderName::To, &[&new.to])
        .header(HeaderName::CallId, &[turn.call.key().call_id()])
        .cseq(new.cseq.unwrap_or(1), method)
        .number(HeaderName::MaxForwards, 70);
    if let Some(agent) = &turn.node.user_agent_header {
        builder = builder.lines(agent.as_bytes());
    }
    builder = builder.lines(&new.lines);
    match &new.body {
        Some((content_type, body)) => builder.body(content_type, body),
        None => builder.finish(),
    }
    Some(request)
}

/// A number that comes once and that nobody guesses.
fn number(node: &Node) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(node.tag_key.0, node.tag_key.1);
    hasher.write(b"own request");
    hasher.write_u64(node.next_number());
    hasher.write_u64(node.started.unix);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Option<String> {
        party(text.as_bytes()).map(|value| String::from_utf8(value).unwrap())
    }

    /// spec/modules.md §1.2, `t_new_request`: from and to are `[display ]URI`.
    #[test]
    fn parties_are_a_uri_with_or_without_a_name() {
        assert_eq!(form("sip:a@h").as_deref(), Some("<sip:a@h>"));
        assert_eq!(form("Ann sip:a@h;x=y").as_deref(), Some("\"Ann\" <sip:a@h;x=y>"));
        assert_eq!(form("\"Ann B\" <sip:a@h>").as_deref(), Some("\"Ann B\" <sip:a@h>"));
        assert_eq!(form("Ann B sip:a@h").as_deref(), Some("\"Ann B\" <sip:a@h>"));
        for bad in ["", "Ann", "sip:a@h\r\nX: y", "sip:a@h x\r\n sip:b@h"] {
            assert_eq!(form(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_has_no_transaction_is_not_sent() {
        let new = |method: &str| NewRequest {
            method: method.into(),
            uri: b"sip:b@h".to_vec(),
            from: b"sip:a@h".to_vec(),
            to: b"sip:b@h".to_vec(),
            ..NewRequest::default()
        };
        assert!(new("OPTIONS").checked().is_some());
        assert!(new("ACK").checked().is_none());
        assert!(new("CANCEL").checked().is_none());
        assert!(NewRequest { uri: b"nonsense".to_vec(), ..new("INFO") }.checked().is_none());
    }
}
