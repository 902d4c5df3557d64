//! A request within a dialog held against it, set right by it, renumbered or added to
//! (spec/dialog.md §6.4, §6.6, §8).

use duologue_dialog::{Body, CseqError, NewRequest};
use duologue_script::{Args, Called};

use crate::context::Context;
use crate::in_dialog;

/// spec/dialog.md §8: what is wrong with a request within its dialog, as a number.
pub(super) fn validate_dialog(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let code = match in_dialog::validate(ctx) {
        Ok(()) => 1,
        Err(invalid) => {
            tracing::debug!(call_id = %ctx.turn.call_id(), "validate_dialog(): {invalid}");
            invalid.code()
        }
    };
    Called::Value(code)
}

pub(super) fn fix_route_dialog(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    match in_dialog::fix_route(ctx) {
        Ok(()) => Called::Value(1),
        Err(error) => {
            tracing::debug!(call_id = %ctx.turn.call_id(), "fix_route_dialog(): {error}");
            Called::Value(-1)
        }
    }
}

/// spec/dialog.md §6.4: the numbers towards a callee go on by as many, one if none is given. The
/// callee is that of the tag, else that of the message's To.
pub(super) fn inc_cseq(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let by = args.int(1).unwrap_or(1);
    let Some(dialog) = ctx.dialog() else { return Called::Value(-2) };
    let of_message = ctx.message.to().ok().and_then(|to| to.tag());
    let increased = match u32::try_from(by) {
        Ok(by) => dialog.increase_cseq(args.str(0).or(of_message), by),
        Err(_) => return Called::Value(-1),
    };
    match increased {
        Ok(()) => Called::Value(1),
        Err(CseqError::UnknownLeg) => Called::Value(-1),
        Err(CseqError::Gone) => Called::Value(-2),
    }
}

/// spec/dialog.md §6.6: a request of ours to one side, behind what the call is doing now.
pub(super) fn send_sequential(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = |at: usize| args.str(at).filter(|text| !text.is_empty());
    let (Some(method), Some(leg)) = (text(0), text(1)) else { return Called::Value(-1) };
    let (Ok(method), Some(dialog)) = (std::str::from_utf8(method), ctx.dialog()) else {
        return Called::Value(-1);
    };
    let mut request = match leg {
        b"caller" => NewRequest::to_caller(method),
        b"callee" => NewRequest::to_callee(method),
        _ => return Called::Value(-1),
    };
    match (text(2), text(3)) {
        (Some(body), Some(content_type)) => {
            request = request.body(Body::new(content_type, body));
        }
        (Some(body), None) if starts_as_sdp(body) => request = request.body(Body::sdp(body)),
        (Some(_), None) => {
            tracing::warn!("dlg_send_sequential(): a body needs a content type");
            return Called::Value(-1);
        }
        (None, _) => {}
    }
    if let Some(lines) = text(4) {
        request = request.headers(&[lines.trim_ascii_end(), b"\r\n"].concat());
    }
    match dialog.send_request(request, |_| {}) {
        Ok(()) => Called::Value(1),
        Err(error) => {
            tracing::warn!(did = %dialog.id(), "dlg_send_sequential(): {error}");
            Called::Value(-1)
        }
    }
}

/// RFC 4566 §5.1: a session description begins with its version.
fn starts_as_sdp(body: &[u8]) -> bool {
    body.starts_with(b"v=0")
}

pub(super) fn check_leg(index: usize, text: &str) -> Result<(), String> {
    match (index, text) {
        (1, leg) if leg != "caller" && leg != "callee" && !leg.contains('$') => {
            Err("a leg is \"caller\" or \"callee\"".to_owned())
        }
        _ => Ok(()),
    }
}
