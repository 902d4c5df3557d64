//! Lists of options: Supported, Require, Allow and the like.

use duologue_script::{Args, Called};

use super::headers::header_name;
use super::yes_or_no;
use crate::context::Context;

pub(super) fn list_hdr_has_option(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(option)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let mut options = ctx.message.values(header_name(name));
    yes_or_no(options.any(|value| value.bytes.eq_ignore_ascii_case(option)))
}

/// Adds an option to a list like Supported, unless it is there; makes the header if it is not.
pub(super) fn list_hdr_add_option(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(option)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let (message, name) = (ctx.message, header_name(name));
    if message.values(name).any(|value| value.bytes.eq_ignore_ascii_case(option)) {
        return Called::Value(1);
    }
    let edits = ctx.edits();
    match message.values(name).last().and_then(|value| message.span_of(value.bytes)) {
        Some(last) => edits.insert(last.range().end, &[b", ", option]),
        None => edits.draft(message).append_header(name, &[option]),
    }
    Called::Value(1)
}

pub(super) fn list_hdr_remove_option(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(name), Some(option)) = (args.str(0), args.str(1)) else {
        return Called::Value(-1);
    };
    let message = ctx.message;
    let mut options = message.values(header_name(name));
    let found = options.find(|value| value.bytes.eq_ignore_ascii_case(option));
    if let Some(value) = &found {
        ctx.edits().draft(message).remove_this(value);
    }
    yes_or_no(found.is_some())
}
