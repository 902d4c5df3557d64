//! `dialog:end_dlg`: one call is ended from the middle (spec/dialog.md §7).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Params};
use duologue_server::Node;
use duologue_server::call::Ending;
use duologue_server::intents::end_dialog;

use super::{Maker, find, header_lines};

/// The reason that ended calls have (spec/dialog.md §7).
pub(super) const REASON: &str = "MI Termination";

pub(super) fn commands(command: Maker<'_>) -> Vec<Command> {
    vec![
        command("dialog:end_dlg", "ends a dialog by BYE or CANCEL", end)
            .alias("dlg_end_dlg")
            .signatures(&[&["dialog_id"], &["dialog_id", "extra_hdrs"]]),
    ]
}

fn end(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let id = params.text("dialog_id")?;
    let extra_headers = params.optional_text("extra_hdrs")?.unwrap_or_default();
    let not_found = || CommandError::new(404, "Requested Dialog not found");
    let dialog = find(node, &id).ok_or_else(not_found)?;
    let ending =
        Ending { extra_headers: header_lines(&extra_headers)?.into(), ..Ending::default() };
    if end_dialog(node, &dialog, REASON, ending) { Ok(Answer::ok()) } else { Err(not_found()) }
}
