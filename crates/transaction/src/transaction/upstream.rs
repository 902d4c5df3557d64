//! Upstream: the request that came in again, its ACK and its CANCEL, and the replies that go back.

use duologue_sip::Tick;

use super::{Kind, Transaction};
use crate::{CancelReason, Effects, alarm::Alarm};

impl Transaction {
    /// The request came again: the last reply is resent, if that helps.
    pub fn retransmission(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.receive_again(now, &self.clocks, fx);
        }
    }

    /// The ACK of our negative reply came: its retransmissions end.
    pub fn receive_ack(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.receive_ack(now, &self.clocks, fx);
        }
    }

    /// A CANCEL of this INVITE came; answering it is up to the owner. Branches with a provisional
    /// reply are cancelled now, the others when they get one (RFC 3261 §16.10, §9.1). False if it
    /// came too late to have an effect.
    ///
    /// With no branch at all there is nobody to say 487: the owner does.
    pub fn receive_cancel(&mut self, now: Tick, fx: &mut Effects) -> bool {
        if self.kind != Kind::Invite || self.closed || self.answered {
            return false;
        }
        self.cancelled = true;
        self.cancel_branches(now, None, CancelReason::Caller, fx);
        // Nobody will add branches now, so nobody waits for them.
        self.stop_waiting(now, fx);
        true
    }

    /// A reply went upstream, relayed or made here. Its bytes are copied if they may have to be
    /// sent again; a 2xx to an INVITE is not, its sender repeats it (RFC 6026 §7.1).
    ///
    /// A final reply while branches are still waited for cancels them.
    pub fn reply_sent(
        &mut self,
        now: Tick,
        status: u16,
        to_tag: &[u8],
        wire: &[u8],
        fx: &mut Effects,
    ) {
        let Some(server) = &mut self.server else { return };
        server.sent(now, status, wire, &self.clocks, fx);
        self.last_status = status;
        if status < 200 {
            return;
        }
        if self.kind == Kind::Invite && status < 300 {
            self.answers.insert(to_tag);
        }
        let keep_ringing =
            status < 300 && self.forking.as_ref().is_some_and(|forking| forking.no_cancel);
        if !self.closed && !self.answered && !keep_ringing {
            self.cancel_branches(now, None, CancelReason::Script, fx);
        }
        self.closed = true;
        if let Some(forking) = &mut self.forking {
            forking.guard = Alarm::OFF;
            forking.hold = Alarm::OFF;
            forking.winner = None;
        }
    }

    /// The last reply could not be sent. A non-INVITE transaction ends (RFC 3261 §17.2.4); an
    /// INVITE stays, its retransmission may find another way (RFC 6026 §7.1).
    pub fn reply_failed(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.transport_failed(now, &self.clocks, fx);
        }
    }
}
