//! Peers that mean harm, or are broken: garbage, cut-off messages, a flood of new calls.
//!
//! They get a proxy of their own: its tables may rightly stay full for a while.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{SCENARIOS, subdirectory};
use crate::subject::{Running, Subject};
use crate::tally::Tally;
use crate::{Result, ports};

/// The port of RFC 863, which nobody serves any more.
const DISCARD: u16 = 9;

/// New Call-IDs in the flood.
const FLOOD: u32 = 100_000;

/// Memory that the flood may cost at most, in bytes: 20 KB for each call of it.
const FLOOD_MEMORY: u64 = FLOOD as u64 * 20_000;

/// The flood comes in bursts of this many, as fast as a peer on the local network sends.
const BURST: u32 = 100;
const BURST_EVERY: Duration = Duration::from_millis(5);

/// Runs all checks.
pub(super) fn run(tally: &mut Tally, subject: Subject, directory: &Path) {
    let mut proxy = None;
    tally.check("another one starts", || {
        proxy = Some(subject.start(&subdirectory(directory, "hostile")?)?);
        Ok(())
    });
    let Some(mut proxy) = proxy else { return };
    tally.check("garbage is dropped, and calls go on", || garbage(&proxy, directory));
    tally.check("a flood of new calls leaves memory bounded", || flood(&mut proxy));
    tally.check("asked twice, it stops with calls pending", || proxy.stop_at_once());
}

fn garbage(proxy: &Running, directory: &Path) -> Result<()> {
    let peer = UdpSocket::bind(ports::local(0))?;
    // What gets through goes where nobody listens, not to the callee of the next call.
    let whole = invite(0, ports::local(DISCARD));
    let mut datagrams: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\r\n\r\n".to_vec(),
        vec![0; 1400],
        vec![b'A'; 65_000],
        (0..=255).cycle().take(2000).collect(),
        b"INVITE sip:x SIP/2.0\r\n\r\n".to_vec(),
        b"SIP/2.0 200 OK\r\n\r\n".to_vec(),
        whole.replace("Content-Length: 0", "Content-Length: 99999").into_bytes(),
        whole.replace("CSeq: 1 INVITE", "CSeq: 99999999999 BYE").into_bytes(),
        whole.replace("Max-Forwards", &"a: b\r\n".repeat(5000)).into_bytes(),
    ];
    // Cut at every byte of the head: no place may be a bad one.
    datagrams.extend((1..whole.len()).map(|end| whole.as_bytes()[..end].to_vec()));
    for datagram in &datagrams {
        peer.send_to(datagram, proxy.sip())?;
    }
    proxy.held()?;
    let plain = SCENARIOS.first().ok_or("there is no scenario")?;
    plain.play(proxy, &subdirectory(directory, "after_garbage")?)
}

fn flood(proxy: &mut Running) -> Result<()> {
    // Somebody must be there and stay silent, so that the calls stay pending.
    let callee = ports::local(proxy.callee());
    let _silent = UdpSocket::bind(callee)?;
    let peer = UdpSocket::bind(ports::local(0))?;
    let before = proxy.memory()?;
    for number in 0..FLOOD {
        peer.send_to(invite(number, callee).as_bytes(), proxy.sip())?;
        if number % BURST == 0 {
            std::thread::sleep(BURST_EVERY);
        }
    }
    let asked = Instant::now();
    proxy.held()?;
    let grown = proxy.memory()?.saturating_sub(before);
    println!(
        "         {FLOOD} new calls cost {} MiB; management answered in {} ms",
        grown >> 20,
        asked.elapsed().as_millis()
    );
    if !proxy.is_running() {
        return Err("the process has ended".into());
    }
    if grown > FLOOD_MEMORY {
        return Err(format!("{grown} bytes, more than {FLOOD_MEMORY}").into());
    }
    Ok(())
}

fn invite(number: u32, callee: SocketAddr) -> String {
    format!(
        "INVITE sip:service@{callee} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKflood{number};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:flood@127.0.0.1>;tag={number}\r\n\
         To: <sip:service@{callee}>\r\n\
         Call-ID: flood-{number}@127.0.0.1\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:flood@127.0.0.1:9>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
