//! Management: what operators ask of a running server over JSON-RPC.

mod arguments;
mod blacklists;
mod cache;
mod cfgutils;
pub mod dialogs;
mod doors;
mod events;
mod httpd;
mod info;
mod listing;
pub mod metrics;
mod patience;
mod routes;
mod script;
mod status_report;
pub mod transactions;
mod users;

use std::sync::Arc;

use duologue_management::{Duplicate, Registry};
use duologue_server::{Plan, Server};

pub use doors::{Doors, Tokens};
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
    status_report::register(&mut registry, server)?;
    Ok(registry)
}

/// Looks, without opening anything, for what would keep [`open`] from opening the door of `httpd`: two
/// that want to stand at one path, files of no use for TLS.
///
/// # Errors
/// As [`open`].
pub fn check(plan: &Plan) -> Result<(), rpc::Error> {
    doors::check(plan)
}

/// Opens the doors: that of `httpd`, for `mi_http` and `prometheus`, and those of `mi_fifo` and
/// `mi_datagram`, as far as the script loads them, where their parameters say.
///
/// # Errors
/// One of them cannot be opened; then none is.
pub fn open(server: &Arc<Server>, registry: &Arc<Registry>) -> Result<Doors, rpc::Error> {
    open_with(server, registry, Tokens::default())
}

/// As [`open`], with tokens that are no business of the script.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    server: &Arc<Server>,
    registry: &Arc<Registry>,
    tokens: Tokens,
) -> Result<Doors, rpc::Error> {
    Doors::open(server, registry, tokens)
}
