//! A UDP socket: how it is bound, and how its receiver is stopped.
#![allow(unsafe_code)] // Two socket options that socket2 does not know.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How long a receiver blocks when nothing comes. Then it looks whether it was stopped and hands
/// out an empty batch.
const IDLE: Duration = Duration::from_secs(1);

/// How a UDP socket is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpOptions {
    /// `maxbuffer`: the receive buffer to ask the kernel for, in bytes. The kernel may give less
    /// (`net.core.rmem_max`); a larger one that it gives by itself is kept.
    pub receive_buffer: usize,
    /// `tos`: the type-of-service byte (traffic class in IPv6) of what leaves. Zero is the
    /// kernel's default.
    pub tos: u8,
    /// `frag`: let routers fragment what is too long for the path, instead of failing.
    pub fragments: bool,
    /// `mcast_loopback`: whether multicasts come back to this machine; `None` leaves it as it is.
    pub multicast_loopback: Option<bool>,
    /// `mcast_ttl`: how many hops multicasts take; `None` leaves it as it is.
    pub multicast_ttl: Option<u8>,
}

impl Default for UdpOptions {
    /// 256 KiB and low delay (0x10), as scripts expect.
    fn default() -> Self {
        Self {
            receive_buffer: 262_144,
            tos: 0x10,
            fragments: false,
            multicast_loopback: None,
            multicast_ttl: None,
        }
    }
}

/// A bound UDP socket. Any number of threads may send by it; one [`Receiver`](super::Receiver)
/// takes what comes in.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    local: SocketAddr,
    stopped: AtomicBool,
}

impl UdpSocket {
    /// Binds `count` sockets (at least one) to one address. The kernel spreads the peers among
    /// them, each peer always to the same one, so the order of its messages is kept. With port 0
    /// all get the port that the kernel chose for the first.
    ///
    /// # Errors
    /// The address is in use (even by a process that would share it) or not ours, or the kernel
    /// refuses an option.
    pub fn bind_group(
        address: SocketAddr,
        count: usize,
        options: &UdpOptions,
    ) -> io::Result<Vec<Arc<Self>>> {
        if count <= 1 {
            return Ok(vec![Arc::new(Self::bind(address, false, options)?)]);
        }
        // SO_REUSEPORT would let us in beside another server that uses it, and the two would
        // silently share the calls. A bind without it tells.
        let address = Self::bind(address, false, options)?.local;
        (0..count).map(|_| Self::bind(address, true, options).map(Arc::new)).collect()
    }

    fn bind(address: SocketAddr, shared: bool, options: &UdpOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // Otherwise [::] would also take IPv4 and show its peers as ::ffff:a.b.c.d.
            socket.set_only_v6(true)?;
        }
        if shared {
            socket.set_reuse_port(true)?;
        }
        if socket.recv_buffer_size()? < options.receive_buffer {
            socket.set_recv_buffer_size(options.receive_buffer)?;
        }
        let tos = u32::from(options.tos);
        match (address, tos) {
            (_, 0) => {}
            (SocketAddr::V4(_), tos) => socket.set_tos_v4(tos)?,
            (SocketAddr::V6(_), tos) => socket.set_tclass_v6(tos)?,
        }
        if options.fragments {
            let (level, name, value) = match address {
                SocketAddr::V4(_) => {
                    (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
                }
                SocketAddr::V6(_) => {
                    (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
                }
            };
            set_option(&socket, level, name, value)?;
        }
        match (address, options.multicast_loopback) {
            (_, None) => {}
            (SocketAddr::V4(_), Some(back)) => socket.set_multicast_loop_v4(back)?,
            (SocketAddr::V6(_), Some(back)) => socket.set_multicast_loop_v6(back)?,
        }
        match (address, options.multicast_ttl.map(u32::from)) {
            (_, None) => {}
            (SocketAddr::V4(_), Some(hops)) => socket.set_multicast_ttl_v4(hops)?,
            (SocketAddr::V6(_), Some(hops)) => socket.set_multicast_hops_v6(hops)?,
        }
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
        socket.set_read_timeout(Some(IDLE))?;
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket();
        let local = local.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { socket, local, stopped: AtomicBool::new(false) })
    }

    /// The address it is bound to, with the port the kernel chose.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// The size of the receive buffer in bytes, as the kernel accounts it.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn receive_buffer(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Lets the receiver of this socket end after the batch it is at. Sending goes on.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Linux wakes who blocks in a receive, even though it then answers that the socket is not
        // connected. Should it not, the receiver wakes by itself within `IDLE`.
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    /// Whether [`stop`](Self::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn set_option(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    let len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the descriptor is open while `socket` is borrowed; `value` is `len` bytes long and
    // lives through the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
