//! Relaying requests: RFC 3261 §16.6, with the rules of spec/modules.md §1.3.

use std::time::Duration;

use bitflags::bitflags;
use duologue_script::{RouteId, RouteKind};
use duologue_sip::{Edits, Flow, HeaderName, Message, Method, Rport, Span, Uri, Via, render};
use duologue_transaction::{
    BranchId, BranchIndex, Effects, Kind, Match, NewBranch, NewTransaction, Refused, ServerKey,
    Transaction, TransactionId, Winner,
};

use crate::blacklist::Destination;
use crate::call::SendTag;
use crate::context::{Context, Draft};
use crate::dialogs;
use crate::effects;
use crate::manners::Manners;
use crate::modules::tm::TmSettings;
use crate::node::Node;
use crate::replies;
use crate::sockets::{ListeningSocket, Proto};
use crate::statistics::{FWD_REQUESTS, SL_ACKS, TM_UAC_TRANSACTIONS, TM_UAS_TRANSACTIONS};
use crate::target::{NoDestination, Target, destination};
use crate::tm::{Attached, BranchAttached, DialogLink, Entry};
use crate::turn::Turn;
use crate::upstream;
use crate::worker::Worker;

bitflags! {
    /// The flags of `t_relay()`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RelayFlags: u8 {
        /// Do not answer when nothing could be sent; the script does.
        const NO_AUTO_477 = 0x02;
        /// Do not try further addresses of a name.
        const NO_DNS_FAILOVER = 0x04;
        /// Take a Reason header along from CANCEL to CANCEL.
        const PASS_REASON = 0x08;
        /// Let the caller ask that other branches go on ringing.
        const ALLOW_NO_CANCEL = 0x10;
    }
}

impl RelayFlags {
    /// The names in scripts.
    pub const NAMES: [&'static str; 4] =
        ["no-auto-477", "no-dns-failover", "pass-reason-hdr", "allow-no-cancel"];

    /// Reads a list of names, or the bit mask of older scripts.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if let Some(hex) = text.strip_prefix("0x") {
            return u8::from_str_radix(hex, 16).ok().map(Self::from_bits_truncate);
        }
        let mut flags = Self::empty();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let at = Self::NAMES.iter().position(|known| *known == name)?;
            flags |= Self::from_bits_truncate(2 << at);
        }
        Some(flags)
    }
}

/// What went wrong while relaying, as `t_relay()` tells it.
const NO_DESTINATION: i32 = -3;
const BAD_MESSAGE: i32 = -2;
const INTERNAL: i32 = -1;
const UNRESOLVABLE: i32 = -4;
const BLACKLISTED: i32 = -5;
const SEND_FAILED: i32 = -6;

/// `[proto:]host[:port]` as a URI.
pub fn outbound_uri(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let (proto, address) = match text.iter().position(|&byte| byte == b':') {
        Some(colon) if Proto::from_name(&text[..colon]).is_some() => {
            (Some(&text[..colon]), &text[colon + 1..])
        }
        _ => (None, text),
    };
    let mut uri = b"sip:".to_vec();
    uri.extend_from_slice(address);
    if let Some(proto) = proto {
        uri.extend_from_slice(b";transport=");
        uri.extend_from_slice(proto);
    }
    Uri::parse(&uri).ok()?;
    Some(uri)
}

/// The identity of a request among server transactions (RFC 3261 §17.2.3).
pub fn server_key(node: &Node, request: &Message<'_>) -> Option<ServerKey> {
    let via = request.top_via().ok()?;
    let method = request.method()?.as_bytes();
    let sent_by = sent_by(&via);
    if via.has_magic_branch() {
        return Some(ServerKey::new(&node.branch_key, via.branch()?, sent_by, method));
    }
    let cseq = request.cseq().ok()?;
    let from = request.from().ok()?;
    let number = cseq.number.to_be_bytes();
    let parts: [&[u8]; 5] = [
        request.uri_bytes(),
        from.tag().unwrap_or_default(),
        request.call_id().ok()?,
        &number,
        via.as_bytes(),
    ];
    Some(ServerKey::without_cookie(&node.branch_key, &parts, method))
}

/// Host and port of a Via as they are written.
fn sent_by<'b>(via: &Via<'b>) -> &'b [u8] {
    let all = via.as_bytes();
    let Some(host) = Span::of(via.host(), all) else { return via.host() };
    let end = match via.port() {
        None => host.range().end,
        Some(_) => {
            let rest = &all[host.range().end..];
            let port = rest.iter().take_while(|byte| !matches!(byte, b';' | b',' | b' ' | b'\t'));
            host.range().end + port.count()
        }
    };
    &all[host.range().start..end]
}

/// `t_newtran()`: makes the transaction of the context's request. 1 made, 0 absorbed (the script
/// ends), negative on errors.
pub fn new_transaction(ctx: &mut Context<'_>) -> i32 {
    if ctx.transaction.is_some() {
        return -10;
    }
    let node = ctx.turn.node;
    let Some(key) = server_key(node, ctx.message) else { return BAD_MESSAGE };
    let found = ctx.turn.body.transactions.find(&key);
    if matches!(ctx.message.method(), Some(Method::Ack)) {
        return match found {
            Some((id, Match::AckOfFailure)) => {
                absorb_ack(ctx, id);
                0
            }
            _ => 1,
        };
    }
    if let Some((id, Match::Retransmission)) = found {
        absorb_retransmission(ctx, id);
        return 0;
    }
    let Some(method) = ctx.message.method() else { return BAD_MESSAGE };
    let Some(flow) = ctx.reply_flow() else { return BAD_MESSAGE };
    let Some(id) = ctx.turn.body.transactions.next_id() else { return INTERNAL };
    let new =
        NewTransaction { id, key, flow, reliable: false, request: ctx.message.as_bytes().into() };
    let settings = node.settings::<TmSettings>();
    let transaction = Transaction::new(ctx.turn.now.tick, new, &settings.transactions);
    ctx.turn.body.transactions.insert(transaction, method.as_bytes());
    ctx.transaction = Some(id);
    link_dialog(ctx, id);
    apply_timeouts(ctx);
    ctx.turn.count(TM_UAS_TRANSACTIONS);
    if matches!(ctx.message.method(), Some(Method::Invite)) && settings.auto_100trying {
        upstream::reply_locally(ctx, id, 100, b"Giving it a try");
    }
    dialogs::transaction_made(ctx);
    1
}

/// A request came again: its last reply goes out again.
pub fn absorb_retransmission(ctx: &mut Context<'_>, id: TransactionId) {
    with_transaction(&mut ctx.turn, id, |transaction, now, fx| transaction.retransmission(now, fx));
}

/// The ACK of a negative reply ends here (RFC 3261 §17.2.1).
pub fn absorb_ack(ctx: &mut Context<'_>, id: TransactionId) {
    with_transaction(&mut ctx.turn, id, |transaction, now, fx| transaction.receive_ack(now, fx));
}

/// Lets a transaction take a step and carries out what follows.
pub fn with_transaction<R>(
    turn: &mut Turn<'_>,
    id: TransactionId,
    step: impl FnOnce(&mut Transaction, duologue_sip::Tick, &mut Effects) -> R,
) -> Option<R> {
    let mut fx = turn.worker.take_effects();
    let entry = turn.body.transactions.get_mut(id);
    let result = entry.map(|entry| step(&mut entry.transaction, turn.now.tick, &mut fx));
    effects::carry_out(turn, id, &mut fx, None);
    turn.worker.give_back_effects(fx);
    result
}

/// Hands `$T_fr_timeout` and `$T_fr_inv_timeout` to the transaction.
fn apply_timeouts(ctx: &mut Context<'_>) {
    let (fr, fr_inv) = ctx.draft.timeouts;
    let Some(entry) = ctx.transaction.and_then(|id| ctx.turn.body.transactions.get_mut(id)) else {
        return;
    };
    if let Some(seconds) = fr {
        entry.transaction.set_fr_timeout(Duration::from_secs(seconds.into()));
    }
    if let Some(seconds) = fr_inv {
        entry.transaction.set_fr_inv_timeout(Duration::from_secs(seconds.into()));
    }
}

/// `t_relay()`.
pub fn relay(ctx: &mut Context<'_>, flags: RelayFlags, outbound: Option<&[u8]>) -> i32 {
    let outbound = match outbound.map(outbound_uri) {
        Some(None) => return BAD_MESSAGE,
        Some(Some(uri)) => Some(uri),
        None => None,
    };
    match ctx.message.method() {
        None => INTERNAL,
        Some(Method::Ack) => relay_ack(ctx, outbound.as_deref()),
        Some(Method::Cancel) => match cancel(ctx, flags) {
            Some(code) => code,
            None => relay_request(ctx, flags, outbound.as_deref()),
        },
        Some(_) => relay_request(ctx, flags, outbound.as_deref()),
    }
}

/// A CANCEL whose INVITE we know is answered here and goes on hop by hop (RFC 3261 §9.2, §16.10).
fn cancel(ctx: &mut Context<'_>, flags: RelayFlags) -> Option<i32> {
    let key = server_key(ctx.turn.node, ctx.message)?;
    let invite = ctx.turn.body.transactions.find_cancelled_by(&key)?;
    // `t_newtran()` may have made it already.
    let code = if ctx.transaction.is_none() { new_transaction(ctx) } else { 1 };
    if code <= 0 {
        return Some(code);
    }
    let id = ctx.transaction?;
    upstream::reply_locally(ctx, id, 200, b"canceling");
    tell_why(ctx, invite, flags);
    dialogs::cancelled(ctx, invite);
    with_transaction(&mut ctx.turn, invite, |transaction, now, fx| {
        transaction.receive_cancel(now, fx)
    });
    let lonely = ctx.turn.body.transactions.get(invite).is_some_and(|entry| {
        !entry.transaction.is_closed() && entry.transaction.branches().is_empty()
    });
    if lonely {
        // Nobody downstream can say it (RFC 3261 §9.2).
        let mut fx = ctx.turn.worker.take_effects();
        upstream::reply_stored(&mut ctx.turn, invite, 487, b"Request Terminated", &mut fx);
        effects::carry_out(&mut ctx.turn, invite, &mut fx, None);
        ctx.turn.worker.give_back_effects(fx);
    }
    Some(1)
}

/// The Reason of our own CANCELs: what the script says for them, or the caller's (RFC 3326).
fn tell_why(ctx: &mut Context<'_>, invite: TransactionId, flags: RelayFlags) {
    let Some(entry) = ctx.turn.body.transactions.get_mut(invite) else { return };
    let kept = entry.attached.as_deref();
    let passes = flags.contains(RelayFlags::PASS_REASON) || kept.is_some_and(|it| it.passes_reason);
    if !ctx.draft.cancel_headers.is_empty() {
        entry.attach().cancel_headers.clone_from(&ctx.draft.cancel_headers);
    } else if passes && kept.is_none_or(|kept| kept.cancel_headers.is_empty()) {
        let lines = ctx.message.all(HeaderName::Reason).flat_map(|header| header.line().to_vec());
        entry.attach().cancel_headers = lines.collect();
    }
}

/// An ACK has no transaction of its own: the hop-by-hop one ends here, the end-to-end one is
/// forwarded without state (RFC 3261 §16.6, §17.1.1.3).
fn relay_ack(ctx: &mut Context<'_>, outbound: Option<&[u8]>) -> i32 {
    let found = server_key(ctx.turn.node, ctx.message)
        .and_then(|key| ctx.turn.body.transactions.find(&key));
    if let Some((id, Match::AckOfFailure)) = found {
        absorb_ack(ctx, id);
        return 1;
    }
    let node = ctx.turn.node;
    // So does the one to a refusal of ours whose transaction is gone, or never was: nobody behind us
    // knows that tag.
    if replies::is_local_tag(node, ctx.message) {
        ctx.turn.count(SL_ACKS);
        return 1;
    }
    let hop = match next_hop(ctx, outbound) {
        Ok(hop) => hop,
        Err(error) => return refuse(ctx, error),
    };
    let (message, draft) = (ctx.message, &*ctx.draft);
    let Ok(via) = message.top_via() else { return BAD_MESSAGE };
    let Some(socket) = node.sockets.get(hop.socket) else { return SEND_FAILED };
    let Worker { outbox, wire_edits: wire, branch_text: branch, .. } = &mut *ctx.turn.worker;
    // RFC 3261 §16.11: retransmissions must get the same branch, so it is made from theirs.
    branch.clear();
    node.branch_key.stateless(&[via.as_bytes(), message.uri_bytes()], branch);
    wire.clear();
    edit_request(wire, message, ctx.flow, (&draft.target, &draft.manners), socket, branch);
    let layers = [&draft.edits, &*wire];
    let (dialogs, of_dialog) = (&node.dialogs, ctx.dialog.is_some());
    let mut changed = None;
    outbox.push(hop, None, |out| {
        let start = out.len();
        render(message.framed(), &layers, out);
        changed = dialogs::changed_body(dialogs, of_dialog, &layers, &out[start..]);
    });
    if let Some(body) = changed {
        dialogs::request_changed(ctx, None, body);
    }
    ctx.turn.count(FWD_REQUESTS);
    1
}

fn relay_request(ctx: &mut Context<'_>, flags: RelayFlags, outbound: Option<&[u8]>) -> i32 {
    let made_here = ctx.transaction.is_none();
    if made_here {
        let code = new_transaction(ctx);
        if code <= 0 {
            return code;
        }
    }
    let Some(id) = ctx.transaction else { return INTERNAL };
    if flags.contains(RelayFlags::ALLOW_NO_CANCEL)
        && ctx.message.lists(HeaderName::RequestDisposition, b"no-cancel")
        && let Some(entry) = ctx.turn.body.transactions.get_mut(id)
    {
        entry.transaction.set_no_cancel(true);
    }
    link_dialog(ctx, id);
    store(ctx, id);
    if flags.contains(RelayFlags::PASS_REASON)
        && let Some(entry) = ctx.turn.body.transactions.get_mut(id)
    {
        entry.attach().passes_reason = true;
    }
    let mut outcome = Outcome::default();
    let additional = std::mem::take(&mut ctx.draft.branches);
    send_branch(ctx, id, outbound, &mut outcome);
    for target in additional {
        let first = std::mem::replace(&mut ctx.draft.target, target);
        send_branch(ctx, id, outbound, &mut outcome);
        ctx.draft.target = first;
    }
    if outcome.sent > 0 {
        return 1;
    }
    let error = outcome.error.unwrap_or(NO_DESTINATION);
    if outcome.cancelled {
        let nothing_sent = ctx
            .turn
            .body
            .transactions
            .get(id)
            .is_some_and(|entry| entry.transaction.branches().is_empty());
        if nothing_sent {
            upstream::reply_locally(ctx, id, 487, b"Request Terminated");
        }
        return NO_DESTINATION;
    }
    // spec/modules.md §1.3, step 6: answer at once only if the script did not take the transaction
    // into its own hands.
    if made_here && ctx.kind == RouteKind::Request && !flags.contains(RelayFlags::NO_AUTO_477) {
        let (status, text) = crate::replies::error_reply(ctx.draft.error, "TM");
        upstream::reply_locally(ctx, id, status, text.as_bytes());
        return 0;
    }
    error
}

/// What came of the branches of one `t_relay()`.
#[derive(Default)]
struct Outcome {
    sent: usize,
    error: Option<i32>,
    cancelled: bool,
}

/// Sends the request to the draft's target as one more branch.
fn send_branch(
    ctx: &mut Context<'_>,
    id: TransactionId,
    outbound: Option<&[u8]>,
    outcome: &mut Outcome,
) {
    let next = ctx.turn.body.transactions.get(id).map(|entry| entry.transaction.next_branch());
    let branch = match next {
        Some(Ok(branch)) => branch,
        Some(Err(refused)) => {
            outcome.cancelled |= matches!(refused, Refused::Cancelled | Refused::Declined);
            outcome.error = Some(NO_DESTINATION);
            return;
        }
        None => return,
    };
    let draft = &mut *ctx.draft;
    draft.branch_edits.clear();
    draft.branch_on_reply = None;
    // What the script hung on the destination is the branch's from now on.
    let attrs = std::mem::replace(&mut draft.branch_attrs, draft.target.attrs.clone());
    let Some(route) = draft.armed.branch else {
        send_on(ctx, id, branch, outbound, outcome);
        ctx.draft.branch_attrs = attrs;
        return;
    };
    // spec/script.md §3.1: what the route changes is this branch's alone.
    let shared = (draft.target.clone(), draft.record_route.clone(), draft.max_forwards);
    let avps = std::mem::take(&mut draft.branch_avps);
    let outer = ctx.branch.replace(branch);
    if !ctx.run_as(RouteKind::Branch, route).dropped {
        send_on(ctx, id, branch, outbound, outcome);
    }
    ctx.branch = outer;
    let draft = &mut *ctx.draft;
    (draft.target, draft.record_route, draft.max_forwards) = shared;
    (draft.branch_avps, draft.branch_attrs) = (avps, attrs);
    draft.branch_edits.clear();
}

/// Sends the branch where it goes now.
fn send_on(
    ctx: &mut Context<'_>,
    id: TransactionId,
    branch: BranchIndex,
    outbound: Option<&[u8]>,
    outcome: &mut Outcome,
) {
    match next_hop(ctx, outbound) {
        Err(error) => outcome.error = Some(refuse(ctx, error)),
        Ok(hop) => {
            if write_branch(ctx, id, branch, hop) {
                outcome.sent += 1;
            } else {
                outcome.error = Some(SEND_FAILED);
            }
        }
    }
}

/// Renders the request for a branch into the outbox and starts the branch's machine.
fn write_branch(ctx: &mut Context<'_>, id: TransactionId, branch: BranchIndex, hop: Flow) -> bool {
    let node = ctx.turn.node;
    let (message, draft, inbound) = (ctx.message, &*ctx.draft, ctx.flow);
    let Some(socket) = node.sockets.get(hop.socket) else { return false };
    let call_id = ctx.turn.call.key().call_id();
    let scratch = &mut ctx.turn.worker.branch_text;
    scratch.clear();
    node.branch_key.encode(call_id, BranchId { transaction: id, branch }, scratch);
    let wire = &mut ctx.turn.worker.wire_edits;
    wire.clear();
    edit_request(wire, message, inbound, (&draft.target, &draft.manners), socket, scratch);
    push_record_routes(wire, message, inbound, draft, node, hop);
    if !draft.request_headers.is_empty() {
        wire.draft(message).append_lines(&[&draft.request_headers]);
    }
    let script = node.script();
    let minor = draft.target.flags & script.minor_branches != 0;
    let Some(entry) = ctx.turn.body.transactions.get_mut(id) else { return false };
    let tag = SendTag { call: ctx.turn.call.clone(), transaction: id, branch };
    let now = ctx.turn.now.tick;
    let mut added = false;
    let mut changed = None;
    let layers = [&draft.edits, &draft.branch_edits, &ctx.turn.worker.wire_edits];
    let of_dialog = ctx.dialog.is_some();
    ctx.turn.worker.outbox.push(hop, Some(tag), |out| {
        let start = out.len();
        render(message.framed(), &layers, out);
        let new = NewBranch { wire: &out[start..], flow: hop, reliable: false, minor };
        added = entry.transaction.add_branch(now, new).is_ok();
        changed = dialogs::changed_body(&node.dialogs, of_dialog, &layers, &out[start..]);
        if !added {
            out.truncate(start);
        }
    });
    if !added {
        return false;
    }
    entry.note_record_routes(branch, draft.record_route.count(inbound.socket, hop.socket));
    let asked = script.routes.branches_later || script.routes.looks_at_branches;
    if asked || draft.keeps_branches() {
        let target = &draft.target;
        let kept = BranchAttached {
            uri: target.uri.as_deref().unwrap_or_else(|| message.uri_bytes()).into(),
            flags: target.flags,
            on_reply: draft.branch_on_reply,
            next_hop: target.next_hop.as_deref().map(Into::into),
            path: target.path.as_deref().map(Into::into),
            q: target.q,
            avps: draft.branch_avps.clone(),
            attrs: draft.branch_attrs.clone(),
        };
        entry.keep_branch(branch, kept);
    }
    dialogs::branch_sent(ctx, branch);
    if let Some(body) = changed {
        dialogs::request_changed(ctx, Some(branch), body);
    }
    true
}

/// The changes that every hop makes: our Via on top, what RFC 3261 §18.2.1 and RFC 3581 want noted
/// in the one beneath, and the target.
pub(crate) fn edit_request(
    edits: &mut Edits,
    message: &Message<'_>,
    inbound: Flow,
    (target, manners): (&Target, &Manners),
    socket: &ListeningSocket,
    branch: &[u8],
) {
    let mut draft = edits.draft(message);
    if let Some(uri) = &target.uri {
        draft.set_uri(uri);
    }
    if let Some(path) = &target.path {
        draft.push_route(&[path]);
    }
    draft.push_via(&[
        b"SIP/2.0/",
        via_name(socket),
        b" ",
        manners.shown.via(socket).as_bytes(),
        b";branch=",
        branch,
        if manners.local_rport { b";rport" } else { b"" },
    ]);
    let Ok(via) = message.top_via() else { return };
    if via.host_ip() != Some(inbound.peer.ip()) || via.rport() != Rport::Absent {
        // A Via that cannot be read was refused at the door.
        let _ = draft.note_source(inbound.peer);
    }
}

/// The Record-Route that the script asked for.
pub(crate) fn push_record_routes(
    edits: &mut Edits,
    message: &Message<'_>,
    inbound: Flow,
    decided: &Draft,
    node: &Node,
    hop: Flow,
) {
    let (asked, shown) = (&decided.record_route, &decided.manners.shown);
    asked.push(&node.sockets, inbound.socket, hop.socket, shown, &mut edits.draft(message));
}

/// The address and socket that the draft's target leads to.
fn next_hop(ctx: &Context<'_>, outbound: Option<&[u8]>) -> Result<Flow, NoDestination> {
    let target = &ctx.draft.target;
    let uri = match (&target.next_hop, outbound, &target.uri) {
        (Some(uri), _, _) => uri,
        (None, Some(uri), _) => uri,
        (None, None, Some(uri)) => uri,
        (None, None, None) => ctx.message.uri_bytes(),
    };
    way_to(ctx, uri)
}

/// The address and socket that a URI leads to, unless the message has them on a blacklist.
pub(crate) fn way_to(ctx: &Context<'_>, uri: &[u8]) -> Result<Flow, NoDestination> {
    let (proto, address) = destination(uri)?;
    let node = ctx.turn.node;
    let to = Destination { proto: Some(proto), address, message: ctx.message.as_bytes() };
    let selected = ctx.draft.manners.blacklists;
    if let Some(list) = node.blacklists.forbids(selected, ctx.turn.now.unix, &to) {
        tracing::debug!(call_id = %ctx.turn.call_id(), %address, list, "on a blacklist");
        return Err(NoDestination::Blacklisted);
    }
    let forced = ctx.draft.target.socket;
    let preferred = forced.or_else(|| node.sockets.by_route(proto, address));
    let preferred = preferred.or(Some(ctx.flow.socket));
    let socket = node.sockets.for_destination(proto, address.ip(), preferred);
    let socket = socket.ok_or(NoDestination::BadProtocol)?;
    Ok(Flow::datagram(socket, address))
}

/// Notes an error for `sl_reply_error()` and turns it into `t_relay()`'s code.
fn refuse(ctx: &mut Context<'_>, error: NoDestination) -> i32 {
    ctx.draft.error = Some(error.code());
    match error {
        NoDestination::BadUri => BAD_MESSAGE,
        NoDestination::BadProtocol => SEND_FAILED,
        NoDestination::Unresolvable => UNRESOLVABLE,
        NoDestination::Blacklisted => BLACKLISTED,
    }
}

/// Lets the transaction report to the context's dialog. A CANCEL sees the dialog of its INVITE but is
/// none of its transactions: when it goes, the INVITE may still ring.
fn link_dialog(ctx: &mut Context<'_>, id: TransactionId) {
    let cancel = matches!(ctx.message.method(), Some(Method::Cancel));
    let link = ctx.dialog.filter(|_| !cancel).map(|dialog| dialog.link());
    if let Some(entry) = ctx.turn.body.transactions.get_mut(id) {
        entry.dialog = entry.dialog.or(link);
    }
}

/// Keeps with the transaction what later routes need, if there is anything.
fn store(ctx: &mut Context<'_>, id: TransactionId) {
    let received_on = ctx.flow;
    let branches_later = ctx.turn.node.script().routes.branches_later;
    let Some(entry) = ctx.turn.body.transactions.get_mut(id) else { return };
    let draft = &mut *ctx.draft;
    if !draft.keeps_anything(branches_later) {
        return;
    }
    let kept = entry.attach();
    kept.flags = draft.flags;
    kept.armed = draft.armed;
    kept.received_on = Some(received_on);
    if branches_later {
        kept.edits.clone_from(&draft.edits);
        kept.record_route.clone_from(&draft.record_route);
        kept.request_headers.clone_from(&draft.request_headers);
        kept.max_forwards = draft.max_forwards;
    }
    kept.reply_headers.clone_from(&draft.reply_headers);
    if !draft.cancel_headers.is_empty() {
        kept.cancel_headers.clone_from(&draft.cancel_headers);
    }
    kept.reply_body.clone_from(&draft.reply_body);
    kept.avps = draft.avps.clone();
    kept.manners.clone_from(&draft.manners);
}

/// Runs a failure route on the transaction's request; true if it branched again or replied.
pub fn run_failure_route(
    turn: &mut Turn<'_>,
    id: TransactionId,
    winner: Winner,
    route: RouteId,
) -> bool {
    let branches = |turn: &Turn<'_>| {
        let entry = turn.body.transactions.get(id);
        entry.map_or(0, |entry| entry.transaction.branches().len())
    };
    let before = branches(turn);
    let ran = on_request(turn, id, RouteKind::Failure, Some(winner), |ctx| {
        ctx.run(route);
    });
    if ran.is_none() {
        return false;
    }
    let decided = |entry: &Entry| {
        entry.transaction.is_closed()
            || entry.transaction.branches().len() > before
            || entry.transaction.is_waiting()
    };
    turn.body.transactions.get(id).is_none_or(decided)
}

/// Does something on a transaction's request as its route left it, and keeps what that changes.
/// `None` if there is nothing left of it.
fn on_request<R>(
    turn: &mut Turn<'_>,
    id: TransactionId,
    kind: RouteKind,
    winner: Option<Winner>,
    act: impl FnOnce(&mut Context<'_>) -> R,
) -> Option<R> {
    let entry = turn.body.transactions.get_mut(id)?;
    let request: Box<[u8]> = entry.transaction.request().into();
    let message = Message::parse(&request).ok()?;
    let received_on = entry.attached.as_ref().and_then(|kept| kept.received_on);
    let flow = received_on.or(entry.transaction.flow())?;
    let link = entry.dialog;
    let mut kept = entry.attached.as_deref_mut().map(std::mem::take).unwrap_or_default();
    let mut ctx = Context::new(turn.reborrow(), &message, flow, kind);
    ctx.transaction = Some(id);
    ctx.branch = winner.map(|winner| winner.branch);
    ctx.winner = winner;
    ctx.dialog = link.map(DialogLink::current);
    restore(&mut ctx, &mut kept, winner.map(|winner| winner.branch));
    let result = act(&mut ctx);
    store(&mut ctx, id);
    let earlier = take_branches(&mut ctx, winner.map(|winner| winner.branch));
    effects::finish(ctx);
    if let Some(entry) = turn.body.transactions.get_mut(id) {
        entry.keep_earlier_branches(earlier);
        if kept.passes_reason || kept.awaited.is_some() || !kept.cancel_headers.is_empty() {
            let now = entry.attach();
            now.passes_reason |= kept.passes_reason;
            now.awaited = now.awaited.or(kept.awaited);
            if now.cancel_headers.is_empty() {
                now.cancel_headers = kept.cancel_headers;
            }
        }
    }
    Some(result)
}

/// Brings back what the request route left (spec/script.md §3.1: the failure route sees the
/// winning branch's Request-URI and flags).
fn restore(ctx: &mut Context<'_>, kept: &mut Attached, winner: Option<BranchIndex>) {
    let draft = &mut *ctx.draft;
    draft.flags = kept.flags;
    draft.avps = std::mem::take(&mut kept.avps);
    draft.armed = kept.armed;
    draft.edits = std::mem::take(&mut kept.edits);
    draft.record_route = std::mem::take(&mut kept.record_route);
    draft.reply_headers = std::mem::take(&mut kept.reply_headers);
    draft.reply_body = std::mem::take(&mut kept.reply_body);
    draft.request_headers = std::mem::take(&mut kept.request_headers);
    draft.max_forwards = kept.max_forwards;
    draft.manners = std::mem::take(&mut kept.manners);
    draft.kept_branches = std::mem::take(&mut kept.branches);
    // A branch that nothing was kept of has the request's own target.
    let of_winner = winner.and_then(|at| draft.kept_branches.get_mut(usize::from(at.0)));
    if let Some(branch) = of_winner {
        if !branch.uri.is_empty() {
            draft.target.uri = Some(branch.uri.to_vec());
        }
        draft.target.flags = branch.flags;
        draft.branch_avps = std::mem::take(&mut branch.avps);
        draft.branch_attrs = std::mem::take(&mut branch.attrs);
    }
}

/// What the branches of earlier rounds have, with the changes made to the winner's.
fn take_branches(ctx: &mut Context<'_>, winner: Option<BranchIndex>) -> Vec<BranchAttached> {
    let draft = &mut *ctx.draft;
    let mut branches = std::mem::take(&mut draft.kept_branches);
    if let Some(at) = winner.map(|winner| usize::from(winner.0)) {
        let changed = !draft.branch_avps.is_empty() || !draft.branch_attrs.is_empty();
        if changed && branches.len() <= at {
            branches.resize_with(at + 1, BranchAttached::default);
        }
        if let Some(branch) = branches.get_mut(at) {
            branch.avps = std::mem::take(&mut draft.branch_avps);
            branch.attrs = std::mem::take(&mut draft.branch_attrs);
        }
    }
    branches
}

/// More destinations for a request that has been relayed or waits for them
/// (`t_inject_branches()`): how many were sent, `None` if it is too late for more.
pub fn inject(turn: &mut Turn<'_>, id: TransactionId, targets: Vec<Target>) -> Option<usize> {
    let open = turn.body.transactions.get(id).is_some_and(|entry| !entry.transaction.is_closed());
    if !open {
        return None;
    }
    let outcome = on_request(turn, id, RouteKind::Request, None, |ctx| {
        let mut outcome = Outcome::default();
        for target in targets {
            ctx.draft.target = target;
            send_branch(ctx, id, None, &mut outcome);
        }
        outcome
    })?;
    let awaited = turn.body.transactions.get_mut(id).and_then(|entry| {
        let left = &mut entry.attached.as_deref_mut()?.awaited;
        *left = Some((*left)?.saturating_sub(u32::try_from(outcome.sent).unwrap_or(u32::MAX)));
        *left
    });
    if awaited == Some(0) {
        with_transaction(turn, id, |transaction, now, fx| transaction.stop_waiting(now, fx));
    }
    Some(outcome.sent)
}

/// Sends a copy of the context's request somewhere, in a transaction of its own whose replies go
/// nowhere (`t_replicate()`).
pub fn replicate(ctx: &mut Context<'_>, uri: &[u8]) -> i32 {
    let target = Target { uri: None, next_hop: Some(uri.to_vec()), ..ctx.draft.target.clone() };
    let outer = std::mem::replace(&mut ctx.draft.target, target);
    let hop = next_hop(ctx, None);
    ctx.draft.target = outer;
    let hop = match hop {
        Ok(hop) => hop,
        Err(error) => return refuse(ctx, error),
    };
    let node = ctx.turn.node;
    let Some(method) = ctx.message.method() else { return BAD_MESSAGE };
    let Some(socket) = node.sockets.get(hop.socket) else { return SEND_FAILED };
    let Some(id) = ctx.turn.body.transactions.next_id() else { return INTERNAL };
    let (message, inbound, draft) = (ctx.message, ctx.flow, &*ctx.draft);
    let call_id = ctx.turn.call.key().call_id();
    let Worker { outbox, wire_edits: wire, branch_text, .. } = &mut *ctx.turn.worker;
    branch_text.clear();
    let branch = BranchIndex(0);
    node.branch_key.encode(call_id, BranchId { transaction: id, branch }, branch_text);
    wire.clear();
    let copied = Target { uri: Some(uri.to_vec()), ..Target::received() };
    edit_request(wire, message, inbound, (&copied, &draft.manners), socket, branch_text);
    let kind = if method == Method::Invite { Kind::Invite } else { Kind::Other };
    let now = ctx.turn.now.tick;
    let settings = &node.settings::<TmSettings>().transactions;
    let mut transaction = Transaction::local(now, id, kind, settings);
    let tag = SendTag { call: ctx.turn.call.clone(), transaction: id, branch };
    let mut added = false;
    outbox.push(hop, Some(tag), |out| {
        let start = out.len();
        render(message.framed(), &[&draft.edits, &*wire], out);
        let new = NewBranch { wire: &out[start..], flow: hop, reliable: false, minor: false };
        added = transaction.add_branch(now, new).is_ok();
        if !added {
            out.truncate(start);
        }
    });
    if !added {
        return SEND_FAILED;
    }
    ctx.turn.body.transactions.insert(transaction, method.as_bytes());
    ctx.turn.count(TM_UAC_TRANSACTIONS);
    1
}

/// Flags, AVPs and armed routes that the script changed after `t_relay()` belong to the transaction
/// too (spec/script.md §10).
pub fn store_flags(ctx: &mut Context<'_>) {
    if let Some(id) = ctx.transaction
        && ctx.draft.keeps_anything(ctx.turn.node.script().routes.branches_later)
    {
        store(ctx, id);
    }
}

fn via_name(socket: &ListeningSocket) -> &'static [u8] {
    socket.proto().via_name().as_bytes()
}
