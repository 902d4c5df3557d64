//! What waits for a database and for a cluster, and says so (spec/dialog.md §13).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Params};
use duologue_server::Node;
use duologue_server::storage::{Answer as StorageAnswer, Mode, Order, Storage};

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

fn db_sync(node: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    let storage = node.storage.as_ref();
    done(storage.ok_or_else(|| CommandError::new(400, "Cannot sync in no-db mode"))?, Order::Read)
}

fn restore_db(node: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    let storage = node.storage.as_ref();
    let storage =
        storage.ok_or_else(|| CommandError::new(400, "Cannot restore db in no-db mode!"))?;
    if storage.settings().mode == Mode::Shutdown {
        return Err(CommandError::new(400, "db_mode 3 writes when the program ends"));
    }
    done(storage, Order::Rewrite)
}

/// The writer does it; this thread waits.
fn done(storage: &Storage, order: fn(StorageAnswer) -> Order) -> Result<Answer, CommandError> {
    match storage.ask(order) {
        Ok(_) => Ok(Answer::ok()),
        Err(reason) => Err(CommandError::new(500, "Database error").with_data(reason)),
    }
}

fn cluster_sync(_: &Arc<Node>, _: &Params) -> Result<Answer, CommandError> {
    Err(CommandError::new(400, "Dialog replication disabled"))
}
