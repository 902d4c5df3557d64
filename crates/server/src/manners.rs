//! How one message is to travel, beyond where to: what the core's functions asked for
//! (spec/script.md §11). It goes along with the transaction, so that a failure route that branches
//! again does as the request route said.

use std::borrow::Cow;

use crate::blacklist::Selection;
use crate::serial::Serial;
use crate::sockets::ListeningSocket;

/// What was asked for; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// `set_advertised_address()`, `set_advertised_port()`.
    pub shown: Shown,
    /// `add_local_rport()`: our own Via asks for `rport` (RFC 3581 §3).
    pub local_rport: bool,
    /// `set_via_handling("reply-to-via")`: replies go where the Via says, not to the source.
    pub reply_to_via: bool,
    /// `use_blacklist()`, `unuse_blacklist()`.
    pub blacklists: Selection,
    /// `serialize_branches()`: who is tried later.
    pub serial: Serial,
}

impl Manners {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        let Self { shown, local_rport, reply_to_via, blacklists, serial } = self;
        *shown = Shown::default();
        *local_rport = false;
        *reply_to_via = false;
        *blacklists = Selection::default();
        serial.clear();
    }

    /// Whether nothing was asked for.
    pub fn is_plain(&self) -> bool {
        let Self { shown, local_rport, reply_to_via, blacklists, serial } = self;
        *shown == Shown::default()
            && !local_rport
            && !reply_to_via
            && *blacklists == Selection::default()
            && serial.is_empty()
    }
}

/// The address that a message shows in our Via and Record-Route instead of its socket's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The host, IPv6 in brackets.
    pub host: Option<Box<str>>,
    /// The port.
    pub port: Option<u16>,
}

impl Shown {
    /// The sent-by of our Via.
    pub fn via<'s>(&self, socket: &'s ListeningSocket) -> Cow<'s, str> {
        match self {
            Self { host: None, port: None } => Cow::Borrowed(socket.via_sent_by()),
            _ => Cow::Owned(self.with_port(socket)),
        }
    }

    /// Host and port of our Record-Route; the port is left out where a SIP URI means it anyway.
    pub fn record_route<'s>(&self, socket: &'s ListeningSocket) -> Cow<'s, str> {
        match self {
            Self { host: None, port: None } => Cow::Borrowed(socket.record_route_host()),
            _ if socket.is_default_port(self.port_on(socket)) => {
                Cow::Owned(self.host_on(socket).to_owned())
            }
            _ => Cow::Owned(self.with_port(socket)),
        }
    }

    fn with_port(&self, socket: &ListeningSocket) -> String {
        format!("{}:{}", self.host_on(socket), self.port_on(socket))
    }

    fn host_on<'s>(&'s self, socket: &'s ListeningSocket) -> &'s str {
        self.host.as_deref().unwrap_or(socket.advertised_host())
    }

    fn port_on(&self, socket: &ListeningSocket) -> u16 {
        self.port.unwrap_or(socket.advertised_port())
    }
}
