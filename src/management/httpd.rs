//! The command of the `httpd` module (spec/modules.md §30).

use std::sync::Arc;

use duologue_management::{Answer, Command, Duplicate, Registry};
use duologue_server::Server;
use serde_json::json;

use super::doors;

/// Adds it, if the script loads the module.
///
/// # Errors
/// Its name is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    if !server.node().script().program.has_module("httpd") {
        return Ok(());
    }
    let server = Arc::clone(server);
    let list = move |_: &_| -> Result<Answer, _> {
        let roots = doors::roots(&server).into_iter();
        let roots = roots.map(|(root, module)| json!({ "root": root, "module": module }));
        Ok(json!({ "Roots": roots.collect::<Vec<_>>() }).into())
    };
    let command = Command::new("httpd:list_root_path", "httpd", list)
        .help("lists the paths that are served over HTTP")
        .alias("httpd_list_root_path")
        .reads();
    registry.add(command)
}
