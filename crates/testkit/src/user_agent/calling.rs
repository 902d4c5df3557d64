//! The calling side: INVITE, CANCEL, BYE and what their responses mean for the call.

use std::net::SocketAddr;

use duologue_sip::Tick;

use super::leg::Ack;
use super::{Call, Leg, LegState, UserAgent};
use crate::agent::CallState;
use crate::text::{Message, socket_of};

impl UserAgent {
    /// Starts a call.
    pub(crate) fn invite(&mut self, now: Tick, uri: &str, edit: impl FnOnce(Message) -> Message) {
        let message = self.alone("INVITE", uri);
        let mut message = message.with("Content-Type", "application/sdp");
        message.body = self.sdp();
        if self.manners.pracks {
            message = message.with("Supported", "100rel");
        }
        let message = edit(message);
        self.calls.push(Call {
            call_id: message.call_id().to_owned(),
            state: CallState::Calling,
            final_status: None,
            given_up: false,
        });
        let call = self.calls.len() - 1;
        let to = self.first_hop(&message);
        self.start_client(now, message, to, Some(call));
    }

    /// Sends a request outside of dialogs.
    pub(crate) fn request_alone(
        &mut self,
        now: Tick,
        method: &str,
        uri: &str,
        edit: impl FnOnce(Message) -> Message,
    ) {
        let message = self.alone(method, uri);
        let message = edit(message);
        let to = self.first_hop(&message);
        self.start_client(now, message, to, None);
    }

    /// Sends a request within the first established dialog of the latest call.
    pub(crate) fn request_in_dialog(
        &mut self,
        now: Tick,
        method: &str,
        edit: impl FnOnce(Message) -> Message,
    ) {
        if let Some(leg) = self.leg_in(LegState::Confirmed) {
            self.request_in(now, leg, method, edit);
        }
    }

    /// Sends a request within the first early dialog of the latest call, if there is one.
    pub(crate) fn request_early(&mut self, now: Tick, method: &str) {
        if let Some(leg) = self.leg_in(LegState::Early) {
            self.request_in(now, leg, method, |request| request);
        }
    }

    /// Gives up the latest INVITE within a dialog that has no final response yet.
    pub(crate) fn cancel_reinvite(&mut self, now: Tick) {
        let waits = |client: &super::Client| {
            client.method == "INVITE" && client.call.is_none() && client.final_status.is_none()
        };
        if let Some(client) = self.clients.iter().rposition(waits) {
            self.send_cancel(now, client);
        }
    }

    /// The first dialog of the latest call that has come this far.
    fn leg_in(&self, state: LegState) -> Option<usize> {
        let latest = self.calls.len().checked_sub(1)?;
        self.legs.iter().position(|leg| leg.call == latest && leg.state == state)
    }

    /// Gives the latest call up.
    pub(crate) fn cancel(&mut self, now: Tick) {
        let Some(call) = self.calls.len().checked_sub(1) else { return };
        self.calls[call].given_up = true;
        if let Some(client) = self.clients.iter().rposition(|client| client.call == Some(call)) {
            self.send_cancel(now, client);
        }
    }

    /// BYE on all dialogs of the latest call.
    pub(crate) fn hang_up(&mut self, now: Tick) {
        let Some(call) = self.calls.len().checked_sub(1) else { return };
        for leg in 0..self.legs.len() {
            if self.legs[leg].call == call && self.legs[leg].state != LegState::Ended {
                self.bye(now, leg);
            }
        }
    }

    /// Sends the ACKs withheld so far.
    pub(crate) fn release_acks(&mut self, now: Tick) {
        self.manners.withholds_acks = false;
        for leg in 0..self.legs.len() {
            if self.legs[leg].ack.as_ref().is_some_and(|ack| !ack.sent) {
                self.send_ack(now, leg);
            }
        }
    }

    /// A 1xx to the client transaction `index`.
    pub(super) fn provisional(&mut self, now: Tick, index: usize, status: u16, response: &Message) {
        let Some(call) = self.clients[index].call else { return };
        if status > 100 {
            if self.calls[call].state == CallState::Calling {
                self.calls[call].state = CallState::Ringing;
            }
            if !response.to_tag().is_empty() {
                let leg = self.leg_of_response(index, call, response);
                if self.legs[leg].state == LegState::Early {
                    self.prack(now, leg, response);
                }
            }
        }
        // RFC 3261 §9.1: a CANCEL waits for the first provisional response.
        if self.calls[call].given_up {
            self.send_cancel(now, index);
        }
    }

    /// A 2xx to the INVITE of the client transaction `index`: each needs its ACK.
    pub(super) fn accepted(&mut self, now: Tick, index: usize, response: &Message) {
        let call = self.clients[index].call;
        let cseq = self.clients[index].request.cseq().0;
        let leg = match call {
            Some(call) => self.leg_of_response(index, call, response),
            None => {
                let tags = (response.call_id(), response.from_tag(), response.to_tag());
                let within = |leg: &Leg| leg.is(tags.0, tags.1, tags.2);
                let Some(leg) = self.legs.iter().position(within) else { return };
                leg
            }
        };
        let known = self.legs[leg].ack.as_ref().is_some_and(|ack| ack.message.cseq().0 == cseq);
        let fresh = call.is_some() && self.legs[leg].state == LegState::Early;
        if call.is_some() {
            self.legs[leg].confirm_caller(response);
        } else {
            self.legs[leg].refresh_target(response);
        }
        if !known {
            let (message, to) = self.within(leg, "ACK", cseq);
            self.legs[leg].ack = Some(Ack { message, to, sent: false });
        }
        if !self.manners.withholds_acks {
            self.send_ack(now, leg);
        }
        let (Some(call), true) = (call, fresh) else { return };
        let earlier = self.calls[call].final_status.replace(response.status().unwrap_or(200));
        let given_up = self.calls[call].given_up;
        self.calls[call].state = CallState::Talking;
        // RFC 3261 §9.1, §13.2.2.4: an answer that crossed the CANCEL, or that a fork brought too
        // many, is acknowledged and then ended.
        let spare = earlier.is_some_and(|status| status < 300) && self.manners.keeps_one_answer;
        if !self.manners.manual && (given_up || spare) {
            self.bye(now, leg);
        }
    }

    /// The first final response of the client transaction `index`, 2xx to INVITE excepted.
    pub(super) fn refused_or_done(
        &mut self,
        now: Tick,
        index: usize,
        status: u16,
        response: &Message,
    ) {
        if self.answer_challenge(now, index, status) {
            return self.forget_attempt(index);
        }
        if let Some(call) = self.clients[index].call {
            if self.calls[call].final_status.is_none() {
                self.calls[call].final_status = Some(status);
                self.calls[call].state = CallState::Failed(status);
                // RFC 3261 §12.3: a refusal ends all early dialogs of the INVITE.
                for leg in self.legs.iter_mut().filter(|leg| leg.call == call) {
                    leg.state = LegState::Ended;
                }
            }
            return;
        }
        // RFC 3261 §12.2.1.2: 481 and 408 end the dialog.
        if matches!(status, 408 | 481) {
            let tags = (response.call_id(), response.from_tag(), response.to_tag());
            if let Some(leg) = self.legs.iter().position(|leg| leg.is(tags.0, tags.1, tags.2)) {
                self.end_leg(leg);
            }
        }
    }

    /// An INVITE was challenged and goes out once more: its early dialogs are over, the call is not.
    fn forget_attempt(&mut self, index: usize) {
        let Some(call) = self.clients[index].call else { return };
        self.calls[call].state = CallState::Calling;
        for leg in self.legs.iter_mut().filter(|leg| leg.call == call) {
            leg.state = LegState::Ended;
        }
    }

    /// Sends BYE on a leg and counts it as ended (RFC 3261 §15.1.1).
    pub(super) fn bye(&mut self, now: Tick, leg: usize) {
        self.request_in(now, leg, "BYE", |bye| bye);
        self.end_leg(leg);
    }

    /// A leg ended; the call ends with its last one.
    pub(super) fn end_leg(&mut self, leg: usize) {
        self.legs[leg].state = LegState::Ended;
        let call = self.legs[leg].call;
        let confirmed = |leg: &Leg| leg.call == call && leg.state == LegState::Confirmed;
        if !self.legs.iter().any(confirmed) {
            self.calls[call].state = CallState::Ended;
        }
    }

    pub(super) fn request_in(
        &mut self,
        now: Tick,
        leg: usize,
        method: &str,
        edit: impl FnOnce(Message) -> Message,
    ) {
        self.legs[leg].local_cseq += 1;
        let cseq = self.legs[leg].local_cseq;
        let (mut message, to) = self.within(leg, method, cseq);
        if matches!(method, "INVITE" | "UPDATE") {
            message = message.with("Content-Type", "application/sdp");
            message.body = self.sdp();
        }
        self.start_client(now, edit(message), to, None);
    }

    fn send_ack(&mut self, now: Tick, leg: usize) {
        if let Some(ack) = &mut self.legs[leg].ack {
            let again = std::mem::replace(&mut ack.sent, true);
            let (message, to) = (ack.message.clone(), ack.to);
            self.send(now, to, &message, again);
        }
    }

    fn send_cancel(&mut self, now: Tick, index: usize) {
        let client = &self.clients[index];
        let cancelled =
            |other: &super::Client| other.method == "CANCEL" && other.branch == client.branch;
        if !client.provisional
            || client.final_status.is_some()
            || self.clients.iter().any(cancelled)
        {
            return;
        }
        // RFC 3261 §9.1: all of these are the INVITE's own.
        let mut cancel = Message::request("CANCEL", client.request.uri().unwrap_or_default());
        for name in ["Via", "Route", "Max-Forwards", "From", "To", "Call-ID"] {
            let same = client.request.headers.iter().filter(|(other, _)| other == name);
            for (_, value) in same {
                cancel = cancel.with(name, value.clone());
            }
        }
        let cancel = cancel.with("CSeq", format!("{} CANCEL", client.request.cseq().0));
        let to = client.to;
        self.start_client(now, cancel, to, None);
    }

    fn leg_of_response(&mut self, index: usize, call: usize, response: &Message) -> usize {
        let tags = (response.call_id(), response.from_tag(), response.to_tag());
        self.legs.iter().position(|leg| leg.is(tags.0, tags.1, tags.2)).unwrap_or_else(|| {
            self.legs.push(Leg::of_caller(call, &self.clients[index].request, response));
            self.legs.len() - 1
        })
    }

    /// A request outside of dialogs.
    fn alone(&mut self, method: &str, uri: &str) -> Message {
        let (tag, call_id) = (self.fresh("tag"), self.fresh("call"));
        let mut message = self.addressed(method, uri);
        for route in &self.preloaded {
            message = message.with("Route", route.clone());
        }
        message
            .with("From", format!("<{}>;tag={tag}", self.uri()))
            .with("To", format!("<{uri}>"))
            .with("Call-ID", format!("{call_id}@{}", self.address.ip()))
            .with("CSeq", format!("1 {method}"))
            .with("Contact", format!("<{}>", self.uri()))
    }

    /// A request within a leg, and its next hop.
    fn within(&mut self, leg: usize, method: &str, cseq: u32) -> (Message, SocketAddr) {
        let (uri, routes, hop) = self.legs[leg].aim();
        let mut message = self.addressed(method, &uri);
        for route in routes {
            message = message.with("Route", route);
        }
        let leg = &self.legs[leg];
        let mut message = message
            .with("From", leg.local.clone())
            .with("To", leg.remote.clone())
            .with("Call-ID", leg.call_id.clone())
            .with("CSeq", format!("{cseq} {method}"));
        if !matches!(method, "ACK" | "BYE") {
            message = message.with("Contact", format!("<{}>", self.uri()));
        }
        // A host that is a name: the test's proxy is the only one who can know it.
        (message, hop.or(self.next_hop).unwrap_or(self.address))
    }

    fn addressed(&mut self, method: &str, uri: &str) -> Message {
        let branch = self.fresh("via");
        let via = format!("SIP/2.0/UDP {};rport;branch=z9hG4bK-{branch}", self.address);
        Message::request(method, uri).with("Via", via).with("Max-Forwards", "70")
    }

    fn first_hop(&self, message: &Message) -> SocketAddr {
        let target = || socket_of(message.uri().unwrap_or_default());
        self.next_hop.or_else(target).unwrap_or(self.address)
    }
}
