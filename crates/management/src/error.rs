//! Why a door could not be opened, and what is to be said about one that is open.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a door could not be opened.
#[derive(Debug)]
pub enum Error {
    /// The address cannot be had.
    Listen(SocketAddr, io::Error),
    /// The file cannot be made.
    File(PathBuf, io::Error),
    /// The file is there already: another program listens, or it is something else than it should be.
    Taken(PathBuf),
    /// This system has no such user or group.
    Account(String),
    /// Who may only read has the same token as who may do everything.
    SameTokens,
    /// The system gave no thread or no event queue.
    Runtime(io::Error),
}

impl Error {
    /// Whether the settings are at fault, not the machine.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Account(_) | Self::SameTokens => true,
            Self::Listen(..) | Self::File(..) | Self::Taken(_) | Self::Runtime(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::File(path, error) => write!(f, "cannot make {}: {error}", path.display()),
            Self::Taken(path) => write!(f, "{} is in use by something else", path.display()),
            Self::Account(name) => write!(f, "{name} is no user or group of this system"),
            Self::SameTokens => f.write_str("token and read_only_token are the same"),
            Self::Runtime(error) => write!(f, "cannot run the management door: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::File(_, error) | Self::Runtime(error) => Some(error),
            Self::Taken(_) | Self::Account(_) | Self::SameTokens => None,
        }
    }
}

/// What the operator should hear about an open door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Whoever reaches this address can command the server.
    Unprotected(SocketAddr),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Unprotected(address) = self;
        write!(
            f,
            "management listens on {address} without a token: whoever reaches it commands this server"
        )
    }
}
