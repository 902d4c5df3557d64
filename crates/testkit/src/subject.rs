//! What stands in the middle: anything that turns datagrams and time into datagrams.

use std::cell::{RefCell, RefMut};
use std::net::SocketAddr;
use std::rc::Rc;

use duologue_sip::{Moment, Tick};

use crate::packets::{Endpoint, Packets};

/// The thing under test, seen from the network: bytes and time come in, datagrams come out.
///
/// # Order
/// After each [`receive`](Self::receive) and each [`wake`](Self::wake) the world calls
/// [`take_datagrams`](Self::take_datagrams), then [`next_wake`](Self::next_wake). Time never goes
/// backwards between two calls.
pub trait Subject {
    /// A datagram arrived on the subject's own address `flow_local`, sent by `from`.
    fn receive(&mut self, now: Moment, flow_local: SocketAddr, from: SocketAddr, bytes: &[u8]);

    /// The time named by [`next_wake`](Self::next_wake) has come.
    fn wake(&mut self, now: Moment);

    /// When the subject wants to be woken next; `None` while it waits for nothing. A time in the
    /// past means at once.
    fn next_wake(&self) -> Option<Tick>;

    /// Hands over what is to be sent, oldest first, and forgets it.
    fn take_datagrams(&mut self) -> Vec<Datagram>;
}

/// One UDP datagram with both its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The sender's address: for a subject, the listening socket it leaves by.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// A subject that lives in a [`World`](crate::World): the test's handle to it.
///
/// Cheap to clone; all clones mean the same subject.
#[derive(Debug)]
pub struct Served<S> {
    pub(crate) subject: Rc<RefCell<S>>,
    pub(crate) address: SocketAddr,
}

impl<S> Served<S> {
    /// The subject itself, to ask it what only it knows (its dialogs, its counters).
    ///
    /// # Panics
    /// When another borrow is still alive; keep the borrow within one statement.
    pub fn borrow(&self) -> RefMut<'_, S> {
        self.subject.borrow_mut()
    }

    /// The packets that go from this subject (its first address) to `to`.
    pub fn to(&self, to: &impl Endpoint) -> Packets {
        Packets::between(self, to)
    }
}

impl<S> Clone for Served<S> {
    fn clone(&self) -> Self {
        Self { subject: Rc::clone(&self.subject), address: self.address }
    }
}

impl<S> Endpoint for Served<S> {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
