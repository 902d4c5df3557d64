//! Free ports on the loopback address, and waiting until somebody listens there.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;
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
        *port = not_given(|| {
            let socket = UdpSocket::bind(local(0))?;
            let port = socket.local_addr()?.port();
            held.push(socket);
            Ok(port)
        })?;
    }
    Ok(ports)
}

/// A TCP port that was free a moment ago.
pub(crate) fn free_tcp() -> Result<u16> {
    not_given(|| Ok(TcpListener::bind(local(0))?.local_addr()?.port()))
}

/// The first port drawn that was not given out before: checks that run side by side draw at the same
/// time, before those who got one have taken it.
fn not_given(mut draw: impl FnMut() -> Result<u16>) -> Result<u16> {
    let mut given = GIVEN.lock().map_err(|_| "somebody panicked with the ports in hand")?;
    loop {
        let port = draw()?;
        if given.insert(port) {
            return Ok(port);
        }
    }
}

/// The ports that were given out.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

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
    fn no_port_is_given_twice() {
        let mut drawn = [7, 7, 9].into_iter();
        let mut draw = || not_given(|| Ok(drawn.next().ok_or("none is left")?));
        assert_eq!((draw().unwrap(), draw().unwrap()), (7, 9));
        assert!(draw().is_err());
    }

    #[test]
    fn a_bound_port_is_seen_and_a_free_one_is_not() {
        let socket = UdpSocket::bind(local(0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(udp_is_bound(port).unwrap());
        drop(socket);
        assert!(await_udp(port, Duration::ZERO).is_err());
    }
}
