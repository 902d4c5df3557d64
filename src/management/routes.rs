//! `reload_routes`: the script's blocks are read again (spec/script.md §15.4).

use std::sync::Arc;

use duologue_management::{Answer, Command, CommandError, Duplicate, Registry};
use duologue_script::Sources;
use duologue_server::{Server, StartError};

/// Adds the command that reads the blocks of `path` again and puts them in the place of those that
/// run. Globals, sockets, modules and their parameters stay as they were at the start.
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
        Ok(warnings) => {
            tracing::info!("the routes of {path} were read again");
            for warning in warnings.list() {
                tracing::warn!("{warning}");
            }
            Ok(Answer::ok())
        }
        Err(StartError::Script(mistakes)) => {
            Err(CommandError::new(500, "the script has mistakes").with_data(mistakes.render(false)))
        }
        Err(error) => Err(CommandError::new(500, error.to_string())),
    }
}
