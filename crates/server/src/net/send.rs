//! Many datagrams, one system call.
#![allow(unsafe_code)] // sendmmsg and poll have no safe counterpart in std.

use std::io;
use std::os::fd::RawFd;

use super::address::RawAddress;
use super::{Failure, Packets, Transport, UdpSocket};

/// How many datagrams one `sendmmsg` takes.
const SEND_MAX: usize = 32;

/// How long to wait for room in a full send buffer, in milliseconds…
const ROOM_WAIT_MS: i32 = 10;
/// … and how often per `sendmmsg`. A worker that waits handles no calls, so the rest is given up;
/// retransmissions will bring it again.
const ROOM_WAITS_MAX: u32 = 2;

impl Transport for UdpSocket {
    fn send(&self, packets: Packets<'_>, failures: &mut Vec<Failure>) {
        for packets in packets.chunks(SEND_MAX) {
            send_chunk(self.fd(), packets, failures);
        }
    }
}

fn send_chunk(fd: RawFd, packets: Packets<'_>, failures: &mut Vec<Failure>) {
    let mut indexes = [0u32; SEND_MAX];
    let mut addresses = [RawAddress::EMPTY; SEND_MAX];
    // SAFETY: both are plain C structs of numbers and pointers, for which all zeroes are valid.
    let (mut slices, mut headers) =
        unsafe { std::mem::zeroed::<([libc::iovec; SEND_MAX], [libc::mmsghdr; SEND_MAX])>() };
    let mut count = 0;
    for (i, packet) in packets.iter().take(SEND_MAX).enumerate() {
        indexes[i] = packet.index;
        // The kernel reads from the slice and never writes to it.
        slices[i].iov_base = packet.bytes.as_ptr().cast_mut().cast();
        slices[i].iov_len = packet.bytes.len();
        let header = &mut headers[i].msg_hdr;
        header.msg_namelen = addresses[i].set(packet.flow.peer);
        header.msg_iovlen = 1;
        count = i + 1;
    }
    // The arrays do not move any more: now their addresses may be taken.
    let (address, slice) = (addresses.as_mut_ptr(), slices.as_mut_ptr());
    for (i, header) in headers.iter_mut().enumerate().take(count) {
        header.msg_hdr.msg_name = address.wrapping_add(i).cast();
        header.msg_hdr.msg_iov = slice.wrapping_add(i);
    }

    let mut next = 0;
    let mut waits = 0;
    let mut blamed_once = false;
    while next < count {
        let rest = &mut headers[next..count];
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `rest` are `rest.len()` initialised headers. Their names and slices point into
        // `addresses` and `slices`, which live to the end of this function, and these into the
        // bytes behind `packets`, borrowed as long. Control data is null and empty.
        let sent = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as u32, flags) };
        if sent > 0 {
            next += sent as usize;
            blamed_once = false;
            continue;
        }
        let errno = if sent == 0 {
            libc::EIO
        } else {
            io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
        };
        match errno {
            libc::EINTR => continue,
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM if waits < ROOM_WAITS_MAX => {
                waits += 1;
                wait_for_room(fd);
                continue;
            }
            // An ICMP error that an earlier datagram caused is reported once, to whoever comes
            // next. Only the second time is it ours.
            libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH if !blamed_once => {
                blamed_once = true;
                continue;
            }
            _ => {}
        }
        failures.push(Failure::new(indexes[next], errno));
        next += 1;
        blamed_once = false;
    }
}

fn wait_for_room(fd: RawFd) {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid entry, as the count says. Whatever the outcome, sending is tried again.
    unsafe { libc::poll(&raw mut poll, 1, ROOM_WAIT_MS) };
}
