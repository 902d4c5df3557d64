//! `$err.*`: what the error route is told (spec/script.md §3.4).

use duologue_script::{Reading, Text, VarAccess};

use crate::context::Context;
use crate::raised::Raised;

pub(super) fn class(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, |raised| raised.class)
}

pub(super) fn level(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, |raised| raised.level)
}

pub(super) fn status(ctx: &mut Context<'_>, _: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, |raised| raised.status.into())
}

pub(super) fn info(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    text(ctx, out, |raised| &raised.info)
}

pub(super) fn reason(ctx: &mut Context<'_>, _: &VarAccess<'_>, out: &mut Text) -> Reading {
    text(ctx, out, |raised| raised.reason)
}

fn number(ctx: &Context<'_>, part: impl Fn(&Raised) -> i32) -> Reading {
    ctx.draft.raised.as_ref().map_or(Reading::Null, |raised| Reading::Int(part(raised)))
}

fn text(ctx: &Context<'_>, out: &mut Text, part: impl Fn(&Raised) -> &str) -> Reading {
    let Some(raised) = &ctx.draft.raised else { return Reading::Null };
    out.push(part(raised).as_bytes());
    Reading::Str
}
