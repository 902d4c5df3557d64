//! `tm`: what scripts do with transactions (spec/modules.md §1). The machines are
//! `duologue-transaction`'s, the relaying is [`crate::relay`]'s.

mod branches;
mod injecting;
mod replying;
mod sending;
mod timeouts;

use std::time::Duration;

use duologue_script::{
    Args, Called, FlagKind, Param, ParamKind, Reading, RouteKind, RouteKinds, Subname, Text,
    VarAccess,
};
use duologue_sip::Method;
use duologue_transaction::{CancelReason, Match, TransactionId};

use crate::context::Context;
use crate::module::{Function, Host, Module, Parameter, Parameters, Refusal, Settings, Variable};
use crate::relay::{self, RelayFlags};
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
        Function::new("t_reply", &[INT, STR], Q.union(F), replying::t_reply),
        Function::new(
            "t_reply_with_body",
            &[INT, STR, STR],
            Q.union(F),
            replying::t_reply_with_body,
        ),
        Function::new(
            "t_reply_by_callid",
            &[INT, STR, OPTIONAL_STR, OPTIONAL_STR],
            Q,
            replying::t_reply_by_callid,
        ),
        Function::new("t_local_replied", &[STR], QFRB, replying::t_local_replied)
            .checked(replying::check_which),
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
        Function::new("t_cancel_branch", &[OPTIONAL_STR], R, t_cancel_branch).checked(check_cancel),
        Function::new(
            "t_new_request",
            &[STR, STR, STR, STR, OPTIONAL_STR, OPTIONAL_STR],
            RouteKinds::all(),
            sending::t_new_request,
        ),
        Function::new(
            "t_wait_for_new_branches",
            &[Param::optional(ParamKind::Int)],
            Q,
            injecting::t_wait_for_new_branches,
        ),
        Function::new("t_wait_no_more_branches", &[], QFRB, injecting::t_wait_no_more_branches),
        Function::new(
            "t_inject_branches",
            &[STR, OPTIONAL_STR],
            Q.union(R).union(RouteKinds::EVENT),
            injecting::t_inject_branches,
        )
        .checked(injecting::check_injection),
        Function::new("t_add_hdrs", &[STR], Q, sending::t_add_hdrs),
        Function::new("t_add_cancel_reason", &[STR], Q, sending::t_add_cancel_reason)
            .checked(sending::check_reason),
        Function::new("t_replicate", &[STR, OPTIONAL_STR], Q.union(F), sending::t_replicate),
        Function::new("t_anycast_replicate", &[], Q, |_, _| Called::Value(-1)).noted(ALONE),
        Function::new("t_flush_flags", &[], Q.union(B), sending::t_flush_flags),
        Function::new(
            "t_get_branch_idx_by_attr",
            &[
                STR,
                OPTIONAL_STR,
                Param::optional(ParamKind::Int),
                Param::optional(ParamKind::Var),
                Param::optional(ParamKind::Int),
            ],
            R.union(B).union(F),
            branches::find_by_attr,
        ),
    ],
    variables: &[
        Variable::new(&["T_branch_idx"], branch_index),
        Variable::new(&["T_reply_code"], reply_code),
        Variable::new(&["T_fr_timeout"], timeouts::fr).writable(timeouts::set_fr),
        Variable::new(&["T_fr_inv_timeout"], timeouts::fr_inv).writable(timeouts::set_fr_inv),
        Variable::new(&["T_ruri"], branch_uri),
        Variable::new(&["T_id"], transaction_id),
        Variable::new(&["T_branch_last_reply_code"], branches::last_status).indexed(),
        Variable::new(&["bavp"], branches::avp)
            .writable(branches::set_avp)
            .named(Subname::Required)
            .indexed(),
        Variable::new(&["tm.branch.uri"], branches::uri).indexed_in_sets(),
        Variable::new(&["tm.branch.duri"], branches::next_hop).indexed_in_sets(),
        Variable::new(&["tm.branch.path"], branches::path).indexed_in_sets(),
        Variable::new(&["tm.branch.q"], branches::q).indexed_in_sets(),
        Variable::new(&["tm.branch.flags"], branches::flags).indexed_in_sets(),
        Variable::new(&["tm.branch.socket"], branches::socket).indexed_in_sets(),
        Variable::new(&["tm.branch.last_received"], branches::last_status).indexed_in_sets(),
        Variable::new(&["tm.branch.flag"], branches::flag)
            .writable(branches::set_flag)
            .named(Subname::Flag(FlagKind::Branch))
            .indexed_in_sets(),
        Variable::new(&["tm.branch.attr"], branches::attr)
            .writable(branches::set_attr)
            .named(Subname::Required)
            .indexed_in_sets(),
    ],
    parameters: &[
        Parameter::int("fr_timeout"),
        Parameter::int("fr_inv_timeout"),
        Parameter::int("wt_timer"),
        Parameter::int("delete_timer").without_effect(
            None,
            "a transaction that is over is removed at once, nothing holds on to it",
        ),
        Parameter::int("T1_timer"),
        Parameter::int("T2_timer"),
        Parameter::int("restart_fr_on_each_reply"),
        Parameter::int("auto_100trying"),
        Parameter::int("onreply_avp_mode"),
        Parameter::int("disable_6xx_block"),
        Parameter::int("ruri_matching").without_effect(
            Some(1),
            "requests without a magic cookie are compared with their Request-URI",
        ),
        Parameter::int("via1_matching").without_effect(
            Some(1),
            "requests without a magic cookie are compared with their top Via",
        ),
        Parameter::int("syn_branch").without_effect(
            Some(1),
            "the branches of our Via are told by the state that they belong to",
        ),
        Parameter::int("enable_stats")
            .without_effect(Some(1), "counting costs next to nothing, it is never off"),
        Parameter::int("pass_provisional_replies")
            .without_effect(Some(0), "who sends a request of our own hears of its final reply"),
        Parameter::int("timer_partitions").without_effect(
            Some(1),
            "each part of the table of calls has a timer of its own anyway",
        ),
        Parameter::str("minor_branch_flag"),
        Parameter::str("local_request_route"),
        Parameter::str("local_reply_route"),
        Parameter::planned("unix_tx_timeout"),
        Parameter::planned("tw_append"),
        Parameter::int("tm_replication_cluster").without_effect(Some(0), ALONE),
        Parameter::str("cluster_param").without_effect(None, ALONE),
        Parameter::int("cluster_auto_cancel").without_effect(None, ALONE),
    ],
    configure,
    meet,
    ..Module::EMPTY
};

pub use branches::BRANCH_VARIABLES;

/// What the author of a script is told who has several proxies behind one anycast address.
const ALONE: &str = "transactions are not shared between proxies: what reaches the wrong one of an \
    anycast address is not passed on";

/// The module's parameters.
#[derive(Clone, Debug, Default)]
pub struct TmSettings {
    /// Timers and habits of transactions.
    pub transactions: duologue_transaction::Settings,
    /// Send 100 when an INVITE's transaction is made.
    pub auto_100trying: bool,
    /// Whether reply routes see the transaction's AVPs.
    pub onreply_avp_mode: bool,
    /// The flag of branches that nobody waits for.
    pub minor_branch_flag: Option<String>,
    /// The route that runs with each request of our own.
    pub local_request_route: Option<String>,
    /// The route that runs with each reply of our own.
    pub local_reply_route: Option<String>,
}

/// Routes that parameters name must exist.
fn meet(host: &Host<'_>) -> Result<(), Refusal> {
    let settings = host.settings::<TmSettings>();
    for name in [&settings.local_request_route, &settings.local_reply_route].into_iter().flatten() {
        if host.program.route(RouteKind::Request, name).is_none() {
            return Err(format!("there is no route[{name}]").into());
        }
    }
    Ok(())
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
        minor_branch_flag: parameters.str("minor_branch_flag").map(str::to_owned),
        local_request_route: parameters.str("local_request_route").map(str::to_owned),
        local_reply_route: parameters.str("local_reply_route").map(str::to_owned),
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
    let which = args.str(0).filter(|which| !which.is_empty());
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

fn check_cancel(_: usize, text: &str) -> Result<(), String> {
    match text {
        "" | "a" | "o" => Ok(()),
        text if text.contains('$') => Ok(()),
        _ => Err(format!("it is \"a\" for all branches or \"o\" for all others, not \"{text}\"")),
    }
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
    out.push_int(ctx.turn.call.key().shown() as i64);
    out.push_byte(b':');
    out.push_int(i64::from(id.0));
    Reading::Str
}
