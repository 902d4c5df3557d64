//! The wire: sockets, batches in, batches out. The only place that talks to the kernel, and so the
//! only one with `unsafe` code.
//!
//! A worker is a plain thread that owns a [`Receiver`] and an [`Outbox`]. It blocks in `recvmmsg`,
//! handles each datagram of the batch to its end, renders what has to leave straight into the
//! outbox, and flushes it with one `sendmmsg` per socket:
//!
//! ```
//! use duologue_server::net::{Outbox, Receiver, Transports, UdpOptions, UdpSocket};
//!
//! # fn main() -> std::io::Result<()> {
//! let sockets = UdpSocket::bind_group(([127, 0, 0, 1], 0).into(), 1, &UdpOptions::default())?;
//! let transports = Transports::new(vec![sockets[0].clone()]);
//! let mut receiver = Receiver::new(sockets[0].clone(), 0);
//! let mut outbox = Outbox::new();
//!
//! # std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(b"ping", sockets[0].local_address())?;
//! receiver.run(|batch| {
//!     for datagram in batch.iter() {
//!         // The flow a message came on is the flow its reply returns on.
//!         outbox.push(datagram.flow, (), |bytes| bytes.extend_from_slice(datagram.bytes));
//!     }
//!     outbox.flush(&transports, |failed| eprintln!("to {}: {}", failed.flow.peer, failed.error));
//! #   sockets[0].stop();
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Flow`] names a place in the socket table, a connection on it and a peer. Datagrams use only
//! socket and peer; TCP, TLS and WebSocket will implement [`Transport`] with a queue per connection
//! and hand their messages to the same workers.

mod address;
mod batch;
mod interfaces;
mod outbox;
pub(crate) mod route;
mod send;
mod udp;

use std::fmt;
use std::sync::Arc;

use duologue_sip::Flow;

pub use batch::{BATCH_MAX, Batch, DATAGRAM_MAX, Datagram, Receiver};
pub use interfaces::interfaces;
pub use outbox::{Failed, Outbox, Packet, Packets};
pub use udp::{UdpOptions, UdpSocket};

/// The way out of one listening socket.
///
/// `send` may be called by several workers at the same time. It never blocks for long: what cannot
/// leave is reported, and the branch that wanted it fails afterwards (477).
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends the packets in their order. For each that could not leave, its
    /// [`index`](Packet::index) and the OS error are added to `failures`.
    fn send(&self, packets: Packets<'_>, failures: &mut Vec<Failure>);
}

/// A packet that a [`Transport`] could not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which packet: its [`index`](Packet::index).
    pub index: u32,
    /// The OS error number.
    pub errno: i32,
}

/// A worker's ways out, in the order of the socket table. Each worker has its own list, so that
/// workers with a socket of their own do not meet in the kernel.
#[derive(Clone, Debug, Default)]
pub struct Transports {
    list: Vec<Arc<dyn Transport>>,
}

impl Transports {
    /// A list of equal transports, one for each socket of the table.
    pub fn new<T: Transport + 'static>(list: Vec<Arc<T>>) -> Self {
        list.into_iter().collect()
    }

    /// Adds the way out of the next socket of the table.
    pub fn push(&mut self, transport: Arc<dyn Transport>) {
        self.list.push(transport);
    }

    /// The way out on a flow; `None` if its socket is not in the table.
    pub fn of(&self, flow: &Flow) -> Option<&dyn Transport> {
        self.list.get(usize::from(flow.socket)).map(AsRef::as_ref)
    }
}

impl<T: Transport + 'static> FromIterator<Arc<T>> for Transports {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(list: I) -> Self {
        Self { list: list.into_iter().map(|transport| transport as Arc<dyn Transport>).collect() }
    }
}
