//! How much a peer may send, each bound with a name.

/// The most octets one message may have: what a UDP datagram can carry, and the reach of the
/// 16-bit offsets that keep the header table small.
pub const MESSAGE_OCTETS_MAX: usize = 65_535;

/// The most header lines of one message. An honest INVITE has 10 to 40; each line costs twelve
/// octets of table, and the index of the last must fit an octet.
pub const HEADER_LINES_MAX: usize = 255;

/// The most octets of a URI, in the request line as elsewhere; longer ones are answered with 414.
pub const URI_OCTETS_MAX: usize = 1024;

/// The most octets of one header line, folds included. It bounds what a single view can cost.
pub const HEADER_OCTETS_MAX: usize = 16_384;

const _: () = assert!(HEADER_OCTETS_MAX <= MESSAGE_OCTETS_MAX);
const _: () = assert!(URI_OCTETS_MAX < HEADER_OCTETS_MAX);

/// The bounds a message is read under. The defaults are the constants of this file, which are also
/// the ceilings: a larger number counts as its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the whole message; see [`MESSAGE_OCTETS_MAX`]. Above it: 513.
    pub message_octets: usize,
    /// Header lines; see [`HEADER_LINES_MAX`]. Above it: 400 (RFC 3261 has no better code).
    pub header_lines: usize,
    /// Octets of one header line; see [`HEADER_OCTETS_MAX`]. Above it: 400.
    pub header_octets: usize,
    /// Octets of the request URI; see [`URI_OCTETS_MAX`]. Above it: 414.
    pub uri_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets: MESSAGE_OCTETS_MAX,
            header_lines: HEADER_LINES_MAX,
            header_octets: HEADER_OCTETS_MAX,
            uri_octets: URI_OCTETS_MAX,
        }
    }
}
