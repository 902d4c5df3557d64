//! Relaying without state: `forward()`, `send()`, and the replies that come back (RFC 3261 §16.11,
//! spec/script.md §11, §17.3).

use std::net::SocketAddr;

use duologue_dialog::{DialogFlags, MatchFacts, MatchMode, Matched};
use duologue_sip::{Edits, Flow, HeaderName, Message, Method, Rport, Via, render};

use crate::context::Context;
use crate::node::Node;
use crate::relay::{self, outbound_uri};
use crate::sockets::Proto;
use crate::statistics::{FWD_REPLIES, FWD_REQUESTS};
use crate::target::NoDestination;
use crate::turn::Turn;
use crate::worker::Worker;

/// The core's codes for what went wrong here (spec/script.md §6).
const UNSPECIFIED: i32 = -1;
const NO_SOCKET: i32 = -7;
const BAD_REQUEST: i32 = -400;

/// `forward()`: the request goes to `to`, else to its next hop, else to its Request-URI, and
/// nothing is kept of it.
pub fn forward(ctx: &mut Context<'_>, to: Option<&[u8]>) -> i32 {
    if !ctx.message.is_request() {
        return UNSPECIFIED;
    }
    let given = match to.map(outbound_uri) {
        Some(None) => return failed(ctx, NoDestination::BadUri),
        Some(given) => given,
        None => None,
    };
    let target = &ctx.draft.target;
    let uri = given.as_deref().or(target.next_hop.as_deref()).or(target.uri.as_deref());
    let hop = match relay::way_to(ctx, uri.unwrap_or(ctx.message.uri_bytes())) {
        Ok(hop) => hop,
        Err(error) => return failed(ctx, error),
    };
    let (message, draft, node) = (ctx.message, &*ctx.draft, ctx.turn.node);
    let Ok(via) = message.top_via() else { return BAD_REQUEST };
    let Some(socket) = node.sockets.get(hop.socket) else { return NO_SOCKET };
    let Worker { outbox, wire_edits: wire, branch_text: branch, .. } = &mut *ctx.turn.worker;
    // What comes again, its CANCEL and its ACK must get the same branch: it is made of what they
    // have in common.
    branch.clear();
    match via.branch().filter(|_| via.has_magic_branch()) {
        Some(received) => node.branch_key.stateless(&[received], branch),
        None => {
            let cseq = message.cseq().map(|cseq| cseq.number).unwrap_or_default();
            let call_id = message.call_id().unwrap_or_default();
            let parts: [&[u8]; 4] =
                [message.uri_bytes(), call_id, &cseq.to_be_bytes(), via.as_bytes()];
            node.branch_key.stateless(&parts, branch);
        }
    }
    wire.clear();
    relay::edit_request(wire, message, ctx.flow, (&draft.target, &draft.manners), socket, branch);
    relay::push_record_routes(wire, message, ctx.flow, draft, node, hop);
    outbox.push(hop, None, |out| render(message.framed(), &[&draft.edits, &*wire], out));
    ctx.turn.count(FWD_REQUESTS);
    1
}

/// `send()`: the message as it was received goes to `to`, with header lines behind its first line.
pub fn send(ctx: &mut Context<'_>, to: &[u8], lines: &[u8]) -> i32 {
    let Some(uri) = outbound_uri(to) else { return failed(ctx, NoDestination::BadUri) };
    let hop = match relay::way_to(ctx, &uri) {
        Ok(hop) => hop,
        Err(error) => return failed(ctx, error),
    };
    let bytes = ctx.message.framed();
    let first_line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    ctx.turn.worker.outbox.push(hop, None, |out| {
        out.extend_from_slice(&bytes[..first_line]);
        out.extend_from_slice(lines);
        out.extend_from_slice(&bytes[first_line..]);
    });
    1
}

fn failed(ctx: &mut Context<'_>, error: NoDestination) -> i32 {
    ctx.draft.error = Some(error.code());
    error.code()
}

/// Whether a reply that belongs to no transaction travels on: where the script forwards without
/// state at all. After a restart so does the 2xx of a call that came back: its callee repeats it
/// until it hears an ACK, which its caller repeats when it hears the 2xx (RFC 3261 §13.3.1.4, §13.2.2.4).
pub(crate) fn forwards(node: &Node, reply: &Message<'_>) -> bool {
    node.script().forwards_statelessly || node.storage.is_some() && is_of_stored_call(node, reply)
}

fn is_of_stored_call(node: &Node, reply: &Message<'_>) -> bool {
    let success = reply.status().is_some_and(|status| (200..300).contains(&status.code()));
    let invite = reply.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
    if !(success && invite) {
        return false;
    }
    let (Ok(from), Ok(to), Ok(call_id)) = (reply.from(), reply.to(), reply.call_id()) else {
        return false;
    };
    let facts = MatchFacts {
        call_id,
        from_tag: from.tag().unwrap_or_default(),
        to_tag: to.tag().unwrap_or_default(),
        did: None,
    };
    let dialogs = &node.dialogs;
    let stored =
        |key| dialogs.handle(key).flags().is_ok_and(|it| it.contains(DialogFlags::FROM_DB));
    let known = |found: Matched| !found.tombstone && stored(found.key);
    dialogs.match_request(&facts, MatchMode::DidNone).is_ok_and(known)
}

/// A reply that belongs to no transaction goes where the second Via says, if it
/// [travels](forwards) without state; true if it did.
pub(crate) fn forward_reply(
    turn: &mut Turn<'_>,
    message: &Message<'_>,
    flow: Flow,
    edits: &Edits,
) -> bool {
    let node = turn.node;
    let Ok(own) = message.top_via() else { return false };
    // RFC 3261 §16.11: what did not pass here on its way down is discarded.
    if !forwards(node, message) || !node.sockets.is_me(own.host(), own.port(), None) {
        return false;
    }
    let below = message.values(HeaderName::Via).nth(1).and_then(|value| Via::parse(value.bytes));
    let Some(back) = below.and_then(|via| way_back(&via)) else { return false };
    let socket = node.sockets.for_destination(Proto::Udp, back.ip(), Some(flow.socket));
    let Some(socket) = socket else { return false };
    let Worker { outbox, wire_edits: wire, .. } = &mut *turn.worker;
    wire.clear();
    wire.draft(message).pop_via();
    outbox.push(Flow::datagram(socket, back), None, |out| {
        render(message.framed(), &[edits, &*wire], out);
    });
    turn.count(FWD_REPLIES);
    true
}

/// RFC 3261 §18.2.2, RFC 3581 §4: where a response to this Via goes; none if that is a name.
fn way_back(via: &Via<'_>) -> Option<SocketAddr> {
    let given = via.maddr().and_then(duologue_sip::host_ip);
    let ip = given.or_else(|| via.received()).or_else(|| via.host_ip())?;
    let port = match via.rport() {
        Rport::Filled(port) if given.is_none() => port,
        _ => via.port_or_default(),
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(via: &str) -> String {
        let found = Via::parse(via.as_bytes()).and_then(|via| way_back(&via));
        found.map_or("nowhere".to_owned(), |address| address.to_string())
    }

    /// RFC 3261 §18.2.2.
    #[test]
    fn replies_go_where_the_via_says() {
        assert_eq!(back("SIP/2.0/UDP 192.0.2.1"), "192.0.2.1:5060");
        assert_eq!(back("SIP/2.0/UDP 192.0.2.1:5070;received=192.0.2.9"), "192.0.2.9:5070");
        assert_eq!(back("SIP/2.0/UDP h;received=192.0.2.9;rport=9"), "192.0.2.9:9");
        assert_eq!(back("SIP/2.0/UDP h:5070;maddr=192.0.2.3;rport=9"), "192.0.2.3:5070");
        assert_eq!(back("SIP/2.0/UDP example.com"), "nowhere");
    }
}
