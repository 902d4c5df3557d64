//! The wire on real loopback sockets: what the kernel does is the thing under test.
#![allow(clippy::unwrap_used)] // In the helpers, too, an error is a failed test.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket as Peer};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use duologue_server::net::{BATCH_MAX, Outbox, Receiver, Transports, UdpOptions, UdpSocket};
use duologue_sip::Flow;

const V4: &str = "127.0.0.1:0";
const V6: &str = "[::1]:0";

fn bind(address: &str, count: usize) -> Vec<Arc<UdpSocket>> {
    UdpSocket::bind_group(address.parse().unwrap(), count, &UdpOptions::default()).unwrap()
}

fn peer(address: &str) -> Peer {
    let peer = Peer::bind(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer
}

fn receive(peer: &Peer) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 70_000];
    let (len, from) = peer.recv_from(&mut buffer).unwrap();
    buffer.truncate(len);
    (buffer, from)
}

/// Answers everything with the same bytes until it is stopped; returns how much it has seen.
fn echo(socket: Arc<UdpSocket>) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let transports = Transports::new(vec![socket.clone()]);
        let mut receiver = Receiver::new(socket, 0);
        let mut outbox = Outbox::new();
        let mut seen = 0;
        receiver
            .run(|batch| {
                for datagram in batch.iter() {
                    seen += 1;
                    outbox.push(datagram.flow, (), |b| b.extend_from_slice(datagram.bytes));
                }
                outbox.flush(&transports, |failed| panic!("{failed:?}"));
            })
            .unwrap();
        seen
    })
}

#[test]
fn a_burst_comes_as_full_batches_in_order() {
    let socket = bind(V4, 1).remove(0);
    let sender = peer(V4);
    for i in 0..80u32 {
        sender.send_to(&i.to_be_bytes(), socket.local_address()).unwrap();
    }
    let mut receiver = Receiver::new(socket, 3);
    let (mut sizes, mut bytes) = (Vec::new(), Vec::new());
    while bytes.len() < 80 {
        let batch = receiver.receive().unwrap().unwrap();
        assert_eq!(batch.is_full(), batch.len() == BATCH_MAX);
        sizes.push(batch.len());
        for datagram in batch.iter() {
            assert_eq!(datagram.flow, Flow::datagram(3, sender.local_addr().unwrap()));
            bytes.push(u32::from_be_bytes(datagram.bytes.try_into().unwrap()));
        }
    }
    assert_eq!(sizes, [32, 32, 16]);
    assert_eq!(bytes, (0..80).collect::<Vec<_>>());
}

#[test]
fn replies_return_on_their_flow() {
    for address in [V4, V6] {
        let socket = bind(address, 1).remove(0);
        let echo = echo(socket.clone());
        let peers: Vec<_> = (0..5).map(|_| peer(address)).collect();
        for (i, peer) in peers.iter().enumerate() {
            peer.send_to(format!("hello {i}").as_bytes(), socket.local_address()).unwrap();
        }
        for (i, peer) in peers.iter().enumerate() {
            let (bytes, from) = receive(peer);
            assert_eq!(bytes, format!("hello {i}").as_bytes());
            assert_eq!(from, socket.local_address());
        }
        socket.stop();
        assert_eq!(echo.join().unwrap(), 5);
    }
}

#[test]
fn the_largest_datagram_passes_and_a_larger_one_fails_alone() {
    const LARGEST: usize = 65_507;
    let socket = bind(V4, 1).remove(0);
    let echo = echo(socket.clone());
    let sender = peer(V4);
    let large: Vec<u8> = (0..LARGEST).map(|i| i as u8).collect();
    sender.send_to(&large, socket.local_address()).unwrap();
    assert!(receive(&sender).0 == large);
    socket.stop();
    echo.join().unwrap();

    let transports = Transports::new(vec![socket]);
    let flow = Flow::datagram(0, sender.local_addr().unwrap());
    let mut outbox = Outbox::new();
    outbox.push(flow, "before", |bytes| bytes.extend_from_slice(b"before"));
    outbox.push(flow, "large", |bytes| bytes.resize(bytes.len() + LARGEST + 1, 0));
    outbox.push(flow, "after", |bytes| bytes.extend_from_slice(b"after"));
    let mut failed = Vec::new();
    outbox.flush(&transports, |f| failed.push((f.tag, f.error.raw_os_error())));
    assert_eq!(failed, [("large", Some(libc::EMSGSIZE))]);
    assert_eq!(receive(&sender).0, b"before");
    assert_eq!(receive(&sender).0, b"after");
}

#[test]
fn a_wrong_family_fails_with_its_tag() {
    let transports = Transports::new(vec![bind(V4, 1).remove(0)]);
    let mut outbox = Outbox::new();
    outbox.push(Flow::datagram(0, "[::1]:9".parse().unwrap()), 42, |bytes| bytes.push(1));
    let mut failed = Vec::new();
    outbox.flush(&transports, |f| failed.push((f.tag, f.flow.peer.port())));
    assert_eq!(failed, [(42, 9)]);
}

/// Nobody listens where we send to. The ICMP answers must not disturb who receives by the same
/// socket, nor be blamed on other packets.
#[test]
fn a_closed_port_disturbs_nobody() {
    let socket = bind(V4, 1).remove(0);
    let closed = peer(V4).local_addr().unwrap();
    let echo = echo(socket.clone());
    let transports = Transports::new(vec![socket.clone()]);
    let alive = peer(V4);
    let mut outbox = Outbox::new();
    for round in 0..20u8 {
        outbox.push(Flow::datagram(0, closed), (), |bytes| bytes.push(round));
        let flow = Flow::datagram(0, alive.local_addr().unwrap());
        outbox.push(flow, (), |bytes| bytes.push(round));
        outbox.flush(&transports, |failed| panic!("{failed:?}"));
        assert_eq!(receive(&alive).0, [round]);
        alive.send_to(b"ping", socket.local_address()).unwrap();
        assert_eq!(receive(&alive).0, b"ping");
    }
    socket.stop();
    assert_eq!(echo.join().unwrap(), 20);
}

#[test]
fn many_packets_leave_by_several_sockets() {
    let sockets = vec![bind(V4, 1).remove(0), bind(V6, 1).remove(0)];
    let transports = Transports::new(sockets);
    let peers = [peer(V4), peer(V6)];
    let mut outbox = Outbox::new();
    for i in 0..100u8 {
        let which = usize::from(i % 2);
        let flow = Flow::datagram(which as u16, peers[which].local_addr().unwrap());
        outbox.push(flow, (), |bytes| bytes.push(i));
    }
    outbox.flush(&transports, |failed| panic!("{failed:?}"));
    for (which, peer) in peers.iter().enumerate() {
        let got: Vec<_> = (0..50).map(|_| usize::from(receive(peer).0[0])).collect();
        assert_eq!(got, (0..100).skip(which).step_by(2).collect::<Vec<_>>());
    }
}

#[test]
fn receivers_of_a_group_share_the_peers_and_keep_each() {
    let group = bind(V4, 4);
    let address = group[0].local_address();
    assert!(group.iter().all(|socket| socket.local_address() == address));
    let peers: Vec<_> = (0..40).map(|_| peer(V4)).collect();
    for round in 0..3u8 {
        peers.iter().for_each(|peer| {
            peer.send_to(&[round], address).unwrap();
        });
    }
    let mut homes: HashMap<SocketAddr, (usize, Vec<u8>)> = HashMap::new();
    for (home, socket) in group.into_iter().enumerate() {
        let mut receiver = Receiver::new(socket, 0);
        loop {
            // A second of silence tells that this one's share is complete.
            let batch = receiver.receive().unwrap().unwrap();
            if batch.is_empty() {
                break;
            }
            for datagram in batch.iter() {
                let entry = homes.entry(datagram.flow.peer).or_insert((home, Vec::new()));
                assert_eq!(entry.0, home);
                entry.1.extend_from_slice(datagram.bytes);
            }
        }
    }
    assert_eq!(homes.len(), 40);
    assert!(homes.values().all(|(_, rounds)| *rounds == [0, 1, 2]));
    let mut used: Vec<_> = homes.values().map(|(home, _)| *home).collect();
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 1, "all peers at one socket");
}

#[test]
fn an_address_in_use_is_told_even_if_it_could_be_shared() {
    let group = bind(V4, 2);
    for count in [1, 2] {
        let again = UdpSocket::bind_group(group[0].local_address(), count, &UdpOptions::default());
        assert_eq!(again.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    }
}

#[test]
fn stopping_wakes_a_waiting_receiver_at_once() {
    let socket = bind(V4, 1).remove(0);
    let echo = echo(socket.clone());
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    socket.stop();
    assert_eq!(echo.join().unwrap(), 0);
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

/// Goal: what the kernel drops is counted exactly. Method: overfill a small buffer, then empty it.
#[test]
fn kernel_drops_are_counted() {
    let options = UdpOptions { receive_buffer: 0, ..UdpOptions::default() };
    let socket = UdpSocket::bind_group(V4.parse().unwrap(), 1, &options).unwrap().remove(0);
    let sender = peer(V4);
    let sent = 3_000u64;
    for _ in 0..sent {
        sender.send_to(&[b'x'; 1_000], socket.local_address()).unwrap();
    }
    let address = socket.local_address();
    let mut receiver = Receiver::new(socket, 0);
    let (mut got, mut dropped) = (0, 0);
    loop {
        let batch = receiver.receive().unwrap().unwrap();
        got += batch.len() as u64;
        dropped += u64::from(batch.dropped());
        if batch.is_empty() {
            break;
        }
    }
    // The next datagram tells of the drops that came after all that were kept.
    sender.send_to(b"last", address).unwrap();
    let batch = receiver.receive().unwrap().unwrap();
    dropped += u64::from(batch.dropped());
    assert!(dropped > 0);
    assert_eq!(got + dropped, sent);
    assert_eq!(receiver.dropped(), dropped);
}

#[test]
fn the_receive_buffer_is_asked_for() {
    let options = UdpOptions { receive_buffer: 0, ..UdpOptions::default() };
    let size = |options: &UdpOptions| {
        let group = UdpSocket::bind_group(V4.parse().unwrap(), 1, options).unwrap();
        group[0].receive_buffer().unwrap()
    };
    assert!(size(&UdpOptions::default()) > size(&options));
}

#[test]
fn addresses_that_are_not_ours_are_refused() {
    let foreign = SocketAddr::new(IpAddr::from([192, 0, 2, 254]), 0);
    assert!(UdpSocket::bind_group(foreign, 1, &UdpOptions::default()).is_err());
}
