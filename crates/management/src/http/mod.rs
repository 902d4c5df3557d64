//! The HTTP door: `POST /mi` with one JSON-RPC document (spec/script.md §15.5).
//!
//! A web page in a browser on the same machine must not be able to end calls, so a request is
//! refused unless all of this holds:
//! - `Host` is an IP address, `localhost` or a configured name. A page that rebinds its own DNS
//!   name to the loopback address still sends that name.
//! - `Origin`, if there is one, is this server, and `Sec-Fetch-Site` does not tell of another.
//! - `Content-Type` is `application/json`, which a form cannot send and which a script
//!   may send only after a preflight, which is refused.
//! - the token or the password is right, if one was configured.
//!
//! Who has the read-only token may read everything; a command that changes something is answered with
//! the JSON-RPC error 403.
//!
//! Statuses: 200 for every JSON-RPC document, 202 for a notification, 400 without a body, 401, 403
//! for a foreign page, 404 for another path, 405 for another method, 408 when the body does not
//! come, 413 and 415 for a body too large or of another type, 503 when too many requests are
//! running, 504 when a command takes too long.
//!
//! Beside the commands there may be [pages](Page), read by GET or HEAD under the same conditions, of
//! which only the type of a body does not matter, and [feeds](Feed), streams that go on until one side
//! has enough.
//!
//! A client that sends `Accept: application/x-ndjson` gets lists in lines: an item on each, and on
//! the last one the reply with what is left of it.
//!
//! A long listing is sent in chunks while it is made, at the pace of the client. One that cannot be
//! finished ends without its closing chunk, so nobody takes a part for the whole.

mod connections;
mod door;
mod feed;
mod guard;
mod page;
mod service;
mod streamed;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use door::{Door, serve};
pub use feed::{ALIVE_EVERY, Batch, FOLLOWERS_MAX, Feed, Source};
pub use page::{Content, Page};
pub use tls::Tls;

/// The largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Connections at once; more wait in the backlog of the kernel.
pub const CONNECTIONS_MAX: usize = 64;

/// Commands running at once, each on a thread; more are answered with 503.
pub const REQUESTS_MAX: usize = 16;

/// Where the door is, and who may pass.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one. Default `127.0.0.1:8888`.
    pub address: SocketAddr,
    /// The path of the commands without its slashes; `None` if there are none. Default `mi`.
    pub root: Option<String>,
    /// What else can be read.
    pub pages: Vec<Page>,
    /// What else can be followed.
    pub feeds: Vec<Feed>,
    /// Host names that clients may use besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Indents the replies. Default off.
    pub pretty_printing: bool,
    /// How long a connection may stay without completing an exchange, while no command runs for
    /// it. Default 30 s.
    pub connection_timeout: Duration,
    /// How long a client waits for a command, which goes on after that. Default 4 minutes.
    pub command_timeout: Duration,
    /// Speaks TLS with this certificate, and nothing else. Default none.
    pub tls: Option<Tls>,
    /// Asks for `Authorization: Bearer` with this token.
    pub token: Option<String>,
    /// The same, for who may read and change nothing.
    pub read_only_token: Option<String>,
    /// Asks for HTTP basic authentication; with a token too, either will do.
    pub basic: Option<Basic>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8888)),
            root: Some("mi".into()),
            pages: Vec::new(),
            feeds: Vec::new(),
            hosts: Vec::new(),
            pretty_printing: false,
            connection_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_secs(240),
            tls: None,
            token: None,
            read_only_token: None,
            basic: None,
        }
    }
}

impl Config {
    /// Whether nobody is asked who he is.
    pub(crate) fn is_open(&self) -> bool {
        self.token.is_none() && self.read_only_token.is_none() && self.basic.is_none()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the secrets.
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("root", &self.root)
            .field("pages", &self.pages)
            .field("feeds", &self.feeds)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// `auth_username`, `auth_password` and `auth_realm` of `httpd`.
#[derive(Clone)]
pub struct Basic {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
    /// The realm to name in the challenge, `OpenSIPS MI` by custom.
    pub realm: String,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").field("username", &self.username).finish_non_exhaustive()
    }
}
