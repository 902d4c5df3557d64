//! Socket addresses as the kernel writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Room for a `sockaddr_in` or `sockaddr_in6`, read and written byte by byte, so that no pointer
/// has to be cast.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct RawAddress([u8; SIZE]);

const SIZE: usize = size_of::<libc::sockaddr_in6>();

impl RawAddress {
    pub(super) const SIZE: usize = SIZE;
    pub(super) const EMPTY: Self = Self([0; Self::SIZE]);

    /// Writes an address; returns how many bytes of it count.
    pub(super) fn set(&mut self, address: SocketAddr) -> libc::socklen_t {
        let raw = &mut self.0;
        raw[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                raw[..2].copy_from_slice(&(libc::AF_INET as libc::sa_family_t).to_ne_bytes());
                raw[4..8].copy_from_slice(&v4.ip().octets());
                raw[8..16].fill(0);
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(v6) => {
                raw[..2].copy_from_slice(&(libc::AF_INET6 as libc::sa_family_t).to_ne_bytes());
                raw[4..8].copy_from_slice(&v6.flowinfo().to_ne_bytes());
                raw[8..24].copy_from_slice(&v6.ip().octets());
                raw[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                Self::SIZE as libc::socklen_t
            }
        }
    }

    /// The address that stands in the first `len` bytes; `None` if there is none.
    pub(super) fn get(&self, len: libc::socklen_t) -> Option<SocketAddr> {
        let raw = &self.0;
        let len = len as usize;
        let family = i32::from(libc::sa_family_t::from_ne_bytes([raw[0], raw[1]]));
        let port = u16::from_be_bytes([raw[2], raw[3]]);
        if len >= size_of::<libc::sockaddr_in>() && family == libc::AF_INET {
            let ip = Ipv4Addr::new(raw[4], raw[5], raw[6], raw[7]);
            return Some(SocketAddr::new(IpAddr::V4(ip), port));
        }
        if len >= Self::SIZE && family == libc::AF_INET6 {
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(&raw[8..24]).ok()?);
            // The flow label is dropped: a peer that varies it stays the same peer.
            let scope = u32::from_ne_bytes([raw[24], raw[25], raw[26], raw[27]]);
            return Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for text in ["192.0.2.1:5060", "[2001:db8::1]:5061", "[fe80::1%3]:5060"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut raw = RawAddress::EMPTY;
            let len = raw.set(address);
            assert_eq!(raw.get(len), Some(address));
            assert_eq!(raw.get(len - 1), None);
        }
        assert_eq!(RawAddress::EMPTY.get(28), None);
    }

    /// Our bytes against those of socket2, which casts.
    #[test]
    fn layout_is_the_kernels() {
        for text in ["192.0.2.1:5060", "[2001:db8::1%7]:5061"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut raw = RawAddress::EMPTY;
            let len = raw.set(address);
            let theirs = socket2::SockAddr::from(address);
            assert_eq!(len, theirs.len());
            assert_eq!(i32::from(raw.0[0]), i32::from(theirs.family()));
            assert_eq!(raw.get(theirs.len()), theirs.as_socket());
        }
    }
}
