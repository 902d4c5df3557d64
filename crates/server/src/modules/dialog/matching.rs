//! Making a dialog, and finding that of a request (spec/dialog.md §2.3, §4.4).

use duologue_dialog::{DialogFlags, MatchMode};
use duologue_script::{Args, Called};
use duologue_sip::Params;

use crate::context::Context;
use crate::dialogs::{self, Again};

/// Called by `loose_route()` with our own Route's parameters: the usual way to a dialog.
pub fn after_loose_route(ctx: &mut Context<'_>) {
    let mode = ctx.turn.node.dialogs.settings().match_mode;
    find(ctx, mode);
}

/// Finds the dialog of the context's request; true if there is one now.
pub(crate) fn find(ctx: &mut Context<'_>, mode: MatchMode) -> bool {
    let name = ctx.turn.node.dialogs.settings().rr_param.as_bytes();
    let params = ctx.draft.route_params.take();
    let from_route = params.as_deref().and_then(|params| Params::of_uri(params).get(name));
    let did = from_route.map(<[u8]>::to_vec);
    ctx.draft.route_params = params;
    let did = did.or_else(|| did_outside_route(ctx));
    dialogs::match_request(ctx, did.as_deref(), mode)
}

/// spec/dialog.md §4.4: without a Route, the did may stand in a Request-URI of ours, as a parameter
/// or within the user part.
fn did_outside_route(ctx: &Context<'_>) -> Option<Vec<u8>> {
    if ctx.message.has(duologue_sip::HeaderName::Route) {
        return None;
    }
    let uri = ctx.message.uri().ok()?;
    if !ctx.turn.node.sockets.is_me(uri.host(), uri.port(), None) {
        return None;
    }
    let name = ctx.turn.node.dialogs.settings().rr_param.as_bytes();
    if let Some(did) = uri.params().get(name) {
        return Some(did.to_vec());
    }
    let marker = [b".", name, b"."].concat();
    let user = uri.user()?;
    let at = user.windows(marker.len()).position(|window| window == marker)?;
    Some(user[at + marker.len()..].to_vec())
}

pub(super) fn create_dialog(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let text = args.str(0).unwrap_or_default();
    let Some(flags) = std::str::from_utf8(text).ok().and_then(DialogFlags::parse_create) else {
        return Called::Value(-1);
    };
    match dialogs::create(ctx, flags, Again::Replace) {
        Ok(_) => Called::Value(1),
        Err(error) => {
            tracing::warn!(call_id = %ctx.turn.call_id(), "create_dialog(): {error}");
            Called::Value(-1)
        }
    }
}

pub(super) fn check_flags(_: usize, text: &str) -> Result<(), String> {
    match DialogFlags::parse_create(text) {
        Some(_) => Ok(()),
        None => Err("flags of create_dialog() are options-ping-caller, options-ping-callee, \
                     reinvite-ping-caller, reinvite-ping-callee, bye-on-timeout, \
                     end-on-race-condition and auto-prack, separated by commas"
            .to_owned()),
    }
}

/// The letters of 3.1 as words (spec/dialog.md §6.1).
pub(super) fn modern_flags(_: usize, text: &str) -> Option<String> {
    if text.contains(['-', ',']) {
        return None;
    }
    let flags = DialogFlags::parse_create(text)?;
    (!flags.is_empty()).then(|| flags.create_words())
}

pub(super) fn match_dialog(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let mode = match args.str(0).map(|name| std::str::from_utf8(name).unwrap_or_default()) {
        None => ctx.turn.node.dialogs.settings().match_mode,
        Some(name) => match MatchMode::from_name(name) {
            Some(mode) => mode,
            None => return Called::Value(-1),
        },
    };
    Called::Value(if find(ctx, mode) { 1 } else { -1 })
}

pub(super) fn check_mode(_: usize, text: &str) -> Result<(), String> {
    match MatchMode::from_name(text) {
        Some(_) => Ok(()),
        None => Err("a mode is did_only, did_fallback or did_none".to_owned()),
    }
}
