//! `reload_routes`: the script's blocks are read again (spec/script.md §15.4).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Registry};
use duologue_script::{Pending, Sources};
use duologue_server::{Reload, Server, StartError};
use serde_json::json;

/// Adds the command that reads the blocks of `path` again and puts them in the place of those that
/// run. Globals, sockets, modules and their parameters stay as they were at the start; where the file
/// says otherwise the answer names it, beside "OK".
///
/// # Errors
/// Its name is taken.
pub fn reloading(
    registry: &mut Registry,
    server: &Arc<Server>,
    path: impl Into<String>,
    sources: impl Sources + Send + Sync + 'static,
) -> Result<(), Duplicate> {
    let (server, path) = (Arc::clone(server), path.into());
    let run = move |_: &_| reload(&server, &path, &sources);
    let command = Command::new("core:reload_routes", "core", run)
        .help("reads the routes of the script again")
        .alias("reload_routes");
    registry.add(command)
}

fn reload(server: &Server, path: &str, sources: &dyn Sources) -> Result<Answer, CommandError> {
    match server.node().reload(path, sources) {
        Ok(Reload { warnings, pending }) => {
            tracing::info!("the routes of {path} were read again");
            for warning in warnings.list() {
                tracing::warn!("{warning}");
            }
            for pending in &pending {
                tracing::warn!("{pending}");
            }
            Ok(told(&pending))
        }
        Err(StartError::Script(mistakes)) => {
            Err(CommandError::new(500, "the script has mistakes").with_data(mistakes.render(false)))
        }
        Err(error) => Err(CommandError::new(500, error.to_string())),
    }
}

/// "OK", if the file says nothing that takes a restart.
fn told(pending: &[Pending]) -> Answer {
    if pending.is_empty() {
        return Answer::ok();
    }
    let notices: Vec<String> = pending.iter().map(Pending::to_string).collect();
    Answer::Value(json!({ "Status": "OK", "Pending": notices }))
}
