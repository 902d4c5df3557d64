//! The least a UDP relay can do, as a yardstick for benchmarks: one socket, one thread, a plain
//! `recvfrom` and `sendto` per datagram.
//!
//! `bare_relay LISTEN A B` forwards what comes from A to B and what comes from B to A. A datagram
//! from anybody else is dropped.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(a), Some(b), None) =
        (arguments.next(), arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: bare_relay LISTEN A B (each address:port)".into());
    };
    let (a, b): (SocketAddr, SocketAddr) = (a.parse()?, b.parse()?);
    let socket = UdpSocket::bind(listen.parse::<SocketAddr>()?)?;

    let mut buffer = vec![0; 65_535];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        let to = match from {
            from if from == a => b,
            from if from == b => a,
            _ => continue,
        };
        // As on any network: what cannot leave is lost.
        let _ = socket.send_to(&buffer[..len], to);
    }
}
