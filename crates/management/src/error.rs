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
    /// A file of the certificate is of no use for TLS.
    Tls(PathBuf, String),
    /// Two want to stand at one path.
    SamePath {
        /// The path, with its first slash.
        path: String,
        /// Whose they are.
        owners: [&'static str; 2],
    },
    /// Who may only read has the same token as who may do everything.
    SameTokens,
    /// The system gave no thread or no event queue.
    Runtime(io::Error),
}

impl Error {
    /// Whether the settings are at fault, not the machine.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Account(_) | Self::Tls(..) | Self::SamePath { .. } | Self::SameTokens => true,
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
            Self::Tls(path, why) => write!(f, "cannot use {} for TLS: {why}", path.display()),
            Self::SamePath { path, owners: [one, other] } => {
                write!(f, "{path} is the path of {one} and of {other}: one of them has to move")
            }
            Self::SameTokens => f.write_str("token and read_only_token are the same"),
            Self::Runtime(error) => write!(f, "cannot run the management door: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::File(_, error) | Self::Runtime(error) => Some(error),
            Self::Taken(_)
            | Self::Account(_)
            | Self::Tls(..)
            | Self::SamePath { .. }
            | Self::SameTokens => None,
        }
    }
}

/// What the operator should hear about an open door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Whoever reaches this address can command the server.
    Unprotected(SocketAddr),
    /// Whoever reaches this address can read what the server knows.
    Open(SocketAddr),
    /// Whoever is on the way to this address reads the secrets that let in, and all answers.
    Readable(SocketAddr),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unprotected(address) => write!(
                f,
                "management listens on {address} without a token: whoever reaches it commands \
                 this server"
            ),
            Self::Open(address) => write!(
                f,
                "management listens on {address} without a token: whoever reaches it reads who \
                 calls whom"
            ),
            Self::Readable(address) => write!(
                f,
                "management listens on {address} without TLS: tokens, passwords and answers can \
                 be read on the way"
            ),
        }
    }
}
