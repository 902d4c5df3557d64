//! `signaling`: one reply function, with state or without (spec/modules.md §4).

use duologue_script::{Args, Called, Param, ParamKind, Reading, RouteKinds, Text, VarAccess};

use super::{sl, tm};
use crate::context::Context;
use crate::module::{Function, Module, Parameters, Settings, Variable};
use crate::replies;

const QFE: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::FAILURE).union(RouteKinds::ERROR);

/// The declaration.
pub static MODULE: Module = Module {
    name: "signaling",
    functions: &[Function::new(
        "send_reply",
        &[Param::new(ParamKind::Int), Param::new(ParamKind::Str)],
        QFE,
        send_reply,
    )],
    variables: &[Variable::new(&["sig_local_totag"], local_totag)],
    configure,
    ..Module::EMPTY
};

/// `signaling` has no parameters.
#[derive(Clone, Copy, Debug)]
pub struct SignalingSettings;

fn configure(_: &Parameters<'_>) -> Result<Settings, String> {
    Ok(Box::new(SignalingSettings))
}

/// Replies through the message's transaction if it has one, else without state.
fn send_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(status), Some(reason)) = (replies::status(args.int(0)), args.str(1)) else {
        return Called::Value(-1);
    };
    Called::Value(if reply(ctx, status, reason) { 1 } else { -1 })
}

/// As `send_reply()`, for modules.
pub fn reply(ctx: &mut Context<'_>, status: u16, reason: &[u8]) -> bool {
    match tm::current(ctx) {
        Some(transaction) => tm::reply(ctx, transaction, status, reason),
        None => sl::reply(ctx, status, reason),
    }
}

fn local_totag(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    out.push(&replies::local_tag(ctx.turn.node, ctx.message));
    Reading::Str
}
