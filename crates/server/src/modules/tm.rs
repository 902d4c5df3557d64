//! `tm`: what scripts do with transactions (spec/modules.md §1). The machines are
//! `duologue-transaction`'s, the relaying is [`crate::relay`]'s.

use std::time::Duration;

use duologue_script::{
    Args, Assign, Called, Param, ParamKind, Reading, RouteKind, RouteKinds, Text, Value, VarAccess,
    WriteError,
};
use duologue_sip::Method;
use duologue_transaction::{CancelReason, Match, TransactionId};

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings, Variable};
use crate::relay::{self, RelayFlags};
use crate::replies;
use crate::upstream;

const Q: RouteKinds = RouteKinds::REQUEST;
const F: RouteKinds = RouteKinds::FAILURE;
const R: RouteKinds = RouteKinds::REPLY;
const B: RouteKinds = RouteKinds::BRANCH;
const QFRB: RouteKinds = Q.union(F).union(R).union(B);
const ARMING: RouteKinds = QFRB.union(RouteKinds::LOCAL);

const STR: Param = Param::new(ParamKind::Str);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_STR: Param = Param::optional(ParamKind::Str);

/// The declaration.
pub static MODULE: Module = Module {
    name: "tm",
    functions: &[
        Function::new("t_relay", &[OPTIONAL_STR, OPTIONAL_STR], Q.union(F), t_relay)
            .checked(check_relay),
        Function::new("t_newtran", &[], Q, t_newtran),
        Function::new("t_reply", &[INT, STR], Q.union(F), t_reply),
        Function::new("t_check_trans", &[], Q.union(B), t_check_trans),
        Function::new("t_check_status", &[Param::new(ParamKind::Regex)], QFRB, t_check_status),
        Function::new("t_was_cancelled", &[], QFRB, t_was_cancelled),
        Function::new(
            "t_on_failure",
            &[Param::new(ParamKind::Route(RouteKind::Failure))],
            ARMING,
            t_on_failure,
        ),
        Function::new(
            "t_on_reply",
            &[Param::new(ParamKind::Route(RouteKind::Reply))],
            ARMING,
            t_on_reply,
        ),
        Function::new(
            "t_on_branch",
            &[Param::new(ParamKind::Route(RouteKind::Branch))],
            ARMING,
            t_on_branch,
        ),
        Function::new("t_cancel_branch", &[OPTIONAL_STR], R, t_cancel_branch),
    ],
    variables: &[
        Variable::new(&["T_branch_idx"], branch_index),
        Variable::new(&["T_reply_code"], reply_code),
        Variable::new(&["T_fr_timeout"], fr_timeout).writable(set_fr_timeout),
        Variable::new(&["T_fr_inv_timeout"], fr_inv_timeout).writable(set_fr_inv_timeout),
        Variable::new(&["T_ruri"], branch_uri),
        Variable::new(&["T_id"], transaction_id),
    ],
    parameters: &[
        Parameter::int("fr_timeout"),
        Parameter::int("fr_inv_timeout"),
        Parameter::int("wt_timer"),
        Parameter::int("delete_timer"),
        Parameter::int("T1_timer"),
        Parameter::int("T2_timer"),
        Parameter::int("restart_fr_on_each_reply"),
        Parameter::int("auto_100trying"),
        Parameter::int("onreply_avp_mode"),
        Parameter::int("disable_6xx_block"),
        Parameter::int("ruri_matching"),
        Parameter::int("via1_matching"),
        Parameter::int("syn_branch"),
        Parameter::int("enable_stats"),
        Parameter::int("pass_provisional_replies"),
        Parameter::int("timer_partitions"),
        Parameter::planned("minor_branch_flag"),
        Parameter::planned("unix_tx_timeout"),
        Parameter::planned("tw_append"),
        Parameter::planned("tm_replication_cluster"),
        Parameter::planned("cluster_param"),
        Parameter::planned("cluster_auto_cancel"),
        Parameter::planned("local_request_route"),
        Parameter::planned("local_reply_route"),
    ],
    configure,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Clone, Debug, Default)]
pub struct TmSettings {
    /// Timers and habits of transactions.
    pub transactions: duologue_transaction::Settings,
    /// Send 100 when an INVITE's transaction is made.
    pub auto_100trying: bool,
    /// Whether reply routes see the transaction's AVPs.
    pub onreply_avp_mode: bool,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let seconds = |name: &str, default: i32| -> Result<Duration, String> {
        parameters.at_least(name, default, 1).map(|number| Duration::from_secs(number.into()))
    };
    let millis = |name: &str, default: i32| -> Result<Duration, String> {
        parameters.at_least(name, default, 1).map(|number| Duration::from_millis(number.into()))
    };
    let transactions = duologue_transaction::Settings {
        t1: millis("T1_timer", 500)?,
        t2: millis("T2_timer", 4000)?,
        fr_timeout: seconds("fr_timeout", 30)?,
        fr_inv_timeout: seconds("fr_inv_timeout", 120)?,
        wt_timer: seconds("wt_timer", 5)?,
        restart_fr_on_each_reply: parameters.switch("restart_fr_on_each_reply", true),
        disable_6xx_block: parameters.switch("disable_6xx_block", false),
        ..duologue_transaction::Settings::default()
    };
    Ok(Box::new(TmSettings {
        transactions,
        auto_100trying: parameters.switch("auto_100trying", true),
        onreply_avp_mode: parameters.switch("onreply_avp_mode", false),
    }))
}

/// The transaction of the context's message: the one it made, or the one that it repeats. The latter
/// does not become the context's, or `t_relay()` would give a retransmission a branch of its own.
pub fn current(ctx: &Context<'_>) -> Option<TransactionId> {
    if ctx.transaction.is_some() || !ctx.message.is_request() {
        return ctx.transaction;
    }
    let key = relay::server_key(ctx.turn.node, ctx.message)?;
    match ctx.turn.body.transactions.find(&key)? {
        (id, Match::Retransmission) => Some(id),
        _ => None,
    }
}

/// Replies through a transaction: false once a final reply went out.
pub fn reply(ctx: &mut Context<'_>, id: TransactionId, status: u16, reason: &[u8]) -> bool {
    upstream::reply_locally(ctx, id, status, reason)
}

fn t_relay(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(flags) = RelayFlags::parse(args.str(0).unwrap_or_default()) else {
        return Called::Value(-1);
    };
    let outbound = args.str(1).map(<[u8]>::to_vec);
    Called::Value(relay::relay(ctx, flags, outbound.as_deref()))
}

fn check_relay(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if RelayFlags::parse(text.as_bytes()).is_none() => Err(format!(
            "flags of t_relay() are {}, separated by commas, not \"{text}\"",
            RelayFlags::NAMES.join(", ")
        )),
        1 if relay::outbound_uri(text.as_bytes()).is_none() => {
            Err("an outbound proxy is [proto:]host[:port]".to_owned())
        }
        _ => Ok(()),
    }
}

fn t_newtran(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    Called::Value(relay::new_transaction(ctx))
}

fn t_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(status), Some(reason)) = (replies::status(args.int(0)), args.str(1)) else {
        return Called::Value(-1);
    };
    if matches!(ctx.message.method(), Some(Method::Ack)) {
        return Called::Value(0);
    }
    if ctx.transaction.is_none() {
        let created = relay::new_transaction(ctx);
        if created <= 0 {
            return Called::Value(created);
        }
    }
    let Some(id) = ctx.transaction else { return Called::Value(-1) };
    Called::Value(if reply(ctx, id, status, reason) { 1 } else { -1 })
}

/// spec/modules.md §1.2: retransmissions end here, ACKs and CANCELs are told apart.
fn t_check_trans(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    if ctx.kind != RouteKind::Request {
        return Called::Value(if ctx.transaction.is_some() { 1 } else { -1 });
    }
    let found = relay::server_key(ctx.turn.node, ctx.message)
        .and_then(|key| ctx.turn.body.transactions.find(&key));
    Called::Value(match (ctx.message.method(), found) {
        (Some(Method::Ack), Some((id, Match::AckOfFailure))) => {
            relay::absorb_ack(ctx, id);
            1
        }
        (Some(Method::Ack), Some((_, Match::AckOfSuccess))) => -2,
        (Some(Method::Ack), _) if ctx.dialog.is_some() => -2,
        (Some(Method::Ack), _) => -1,
        (Some(Method::Cancel), Some((_, Match::Cancel))) => 1,
        (_, Some((id, Match::Retransmission))) => {
            relay::absorb_retransmission(ctx, id);
            0
        }
        _ => -1,
    })
}

fn t_check_status(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(code) = status_in_context(ctx) else { return Called::Value(-1) };
    let text = code.to_string();
    let matches = args.regex(0).is_some_and(|pattern| pattern.is_match(text.as_bytes()));
    Called::Value(if matches { 1 } else { -1 })
}

/// Last sent (request route), current (reply route) or winning code (failure route).
fn status_in_context(ctx: &mut Context<'_>) -> Option<u16> {
    match ctx.kind {
        RouteKind::Reply => ctx.message.status().map(|status| status.code()),
        RouteKind::Failure => ctx.winner.map(|winner| winner.status),
        _ => {
            let id = current(ctx)?;
            Some(ctx.turn.body.transactions.get(id)?.transaction.last_status_sent())
        }
    }
}

fn t_was_cancelled(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let cancelled = current(ctx)
        .and_then(|id| ctx.turn.body.transactions.get(id))
        .is_some_and(|entry| entry.transaction.was_cancelled());
    Called::Value(if cancelled { 1 } else { -1 })
}

fn t_on_failure(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    ctx.draft.armed.failure = args.route(0);
    Called::Value(1)
}

fn t_on_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    if ctx.kind == RouteKind::Branch {
        ctx.draft.branch_on_reply = args.route(0);
    } else {
        ctx.draft.armed.reply = args.route(0);
    }
    Called::Value(1)
}

fn t_on_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    ctx.draft.armed.branch = args.route(0);
    Called::Value(1)
}

fn t_cancel_branch(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(id), Some(branch)) = (ctx.transaction, ctx.branch) else { return Called::Value(-1) };
    let which = args.str(0);
    if !matches!(which, None | Some(b"a" | b"o")) {
        return Called::Value(-1);
    }
    relay::with_transaction(&mut ctx.turn, id, |transaction, now, fx| match which {
        None => transaction.cancel_branches(now, Some(branch), CancelReason::Script, fx),
        Some(b"a") => transaction.cancel_branches(now, None, CancelReason::Script, fx),
        Some(_) => transaction.cancel_others(now, branch, CancelReason::Script, fx),
    });
    Called::Value(1)
}

fn branch_index(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    ctx.branch.map_or(Reading::Null, |branch| Reading::Int(i32::from(branch.0)))
}

fn reply_code(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    Reading::Int(i32::from(status_in_context(ctx).unwrap_or_default()))
}

fn branch_uri(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let uri = match (ctx.transaction, ctx.branch) {
        (Some(id), Some(branch)) if ctx.kind != RouteKind::Branch => {
            let entry = ctx.turn.body.transactions.get(id);
            entry.and_then(|entry| entry.transaction.branch(branch)).and_then(|branch| {
                duologue_sip::Message::parse(branch.wire()).ok().map(|sent| sent.uri_bytes())
            })
        }
        _ => ctx.request_uri(),
    };
    let Some(uri) = uri else { return Reading::Null };
    out.push(uri);
    Reading::Str
}

fn transaction_id(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    let Some(id) = current(ctx) else { return Reading::Null };
    out.push_int((ctx.turn.call.key().hash() >> 33) as i64);
    out.push_byte(b':');
    out.push_int(i64::from(id.0));
    Reading::Str
}

fn fr_timeout(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    let default = ctx.turn.node.settings::<TmSettings>().transactions.fr_timeout.as_secs();
    seconds(ctx.draft.timeouts.0, default)
}

fn fr_inv_timeout(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    let default = ctx.turn.node.settings::<TmSettings>().transactions.fr_inv_timeout.as_secs();
    seconds(ctx.draft.timeouts.1, default)
}

fn seconds(set: Option<u32>, default: u64) -> Reading {
    let seconds = set.map_or(default, u64::from);
    Reading::Int(i32::try_from(seconds).unwrap_or(i32::MAX))
}

fn set_fr_timeout(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    ctx.draft.timeouts.0 = positive(value)?;
    relay::apply_timeouts(ctx);
    Ok(())
}

fn set_fr_inv_timeout(
    ctx: &mut Context<'_>,
    _: &VarAccess<'_>,
    _: Assign,
    value: Value<'_>,
) -> Result<(), WriteError> {
    ctx.draft.timeouts.1 = positive(value)?;
    relay::apply_timeouts(ctx);
    Ok(())
}

fn positive(value: Value<'_>) -> Result<Option<u32>, WriteError> {
    match value {
        Value::Null => Ok(None),
        value => {
            let number = value.int().and_then(|number| u32::try_from(number).ok());
            number.filter(|&number| number > 0).map(Some).ok_or(WriteError::BadValue)
        }
    }
}
