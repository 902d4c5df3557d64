//! Duologue: a dialog-stateful SIP proxy that runs OpenSIPS routing scripts, as a library.
//!
//! The program `duologue` is a thin shell around what is here: a script becomes a [`Plan`], a plan
//! becomes a running [`Server`], and [`management::open`] lets operators command it.
//!
//! ```no_run
//! use duologue::{Overrides, Plan, Server, script};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = Plan::load("default.cfg", &script::Embedded, &[], Overrides::default())?;
//! let server = Server::start(plan)?;
//! server.node().dialogs.on_created(|event| println!("a call: {}", event.dialog().id()));
//! # Ok(())
//! # }
//! ```
//!
//! The crates beneath are re-exported under their short names: [`dialog`] is the one that module
//! authors live in; [`language`] has what functions of scripts take and return. `examples/` shows a
//! module with a function of its own, and one that only listens.

pub mod management;
pub mod script;

pub use duologue_dialog as dialog;
pub use duologue_script as language;
pub use duologue_server as server;
pub use duologue_server::{Node, Overrides, Plan, Server, StartError};
pub use duologue_sip as sip;
