//! Where a message came from, and how an answer goes back.

use std::net::SocketAddr;

/// A two-way path between one of our sockets and a peer.
///
/// For UDP it is the pair of local socket and remote address; for connection-oriented transports
/// the connection's number as well, so that a response can return on the connection its request
/// came in on (RFC 3261 §18.2.2, RFC 5923).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Which of our listening sockets: an index into the server's socket table.
    pub socket: u16,
    /// The connection on that socket; zero for datagrams.
    pub connection: u32,
    /// The peer's address.
    pub peer: SocketAddr,
}

impl Flow {
    /// The path of a datagram.
    pub const fn datagram(socket: u16, peer: SocketAddr) -> Self {
        Self { socket, connection: 0, peer }
    }
}
