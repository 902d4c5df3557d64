//! The server side: the request that came in, the replies that went back.

use duologue_sip::Tick;

use crate::{
    Effect, Effects, Kind,
    alarm::Alarm,
    machine::{Actions, Step, Timer, server_invite, server_request},
    settings::Clocks,
};

/// A server transaction of either kind.
#[derive(Debug)]
pub(crate) struct Server {
    machine: Machine,
    reliable: bool,
    interval: u32,
    retransmit: Alarm,
    lifetime: Alarm,
    reply: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    Invite(server_invite::State),
    Request(server_request::State),
}

impl Server {
    pub(crate) const fn new(kind: Kind, reliable: bool) -> Self {
        let machine = match kind {
            Kind::Invite => Machine::Invite(server_invite::State::Proceeding),
            Kind::Other => Machine::Request(server_request::State::Trying),
        };
        Self {
            machine,
            reliable,
            interval: 0,
            retransmit: Alarm::OFF,
            lifetime: Alarm::OFF,
            reply: Vec::new(),
        }
    }

    /// The request came again.
    pub(crate) fn receive_again(&mut self, now: Tick, clocks: &Clocks, fx: &mut Effects) {
        self.step(now, server_invite::Event::Request, server_request::Event::Request, clocks, fx);
    }

    /// An ACK came; true if it is the user's, because a 2xx was sent.
    pub(crate) fn receive_ack(&mut self, now: Tick, clocks: &Clocks, fx: &mut Effects) -> bool {
        let Machine::Invite(state) = self.machine else { return false };
        let step = server_invite::step(state, server_invite::Event::Ack);
        self.apply(now, step.into_machine(), clocks, fx).contains(Actions::PASS)
    }

    /// A reply went out.
    pub(crate) fn sent(
        &mut self,
        now: Tick,
        status: u16,
        wire: &[u8],
        clocks: &Clocks,
        fx: &mut Effects,
    ) {
        let (invite, request) = match status {
            ..=199 => (server_invite::Event::Provisional, server_request::Event::Provisional),
            200..=299 => (server_invite::Event::Success, server_request::Event::Final),
            _ => (server_invite::Event::Failure, server_request::Event::Final),
        };
        if self.step(now, invite, request, clocks, fx).contains(Actions::KEEP) {
            self.reply.clear();
            self.reply.extend_from_slice(wire);
        }
    }

    /// A reply could not be sent.
    pub(crate) fn transport_failed(&mut self, now: Tick, clocks: &Clocks, fx: &mut Effects) {
        let (invite, request) =
            (server_invite::Event::TransportError, server_request::Event::TransportError);
        self.step(now, invite, request, clocks, fx);
    }

    pub(crate) fn wake(&mut self, now: Tick, clocks: &Clocks, fx: &mut Effects) {
        if self.lifetime.is_due(now) {
            let event = match self.machine {
                Machine::Invite(server_invite::State::Completed) => server_invite::Event::TimerH,
                Machine::Invite(server_invite::State::Confirmed) => server_invite::Event::TimerI,
                _ => server_invite::Event::TimerL,
            };
            self.lifetime = Alarm::OFF;
            self.step(now, event, server_request::Event::TimerJ, clocks, fx);
        } else if self.retransmit.is_due(now)
            && let Machine::Invite(state) = self.machine
        {
            let step = server_invite::step(state, server_invite::Event::TimerG);
            self.retransmit = Alarm::OFF;
            self.apply(now, step.into_machine(), clocks, fx);
        }
    }

    /// Ends it, whatever it waits for.
    pub(crate) fn terminate(&mut self) {
        self.machine = match self.machine {
            Machine::Invite(_) => Machine::Invite(server_invite::State::Terminated),
            Machine::Request(_) => Machine::Request(server_request::State::Terminated),
        };
        self.retransmit = Alarm::OFF;
        self.lifetime = Alarm::OFF;
        self.reply = Vec::new();
    }

    pub(crate) fn next_wake(&self) -> Alarm {
        self.retransmit.min(self.lifetime)
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(
            self.machine,
            Machine::Invite(server_invite::State::Terminated)
                | Machine::Request(server_request::State::Terminated)
        )
    }

    /// A 2xx went out first: an ACK is end to end.
    pub(crate) fn is_accepted(&self) -> bool {
        self.machine == Machine::Invite(server_invite::State::Accepted)
    }

    pub(crate) fn reply(&self) -> &[u8] {
        &self.reply
    }

    pub(crate) fn heap(&self) -> usize {
        self.reply.capacity()
    }

    fn step(
        &mut self,
        now: Tick,
        invite: server_invite::Event,
        request: server_request::Event,
        clocks: &Clocks,
        fx: &mut Effects,
    ) -> Actions {
        let step = match self.machine {
            Machine::Invite(state) => server_invite::step(state, invite).into_machine(),
            Machine::Request(state) => server_request::step(state, request).into_machine(),
        };
        self.apply(now, step, clocks, fx)
    }

    fn apply(
        &mut self,
        now: Tick,
        step: Step<Machine>,
        clocks: &Clocks,
        fx: &mut Effects,
    ) -> Actions {
        let Step { next, actions, timer } = step;
        self.machine = next;
        if actions.contains(Actions::SEND) && !self.reply.is_empty() {
            fx.push(Effect::SendReply);
        }
        if actions.contains(Actions::TIMEOUT) {
            fx.push(Effect::AckMissing);
        }
        if actions.contains(Actions::FORGET) {
            self.reply = Vec::new();
        }
        if actions.contains(Actions::QUIET) {
            self.retransmit = Alarm::OFF;
        }
        // RFC 3261 §17.2.1: timer G only over unreliable transports.
        if actions.contains(Actions::PERSIST) && !self.reliable {
            self.interval = clocks.span(Timer::G, self.reliable);
            self.retransmit = Alarm::after(now, self.interval);
        }
        if actions.contains(Actions::BACK_OFF) {
            self.interval = clocks.back_off(self.interval);
            self.retransmit = Alarm::after(now, self.interval);
        }
        if let Some(timer) = timer {
            self.lifetime = Alarm::after(now, clocks.span(timer, self.reliable));
        }
        if self.is_terminated() {
            self.retransmit = Alarm::OFF;
            self.lifetime = Alarm::OFF;
        }
        actions
    }
}

/// Lifts a machine's step into the server's enum.
trait IntoMachine {
    fn into_machine(self) -> Step<Machine>;
}

impl IntoMachine for Step<server_invite::State> {
    fn into_machine(self) -> Step<Machine> {
        Step { next: Machine::Invite(self.next), actions: self.actions, timer: self.timer }
    }
}

impl IntoMachine for Step<server_request::State> {
    fn into_machine(self) -> Step<Machine> {
        Step { next: Machine::Request(self.next), actions: self.actions, timer: self.timer }
    }
}
