//! The command of the `httpd` module (spec/modules.md §30).

use std::sync::Arc;

use duologue_management::{Answer, Command, Duplicate, Registry};
use duologue_server::Server;
use duologue_server::modules::mi::MiHttpSettings;
use serde_json::json;

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
        let mi_http: &MiHttpSettings = server.node().settings();
        Ok(json!({ "Roots": [{ "root": mi_http.root, "module": "mi_http" }] }).into())
    };
    let command = Command::new("httpd:list_root_path", "httpd", list)
        .help("lists the paths that are served over HTTP")
        .alias("httpd_list_root_path");
    registry.add(command)
}
