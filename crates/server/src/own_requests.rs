//! Requests that we make ourselves within a dialog (spec/dialog.md §6.4).

use std::time::Duration;

use duologue_dialog::{LegTarget, OwnLink, OwnRequest, Purpose};
use duologue_script::RouteKind;
use duologue_sip::{Builder, Edits, Flow, HeaderName, Message, Method, render};
use duologue_transaction::{BranchId, BranchIndex, Kind, NewBranch, Transaction, TransactionId};

use crate::call::SendTag;
use crate::context::Context;
use crate::dialogs;
use crate::effects;
use crate::modules::tm::TmSettings;
use crate::node::Node;
use crate::own_routes;
use crate::statistics::{FWD_REQUESTS, TM_UAC_TRANSACTIONS};
use crate::target::{Target, destination};
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;

/// The branch of a request of ours: it has no other.
const BRANCH: BranchIndex = BranchIndex(0);

/// Sends a request of ours with further header lines; false if there is no way to its leg. Its
/// outcome comes to [`own_request_ended`](crate::dialogs::own_request_ended).
pub fn send(turn: &mut Turn<'_>, own: &OwnRequest, lines: &[u8]) -> bool {
    let Some(id) = turn.body.transactions.next_id() else { return false };
    let Some(request) = write(turn, own, lines) else { return false };
    let Some(flow) = way_to(turn, own, &own.next_hop, None) else { return false };
    let Some((edits, flow)) = run_local_route(turn, own, &request, flow) else { return false };
    match own.link.purpose {
        Purpose::Ack => send_ack(turn, own.link, &request, &edits, flow),
        _ => send_in_transaction(turn, own, id, &request, &edits, flow),
    }
}

/// The request but for its Via, which depends on what the local route decides.
fn write(turn: &Turn<'_>, own: &OwnRequest, lines: &[u8]) -> Option<Vec<u8>> {
    let mut request = Vec::with_capacity(512);
    let method = Method::parse(&own.method)?;
    let mut builder = Builder::request(&mut request, method, &own.request_uri)
        .header(HeaderName::From, &[&own.from])
        .header(HeaderName::To, &[&own.to])
        .header(HeaderName::CallId, &[&own.call_id])
        .cseq(own.cseq, method);
    if let Some((rseq, cseq)) = own.rack {
        let value = format!("{rseq} {cseq} INVITE");
        builder = builder.header(HeaderName::RAck, &[value.as_bytes()]);
    }
    if !own.contact.is_empty() {
        builder = builder.header(HeaderName::Contact, &[b"<", &own.contact, b">"]);
    }
    if !own.routes.is_empty() {
        builder = builder.header(HeaderName::Route, &[&own.routes]);
    }
    builder = builder.number(HeaderName::MaxForwards, 70);
    if let Some(agent) = &turn.node.user_agent_header {
        builder = builder.lines(agent.as_bytes());
    }
    builder = builder.lines(&own.headers).lines(lines);
    match &own.body {
        Some(body) => builder.body(body.content_type(), body.bytes()),
        None => builder.finish(),
    }
    Some(request)
}

/// RFC 3261 §13.2.2.4: the ACK of a 2xx is a request without a transaction.
fn send_ack(turn: &mut Turn<'_>, link: OwnLink, request: &[u8], edits: &Edits, flow: Flow) -> bool {
    let mut branch = Vec::with_capacity(40);
    // Our ACK again has the same branch: it is the same request.
    turn.node.branch_key.stateless(&[request], &mut branch);
    let Some(via) = via(turn, request, flow, &branch) else { return false };
    let (dialogs, layers) = (&turn.node.dialogs, [edits, &via]);
    let mut changed = None;
    turn.worker.outbox.push(flow, None, |out| {
        let start = out.len();
        render(request, &layers, out);
        changed = dialogs::changed_body(dialogs, true, &layers, &out[start..]);
    });
    if let Some(body) = changed {
        let _ = dialogs.own_body_changed(link, body);
    }
    turn.count(FWD_REQUESTS);
    true
}

fn send_in_transaction(
    turn: &mut Turn<'_>,
    own: &OwnRequest,
    id: TransactionId,
    request: &[u8],
    edits: &Edits,
    flow: Flow,
) -> bool {
    let node = turn.node;
    let mut branch = Vec::with_capacity(40);
    let name = BranchId { transaction: id, branch: BRANCH };
    node.branch_key.encode(turn.call.key().call_id(), name, &mut branch);
    let Some(via) = via(turn, request, flow, &branch) else { return false };
    let kind = if *own.method == *b"INVITE" { Kind::Invite } else { Kind::Other };
    let now = turn.now.tick;
    let settings = &node.settings::<TmSettings>().transactions;
    let mut transaction = Transaction::local(now, id, kind, settings);
    if own.link.purpose == Purpose::Prack {
        let seconds = node.dialogs.settings().auto_prack_fr_timeout;
        transaction.set_fr_timeout(Duration::from_secs(seconds.into()));
    }
    show_to_request_route(turn, request, &[edits, &via], flow);
    let tag = SendTag { call: turn.call.clone(), transaction: id, branch: BRANCH };
    let mut added = false;
    let layers = [edits, &via];
    let mut changed = None;
    turn.worker.outbox.push(flow, Some(tag), |out| {
        let start = out.len();
        render(request, &layers, out);
        changed = dialogs::changed_body(&node.dialogs, true, &layers, &out[start..]);
        let new = NewBranch { wire: &out[start..], flow, reliable: false, minor: false };
        added = transaction.add_branch(now, new).is_ok();
        if !added {
            out.truncate(start);
        }
    });
    if let Some(body) = changed.filter(|_| added) {
        let _ = node.dialogs.own_body_changed(own.link, body);
    }
    if added {
        turn.body.transactions.insert(transaction, &own.method).dialog = Some(link(own.link));
        turn.count(TM_UAC_TRANSACTIONS);
    }
    added
}

/// Our Via, as a change to a request that has none yet.
pub(crate) fn via(turn: &Turn<'_>, request: &[u8], flow: Flow, branch: &[u8]) -> Option<Edits> {
    let socket = turn.node.sockets.get(flow.socket)?;
    let message = Message::parse(request).ok()?;
    let mut edits = Edits::new();
    edits.draft(&message).push_via(&[
        b"SIP/2.0/",
        socket.proto().via_name().as_bytes(),
        b" ",
        socket.via_sent_by().as_bytes(),
        b";branch=",
        branch,
    ]);
    Some(edits)
}

fn link(own: OwnLink) -> DialogLink {
    DialogLink { key: own.key, role: DialogRole::Own(own) }
}

/// The script may change the headers of what we are about to send, its target, next hop and
/// socket; it cannot stop it (spec/modules.md §1.5, spec/dialog.md §16).
fn run_local_route(
    turn: &mut Turn<'_>,
    own: &OwnRequest,
    request: &[u8],
    flow: Flow,
) -> Option<(Edits, Flow)> {
    let dialog = link(own.link).current();
    let (edits, target) =
        shown_to_local_route(turn, request, flow, |ctx| ctx.dialog = Some(dialog));
    // A Route still says where it goes, unless the script names a next hop.
    let moved = if own.routes.is_empty() { target.uri } else { None };
    match target.next_hop.or(moved) {
        Some(next_hop) => Some((edits, way_to(turn, own, &next_hop, target.socket)?)),
        None => Some((edits, leaving_by(turn.node, flow, target.socket)?)),
    }
}

/// Runs the local route on a request of ours: the changes it makes, and where it sends it.
pub(crate) fn shown_to_local_route(
    turn: &mut Turn<'_>,
    request: &[u8],
    flow: Flow,
    prepare: impl FnOnce(&mut Context<'_>),
) -> (Edits, Target) {
    let (Some(route), Ok(message)) = (turn.node.script().routes.local, Message::parse(request))
    else {
        return (Edits::new(), Target::received());
    };
    let mut ctx = Context::new(turn.reborrow(), &message, flow, RouteKind::Local);
    prepare(&mut ctx);
    ctx.run(route);
    let mut edits = std::mem::take(&mut ctx.draft.edits);
    if !ctx.draft.request_headers.is_empty() {
        edits.draft(&message).append_lines(&[&ctx.draft.request_headers]);
    }
    let target = std::mem::take(&mut ctx.draft.target);
    effects::finish(ctx);
    if let Some(uri) = &target.uri {
        edits.draft(&message).set_uri(uri);
    }
    (edits, target)
}

/// Runs the route that sees each request of ours as it leaves (`local_request_route`).
pub(crate) fn show_to_request_route(
    turn: &mut Turn<'_>,
    request: &[u8],
    edits: &[&Edits],
    flow: Flow,
) {
    let Some(route) = turn.node.script().routes.local_request else { return };
    let mut shown = Vec::with_capacity(request.len() + 128);
    render(request, edits, &mut shown);
    own_routes::show(turn, &shown, flow, RouteKind::Request, route);
}

/// The way to a URI, from this socket if it fits.
pub(crate) fn flow_to(node: &Node, uri: &[u8], socket: Option<u16>) -> Option<Flow> {
    let (proto, address) = destination(uri).ok()?;
    let socket = node.sockets.for_destination(proto, address.ip(), socket)?;
    Some(Flow::datagram(socket, address))
}

/// The same way from the socket that the script forced, if it forced one and it fits: of a bond the
/// member that does.
fn leaving_by(node: &Node, flow: Flow, forced: Option<u16>) -> Option<Flow> {
    if forced.is_none() {
        return Some(flow);
    }
    let proto = node.sockets.get(flow.socket)?.proto();
    let socket = node.sockets.for_destination(proto, flow.peer.ip(), forced)?;
    Some(Flow { socket, ..flow })
}

/// The way to the leg (lessons 23): from the socket that it used before, to its next hop; or back
/// to where it last came from, if that is wanted or if the next hop is a name that leads nowhere.
fn way_to(turn: &Turn<'_>, own: &OwnRequest, next_hop: &[u8], socket: Option<u16>) -> Option<Flow> {
    let symmetric = turn.node.dialogs.settings().leg_target == LegTarget::Flow;
    if symmetric && own.routes.is_empty() && next_hop == own.next_hop && own.flow.is_some() {
        return own.flow;
    }
    let known = socket.or(own.flow.map(|flow| flow.socket));
    flow_to(turn.node, next_hop, known).or(own.flow)
}
