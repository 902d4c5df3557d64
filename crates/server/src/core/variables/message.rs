//! The message as a whole: what it is, its body, its bytes.

use duologue_script::{Index, Reading, Text, VarAccess};
use duologue_sip::{Message, Part};

use super::view::{indexed_or_missing, number, on_message, part};
use crate::context::Context;

/// `$rm`: the method; of a reply, that of its CSeq.
pub(super) fn method(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    part(ctx, var, out, |message| {
        let method = message.method().or_else(|| message.cseq().ok().map(|cseq| cseq.method));
        method.map(|method| method.as_bytes())
    })
}

/// `$rs`: the status of a reply.
pub(super) fn status(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, var, |message| message.status().map(|status| status.code().into()))
}

/// `$rr`: the phrase of a reply.
pub(super) fn reason(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    part(ctx, var, out, |message| Some(message.reason()))
}

/// `$rb`: the body; `$(rb[n])`: one of its parts; `$rb(type)`: the parts of a type.
pub(super) fn body(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    if var.name.is_none() && var.index == Index::None {
        return part(ctx, var, out, |message| Some(message.body()));
    }
    let wanted = |part: &Part<'_>| var.name.is_none_or(|name| part.is_type(name));
    on_message(ctx, var, |message| {
        let parts = message.parts();
        let bodies = || parts.iter().filter(wanted).map(|part| Some(part.body));
        indexed_or_missing(var.index, out, bodies)
    })
}

/// `$mb`: the message as received.
pub(super) fn bytes(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    part(ctx, var, out, |message| Some(message.framed()))
}

/// `$ml`: the length of `$mb`.
pub(super) fn length(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, var, |message| i32::try_from(message.framed().len()).ok())
}

/// `$msg.is_request`: 1 or 0.
pub(super) fn is_request(ctx: &mut Context<'_>, var: &VarAccess<'_>, _: &mut Text) -> Reading {
    number(ctx, var, |message| Some(message.is_request().into()))
}

/// `$msg.type`: `request` or `reply`.
pub(super) fn kind(ctx: &mut Context<'_>, var: &VarAccess<'_>, out: &mut Text) -> Reading {
    on_message(ctx, var, |message: &Message<'_>| {
        out.push(if message.is_request() { b"request" } else { b"reply" });
        Reading::Str
    })
}
