//! The datagram door (`mi_datagram`, spec/script.md §15.5): a JSON-RPC document in a datagram, over
//! UDP or a UNIX socket, and the reply in one datagram to who sent it.
//!
//! What is no JSON is answered with `400 Parse_error` in plain text. A reply that is larger than
//! [`Config::buffer_size`] is not sent: a JSON-RPC error tells so instead.
//!
//! A client that does not read its socket loses its reply after [`Config::timeout`], and a client
//! whose socket has no name gets none; the requests of others are answered meanwhile. Only those who
//! have connected a UNIX socket to ours may have to wait for room that others took.

mod door;
mod socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use door::{Door, serve};

use crate::{Access, Role};

/// Replies that are under way at once; the socket holds the requests that come beyond.
pub const REQUESTS_MAX: usize = 64;

/// Where the socket is and how replies leave.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub address: Address,
    /// Commands running at once (`children_count`). Default 1.
    pub commands: usize,
    /// How long a client that does not read may take. Default 2 s.
    pub timeout: Duration,
    /// The largest datagram, in bytes, either way. Default 65457.
    pub buffer_size: usize,
    /// Indents the replies, except long listings. Default off.
    pub pretty_printing: bool,
    /// What those may do who write to it. Default everything.
    pub role: Role,
}

impl Config {
    /// A door at `address`, otherwise with the defaults.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            commands: 1,
            timeout: Duration::from_secs(2),
            buffer_size: 65_457,
            pretty_printing: false,
            role: Role::Full,
        }
    }
}

/// Where a datagram door listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At a UDP port; 0 takes a free one.
    Udp(SocketAddr),
    /// At a path, which these may write to.
    Unix(PathBuf, Access),
}
