//! `httpd`, `mi_http`, `mi_fifo` and `mi_datagram`: by which ways management can be reached. The doors
//! themselves are `duologue-management`'s; here are only the names and settings that scripts know
//! (spec/modules.md §30).

mod access;
mod datagram;
mod fifo;
mod http;

pub use access::{Account, FileAccess};
pub use datagram::{DatagramAddress, MI_DATAGRAM, MiDatagramSettings};
pub use fifo::{MI_FIFO, MiFifoSettings};
pub(crate) use http::root;
pub use http::{HTTPD, HttpdSettings, MI_HTTP, MiHttpSettings, checked_token};

/// Why `trace_destination` and `trace_bwlist` are without effect.
pub(super) const NOT_TRACED: &str = "commands are not traced over HEP in this version";
