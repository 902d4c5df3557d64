//! `sl`: replies without state (RFC 3261 §8.2.7; spec/modules.md §3).

use duologue_script::{Args, Called, Param, ParamKind, RouteKinds};
use duologue_sip::Method;

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings};
use crate::replies;
use crate::statistics::{SL_1XX, SL_SENT, SL_SENT_ERRORS};

const QE: RouteKinds = RouteKinds::REQUEST.union(RouteKinds::ERROR);

/// The declaration.
pub static MODULE: Module = Module {
    name: "sl",
    functions: &[
        Function::new(
            "sl_send_reply",
            &[Param::new(ParamKind::Int), Param::new(ParamKind::Str)],
            QE,
            sl_send_reply,
        ),
        Function::new("sl_reply_error", &[], QE, sl_reply_error),
    ],
    parameters: &[Parameter::int("enable_stats")
        .without_effect(Some(1), "counting costs next to nothing, it is never off")],
    configure,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Clone, Copy, Debug)]
pub struct SlSettings;

fn configure(_: &Parameters<'_>) -> Result<Settings, String> {
    Ok(Box::new(SlSettings))
}

fn sl_send_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(status), Some(reason)) = (replies::status(args.int(0)), args.str(1)) else {
        return Called::Value(-1);
    };
    Called::Value(if reply(ctx, status, reason) { 1 } else { -1 })
}

/// Answers with what the last internal error says (spec/modules.md §3).
fn sl_reply_error(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let (status, text) = replies::error_reply(ctx.draft.error, "SL");
    ctx.turn.count(SL_SENT_ERRORS);
    Called::Value(if reply(ctx, status, text.as_bytes()) { 1 } else { -1 })
}

/// Sends a reply without keeping anything. An ACK is never answered (RFC 3261 §17.1.1.3).
pub fn reply(ctx: &mut Context<'_>, status: u16, reason: &[u8]) -> bool {
    if matches!(ctx.message.method(), Some(Method::Ack)) {
        return true;
    }
    let (message, source) = (ctx.message, ctx.flow);
    let Some(flow) = ctx.reply_flow() else { return false };
    let body = ctx.draft.reply_body.clone();
    let local = replies::Local { status, reason, body: replies::body(status, &body) };
    let node = ctx.turn.node;
    let tag = replies::local_tag(node, message);
    let lines = replies::lines(node, message, Some(&ctx.draft), &local);
    ctx.turn.worker.outbox.push(flow, None, |out| {
        replies::write(message, source, &local, &tag, &lines, out);
    });
    ctx.draft.replied = Some(status);
    if status >= 200 && matches!(ctx.message.method(), Some(Method::Invite)) {
        node.expect_stateless_ack(ctx.turn.now);
    }
    ctx.turn.count(SL_SENT);
    if (100..700).contains(&status) {
        ctx.turn.count(SL_1XX.class(status / 100 - 1));
    }
    true
}
