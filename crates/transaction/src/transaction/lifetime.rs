//! Time and memory: the timers of all parts, shrinking, and the end.

use std::time::Duration;

use duologue_sip::Tick;

use super::Transaction;
use crate::{
    Branch, Effect, Effects,
    alarm::Alarm,
    forking::{Forking, indexed},
    server::Server,
    settings::millis,
};

impl Transaction {
    /// Runs every timer that is due. Late is harmless: a missed retransmission is sent once.
    pub fn wake(&mut self, now: Tick, fx: &mut Effects) {
        if let Some(server) = &mut self.server {
            server.wake(now, &self.clocks, fx);
        }
        if self.linger.is_due(now) {
            self.linger = Alarm::OFF;
        }
        let Some(forking) = &mut self.forking else { return };
        for (index, branch) in indexed(&mut forking.branches) {
            branch.wake(now, index, &self.clocks, fx);
        }
        if forking.hold.is_due(now) {
            forking.hold = Alarm::OFF;
            forking.waited = true;
        }
        if forking.guard.is_due(now) {
            self.abandon(now, fx);
        }
        self.check(now, fx);
    }

    /// When [`wake`](Self::wake) has something to do. Ask again after each call.
    pub fn next_wake(&self) -> Option<Tick> {
        let server = self.server.as_ref().map_or(Alarm::OFF, Server::next_wake);
        let forking = self.forking.as_ref().map_or(Alarm::OFF, |forking| forking.next_wake());
        server.min(forking).min(self.linger).tick()
    }

    /// Nothing can happen any more: drop it.
    pub fn is_finished(&self) -> bool {
        let server = self.server.as_ref().map_or(self.closed, Server::is_terminated);
        let branches = match &self.forking {
            Some(forking) => forking.branches.iter().all(Branch::is_terminated),
            None => self.linger == Alarm::OFF,
        };
        server && branches
    }

    /// Gives up what is no longer needed: call it when a job that touched the transaction is over
    /// and its effects are carried out. True if all is gone that can go: then the request and the
    /// branches are no more, and what stays recognises late messages in less than 300 bytes.
    pub fn shrink(&mut self) -> bool {
        let Some(forking) = &mut self.forking else { return true };
        if !self.closed {
            return false;
        }
        forking.request = Box::default();
        forking.branches.iter_mut().for_each(Branch::shed);
        if !forking.branches.iter().all(Branch::is_quiet) {
            return false;
        }
        let ends = forking.branches.iter().map(Branch::lifetime);
        self.linger = ends.filter(|&end| end != Alarm::OFF).max().unwrap_or(Alarm::OFF);
        self.forking = None;
        true
    }

    /// How many bytes it holds, itself and on the heap.
    pub fn memory(&self) -> usize {
        let server = self.server.as_ref().map_or(0, Server::heap);
        let forking =
            self.forking.as_ref().map_or(0, |forking| size_of::<Forking>() + forking.heap());
        size_of::<Self>() + server + forking + self.answers.heap()
    }

    /// `$T_fr_timeout`: the time-out of branches that are added from now on.
    pub fn set_fr_timeout(&mut self, span: Duration) {
        self.clocks.fr = millis(span);
    }

    /// The time-out of branches that are added from now on.
    pub fn fr_timeout(&self) -> Duration {
        Duration::from_millis(self.clocks.fr.into())
    }

    /// The time-out of an INVITE branch that got a provisional reply.
    pub fn fr_inv_timeout(&self) -> Duration {
        Duration::from_millis(self.clocks.fr_inv.into())
    }

    /// `$T_fr_inv_timeout`: counts from the next provisional reply that is forwarded.
    pub fn set_fr_inv_timeout(&mut self, span: Duration) {
        self.clocks.fr_inv = millis(span);
    }
}

// === Private ===

impl Transaction {
    /// The owner let the guard go off: it gets one reminder, and `fr_timeout` to act on it.
    fn abandon(&mut self, now: Tick, fx: &mut Effects) {
        let Some(forking) = &mut self.forking else { return };
        forking.guard = Alarm::OFF;
        if !forking.abandoned {
            forking.abandoned = true;
            fx.push(Effect::Abandoned);
            if self.server.is_some() {
                forking.guard = Alarm::after(now, self.clocks.fr);
                return;
            }
        }
        self.closed = true;
        self.server.iter_mut().for_each(Server::terminate);
    }
}
