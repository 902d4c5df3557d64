//! Requests that we make ourselves within a dialog (spec/dialog.md §6.4).

use duologue_dialog::{ByeRequest, DialogKey};
use duologue_script::RouteKind;
use duologue_sip::{Builder, Edits, Flow, HeaderName, Message, Method, render};
use duologue_transaction::{BranchId, BranchIndex, Kind, NewBranch, Transaction};

use crate::call::{Ending, SendTag};
use crate::context::Context;
use crate::effects;
use crate::modules::tm::TmSettings;
use crate::statistics::TM_UAC_TRANSACTIONS;
use crate::target::destination;
use crate::tm::{DialogLink, DialogRole};
use crate::turn::Turn;

/// Sends a BYE to one leg; false if there is no way to it.
pub fn send_bye(turn: &mut Turn<'_>, key: DialogKey, bye: &ByeRequest, ending: &Ending) -> bool {
    let Some(flow) = way_to(turn, bye) else { return false };
    let node = turn.node;
    let Some(socket) = node.sockets.get(flow.socket) else { return false };
    let Some(id) = turn.body.transactions.next_id() else { return false };
    let settings = &node.settings::<TmSettings>().transactions;
    let mut transaction = Transaction::local(turn.now.tick, id, Kind::Other, settings);
    let branch = BranchIndex(0);
    let mut via_branch = Vec::with_capacity(40);
    let call_id = turn.call.key().call_id();
    node.branch_key.encode(call_id, BranchId { transaction: id, branch }, &mut via_branch);
    let mut request = Vec::with_capacity(512);
    {
        let mut builder = Builder::request(&mut request, Method::Bye, &bye.request_uri)
            .header(
                HeaderName::Via,
                &[
                    b"SIP/2.0/",
                    socket.proto().via_name().as_bytes(),
                    b" ",
                    socket.via_sent_by().as_bytes(),
                    b";branch=",
                    &via_branch,
                ],
            )
            .header(HeaderName::From, &[b"<", &bye.from_uri, b">;tag=", &bye.from_tag])
            .header(HeaderName::To, &[b"<", &bye.to_uri, b">;tag=", &bye.to_tag])
            .header(HeaderName::CallId, &[&bye.call_id])
            .cseq(bye.cseq, Method::Bye);
        if !bye.routes.is_empty() {
            builder = builder.header(HeaderName::Route, &[&bye.routes]);
        }
        builder = builder.number(HeaderName::MaxForwards, 70);
        if let Some(agent) = &node.user_agent_header {
            builder = builder.lines(agent.as_bytes());
        }
        builder.lines(&ending.extra_headers).finish();
    }
    let link = DialogLink { key, role: DialogRole::Ending { leg: bye.leg } };
    let edits = run_local_route(turn, link, &request, flow);
    let tag = SendTag { call: turn.call.clone(), transaction: id, branch };
    let now = turn.now.tick;
    let mut added = false;
    turn.worker.outbox.push(flow, Some(tag), |out| {
        let start = out.len();
        render(&request, &[&edits], out);
        let new = NewBranch { wire: &out[start..], flow, reliable: false, minor: false };
        added = transaction.add_branch(now, new).is_ok();
    });
    if added {
        let entry = turn.body.transactions.insert(transaction, b"BYE");
        entry.dialog = Some(link);
        turn.count(TM_UAC_TRANSACTIONS);
    }
    added
}

/// The script may change the headers of what we are about to send; it cannot stop it
/// (spec/modules.md §1.5).
fn run_local_route(turn: &mut Turn<'_>, link: DialogLink, request: &[u8], flow: Flow) -> Edits {
    let (Some(route), Ok(message)) = (turn.node.routes.local, Message::parse(request)) else {
        return Edits::new();
    };
    let mut ctx = Context::new(turn.reborrow(), &message, flow, RouteKind::Local);
    ctx.dialog = Some(link.current());
    ctx.run(route);
    let mut edits = std::mem::take(&mut ctx.draft.edits);
    if let Some(uri) = &ctx.draft.target.uri {
        edits.draft(&message).set_uri(uri);
    }
    effects::finish(ctx);
    edits
}

/// The way to the leg's next hop, from the socket that it used before.
fn way_to(turn: &Turn<'_>, bye: &ByeRequest) -> Option<Flow> {
    let sockets = &turn.node.sockets;
    let known = bye.flow.map(|flow| flow.socket);
    let (proto, address) = destination(&bye.next_hop).ok()?;
    let socket = sockets.for_destination(proto, address.ip(), known)?;
    Some(Flow::datagram(socket, address))
}
