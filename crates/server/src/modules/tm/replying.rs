//! Replies that a script makes through transactions, and what it can ask about them
//! (spec/modules.md §1.2).

use duologue_script::{Args, Called, RouteKind};
use duologue_sip::Method;

use super::current;
use crate::call::{Job, ReplyTo, Which};
use crate::context::Context;
use crate::intents::hand_over;
use crate::relay;
use crate::replies::{self, Local};
use crate::upstream;

pub(super) fn t_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(status), Some(reason)) = (replies::status(args.int(0)), args.str(1)) else {
        return Called::Value(-1);
    };
    Called::Value(reply(ctx, &Local { status, reason, body: None }))
}

/// The script's `append_to_reply()` names the type of the body.
pub(super) fn t_reply_with_body(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(status), Some(reason), Some(body)) =
        (replies::status(args.int(0)), args.str(1), args.str(2))
    else {
        return Called::Value(-1);
    };
    Called::Value(reply(ctx, &Local { status, reason, body: Some((b"", body)) }))
}

fn reply(ctx: &mut Context<'_>, local: &Local<'_>) -> i32 {
    if matches!(ctx.message.method(), Some(Method::Ack)) {
        return 0;
    }
    if ctx.transaction.is_none() {
        let created = relay::new_transaction(ctx);
        if created <= 0 {
            return created;
        }
    }
    let Some(id) = ctx.transaction else { return -1 };
    if upstream::reply_with(ctx, id, local) { 1 } else { -1 }
}

/// Answers another transaction: one of this call at once, one of another call in that call's turn.
pub(super) fn t_reply_by_callid(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(status), Some(reason)) = (replies::status(args.int(0)), args.str(1)) else {
        return Called::Value(-1);
    };
    let Some(cseq) = cseq(ctx, args) else { return Called::Value(-1) };
    let to = ReplyTo {
        which: Which::CSeq(cseq),
        status,
        reason: reason.to_vec(),
        lines: Vec::new(),
        body: Vec::new(),
        to_tag: Vec::new(),
        done: None,
    };
    let here = ctx.turn.call.key().call_id();
    let call_id = args.str(2).unwrap_or(here);
    if call_id == here {
        return Called::Value(if upstream::reply_to(&mut ctx.turn, &to) { 1 } else { -1 });
    }
    let job = || Job::Reply(Box::new(to.clone()));
    let node = ctx.turn.node;
    let entered = node.calls.enter(call_id, false, job);
    Called::Value(if hand_over(node, entered, job) { 1 } else { -1 })
}

/// The given CSeq (`7` or `7 INVITE`), else the message's own number.
fn cseq(ctx: &Context<'_>, args: &Args<'_>) -> Option<u32> {
    match args.str(3) {
        None => ctx.message.cseq().ok().map(|cseq| cseq.number),
        Some(text) => {
            let digits = text.split(|&byte| byte == b' ').next()?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        }
    }
}

pub(super) fn t_local_replied(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let local = match args.str(0) {
        Some(b"all") => all_local(ctx),
        Some(b"last") => last_local(ctx),
        _ => None,
    };
    Called::Value(if local == Some(true) { 1 } else { -1 })
}

pub(super) fn check_which(_: usize, text: &str) -> Result<(), String> {
    match text {
        "all" | "last" => Ok(()),
        _ => Err(format!("t_local_replied() asks about \"all\" or \"last\", not \"{text}\"")),
    }
}

/// Whether no branch got a final reply from outside.
fn all_local(ctx: &mut Context<'_>) -> Option<bool> {
    let entry = ctx.turn.body.transactions.get(current(ctx)?)?;
    let transaction = &entry.transaction;
    let branches = transaction.branches();
    let here = |branch: &duologue_transaction::Branch| {
        branch.answered_locally() || branch.last_status() < 200
    };
    let replied = transaction.last_status_sent() >= 200 || ctx.kind != RouteKind::Request;
    let received = ctx.kind == RouteKind::Reply;
    Some(replied && !received && branches.iter().all(here))
}

/// Whether the reply at hand was made here: the winner, or the last one that went upstream.
fn last_local(ctx: &mut Context<'_>) -> Option<bool> {
    match (ctx.kind, ctx.winner) {
        (RouteKind::Reply, _) => Some(false),
        (_, Some(winner)) => Some(winner.local),
        _ => {
            let entry = ctx.turn.body.transactions.get(current(ctx)?)?;
            Some(entry.replied_locally)
        }
    }
}
