//! Server transactions: requests we got and what we said to them (RFC 3261 §17.2).

use std::net::SocketAddr;

use duologue_sip::Tick;

use super::{Due, LegState, Repeat, T2, UserAgent};
use crate::agent::CallState;
use crate::text::{Message, param, socket_of};

/// A request we got.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) request: Message,
    /// Where responses go.
    pub(crate) back: SocketAddr,
    /// The latest response.
    pub(crate) response: Option<Message>,
    pub(crate) repeat: Repeat,
    /// The call whose first INVITE this is, an index.
    pub(crate) call: Option<usize>,
    /// The dialog it is in, or made, an index.
    pub(crate) leg: Option<usize>,
    /// The To tag of our responses.
    pub(crate) local_tag: String,
}

impl Server {
    /// A request from `from`, with its topmost `Via` completed as RFC 3261 §18.2.1 and RFC 3581 §4
    /// ask, so that responses carry it so.
    pub(crate) fn new(mut request: Message, from: SocketAddr, local_tag: String) -> Self {
        let mut back = from;
        if let Some((_, via)) = request.headers.iter_mut().find(|(name, _)| name == "Via") {
            let (top, rest) = match via.split_once(',') {
                Some((top, rest)) => (top.to_owned(), format!(",{rest}")),
                None => (via.clone(), String::new()),
            };
            let sent_by = top.split_ascii_whitespace().nth(1).and_then(socket_of);
            *via = if param(&top, "rport").is_some() {
                let filled = top.replace(";rport", &format!(";rport={}", from.port()));
                format!("{filled};received={}{rest}", from.ip())
            } else {
                back.set_port(sent_by.map_or(5060, |sent_by| sent_by.port()));
                format!("{top};received={}{rest}", from.ip())
            };
        }
        Self {
            request,
            back,
            response: None,
            repeat: Repeat::default(),
            call: None,
            leg: None,
            local_tag,
        }
    }

    /// The status of the latest response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.response.as_ref()?.status()
    }

    /// Whether the final response is still owed.
    pub(crate) fn is_open(&self) -> bool {
        self.status().is_none_or(|status| status < 200)
    }

    /// Whether a request is this one again: branch, sent-by and method (RFC 3261 §17.2.3).
    pub(crate) fn is(&self, request: &Message, method: &str) -> bool {
        self.request.branch() == request.branch()
            && self.request.method() == Some(method)
            && sent_by(&self.request) == sent_by(request)
    }
}

impl UserAgent {
    /// The oldest request of a method (empty: any) that has no final reply yet.
    pub(crate) fn unanswered(&self, method: &str) -> Option<usize> {
        self.servers.iter().position(|server| {
            server.is_open() && (method.is_empty() || server.request.method() == Some(method))
        })
    }

    /// Replies to the server transaction `index`.
    pub(crate) fn reply(
        &mut self,
        now: Tick,
        index: usize,
        status: u16,
        edit: impl FnOnce(Message) -> Message,
    ) {
        let server = &self.servers[index];
        let method = server.request.method().unwrap_or_default().to_owned();
        let mut response = Message::response(status);
        // RFC 3261 §8.2.6.2 and, for Record-Route, §12.1.1.
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            if name == "Record-Route" && !(101..300).contains(&status) {
                continue;
            }
            for (_, value) in server.request.headers.iter().filter(|(other, _)| other == name) {
                let needs_tag = name == "To" && status > 100 && param(value, "tag").is_none();
                let tag =
                    if needs_tag { format!(";tag={}", server.local_tag) } else { String::new() };
                response = response.with(name, format!("{value}{tag}"));
            }
        }
        if matches!(method.as_str(), "INVITE" | "UPDATE") && (101..300).contains(&status) {
            response = response.with("Contact", format!("<{}>", self.uri()));
        }
        if matches!(method.as_str(), "INVITE" | "UPDATE") && (200..300).contains(&status) {
            response = response.with("Content-Type", "application/sdp");
            response.body = self.sdp();
        }
        let response = edit(response);
        let back = server.back;
        self.send(now, back, &response, false);
        let server = &mut self.servers[index];
        server.response = Some(response);
        if method == "INVITE" {
            // RFC 3261 §13.3.1.4 and §17.2.1: final responses repeat until the ACK, timer H.
            server.repeat = if status >= 200 { Repeat::start(now, T2) } else { Repeat::default() };
            self.invite_replied(index, status);
        }
    }

    pub(super) fn wake_server(&mut self, now: Tick, index: usize) {
        match self.servers[index].repeat.due(now) {
            Due::Nothing => {}
            Due::Repeat => self.repeat_response(now, index),
            Due::GiveUp => {
                // RFC 3261 §13.3.1.4: no ACK came for the 2xx; the session is ended with BYE.
                let accepted = self.servers[index].status().is_some_and(|status| status < 300);
                if accepted
                    && !self.manners.manual
                    && let Some(leg) = self.servers[index].leg
                    && self.legs[leg].state == LegState::Confirmed
                {
                    self.bye(now, leg);
                }
            }
        }
    }

    pub(super) fn repeat_response(&mut self, now: Tick, index: usize) {
        let server = &self.servers[index];
        if let Some(response) = server.response.clone() {
            let back = server.back;
            self.send(now, back, &response, true);
        }
    }

    /// What a reply to an INVITE means for its call.
    fn invite_replied(&mut self, index: usize, status: u16) {
        let Some(call) = self.servers[index].call else { return };
        let leg = self.servers[index].leg;
        match status {
            ..200 => {}
            200..300 => {
                self.calls[call].final_status.get_or_insert(status);
                self.calls[call].state = CallState::Answered;
                if let Some(leg) = leg {
                    self.legs[leg].state = LegState::Confirmed;
                }
            }
            300.. => {
                self.calls[call].final_status.get_or_insert(status);
                self.calls[call].state = CallState::Failed(status);
                if let Some(leg) = leg {
                    self.legs[leg].state = LegState::Ended;
                }
            }
        }
    }
}

fn sent_by(request: &Message) -> Option<&str> {
    request.list("Via").first()?.split(';').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(via: &str) -> (SocketAddr, String) {
        let request = Message::request("OPTIONS", "sip:bob@10.0.0.2").with("Via", via);
        let server = Server::new(request, "10.0.0.9:7777".parse().unwrap(), String::new());
        (server.back, server.request.header("Via").unwrap_or_default().to_owned())
    }

    // RFC 3581 §4: with rport, responses go back to the source port.
    #[test]
    fn rport_sends_responses_back_to_the_source_port() {
        let (back, via) = back("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1");
        assert_eq!(back, "10.0.0.9:7777".parse().unwrap());
        assert_eq!(via, "SIP/2.0/UDP 10.0.0.1:5060;rport=7777;branch=z9hG4bK1;received=10.0.0.9");
    }

    // RFC 3261 §18.2.2: without it, to the address received from and the port of sent-by.
    #[test]
    fn without_rport_the_port_of_sent_by_counts() {
        let (back, _) = back("SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1");
        assert_eq!(back, "10.0.0.9:5062".parse().unwrap());
    }
}
