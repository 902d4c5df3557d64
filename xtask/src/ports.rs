//! Free ports on the loopback address, and waiting until somebody listens there.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Result;

/// How often we look whether a port is taken.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The address of `port` on this machine.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// `N` different UDP ports that were free a moment ago.
pub(crate) fn free_udp<const N: usize>() -> Result<[u16; N]> {
    // All are held until all are known, so that none is drawn twice.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let socket = UdpSocket::bind(local(0))?;
        *port = socket.local_addr()?.port();
        held.push(socket);
    }
    Ok(ports)
}

/// A TCP port that was free a moment ago.
pub(crate) fn free_tcp() -> Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

/// Waits until a UDP socket of this machine is bound to `port`.
pub(crate) fn await_udp(port: u16, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !udp_is_bound(port)? {
        if Instant::now() > deadline {
            return Err(format!("nobody listens on UDP port {port} after {limit:?}").into());
        }
        sleep(LOOK_EVERY);
    }
    Ok(())
}

/// The second column of `/proc/net/udp` is `ADDRESS:PORT` in hexadecimal.
fn udp_is_bound(port: u16) -> Result<bool> {
    let wanted = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/udp")?;
    Ok(table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|local| local.ends_with(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_port_is_seen_and_a_free_one_is_not() {
        let socket = UdpSocket::bind(local(0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(udp_is_bound(port).unwrap());
        drop(socket);
        assert!(await_udp(port, Duration::ZERO).is_err());
    }
}
