//! Many datagrams in, one system call.
#![allow(unsafe_code)] // recvmmsg and its control messages have no safe counterpart in std.

use std::io;
use std::sync::Arc;

use duologue_sip::Flow;

use super::UdpSocket;
use super::address::RawAddress;

/// How many datagrams one batch can hold.
pub const BATCH_MAX: usize = 32;

/// The longest datagram, in bytes: what UDP over IPv4 can carry, rounded up to what the length
/// field can say. Nothing is ever cut off.
pub const DATAGRAM_MAX: usize = 65_535;

/// From one buffer to the next. The extra kilobyte keeps the beginnings of the buffers, which is
/// what SIP fills, from falling on the same lines of the processor's caches.
const STRIDE: usize = DATAGRAM_MAX + 1 + 1_024;

/// Room for one control message with a 32-bit counter (`CMSG_SPACE(4)` is 24), aligned for it.
type Control = [u64; 4];

/// After so many failed receives in a row the socket is given up.
const ERRORS_IN_A_ROW_MAX: u32 = 1_000;

/// The receiving end of a UDP socket: one thread, one system call per batch.
///
/// It reserves 2 MiB of address space; memory is used only as far as datagrams reach, about 128 KiB
/// with usual SIP.
#[derive(Debug)]
pub struct Receiver {
    socket: Arc<UdpSocket>,
    index: u16,
    drops: Drops,
    errors: u64,
    errors_in_a_row: u32,
    /// How many entries of the buffers the last batch has used.
    used: usize,
    buffers: Buffers,
}

/// What one system call brought, oldest first. Empty after a second of silence, so that a worker
/// can look around.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    buffers: &'a Buffers,
    len: usize,
    index: u16,
    dropped: u32,
}

/// One datagram and the flow that its reply returns on.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The payload, valid until the batch has been handled.
    pub bytes: &'a [u8],
    /// Our socket and the peer.
    pub flow: Flow,
}

// === impl Receiver ===

impl Receiver {
    /// The receiver of `socket`, which stands at `index` in the socket table.
    pub fn new(socket: Arc<UdpSocket>, index: u16) -> Self {
        Self {
            socket,
            index,
            drops: Drops::default(),
            errors: 0,
            errors_in_a_row: 0,
            used: BATCH_MAX,
            buffers: Buffers::new(),
        }
    }

    /// Receives and hands batches to `handle` until [`UdpSocket::stop`].
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn run(&mut self, mut handle: impl FnMut(Batch<'_>)) -> io::Result<()> {
        while let Some(batch) = self.receive()? {
            handle(batch);
        }
        Ok(())
    }

    /// Waits for the next batch; `None` once the socket was stopped. What the kernel already had
    /// when a first datagram came is taken along without waiting for more.
    ///
    /// # Errors
    /// The socket is unusable. ICMP errors of earlier sends and signals are no reason to stop; they
    /// are counted or ignored.
    pub fn receive(&mut self) -> io::Result<Option<Batch<'_>>> {
        loop {
            if self.socket.is_stopped() {
                return Ok(None);
            }
            self.buffers.make_ready(self.used);
            self.used = 0;
            let headers = &mut self.buffers.headers;
            // SAFETY: `make_ready` left BATCH_MAX headers whose pointers lead to the name, control
            // room and bytes of the same entry, each as long as the header says, all owned by
            // `self.buffers` and borrowed by nobody else during the call.
            let received = unsafe {
                libc::recvmmsg(
                    self.socket.fd(),
                    headers.as_mut_ptr(),
                    headers.len() as u32,
                    libc::MSG_WAITFORONE,
                    std::ptr::null_mut(),
                )
            };
            let len = match usize::try_from(received) {
                Ok(len) => len,
                Err(_) => {
                    let error = io::Error::last_os_error();
                    match error.raw_os_error() {
                        Some(libc::EINTR) => continue,
                        Some(libc::EAGAIN) => 0,
                        Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::EINVAL) => {
                            return Err(error);
                        }
                        _ => {
                            self.errors += 1;
                            self.errors_in_a_row += 1;
                            if self.errors_in_a_row >= ERRORS_IN_A_ROW_MAX {
                                return Err(error);
                            }
                            continue;
                        }
                    }
                }
            };
            self.errors_in_a_row = 0;
            self.used = len;
            // A socket that is shut down answers with empty entries that have no peer.
            let stopped = self.socket.is_stopped();
            if stopped && (len == 0 || self.buffers.peer(0).is_none()) {
                return Ok(None);
            }
            // The counter only grows, so the newest datagram tells it best.
            let counter = len.checked_sub(1).and_then(|last| self.buffers.drop_counter(last));
            let dropped = counter.map_or(0, |counter| self.drops.advance(counter));
            return Ok(Some(Batch { buffers: &self.buffers, len, index: self.index, dropped }));
        }
    }

    /// How many datagrams the kernel has dropped because this socket's buffer was full, as known
    /// by the last datagram received.
    pub fn dropped(&self) -> u64 {
        self.drops.total
    }

    /// How many receives failed with an error that was overcome.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The socket it receives from.
    pub fn socket(&self) -> &Arc<UdpSocket> {
        &self.socket
    }
}

// === impl Batch ===

impl<'a> Batch<'a> {
    /// The datagrams, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'a>> + use<'a> {
        let Self { buffers, len, index, .. } = *self;
        (0..len).filter_map(move |i| {
            // A stopped socket can bring an entry that has no peer.
            let peer = buffers.peer(i)?;
            Some(Datagram { bytes: buffers.datagram(i), flow: Flow::datagram(index, peer) })
        })
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether this is only the sign of a second's silence.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the batch could hold no more: probably more is waiting.
    pub fn is_full(&self) -> bool {
        self.len == BATCH_MAX
    }

    /// How many datagrams the kernel has dropped since the batch before.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}

// === drop counter ===

/// The kernel's 32-bit counter of a socket, followed beyond its overflow.
#[derive(Debug, Default)]
struct Drops {
    last: u32,
    total: u64,
}

impl Drops {
    fn advance(&mut self, counter: u32) -> u32 {
        let new = counter.wrapping_sub(self.last);
        self.last = counter;
        self.total += u64::from(new);
        new
    }
}

// === buffers ===

/// The memory that the kernel writes to. The headers hold pointers to the other parts. These are
/// vectors, which never grow, because a box promises the compiler that nobody else points into it.
struct Buffers {
    bytes: Vec<u8>,
    names: Vec<RawAddress>,
    controls: Vec<Control>,
    /// Only the headers point here.
    #[expect(dead_code, reason = "owns what the headers point to")]
    slices: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the raw pointers lead only to heap memory that the same value owns and never reallocates;
// it moves to another thread as a whole.
unsafe impl Send for Buffers {}
// SAFETY: through a shared reference the pointers can be read, but not followed: that takes `&mut`
// and a system call.
unsafe impl Sync for Buffers {}

impl std::fmt::Debug for Buffers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

impl Buffers {
    fn new() -> Self {
        // Zeroed memory of this size comes straight from the kernel, untouched.
        let mut bytes = vec![0u8; STRIDE * BATCH_MAX];
        let mut names = vec![RawAddress::EMPTY; BATCH_MAX];
        let mut controls: Vec<Control> = vec![[0; 4]; BATCH_MAX];
        // SAFETY: both are plain C structs of numbers and pointers, for which all zeroes are valid.
        let (mut slices, mut headers) = unsafe {
            (
                vec![std::mem::zeroed::<libc::iovec>(); BATCH_MAX],
                vec![std::mem::zeroed::<libc::mmsghdr>(); BATCH_MAX],
            )
        };
        let name = names.as_mut_ptr();
        let control = controls.as_mut_ptr();
        let buffer = bytes.as_mut_ptr();
        let slice = slices.as_mut_ptr();
        for i in 0..BATCH_MAX {
            slices[i].iov_base = buffer.wrapping_add(i * STRIDE).cast();
            slices[i].iov_len = DATAGRAM_MAX;
            let header = &mut headers[i].msg_hdr;
            header.msg_name = name.wrapping_add(i).cast();
            header.msg_control = control.wrapping_add(i).cast();
            header.msg_iov = slice.wrapping_add(i);
            header.msg_iovlen = 1;
        }
        Self { bytes, names, controls, slices, headers }
    }

    /// Restores the lengths that the kernel has overwritten in the first `used` headers.
    fn make_ready(&mut self, used: usize) {
        for header in &mut self.headers[..used] {
            header.msg_hdr.msg_namelen = RawAddress::SIZE as libc::socklen_t;
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
    }

    fn peer(&self, i: usize) -> Option<std::net::SocketAddr> {
        self.names[i].get(self.headers[i].msg_hdr.msg_namelen)
    }

    fn datagram(&self, i: usize) -> &[u8] {
        let len = (self.headers[i].msg_len as usize).min(DATAGRAM_MAX);
        &self.bytes[i * STRIDE..][..len]
    }

    /// The `SO_RXQ_OVFL` counter that came with a datagram; the kernel sends it once it is not zero.
    fn drop_counter(&self, i: usize) -> Option<u32> {
        let received = self.headers[i].msg_hdr.msg_controllen;
        // SAFETY: the type is a plain C struct. The copy points to our control room, whatever the
        // header holds, so the walk below stays within it.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_control = self.controls[i].as_ptr().cast_mut().cast();
        header.msg_controllen = received.min(size_of::<Control>() as _);
        // SAFETY: `header` describes initialised, aligned memory that the kernel has filled with
        // control messages; CMSG_NXTHDR returns null where they end.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&raw const header);
            while let Some(head) = message.as_ref() {
                if head.cmsg_level == libc::SOL_SOCKET && head.cmsg_type == libc::SO_RXQ_OVFL {
                    return Some(libc::CMSG_DATA(message).cast::<u32>().read_unaligned());
                }
                message = libc::CMSG_NXTHDR(&raw const header, message);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_followed_beyond_the_overflow() {
        let mut drops = Drops { last: u32::MAX - 1, total: 5 };
        assert_eq!(drops.advance(u32::MAX - 1), 0);
        assert_eq!(drops.advance(1), 3);
        assert_eq!(drops.total, 8);
    }

    #[test]
    fn a_receiver_can_move_to_its_thread() {
        const fn sent<T: Send>() {}
        sent::<Receiver>();
        assert!(size_of::<Control>() >= unsafe { libc::CMSG_SPACE(4) } as usize);
    }
}
