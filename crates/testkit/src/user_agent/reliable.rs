//! Reliable provisional responses and their PRACKs (RFC 3262).

use duologue_sip::Tick;

use super::{Due, GIVE_UP, Repeat, UserAgent};
use crate::text::Message;

/// A reliable provisional response we sent: it is repeated until its PRACK comes.
#[derive(Clone, Debug)]
pub(crate) struct Reliable {
    /// The INVITE it answers, an index.
    server: usize,
    /// Its `RSeq`.
    rseq: u32,
    response: Message,
    pub(crate) repeat: Repeat,
    acknowledged: bool,
}

impl UserAgent {
    /// Replies to the INVITE `index` with a provisional response that asks for PRACK. While an
    /// earlier one waits for its PRACK, nothing is sent (RFC 3262 §3).
    pub(crate) fn reply_reliably(&mut self, now: Tick, index: usize, status: u16) {
        let mine = self.reliables.iter().filter(|reliable| reliable.server == index);
        if mine.clone().any(|reliable| !reliable.acknowledged) {
            return;
        }
        let latest = mine.map(|reliable| reliable.rseq).max();
        let rseq = latest.unwrap_or(self.salt as u32 & 0xffff) + 1;
        self.reply(now, index, status, |response| {
            response.with("Require", "100rel").with("RSeq", rseq.to_string())
        });
        let Some(response) = self.servers[index].response.clone() else { return };
        self.reliables.push(Reliable {
            server: index,
            rseq,
            response,
            // RFC 3262 §3: doubling without a ceiling, for 64·T1.
            repeat: Repeat::start(now, GIVE_UP),
            acknowledged: false,
        });
    }

    pub(super) fn wake_reliable(&mut self, now: Tick, index: usize) {
        let due = self.reliables[index].repeat.due(now);
        let server = self.reliables[index].server;
        if !self.servers[server].is_open() {
            // RFC 3262 §3: a final response ends the repetition.
            return self.reliables[index].repeat.stop();
        }
        match due {
            Due::Nothing => {}
            Due::Repeat => {
                let response = self.reliables[index].response.clone();
                self.send(now, self.servers[server].back, &response, true);
            }
            Due::GiveUp if self.manners.manual => {}
            // RFC 3262 §3: no PRACK came, the INVITE should get a 5xx.
            Due::GiveUp => self.reply(now, server, 504, |response| response),
        }
    }

    /// The status of our reply to a PRACK in the dialog `leg` (RFC 3262 §3).
    pub(super) fn acknowledge(&mut self, now: Tick, leg: usize, prack: &Message) -> u16 {
        let rack = prack.header("RAck").unwrap_or_default();
        let mut words = rack.split_ascii_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let (rseq, cseq) = (number(), number());
        let method = words.next();
        let found = self.reliables.iter().position(|reliable| {
            let invite = &self.servers[reliable.server];
            invite.leg == Some(leg)
                && Some(reliable.rseq) == rseq
                && Some(invite.request.cseq().0) == cseq
                && method == Some("INVITE")
        });
        let Some(found) = found else {
            self.complain(now, &format!("RAck {rack:?} names no response of mine"));
            return 481;
        };
        let reliable = &mut self.reliables[found];
        reliable.repeat.stop();
        if std::mem::replace(&mut reliable.acknowledged, true) { 481 } else { 200 }
    }

    /// A provisional response in the dialog `leg`: if it asks for PRACK and is the next in order,
    /// it gets one (RFC 3262 §4).
    pub(super) fn prack(&mut self, now: Tick, leg: usize, response: &Message) {
        let rseq = response.header("RSeq").and_then(|rseq| rseq.parse::<u32>().ok());
        let asked = response.list("Require").contains(&"100rel");
        let (Some(rseq), true, true) = (rseq, asked, self.manners.pracks) else { return };
        if self.legs[leg].rseq.is_some_and(|latest| rseq != latest + 1) {
            return;
        }
        self.legs[leg].rseq = Some(rseq);
        let rack = format!("{rseq} {} INVITE", response.cseq().0);
        self.request_in(now, leg, "PRACK", |prack| prack.with("RAck", rack));
    }
}
