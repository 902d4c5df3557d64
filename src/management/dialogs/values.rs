//! `dialog:push_var`: a value for several dialogs (spec/dialog.md §10.1, §13).

use std::sync::Arc;

use duologue_dialog::{Dialog, StoreError};
use duologue_management::{Answer, Command, CommandError, Params};
use duologue_server::Node;

use super::{Maker, find};

pub(super) fn commands(command: Maker<'_>) -> Vec<Command> {
    vec![
        command("dialog:push_var", "stores a value in dialogs", push)
            .alias("dlg_push_var")
            .signatures(&[&["dlg_val_name", "dlg_val_value", "DID"]]),
    ]
}

/// Ids that nobody has are passed over, unless all are such.
fn push(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    let (name, value) = (params.text("dlg_val_name")?, params.text("dlg_val_value")?);
    let dialogs: Vec<Dialog> =
        params.texts("DID")?.iter().filter_map(|id| find(node, id)).collect();
    if dialogs.is_empty() {
        return Err(CommandError::new(404, "Requested Dialog not found"));
    }
    for dialog in dialogs {
        match dialog.store_value(&name, value.as_str()) {
            Ok(()) | Err(StoreError::Gone) => {}
            Err(why @ StoreError::Full) => {
                let why = format!("{}: {why}", dialog.id());
                return Err(CommandError::new(500, "Internal Error").with_data(why));
            }
        }
    }
    Ok(Answer::ok())
}
