//! What waits for a database and for a cluster, and says so (spec/dialog.md §13).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Params};
use duologue_server::Node;

use super::Maker;

pub(super) fn commands(command: Maker<'_>) -> Vec<Command> {
    vec![
        command("dialog:db_sync", "takes dialogs over from the database", db_sync)
            .alias("dlg_db_sync"),
        command("dialog:restore_db", "writes the database anew", restore_db)
            .alias("dlg_restore_db"),
        command("dialog:cluster_sync", "asks the cluster for its dialogs", cluster_sync)
            .alias("dlg_cluster_sync")
            .signatures(&[&[], &["sharing_tag"]]),
    ]
}

fn db_sync(_: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    Err(CommandError::new(400, "Cannot sync in no-db mode"))
}

fn restore_db(_: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    Err(CommandError::new(400, "Cannot restore db in no-db mode!"))
}

fn cluster_sync(_: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    Err(CommandError::new(400, "Dialog replication disabled"))
}
