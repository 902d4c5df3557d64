//! What has to leave at the end of a batch.

use std::io;

use duologue_sip::Flow;

use super::{Failure, Transports};

/// When [`Outbox::is_full`] asks for a flush: this many packets…
const PACKETS_FULL: usize = 256;
/// … or this many bytes.
const BYTES_FULL: usize = 1 << 20;
/// What a buffer that once grew may keep.
const BYTES_KEPT: usize = 2 * BYTES_FULL;

/// Packets to send, rendered one after the other into a single reused buffer.
///
/// `T` says what to do if a packet cannot leave (which call, transaction and branch has failed); it
/// is handed back with the error. In the steady state nothing is allocated.
#[derive(Debug)]
pub struct Outbox<T> {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    tags: Vec<Option<T>>,
    /// The entries by socket, each socket's in their order.
    order: Vec<u32>,
    failures: Vec<Failure>,
}

/// A packet that could not leave.
#[derive(Debug)]
pub struct Failed<T> {
    /// What the packet was pushed with.
    pub tag: T,
    /// Where it should have gone.
    pub flow: Flow,
    /// Why it did not.
    pub error: io::Error,
}

/// The packets for one socket, in the order they were pushed.
#[derive(Clone, Copy, Debug)]
pub struct Packets<'a> {
    bytes: &'a [u8],
    entries: &'a [Entry],
    order: &'a [u32],
}

/// One packet to send.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its name when reporting a [`Failure`].
    pub index: u32,
    /// Where to.
    pub flow: Flow,
    /// What.
    pub bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    flow: Flow,
    start: usize,
    end: usize,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Outbox<T> {
    /// An empty outbox.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            tags: Vec::new(),
            order: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds a packet. `render` appends its bytes to the buffer it is given and must leave alone
    /// what stands there; a packet without bytes is not sent.
    pub fn push(&mut self, flow: Flow, tag: T, render: impl FnOnce(&mut Vec<u8>)) {
        let rendered: Result<(), std::convert::Infallible> = self.try_push(flow, tag, |bytes| {
            render(bytes);
            Ok(())
        });
        let Ok(()) = rendered;
    }

    /// As [`push`](Self::push), for a rendering that may give up: then nothing was added.
    ///
    /// # Errors
    /// Those of `render`.
    pub fn try_push<E>(
        &mut self,
        flow: Flow,
        tag: T,
        render: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        let result = render(&mut self.bytes);
        let end = self.bytes.len();
        if result.is_err() {
            self.bytes.truncate(start);
        } else if end > start {
            self.entries.push(Entry { flow, start, end });
            self.tags.push(Some(tag));
        }
        result
    }

    /// Sends everything and empties the outbox. `failed` is called for each packet that could not
    /// leave, after all others were tried.
    pub fn flush(&mut self, transports: &Transports, mut failed: impl FnMut(Failed<T>)) {
        self.order.clear();
        self.order.extend(0..self.entries.len() as u32);
        // Most batches leave by one socket; then the entries stand in order already.
        if self.entries.windows(2).any(|pair| pair[0].flow.socket != pair[1].flow.socket) {
            let entries = &self.entries;
            self.order.sort_unstable_by_key(|&i| (entries[i as usize].flow.socket, i));
        }
        let socket = |i: u32| self.entries[i as usize].flow.socket;
        for order in self.order.chunk_by(|&a, &b| socket(a) == socket(b)) {
            let packets = Packets { bytes: &self.bytes, entries: &self.entries, order };
            match transports.of(&self.entries[order[0] as usize].flow) {
                Some(transport) => transport.send(packets, &mut self.failures),
                None => {
                    let failures = order.iter().map(|&i| Failure::new(i, libc::ENOTSOCK));
                    self.failures.extend(failures);
                }
            }
        }
        for Failure { index, errno } in self.failures.drain(..) {
            let tag = self.tags.get_mut(index as usize).and_then(Option::take);
            if let Some(tag) = tag {
                let flow = self.entries[index as usize].flow;
                failed(Failed { tag, flow, error: io::Error::from_raw_os_error(errno) });
            }
        }
        self.clear();
    }

    /// Forgets what was pushed.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.tags.clear();
        self.bytes.clear();
        self.bytes.shrink_to(BYTES_KEPT);
    }

    /// Whether it is time to flush before the batch ends, so that the outbox stays bounded.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= PACKETS_FULL || self.bytes.len() >= BYTES_FULL
    }

    /// How many packets wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What waits, in the order it was pushed; for logs and tests.
    pub fn iter(&self) -> impl Iterator<Item = (Flow, &[u8])> {
        self.entries.iter().map(|entry| (entry.flow, &self.bytes[entry.start..entry.end]))
    }
}

impl<'a> Packets<'a> {
    /// The packets.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Packet<'a>> + use<'a> {
        let Self { bytes, entries, order } = *self;
        order.iter().map(move |&index| {
            let Entry { flow, start, end } = entries[index as usize];
            Packet { index, flow, bytes: &bytes[start..end] }
        })
    }

    /// The same packets in groups of at most `size`, which is not zero.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Self> + use<'a> {
        let Self { bytes, entries, order } = *self;
        order.chunks(size).map(move |order| Self { bytes, entries, order })
    }
}

impl Failure {
    pub(super) const fn new(index: u32, errno: i32) -> Self {
        Self { index, errno }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::Transport;
    use super::*;

    type Sent = Vec<(u16, Vec<u8>)>;

    /// Writes down what it is asked to send and refuses what begins with `!`.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<Sent>);

    impl Transport for Recorder {
        fn send(&self, packets: Packets<'_>, failures: &mut Vec<Failure>) {
            for packet in packets.iter() {
                if packet.bytes.starts_with(b"!") {
                    failures.push(Failure::new(packet.index, libc::EPERM));
                } else {
                    let sent = (packet.flow.socket, packet.bytes.to_vec());
                    self.0.lock().unwrap().push(sent);
                }
            }
        }
    }

    fn flow(socket: u16) -> Flow {
        Flow::datagram(socket, "127.0.0.1:5060".parse().unwrap())
    }

    #[test]
    fn groups_by_socket_and_keeps_the_order_within() {
        let recorder = Arc::new(Recorder::default());
        let transports = Transports::new(vec![recorder.clone(), recorder.clone()]);
        let mut outbox = Outbox::new();
        for (socket, text) in [(1, "a"), (0, "b"), (1, "!c"), (1, "d"), (0, "e"), (7, "f")] {
            outbox.push(flow(socket), text, |bytes| bytes.extend_from_slice(text.as_bytes()));
        }
        let mut failed = Vec::new();
        outbox.flush(&transports, |f| failed.push((f.tag, f.error.raw_os_error())));
        let sent = recorder.0.lock().unwrap().clone();
        let wanted = [(0, "b"), (0, "e"), (1, "a"), (1, "d")];
        assert_eq!(sent, wanted.map(|(socket, text)| (socket, text.as_bytes().to_vec())));
        assert_eq!(failed, [("!c", Some(libc::EPERM)), ("f", Some(libc::ENOTSOCK))]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_rendering_that_gives_up_leaves_nothing() {
        let mut outbox = Outbox::new();
        outbox.push(flow(0), 1, |bytes| bytes.extend_from_slice(b"whole"));
        let given_up = outbox.try_push(flow(0), 2, |bytes| {
            bytes.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!(given_up, Err("no"));
        outbox.push(flow(0), 3, |_| ());
        let left: Vec<_> = outbox.iter().map(|(_, bytes)| bytes.to_vec()).collect();
        assert_eq!(left, [b"whole"]);
    }
}
