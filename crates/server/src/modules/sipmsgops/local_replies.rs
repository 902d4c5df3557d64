//! Replies: what local ones get, and the status of those that pass.

use duologue_script::{Args, Called};
use duologue_sip::StatusCode;
use jiff::Timestamp;

use super::headers::lines;
use super::yes_or_no;
use crate::context::Context;
use crate::replies;

/// How many bytes of headers a script may add to local replies of one request.
pub const REPLY_HEADERS_MAX: usize = 8192;

/// How many bytes the body of local replies may have.
pub const REPLY_BODY_MAX: usize = 32_768;

pub(super) fn append_to_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    yes_or_no(args.str(0).is_some_and(|text| add_to_reply(ctx, text)))
}

/// `Date:` in local replies (RFC 3261 §20.17).
pub(super) fn append_time(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let line = date_line(ctx.turn.now.unix);
    yes_or_no(line.is_some_and(|line| add_to_reply(ctx, line.as_bytes())))
}

fn add_to_reply(ctx: &mut Context<'_>, text: &[u8]) -> bool {
    let headers = &mut ctx.draft.reply_headers;
    match lines(text) {
        Some((text, ending)) if headers.len() + text.len() + ending.len() <= REPLY_HEADERS_MAX => {
            headers.extend_from_slice(text);
            headers.extend_from_slice(ending);
            true
        }
        _ => false,
    }
}

/// The body of local replies; the last one counts. Its type is for `append_to_reply()`.
pub(super) fn append_body_to_reply(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let Some(body) = args.str(0).filter(|body| body.len() <= REPLY_BODY_MAX) else {
        return Called::Value(-1);
    };
    ctx.draft.reply_body.clear();
    ctx.draft.reply_body.extend_from_slice(body);
    Called::Value(1)
}

/// Another status line for the reply that passes. A provisional or positive one stays in its
/// class, because transactions and dialogs have already been moved by it.
pub(super) fn change_reply_status(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let (Some(code), Some(reason)) = (replies::status(args.int(0)), args.str(1)) else {
        return Called::Value(-1);
    };
    let message = ctx.message;
    let Some(present) = ctx.edits().status(message) else { return Called::Value(-1) };
    let changes = may_become(present, code);
    if changes {
        ctx.edits().draft(message).set_status(code, reason);
    }
    yes_or_no(changes)
}

pub(super) fn check_status(index: usize, text: &str) -> Result<(), String> {
    match index {
        1 if text.contains(['\r', '\n']) => Err("a reason phrase is one line".to_owned()),
        _ => Ok(()),
    }
}

/// spec/modules.md §6: below 300 the class stays.
const fn may_become(present: StatusCode, code: u16) -> bool {
    present.class() == code / 100 || (present.code() >= 300 && code >= 300)
}

fn date_line(unix: u64) -> Option<String> {
    let now = Timestamp::from_second(i64::try_from(unix).ok()?).ok()?;
    Some(now.strftime("Date: %a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §20.17.
    #[test]
    fn dates_are_in_gmt() {
        let line = date_line(1_289_689_740);
        assert_eq!(line.as_deref(), Some("Date: Sat, 13 Nov 2010 23:09:00 GMT"));
    }

    /// spec/modules.md §6, `change_reply_status`.
    #[test]
    fn the_class_stays_below_300() {
        let may = |from: u16, to| may_become(StatusCode::new(from).unwrap(), to);
        for (from, to) in [(180, 183), (200, 202), (404, 486), (503, 300), (302, 603)] {
            assert!(may(from, to), "{from} -> {to}");
        }
        for (from, to) in [(180, 200), (200, 180), (200, 404), (404, 200), (300, 299)] {
            assert!(!may(from, to), "{from} -> {to}");
        }
    }
}
