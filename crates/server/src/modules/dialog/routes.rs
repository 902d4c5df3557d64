//! The routes that a dialog runs when it is answered, expires or ends (spec/dialog.md §14).

use duologue_dialog::RouteHook;
use duologue_script::{Args, Called, RouteId};

use crate::context::Context;

pub(super) fn dlg_on_answer(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    set_route(ctx, args, RouteHook::Answer)
}

pub(super) fn dlg_on_timeout(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    set_route(ctx, args, RouteHook::Timeout)
}

pub(super) fn dlg_on_hangup(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    set_route(ctx, args, RouteHook::Hangup)
}

/// spec/dialog.md §14: while the call is not answered; without a route, none runs any more.
fn set_route(ctx: &mut Context<'_>, args: &Args<'_>, hook: RouteHook) -> Called {
    let route = args.route(0).map(RouteId::number);
    let set = ctx.dialog().map(|dialog| dialog.set_route(hook, route));
    Called::Value(if set == Some(Ok(true)) { 1 } else { -1 })
}
