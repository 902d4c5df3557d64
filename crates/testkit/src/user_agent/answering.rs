//! The answering side: what an agent does with a request it gets.

use std::net::SocketAddr;

use duologue_sip::Tick;

use super::{Call, Client, Leg, LegState, Server, UserAgent};
use crate::agent::CallState;
use crate::text::{Message, socket_of};

impl UserAgent {
    /// A request arrived.
    pub(super) fn receive_request(&mut self, now: Tick, from: SocketAddr, request: Message) {
        let method = request.method().unwrap_or_default().to_owned();
        if method == "ACK" {
            return self.receive_ack(now, &request);
        }
        if let Some(index) = self.servers.iter().position(|server| server.is(&request, &method)) {
            return self.repeat_response(now, index);
        }
        if method == "CANCEL" {
            return self.receive_cancel(now, from, request);
        }
        if !request.to_tag().is_empty() {
            return self.receive_in_dialog(now, from, request, &method);
        }
        if method == "INVITE" {
            return self.receive_call(now, from, request);
        }
        let index = self.serve(request, from);
        // RFC 3261 §15.1.2: a BYE needs a dialog.
        self.reply_politely(now, index, if method == "BYE" { 481 } else { 200 });
    }

    /// A new call.
    fn receive_call(&mut self, now: Tick, from: SocketAddr, request: Message) {
        let index = self.serve(request, from);
        let (call_id, local_tag) = {
            let server = &self.servers[index];
            (server.request.call_id().to_owned(), server.local_tag.clone())
        };
        let call = self.calls.len();
        let leg = Leg::of_callee(call, &self.servers[index].request, &local_tag);
        self.calls.push(Call {
            call_id,
            state: CallState::Ringing,
            final_status: None,
            given_up: false,
        });
        self.legs.push(leg);
        self.servers[index].call = Some(call);
        self.servers[index].leg = Some(self.legs.len() - 1);
        if self.challenge(now, index) {
            return;
        }
        if self.manners.trying {
            self.reply(now, index, 100, |response| response);
        }
        if self.manners.answers_always {
            self.reply(now, index, 180, |response| response);
            self.reply(now, index, 200, |response| response);
        }
    }

    fn receive_in_dialog(&mut self, now: Tick, from: SocketAddr, request: Message, method: &str) {
        let tags = (request.call_id(), request.to_tag(), request.from_tag());
        let leg = self.legs.iter().position(|leg| leg.is(tags.0, tags.1, tags.2));
        if leg.is_none() && !self.could_know(&request) {
            let what = format!("{}: nobody ever told these tags", request.title());
            self.complain(now, &what);
        }
        let live = leg.filter(|leg| self.legs[*leg].state != LegState::Ended);
        let Some(leg) = live else {
            // RFC 3261 §12.2.2: no such dialog (any more). A BYE that crosses ours is welcome.
            let status = if leg.is_some() && method == "BYE" { 200 } else { 481 };
            let index = self.serve(request, from);
            return self.reply_politely(now, index, status);
        };
        // RFC 3261 §12.2.1.1: what reaches us within the dialog is aimed at our contact.
        let aim = socket_of(request.uri().unwrap_or_default());
        if aim.is_some_and(|aim| aim != self.address) {
            let what = format!("{} within the dialog is not aimed at my contact", request.title());
            self.complain(now, &what);
        }
        if !self.legs[leg].note_number(&request) {
            let what = format!("{}: CSeq {} came twice", request.title(), request.cseq().0);
            self.complain(now, &what);
        }
        let cseq = request.cseq().0;
        let late = self.legs[leg].remote_cseq.is_some_and(|seen| cseq <= seen);
        let index = self.serve(request, from);
        self.servers[index].leg = Some(leg);
        if late {
            // RFC 3261 §12.2.2: out of order.
            return self.reply_politely(now, index, 500);
        }
        self.legs[leg].remote_cseq = Some(cseq);
        if self.challenge(now, index) {
            return;
        }
        if matches!(method, "INVITE" | "UPDATE") {
            let request = self.servers[index].request.clone();
            self.legs[leg].refresh_target(&request);
        }
        if method == "INVITE" && self.has_open_reinvite(leg) {
            // RFC 3261 §14.2: two re-INVITEs cross.
            return self.reply_politely(now, index, 491);
        }
        if method == "INVITE" && self.owes_reinvite(leg, index) {
            // RFC 3261 §14.2: the one before is not answered yet.
            return self.reply(now, index, 500, |reply| reply.with("Retry-After", "3"));
        }
        if method == "PRACK" {
            let prack = self.servers[index].request.clone();
            let status = self.acknowledge(now, leg, &prack);
            return self.reply_politely(now, index, status);
        }
        if !(self.manners.hesitates && matches!(method, "INVITE" | "UPDATE" | "INFO")) {
            self.reply_politely(now, index, 200);
        }
        if method == "BYE" {
            self.end_leg(leg);
            self.end_open_requests(now, leg, index);
        }
    }

    /// An ACK stops the repetition of the final response it is for.
    fn receive_ack(&mut self, now: Tick, ack: &Message) {
        // The To tag tells apart two INVITEs of one call that a proxy sent here, one after another.
        let for_this = |server: &&mut Server| {
            let invite = &server.request;
            invite.method() == Some("INVITE")
                && invite.call_id() == ack.call_id()
                && invite.cseq().0 == ack.cseq().0
                && invite.from_tag() == ack.from_tag()
                && server.response.as_ref().is_some_and(|reply| reply.to_tag() == ack.to_tag())
                && !server.is_open()
        };
        let Some(server) = self.servers.iter_mut().find(for_this) else {
            return self.complain(now, "an ACK for no INVITE that has its final response");
        };
        server.repeat.stop();
        let accepted = server.status().is_some_and(|status| status < 300);
        let (call, same_branch) = (server.call, server.request.branch() == ack.branch());
        match (accepted, same_branch) {
            // RFC 3261 §13.2.2.4: the ACK of a 2xx is a transaction of its own.
            (true, true) => self.complain(now, "the ACK of a 2xx has the branch of its INVITE"),
            // RFC 3261 §17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction.
            (false, false) => self.complain(now, "the ACK of a refusal has a branch of its own"),
            _ => {}
        }
        if let (true, Some(call)) = (accepted, call)
            && self.calls[call].state == CallState::Answered
        {
            self.calls[call].state = CallState::Talking;
        }
    }

    /// RFC 3261 §9.2: the CANCEL gets 200 whatever becomes of the INVITE, which gets 487 if it
    /// still waits.
    fn receive_cancel(&mut self, now: Tick, from: SocketAddr, request: Message) {
        let invite = self.servers.iter().position(|server| server.is(&request, "INVITE"));
        let index = self.serve(request, from);
        let Some(invite) = invite else { return self.reply_politely(now, index, 481) };
        self.reply_politely(now, index, 200);
        if self.servers[invite].is_open() && !self.manners.ignores_cancels {
            self.reply_politely(now, invite, 487);
        }
    }

    fn serve(&mut self, request: Message, from: SocketAddr) -> usize {
        let tag = self.fresh("tag");
        self.servers.push(Server::new(request, from, tag));
        self.servers.len() - 1
    }

    fn reply_politely(&mut self, now: Tick, index: usize, status: u16) {
        if !self.manners.manual {
            self.reply(now, index, status, |response| response);
        }
    }

    fn has_open_reinvite(&self, leg: usize) -> bool {
        let leg = &self.legs[leg];
        let open = |client: &Client| {
            client.method == "INVITE"
                && client.final_status.is_none()
                && leg.is(
                    client.request.call_id(),
                    client.request.from_tag(),
                    client.request.to_tag(),
                )
        };
        self.clients.iter().any(open)
    }

    /// Whether an INVITE within the dialog, other than `except`, still waits for our answer.
    fn owes_reinvite(&self, leg: usize, except: usize) -> bool {
        let waits = |(index, server): (usize, &Server)| {
            index != except
                && server.leg == Some(leg)
                && server.is_open()
                && server.request.method() == Some("INVITE")
        };
        self.servers.iter().enumerate().any(waits)
    }

    /// Whether the sender of a request within a dialog can have its tags from us: our own is one
    /// that we told in this call, and the other was told to us, or is of an answer to our INVITE
    /// that we have not seen yet.
    fn could_know(&self, request: &Message) -> bool {
        let (call_id, mine, other) = (request.call_id(), request.to_tag(), request.from_tag());
        let told = |server: &Server| {
            server.local_tag == mine
                && server.request.call_id() == call_id
                && server.request.from_tag() == other
        };
        let asked = |client: &Client| {
            client.request.from_tag() == mine && client.request.call_id() == call_id
        };
        self.servers.iter().any(told) || self.clients.iter().any(asked)
    }

    /// RFC 3261 §15.1.2: what still waits within the dialog gets 487.
    fn end_open_requests(&mut self, now: Tick, leg: usize, except: usize) {
        for index in 0..self.servers.len() {
            let server = &self.servers[index];
            if index != except && server.leg == Some(leg) && server.is_open() {
                self.reply_politely(now, index, 487);
            }
        }
    }
}
