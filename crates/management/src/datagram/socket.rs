//! One socket, UDP or UNIX.

use std::fmt;
use std::fs;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt,
};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::time::{Instant, sleep};

use super::Address;
use crate::Error;
use crate::files::{Made, Rights};

/// How long to wait before a full socket is tried again: it cannot be polled for.
const STEP: Duration = Duration::from_millis(2);

/// The socket of a door. Dropping it removes its file.
pub(super) enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram, #[expect(dead_code, reason = "its drop removes the file")] Made),
}

/// Who sent a request.
pub(super) enum Peer {
    Udp(SocketAddr),
    /// A UNIX socket, with a path or without, and the number of the user who sent from it.
    Unix(Option<PathBuf>, Option<u32>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "{address}"),
            Self::Unix(path, user) => {
                if let Some(user) = user {
                    write!(f, "uid={user} ")?;
                }
                match path {
                    // The sender chose it: it stays within its quotes, behind what the system says.
                    Some(path) => write!(f, "{:?}", path.to_string_lossy()),
                    None => f.write_str("nameless"),
                }
            }
        }
    }
}

impl Socket {
    /// Binds it. A UNIX socket that nobody reads any more is replaced.
    pub(super) fn bind(address: &Address) -> Result<Self, Error> {
        match address {
            Address::Udp(address) => {
                let bind = || {
                    let socket = std::net::UdpSocket::bind(address)?;
                    socket.set_nonblocking(true)?;
                    UdpSocket::from_std(socket)
                };
                bind().map(Self::Udp).map_err(|error| Error::Listen(*address, error))
            }
            Address::Unix(path, access) => {
                let rights = access.resolve()?;
                clear(path)?;
                bind_unix(path, rights).map_err(|error| Error::File(path.clone(), error))
            }
        }
    }

    /// The address of a UDP socket, with the real port.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }

    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        match self {
            Self::Udp(socket) => {
                let (length, peer) = socket.recv_from(buffer).await?;
                Ok((length, Peer::Udp(peer)))
            }
            Self::Unix(socket, _) => {
                let receive = || receive_from(socket, &mut *buffer);
                socket.async_io(Interest::READABLE, receive).await
            }
        }
    }

    /// Sends, for as long as `patience` lasts.
    pub(super) async fn send(&self, bytes: &[u8], to: &Peer, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let sent = match (self, to) {
                (Self::Udp(socket), Peer::Udp(peer)) => socket.try_send_to(bytes, *peer),
                (Self::Unix(socket, _), Peer::Unix(Some(path), _)) => {
                    // What clients leave unread takes room of the sending socket, and may have
                    // taken all of it.
                    socket.try_send_to(bytes, path).or_else(|_| send_apart(bytes, path))
                }
                _ => Err(io::ErrorKind::AddrNotAvailable.into()),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    sleep(STEP).await;
                }
                sent => return sent.map(drop),
            }
        }
    }
}

/// A datagram, and who sent it: the system tells the user (unix(7), `SO_PASSCRED`).
fn receive_from(socket: &UnixDatagram, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
    // Nobody else reads: it is the sender of the datagram that comes next.
    let sender = SockRef::from(socket).peek_sender()?;
    let mut buffers = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(UnixCredentials);
    let (from, flags) = (socket.as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
    let received = recvmsg::<()>(from, &mut buffers, Some(&mut control), flags)?;
    let user = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmCredentials(sender) => Some(sender.uid()),
        _ => None,
    });
    Ok((received.bytes, Peer::Unix(sender.as_pathname().map(Path::to_owned), user)))
}

/// Sends from a socket of its own, for which a client must not have connected its socket to ours.
fn send_apart(bytes: &[u8], path: &Path) -> io::Result<usize> {
    let socket = StdUnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match socket.send_to(bytes, path) {
        // It is connected to ours, and has to wait for room.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        sent => sent,
    }
}

fn bind_unix(path: &Path, rights: Rights) -> io::Result<Socket> {
    let socket = StdUnixDatagram::bind(path)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    let made = Made::at(path)?;
    rights.give(path)?;
    socket.set_nonblocking(true)?;
    Ok(Socket::Unix(UnixDatagram::from_std(socket)?, made))
}

/// Removes a socket that a program left behind.
fn clear(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let failed = |error| Error::File(path.to_owned(), error);
    if !found.file_type().is_socket() {
        return Err(Error::Taken(path.to_owned()));
    }
    let probe = StdUnixDatagram::unbound().map_err(failed)?;
    match probe.connect(path) {
        // Nobody listens.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        // Somebody does, or it is a socket of another kind, or not ours to look at.
        _ => Err(Error::Taken(path.to_owned())),
    }
}
