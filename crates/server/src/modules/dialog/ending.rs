//! Ending a dialog from a script: `dlg_bye()`, which OpenSIPS has not (spec/lessons.md part C).

use duologue_dialog::Byes;
use duologue_script::{Args, Called};

use crate::call::Ending;
use crate::context::Context;
use crate::intents::end_dialog;

/// Ends the current dialog behind what the call is doing now: who hangs up hears of it, or both
/// do. A call that rings is cancelled.
pub(super) fn bye(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let byes = args.str(0).map_or(Some(Byes::Both), who);
    let (Some(byes), Some(dialog)) = (byes, ctx.dialog()) else { return Called::Value(-1) };
    let ending = Ending { byes, ..Ending::default() };
    let ended = end_dialog(ctx.turn.node, &dialog, "Script Termination", ending);
    Called::Value(if ended { 1 } else { -1 })
}

fn who(text: &[u8]) -> Option<Byes> {
    match text {
        b"all" => Some(Byes::Both),
        b"caller" => Some(Byes::Caller),
        b"callee" => Some(Byes::Callees),
        _ => None,
    }
}

pub(super) fn check_byes(_: usize, text: &str) -> Result<(), String> {
    if text.contains('$') || who(text.as_bytes()).is_some() {
        return Ok(());
    }
    Err("who gets a BYE is \"caller\", \"callee\" or \"all\"".to_owned())
}
