//! A dialog as a row: the columns for OpenSIPS, the payload beside them for us.
//!
//! The payload holds a dialog whole ([`v1`]); the columns hold what OpenSIPS's can ([`columns`]).
//! Of a row that nobody else has changed the payload is read; of others, and of rows that OpenSIPS
//! wrote, the columns.

mod columns;
mod v1;

use std::fmt;
use std::net::SocketAddr;

use duologue_dialog::Stored;
use duologue_sip::Flow;

use crate::{DialogRow, ReadRow};

/// What sockets are called: the next process may have others.
pub trait SocketNames {
    /// The socket of a flow: `proto:ip:port`, or its tag.
    fn socket(&self, socket: u16) -> Option<String>;
    /// All names of the socket of a flow, the first one as above, with blanks between them.
    fn socket_names(&self, socket: u16) -> Option<String> {
        self.socket(socket)
    }
    /// The socket of one of these names, if it is one of ours, or came into the place of one
    /// (decision D28).
    fn socket_named(&self, name: &str) -> Option<u16>;
}

/// What the numbers of a process stand for. A row has the names: the next process has others.
pub trait Dictionary: SocketNames {
    /// The name of a route block.
    fn route(&self, number: u32) -> Option<String>;
    /// The route block of this name, if the script has it.
    fn route_named(&self, name: &str) -> Option<u32>;
    /// The names of script flags, with blanks between them.
    fn flags(&self, bits: u32) -> String;
    /// The script flags of these names; what has no name is left out.
    fn flags_named(&self, names: &str) -> u32;
}

/// Why a row is no dialog or contact that can come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The payload is of a version that is not known.
    Version(Option<u8>),
    /// The payload is not what its version says.
    Payload,
    /// A column says what cannot be: its name.
    Column(&'static str),
    /// The socket is none of ours, and nothing stands in for it.
    Socket(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(Some(version)) => write!(f, "the record has version {version}"),
            Self::Version(None) => f.write_str("the record is empty"),
            Self::Payload => f.write_str("the record is damaged"),
            Self::Column(name) => write!(f, "column {name} says what cannot be"),
            Self::Socket(name) => write!(f, "the socket {name} is none of ours"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// The columns and the payload of a dialog.
pub fn write(stored: &Stored, words: &dyn Dictionary) -> (DialogRow, Vec<u8>) {
    (columns::of(stored, words), v1::encode(stored, words))
}

/// The dialog of a payload.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn read_payload(payload: &[u8], words: &dyn Dictionary) -> Result<Stored, Unreadable> {
    v1::decode(payload, words)
}

/// The dialog of a row.
///
/// # Errors
/// [`Unreadable`]: such a row is set aside.
pub fn read(row: &ReadRow, words: &dyn Dictionary) -> Result<Stored, Unreadable> {
    match &row.payload {
        Some(payload) if row.is_ours => match read_payload(payload, words) {
            // A newer program wrote it, or it is damaged: what OpenSIPS's columns hold is a call still.
            Err(Unreadable::Version(_) | Unreadable::Payload) => columns::read(&row.dialog, words),
            read => read,
        },
        _ => columns::read(&row.dialog, words),
    }
}

/// A flow through the socket of this name. A connection does not outlive its process: the flow goes
/// to the same address, by a new one.
fn flow(words: &dyn Dictionary, socket: &str, peer: SocketAddr) -> Result<Flow, Unreadable> {
    match words.socket_named(socket) {
        Some(socket) => Ok(Flow { socket, connection: 0, peer }),
        None => Err(Unreadable::Socket(socket.to_owned())),
    }
}
