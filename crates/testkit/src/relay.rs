//! The smallest subject: a stateless relay, enough to test the testkit and to show its use.

use std::collections::HashMap;
use std::net::SocketAddr;

use duologue_sip::{Moment, Tick};

use crate::subject::{Datagram, Subject};
use crate::text::{Message, param, socket_of, uri_of};

/// A stateless proxy (RFC 3261 §16.11) that adds `Via` and `Record-Route`, follows `Route`, and can
/// turn one URI into several targets. It has no timers and no state per call.
#[derive(Debug, Default)]
pub struct Relay {
    targets: HashMap<String, Vec<String>>,
    outbox: Vec<Datagram>,
}

impl Relay {
    /// Requests to `uri` go to all these URIs from now on, at once.
    pub fn fork(&mut self, uri: &str, targets: &[&str]) {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        self.targets.insert(uri.to_owned(), targets);
    }

    fn request(&mut self, me: SocketAddr, from: SocketAddr, mut request: Message) {
        let hops = request.header("Max-Forwards").and_then(|hops| hops.parse::<u32>().ok());
        let Some(hops) = hops.unwrap_or(70).checked_sub(1) else { return };
        for (name, value) in &mut request.headers {
            if name == "Max-Forwards" {
                *value = hops.to_string();
            }
        }
        let mine = |value: &str| socket_of(uri_of(value)) == Some(me);
        let at = request.headers.iter().position(|(name, _)| name == "Route");
        if let Some(at) = at.filter(|at| mine(&request.headers[*at].1)) {
            request.headers.remove(at);
        }
        // RFC 3261 §18.2.1, RFC 3581 §4: note where it came from.
        if let Some((_, via)) = request.headers.iter_mut().find(|(name, _)| name == "Via") {
            *via = via.replace(";rport;", &format!(";rport={};", from.port()));
            via.push_str(&format!(";received={}", from.ip()));
        }
        let branch = request.branch().to_owned();
        let uri = request.uri().unwrap_or_default().to_owned();
        let targets = self.targets.get(&uri).cloned().unwrap_or_else(|| vec![uri]);
        for (index, target) in targets.iter().enumerate() {
            let mut copy = request.clone();
            let method = copy.method().unwrap_or_default().to_owned();
            copy.start = format!("{method} {target} SIP/2.0");
            // RFC 3261 §16.11: the branch is a function of the one received.
            let via = format!("SIP/2.0/UDP {me};branch={branch}.{index}");
            copy.headers.insert(0, ("Via".to_owned(), via));
            if method == "INVITE" {
                copy.headers.insert(1, ("Record-Route".to_owned(), format!("<sip:{me};lr>")));
            }
            let route = copy.header("Route").map(uri_of);
            if let Some(to) = socket_of(route.unwrap_or(target)) {
                self.outbox.push(Datagram { from: me, to, bytes: copy.to_bytes() });
            }
        }
    }

    fn response(&mut self, me: SocketAddr, mut response: Message) {
        let Some(at) = response.headers.iter().position(|(name, _)| name == "Via") else { return };
        response.headers.remove(at);
        let Some(via) = response.list("Via").first().map(|via| (*via).to_owned()) else { return };
        let sent_by = via.split_ascii_whitespace().nth(1).and_then(socket_of);
        let Some(mut to) = sent_by else { return };
        if let Some(ip) = param(&via, "received").and_then(|ip| ip.parse().ok()) {
            to.set_ip(ip);
        }
        if let Some(port) = param(&via, "rport").and_then(|port| port.parse().ok()) {
            to.set_port(port);
        }
        self.outbox.push(Datagram { from: me, to, bytes: response.to_bytes() });
    }
}

impl Subject for Relay {
    fn receive(&mut self, _now: Moment, flow_local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        match Message::parse(bytes) {
            Ok(message) if message.is_response() => self.response(flow_local, message),
            Ok(message) => self.request(flow_local, from, message),
            Err(_) => {}
        }
    }

    fn wake(&mut self, _now: Moment) {}

    fn next_wake(&self) -> Option<Tick> {
        None
    }

    fn take_datagrams(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.outbox)
    }
}
