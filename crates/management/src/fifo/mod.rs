//! The FIFO door (`mi_fifo`, spec/script.md §15.5): requests come through a named pipe, replies go
//! through one that each client makes.
//!
//! A request is a frame `:reply_name:document`. The client makes a FIFO of that name in the reply
//! directory before it asks, and opens it for reading when it has asked. An empty name asks for no
//! reply.
//!
//! Whoever may write to the pipe may command the server; beyond that nobody is trusted:
//! - A reply name is a bare file name, and what stands there must be a FIFO: neither a link nor a
//!   file with a second name.
//! - A client that does not come for its reply, or stops reading it, is left alone after
//!   [`Config::patience`]. Meanwhile the requests of others are answered.
//! - What is no request is dropped and counted; a request that never ends is given up after
//!   [`Config::patience`], and what others wrote behind it is found again.

mod door;
mod frames;
mod pipe;
mod reply;

use std::path::PathBuf;
use std::time::Duration;

pub use door::{Door, serve};
pub use frames::DOCUMENT_MAX;

use crate::{Access, Role};

/// Requests that are under way at once; the pipe holds what comes beyond.
pub const REQUESTS_MAX: usize = 32;

/// Where the pipe is and how replies leave.
#[derive(Clone, Debug)]
pub struct Config {
    /// The pipe. Default `/tmp/opensips_fifo`.
    pub path: PathBuf,
    /// Who may write to it.
    pub access: Access,
    /// Where clients make the FIFOs for their replies. Default `/tmp/`.
    pub reply_dir: PathBuf,
    /// Indents the replies, except long listings. Default off.
    pub pretty_printing: bool,
    /// What those may do who write to it. Default everything.
    pub role: Role,
    /// How long a client may take to open its reply, or to read the next part of it, and how long
    /// the rest of a request may take to come. Default 2 s.
    pub patience: Duration,
    /// How often to look whether the pipe was removed, and to make it again. Default 30 s.
    pub look_every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/tmp/opensips_fifo".into(),
            access: Access::default(),
            reply_dir: "/tmp/".into(),
            pretty_printing: false,
            role: Role::Full,
            patience: Duration::from_secs(2),
            look_every: Duration::from_secs(30),
        }
    }
}
