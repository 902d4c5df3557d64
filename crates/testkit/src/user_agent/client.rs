//! Client transactions: requests we sent and what comes back (RFC 3261 §17.1).

use std::net::SocketAddr;

use duologue_sip::Tick;

use super::{Due, GIVE_UP, Repeat, T2, UserAgent};
use crate::agent::CallState;
use crate::text::Message;

/// A request we sent.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) request: Message,
    pub(crate) method: String,
    pub(crate) branch: String,
    pub(crate) to: SocketAddr,
    /// The call whose first INVITE this is, an index.
    pub(crate) call: Option<usize>,
    pub(crate) repeat: Repeat,
    pub(crate) provisional: bool,
    pub(crate) final_status: Option<u16>,
    /// The hop-by-hop ACK of a refused INVITE, kept for when the refusal comes again.
    ack: Option<Message>,
}

impl UserAgent {
    /// Sends a request in a new client transaction.
    pub(super) fn start_client(
        &mut self,
        now: Tick,
        request: Message,
        to: SocketAddr,
        call: Option<usize>,
    ) {
        let method = request.method().unwrap_or_default().to_owned();
        // RFC 3261 §17.1.1.2: timer A has no ceiling; §17.1.2.2: timer E has T2.
        let pause_max = if method == "INVITE" { GIVE_UP } else { T2 };
        self.send(now, to, &request, false);
        self.clients.push(Client {
            branch: request.branch().to_owned(),
            request,
            method,
            to,
            call,
            repeat: Repeat::start(now, pause_max),
            provisional: false,
            final_status: None,
            ack: None,
        });
    }

    pub(super) fn wake_client(&mut self, now: Tick, index: usize) {
        match self.clients[index].repeat.due(now) {
            Due::Nothing => {}
            Due::Repeat => {
                let (to, request) = (self.clients[index].to, self.clients[index].request.clone());
                self.send(now, to, &request, true);
            }
            Due::GiveUp => {
                // RFC 3261 §8.1.3.1: a time-out is treated as a 408.
                self.clients[index].final_status = Some(408);
                if let Some(call) = self.clients[index].call {
                    let call = &mut self.calls[call];
                    call.final_status.get_or_insert(408);
                    if matches!(call.state, CallState::Calling | CallState::Ringing) {
                        call.state = CallState::Failed(408);
                    }
                }
            }
        }
    }

    /// A response arrived.
    pub(super) fn receive_response(&mut self, now: Tick, response: &Message) {
        let (branch, (cseq, method)) = (response.branch(), response.cseq());
        let mine = |client: &Client| client.branch == branch && client.method == method;
        let Some(index) = self.clients.iter().position(mine) else {
            return self.complain(now, &format!("{} belongs to no request", response.title()));
        };
        let Some(status) = response.status() else { return };
        let client = &mut self.clients[index];
        let request = &client.request;
        let same = request.call_id() == response.call_id()
            && request.cseq().0 == cseq
            && request.from_tag() == response.from_tag()
            && (request.to_tag().is_empty() || request.to_tag() == response.to_tag());
        if !same {
            let what = format!("{}: Call-ID, CSeq or tags are not the request's", response.title());
            return self.complain(now, &what);
        }
        if status < 200 {
            client.provisional = true;
            if client.method == "INVITE" {
                client.repeat.stop();
            } else {
                client.repeat.slow_down();
            }
            return self.provisional(now, index, status, response);
        }
        let first = client.final_status.is_none();
        client.repeat.stop();
        client.final_status.get_or_insert(status);
        if client.method == "INVITE" {
            if status < 300 {
                return self.accepted(now, index, response);
            }
            // RFC 3261 §17.1.1.3: the ACK of a refusal copies Via, Route and CSeq number.
            if client.ack.is_none() {
                client.ack = Some(ack_of_refusal(&client.request, response));
            }
            if let Some(ack) = client.ack.clone() {
                let to = client.to;
                self.send(now, to, &ack, !first);
            }
        }
        if first {
            self.refused_or_done(now, index, status, response);
        }
    }
}

fn ack_of_refusal(request: &Message, response: &Message) -> Message {
    let mut ack = Message::request("ACK", request.uri().unwrap_or_default());
    for name in ["Via", "Route", "Max-Forwards", "From", "Call-ID"] {
        for (_, value) in request.headers.iter().filter(|(other, _)| other == name) {
            ack = ack.with(name, value.clone());
        }
    }
    ack.with("To", response.header("To").unwrap_or_default())
        .with("CSeq", format!("{} ACK", request.cseq().0))
}
