//! Duologue: a dialog-stateful SIP proxy that runs OpenSIPS routing scripts, as a library.
//!
//! A whole proxy that tells of its calls:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     duologue::Builder::built_in()
//!         .dialogs(|dialogs| {
//!             dialogs.on_created(|event| println!("a call: {}", event.dialog().id()));
//!         })
//!         .run()
//! }
//! ```
//!
//! Where to go from here:
//! - [`dialog`] is where authors of modules live: the events of a call, in the order in which they
//!   come, and what may be done with it. `examples/` has four programs to start from.
//! - [`server::module`] is how a module adds functions and variables to scripts; [`language`] has
//!   what these take and return.
//! - A [`Builder`] makes a [`Plan`] of a script, a plan becomes a running [`Server`], and
//!   [`management::open`] lets operators command it. The program `duologue` is a thin shell around
//!   these.

mod builder;
pub mod management;
pub mod script;

pub use builder::Builder;
pub use duologue_dialog as dialog;
pub use duologue_script as language;
pub use duologue_server as server;
pub use duologue_server::{DatabaseChoice, Node, Overrides, Plan, Server, StartError};
pub use duologue_sip as sip;
pub use duologue_store as store;
pub use duologue_usrloc as usrloc;
