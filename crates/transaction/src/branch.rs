//! A branch: one request that went out, its machine, its CANCEL, and what came of it.

use duologue_sip::{Flow, Tick};

use crate::{
    CancelReason, Effect, Effects, Kind, Reply,
    alarm::Alarm,
    cancel::Cancel,
    machine::{Actions, Step, Timer, client_invite, client_request},
    outcome::SEND_FAILED,
    settings::Clocks,
};

/// Which branch of its transaction: counted from zero, over all rounds of serial forking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchIndex(pub u8);

/// A request that was just sent.
#[derive(Clone, Copy, Debug)]
pub struct NewBranch<'a> {
    /// The bytes as sent, its Via with our branch on top. They are copied once: retransmissions,
    /// CANCEL and the hop-by-hop ACK are made of them.
    pub wire: &'a [u8],
    /// Where it went.
    pub flow: Flow,
    /// The transport does not lose messages: nothing is retransmitted.
    pub reliable: bool,
    /// Not waited for; cancelled when all others are final (`minor_branch_flag`).
    pub minor: bool,
}

/// One request that went out, and what came of it.
#[derive(Debug)]
pub struct Branch {
    wire: Box<[u8]>,
    reply: Option<Box<[u8]>>,
    flow: Flow,
    retransmit: Alarm,
    lifetime: Alarm,
    interval: u32,
    cancel: Cancel,
    machine: Machine,
    status: u16,
    outcome: Outcome,
    round: u8,
    repeats: u8,
    reliable: bool,
    minor: bool,
    /// A provisional reply was forwarded, so timer C runs rather than B.
    refreshed: bool,
}

/// Which of the two client machines, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    Invite(client_invite::State),
    Request(client_request::State),
}

/// What the response context holds against the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pending,
    Success,
    Failure { status: u16, local: bool },
}

impl Branch {
    /// The request as sent; empty once nothing can be made of it any more.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Where the request went.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// The branch's negative reply while it is a candidate; `None` if its code was made here.
    pub fn reply(&self) -> Option<&[u8]> {
        self.reply.as_deref()
    }

    /// The last code received, or made here; zero before the first (`$T_branch_last_reply_code`).
    pub const fn last_status(&self) -> u16 {
        self.status
    }

    /// How often its request was sent again.
    pub const fn repeats(&self) -> u8 {
        self.repeats
    }

    /// Whether the branch is still waited for.
    pub fn is_pending(&self) -> bool {
        self.outcome == Outcome::Pending
    }

    /// Whether its final code was made here: a time-out or a transport error.
    pub const fn answered_locally(&self) -> bool {
        matches!(self.outcome, Outcome::Failure { local: true, .. })
    }

    /// Why the branch was cancelled or will be.
    pub const fn cancelled(&self) -> Option<CancelReason> {
        self.cancel.reason()
    }

    pub(crate) fn new(
        now: Tick,
        new: NewBranch<'_>,
        kind: Kind,
        round: u8,
        clocks: &Clocks,
    ) -> Self {
        // RFC 3261 §17.1.1.2, §17.1.2.2: timers A and E only over unreliable transports.
        let (machine, retransmit, lifetime) = match kind {
            Kind::Invite => (Machine::Invite(client_invite::State::Calling), Timer::A, Timer::B),
            Kind::Other => (Machine::Request(client_request::State::Trying), Timer::E, Timer::F),
        };
        let interval = clocks.span(retransmit, new.reliable);
        Self {
            wire: new.wire.into(),
            reply: None,
            flow: new.flow,
            retransmit: if new.reliable { Alarm::OFF } else { Alarm::after(now, interval) },
            lifetime: Alarm::after(now, clocks.span(lifetime, new.reliable)),
            interval,
            cancel: Cancel::None,
            machine,
            status: 0,
            outcome: Outcome::Pending,
            round,
            repeats: 0,
            reliable: new.reliable,
            minor: new.minor,
            refreshed: false,
        }
    }

    /// The transaction layer's half of a reply. True if its user shall hear of it.
    pub(crate) fn receive(
        &mut self,
        now: Tick,
        index: BranchIndex,
        reply: &Reply<'_>,
        clocks: &Clocks,
        fx: &mut Effects,
    ) -> bool {
        if reply.cancel && matches!(self.machine, Machine::Invite(_)) {
            self.cancel.receive(now, reply.status, clocks);
            return false;
        }
        let step = match (self.machine, reply.status) {
            (Machine::Invite(state), 100..=199) => {
                client_invite::step(state, client_invite::Event::Provisional).into_machine()
            }
            (Machine::Invite(state), 200..=299) => {
                client_invite::step(state, client_invite::Event::Success).into_machine()
            }
            (Machine::Invite(state), 300..=699) => {
                client_invite::step(state, client_invite::Event::Failure).into_machine()
            }
            (Machine::Request(state), 100..=199) => {
                client_request::step(state, client_request::Event::Provisional).into_machine()
            }
            (Machine::Request(state), 200..=699) => {
                client_request::step(state, client_request::Event::Final).into_machine()
            }
            _ => return false,
        };
        let actions = self.apply(now, index, step, CancelReason::Script, clocks, fx);
        if actions.contains(Actions::PASS) {
            if reply.status >= 200 {
                self.cancel.rest();
                // The reply routes may park before the reply is forwarded: until then the state
                // must not time out. `settle` sets the timer proper.
                if self.is_pending() {
                    self.lifetime = Alarm::after(now, clocks.fr.max(1));
                }
            } else if let Cancel::Wanted(reason) = self.cancel {
                // RFC 3261 §9.1: now the CANCEL may go out.
                self.cancel(now, index, reason, clocks, fx);
            }
        }
        // A provisional code still counts for `refresh`, which runs after the reply routes.
        if actions.contains(Actions::PASS) && reply.status >= 200 {
            self.status = reply.status;
        }
        actions.contains(Actions::PASS)
    }

    /// A provisional reply was not dropped: timer C. RFC 3261 §16.7 step 2 restarts it for every
    /// 101–199; spec/modules.md §1.1 `restart_fr_on_each_reply` may narrow that.
    pub(crate) fn refresh(&mut self, now: Tick, status: u16, clocks: &Clocks) {
        let rises = status >= 180 && status > self.status;
        let again = clocks.restart_fr && status > 100;
        let last = std::mem::replace(&mut self.status, status);
        if !self.is_pending() || last >= 200 {
            self.status = last;
            return;
        }
        let proceeding = self.machine == Machine::Invite(client_invite::State::Proceeding);
        if proceeding && !self.cancel.is_running() && (!self.refreshed || again || rises) {
            self.refreshed = true;
            self.lifetime = Alarm::after(now, clocks.span(Timer::C, self.reliable));
        }
    }

    /// The final outcome, once; the machine's own timer takes over.
    pub(crate) fn settle(&mut self, now: Tick, outcome: Outcome, clocks: &Clocks) {
        self.outcome = outcome;
        let timer = match self.machine {
            Machine::Invite(client_invite::State::Completed) => Timer::D,
            Machine::Invite(client_invite::State::Accepted) => Timer::M,
            Machine::Request(client_request::State::Completed) => Timer::K,
            _ => return,
        };
        self.lifetime = Alarm::after(now, clocks.span(timer, self.reliable));
    }

    /// Keeps the reply as a candidate.
    pub(crate) fn store(&mut self, reply: &[u8]) {
        self.reply = Some(reply.into());
    }

    /// Cancels an INVITE that has no final reply: now if it got a provisional, else as soon as it
    /// gets one (RFC 3261 §9.1). CANCEL is of no use for other methods.
    pub(crate) fn cancel(
        &mut self,
        now: Tick,
        index: BranchIndex,
        reason: CancelReason,
        clocks: &Clocks,
        fx: &mut Effects,
    ) {
        if self.cancel.is_running() {
            return;
        }
        match self.machine {
            Machine::Invite(client_invite::State::Calling) => {
                if matches!(self.cancel, Cancel::None) {
                    self.cancel = Cancel::Wanted(reason);
                }
            }
            Machine::Invite(state) => {
                let step = client_invite::step(state, client_invite::Event::Cancel).into_machine();
                self.apply(now, index, step, reason, clocks, fx);
            }
            Machine::Request(_) => {}
        }
    }

    /// The request could not be sent: a 477 of our own, where RFC 3261 §16.9 says 503, so that
    /// nobody takes our own trouble for the next hop's.
    pub(crate) fn transport_failed(
        &mut self,
        now: Tick,
        index: BranchIndex,
        clocks: &Clocks,
        fx: &mut Effects,
    ) {
        let step = match self.machine {
            Machine::Invite(state) => {
                client_invite::step(state, client_invite::Event::TransportError).into_machine()
            }
            Machine::Request(state) => {
                client_request::step(state, client_request::Event::TransportError).into_machine()
            }
        };
        let actions = self.apply(now, index, step, CancelReason::Script, clocks, fx);
        if actions.contains(Actions::FAILED) {
            self.fail(SEND_FAILED);
        }
    }

    /// Runs the timers that are due.
    pub(crate) fn wake(
        &mut self,
        now: Tick,
        index: BranchIndex,
        clocks: &Clocks,
        fx: &mut Effects,
    ) {
        if self.lifetime.is_due(now) {
            self.expire(now, index, clocks, fx);
        } else if self.retransmit.is_due(now) {
            let step = match self.machine {
                Machine::Invite(state) => {
                    client_invite::step(state, client_invite::Event::TimerA).into_machine()
                }
                Machine::Request(state) => {
                    client_request::step(state, client_request::Event::TimerE).into_machine()
                }
            };
            self.retransmit = Alarm::OFF;
            self.apply(now, index, step, CancelReason::Script, clocks, fx);
        }
        if let Some(reason) = self.cancel.wake(now, clocks) {
            fx.push(Effect::SendCancel(index, reason));
        }
    }

    pub(crate) fn next_wake(&self) -> Alarm {
        self.retransmit.min(self.lifetime).min(self.cancel.next_wake())
    }

    /// When the machine's state ends.
    pub(crate) const fn lifetime(&self) -> Alarm {
        self.lifetime
    }

    pub(crate) const fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub(crate) const fn round(&self) -> u8 {
        self.round
    }

    pub(crate) const fn is_minor(&self) -> bool {
        self.minor
    }

    /// Nothing will be made of the request again: no retransmission, ACK or CANCEL.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_pending()
            && matches!(
                self.machine,
                Machine::Invite(client_invite::State::Accepted | client_invite::State::Terminated)
                    | Machine::Request(
                        client_request::State::Completed | client_request::State::Terminated
                    )
            )
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(
            self.machine,
            Machine::Invite(client_invite::State::Terminated)
                | Machine::Request(client_request::State::Terminated)
        )
    }

    /// Gives up the bytes that nothing needs.
    pub(crate) fn shed(&mut self) {
        self.reply = None;
        if self.is_quiet() {
            self.wire = Box::default();
        }
    }

    pub(crate) fn heap(&self) -> usize {
        self.wire.len() + self.reply.as_ref().map_or(0, |reply| reply.len())
    }

    /// The state's own timer ran out.
    fn expire(&mut self, now: Tick, index: BranchIndex, clocks: &Clocks, fx: &mut Effects) {
        use client_invite::{Event, State};
        let step = match self.machine {
            Machine::Invite(state) => {
                let event = match state {
                    State::Calling => Event::TimerB,
                    State::Proceeding if self.cancel.is_running() => Event::TimerZ,
                    State::Proceeding => Event::TimerC,
                    State::Completed => Event::TimerD,
                    State::Accepted | State::Terminated => Event::TimerM,
                };
                client_invite::step(state, event).into_machine()
            }
            Machine::Request(state) => {
                let event = match state {
                    client_request::State::Completed => client_request::Event::TimerK,
                    _ => client_request::Event::TimerF,
                };
                client_request::step(state, event).into_machine()
            }
        };
        self.lifetime = Alarm::OFF;
        let was_cancelled = self.cancel.is_running();
        let answered = self.is_proceeding();
        let actions = self.apply(now, index, step, CancelReason::TimedOut, clocks, fx);
        if actions.contains(Actions::TIMEOUT) {
            if self.is_pending() {
                fx.push(Effect::TimedOut { branch: index, answered });
            }
            // RFC 3261 §16.8: as if a 408 had come; §9.1: silent after a CANCEL, it is cancelled.
            self.fail(if was_cancelled { 487 } else { 408 });
        } else {
            // The owner never forwarded the final reply: do not wait for ever.
            self.fail(if self.status >= 300 { self.status } else { 500 });
        }
    }

    fn is_proceeding(&self) -> bool {
        matches!(
            self.machine,
            Machine::Invite(client_invite::State::Proceeding)
                | Machine::Request(client_request::State::Proceeding)
        )
    }

    /// The outcome is made here, unless there is one.
    fn fail(&mut self, status: u16) {
        if self.is_pending() {
            self.outcome = Outcome::Failure { status, local: true };
            self.status = status;
        }
    }

    /// Carries out a transition; what concerns the transaction's user is the caller's.
    fn apply(
        &mut self,
        now: Tick,
        index: BranchIndex,
        step: Step<Machine>,
        reason: CancelReason,
        clocks: &Clocks,
        fx: &mut Effects,
    ) -> Actions {
        let Step { next, actions, timer } = step;
        self.machine = next;
        if actions.contains(Actions::QUIET) {
            self.retransmit = Alarm::OFF;
        }
        if actions.intersects(Actions::BACK_OFF | Actions::PACE) {
            // RFC 3261 §17.1.1.2 doubles timer A without limit, §17.1.2.2 caps E at T2; `tm` caps
            // both (spec/modules.md §1.1).
            self.interval = if actions.contains(Actions::PACE) {
                clocks.t2()
            } else {
                clocks.back_off(self.interval)
            };
            self.retransmit = Alarm::after(now, self.interval);
        }
        match timer {
            // Timer C waits for the verdict of the reply routes, see `refresh`.
            None | Some(Timer::C) => {}
            Some(timer) => self.lifetime = Alarm::after(now, clocks.span(timer, self.reliable)),
        }
        if self.is_terminated() {
            self.lifetime = Alarm::OFF;
            self.retransmit = Alarm::OFF;
            self.cancel.rest();
        }
        if actions.contains(Actions::SEND) {
            self.repeats = self.repeats.saturating_add(1);
            fx.push(Effect::SendRequest(index));
        }
        if actions.contains(Actions::ACK) {
            fx.push(Effect::SendAck(index));
        }
        if actions.contains(Actions::CANCEL) {
            self.cancel = Cancel::start(now, reason, clocks, self.reliable);
            fx.push(Effect::SendCancel(index, reason));
        }
        actions
    }
}

/// Lifts a machine's step into the branch's enum.
trait IntoMachine {
    fn into_machine(self) -> Step<Machine>;
}

impl IntoMachine for Step<client_invite::State> {
    fn into_machine(self) -> Step<Machine> {
        Step { next: Machine::Invite(self.next), actions: self.actions, timer: self.timer }
    }
}

impl IntoMachine for Step<client_request::State> {
    fn into_machine(self) -> Step<Machine> {
        Step { next: Machine::Request(self.next), actions: self.actions, timer: self.timer }
    }
}
