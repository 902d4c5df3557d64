//! `dlg_send_sequential()` (spec/dialog.md §6.6): a request of ours to one side of the call.

use duologue_dialog::{AskError, Body, NewRequest};
use duologue_script::{Args, Called};

use crate::context::Context;
use crate::dialogs;
use crate::tm::DialogRole;

/// The request leaves behind what the call is doing now.
pub(super) fn send(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = |at: usize| args.str(at).filter(|text| !text.is_empty());
    let (Some(method), Some(leg)) = (text(0), text(1)) else { return Called::Value(-1) };
    let (Ok(method), Some(dialog)) = (std::str::from_utf8(method), ctx.dialog()) else {
        return Called::Value(-1);
    };
    let request = match (leg, method) {
        (b"callee", "PRACK") => prack(ctx),
        (b"caller", "PRACK") => None,
        (b"callee", _) => Some(NewRequest::to_callee(method)),
        (b"caller", _) => Some(NewRequest::to_caller(method)),
        _ => None,
    };
    let Some(mut request) = request else {
        tracing::warn!(did = %dialog.id(), "dlg_send_sequential(): no {method} can be sent here");
        return Called::Value(-1);
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
        // The reply came again: its PRACK is on its way, or one before it is owed first.
        Err(AskError::NotNext) => Called::Value(1),
        Err(error) => {
            tracing::warn!(did = %dialog.id(), "dlg_send_sequential(): {error}");
            Called::Value(-1)
        }
    }
}

/// The PRACK of the reply at hand, which has to be a reliable provisional to the INVITE of the
/// dialog; its RAck is ours to write (RFC 3262 §7.2).
fn prack(ctx: &mut Context<'_>) -> Option<NewRequest> {
    if ctx.loaded.is_some() || ctx.current_dialog()?.role != DialogRole::Initial {
        return None;
    }
    let rseq = dialogs::reliable(ctx.message)?;
    let to_tag = ctx.message.to().ok()?.tag()?;
    Some(NewRequest::prack(to_tag, rseq, ctx.message.cseq().ok()?.number))
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
