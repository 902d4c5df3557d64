//! The management interface: JSON-RPC 2.0 commands, reached over HTTP, a FIFO or datagrams.
//!
//! The crate knows nothing of calls or dialogs. It offers four ideas, in the order in which a
//! program meets them:
//!
//! 1. A [`Command`] is a name (`dialog:list`), its old names (`dlg_list`), the parameter lists it
//!    takes and a handler. [`Params`] gives the handler its arguments, converted as
//!    the interface promises; an [`Answer`] or a [`CommandError`] goes back.
//! 2. A [`Registry`] holds all commands and finds them by any of their names. It answers `which`
//!    and `help` itself.
//! 3. [`core`] adds the commands that every server has (`uptime`, `ps`, `log_level`, statistics …)
//!    over the small trait [`ServerInfo`].
//! 4. Three doors lead to the commands: [`http`], which no web page can use, [`fifo`] and
//!    [`datagram`]. Each has a `serve` that opens it, listens on a thread of its own and closes when
//!    it is dropped. Who comes through one is a [`Caller`] with a [`Role`]; what it changes is told
//!    to the [`audit`].
//!
//! ```
//! use duologue_management::{Command, Registry, jsonrpc};
//!
//! let mut registry = Registry::new();
//! registry
//!     .add(
//!         Command::new("greeting:say", "greeting", |params| {
//!             Ok(format!("hello {}", params.text("name")?).into())
//!         })
//!         .alias("greet")
//!         .help("greets somebody")
//!         .signatures(&[&["name"]]),
//!     )
//!     .expect("the name is free");
//! let reply = jsonrpc::answer(
//!     &registry,
//!     br#"{"jsonrpc":"2.0","method":"greet","params":["Ada"],"id":1}"#,
//! );
//! assert_eq!(
//!     reply.into_text(false).as_deref(),
//!     Some(r#"{"jsonrpc":"2.0","result":"hello Ada","id":1}"#)
//! );
//! ```

mod answer;
pub mod audit;
mod caller;
mod chunks;
pub mod core;
pub mod datagram;
mod dropped;
mod error;
pub mod fifo;
mod files;
pub mod http;
mod json;
pub mod jsonrpc;
mod keeper;
mod listing;
mod params;
mod registry;
mod statistics;

pub use answer::{Answer, CommandError};
pub use caller::{Caller, Role};
pub use core::{LogConsumer, Process, ServerInfo, Statistic, StatisticKind, Uptime, Version};
pub use error::{Error, Warning};
pub use files::{Access, Account};
pub use json::{base64, json_text};
pub use listing::{Listing, SLICE_BYTES};
pub use params::Params;
pub use registry::{Command, Duplicate, Registry};
