//! The kernel's own choice of a way out (`mhomed`, spec/script.md §2.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The local address from which the kernel would send to `peer`. Nothing is sent: connecting a
/// datagram socket is a look into the routing table.
pub(crate) fn source_towards(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_reaches_itself_from_where_it_is() {
        let peer: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        assert_eq!(source_towards(peer), Some(peer.ip()));
    }
}
