//! Management: what operators ask of a running server over JSON-RPC.

mod blacklists;
mod cache;
mod cfgutils;
pub mod dialogs;
mod events;
mod httpd;
mod info;
mod listing;
mod patience;
mod routes;
mod script;
pub mod transactions;
mod users;

use std::sync::Arc;

use duologue_management::http::Basic;
use duologue_management::{Config, Door, Duplicate, Registry, serve};
use duologue_server::Server;
use duologue_server::modules::mi::{HttpdSettings, MiHttpSettings};

pub use duologue_management as rpc;
pub use info::{Info, local_time};
pub use routes::reloading;
pub use script::for_scripts;

/// All commands of a server. `terminate` is what `kill` does.
///
/// # Errors
/// Never in a released program: two commands share a name.
pub fn commands(
    server: &Arc<Server>,
    terminate: impl Fn() + Send + Sync + 'static,
) -> Result<Registry, Duplicate> {
    let mut registry = Registry::new();
    rpc::core::register(&mut registry, Arc::new(Info::new(Arc::clone(server), terminate)))?;
    let clock: dialogs::Clock = {
        let server = Arc::clone(server);
        Arc::new(move || server.now())
    };
    dialogs::register(&mut registry, server.node(), &clock)?;
    events::register(&mut registry, server)?;
    transactions::register(&mut registry, server.node())?;
    users::register(&mut registry, server)?;
    blacklists::register(&mut registry, server)?;
    cache::register(&mut registry, server)?;
    cfgutils::register(&mut registry, server)?;
    httpd::register(&mut registry, server)?;
    Ok(registry)
}

/// Opens the HTTP door where the script's `httpd` and `mi_http` say.
///
/// # Errors
/// The address cannot be listened on.
pub fn open(server: &Server, registry: impl Into<Arc<Registry>>) -> Result<Door, rpc::Error> {
    let httpd: &HttpdSettings = server.node().settings();
    let mi_http: &MiHttpSettings = server.node().settings();
    let basic = httpd.credentials.clone().map(|(username, password)| Basic {
        username,
        password,
        realm: httpd.auth_realm.clone(),
    });
    let config = Config {
        address: httpd.address,
        root: mi_http.root.clone(),
        pretty_printing: mi_http.pretty_printing,
        basic,
        ..Config::default()
    };
    serve(config, registry.into())
}
