//! The people of a call, and what they do next.

use std::time::Duration;

use duologue::sip::Tick;
use duologue_testkit::{Agent, CallState, Random, World};

use crate::plan::{CallPlan, pick};
use crate::script::{Who, uri};

/// A call that is being played.
pub(crate) struct Call {
    pub(crate) plan: CallPlan,
    /// alice, bob and carol.
    pub(crate) cast: [Agent; 3],
    /// When somebody does something next; never again once they are through.
    pub(crate) due: Option<Tick>,
    done: u64,
    /// When it was first seen that the proxy has forgotten the call.
    forgotten: Option<Tick>,
}

/// How long people go on after the proxy has forgotten their call: well within the time for which it
/// knows the numbers it gave (decision D26), so that none of them is given again.
const LATE: Duration = Duration::from_secs(8);

impl Call {
    /// Seats the people of a call.
    pub(crate) fn seat(world: &World, plan: &CallPlan) -> Self {
        let seat = |who: Who| world.agent_at(&who.name(plan.number), who.address(plan.number));
        let cast = [Who::Alice, Who::Bob, Who::Carol].map(seat);
        let manners = plan.manners;
        if manners.keeps_one_answer {
            cast[0].keeps_one_answer();
        }
        if manners.withholds_acks {
            cast[0].withholds_acks();
        }
        // Where the proxy acknowledges the ringing, the caller knows nothing of it.
        if manners.reliable && !plan.flags.contains("auto-prack") {
            cast[0].pracks();
        }
        for agent in &cast {
            if manners.hesitates {
                agent.hesitates();
            }
            if manners.has_password {
                agent.has_password();
            }
            if manners.ignores_cancels {
                agent.ignores_cancels();
            }
        }
        if let Some(method) = manners.challenges {
            cast.iter().for_each(|agent| agent.challenges(method));
        }
        Self {
            plan: plan.clone(),
            cast,
            due: Some(world.now() + plan.starts),
            done: 0,
            forgotten: None,
        }
    }

    /// Somebody does something, if it is possible for them now. `forgotten`: the proxy has no dialog
    /// of the call any more.
    pub(crate) fn act(&mut self, chance: &mut Random, now: Tick, forgotten: bool) {
        let since = if forgotten { *self.forgotten.get_or_insert(now) } else { now };
        if now.since(since) > LATE {
            self.due = None;
            return;
        }
        if self.done == 0 {
            self.cast[0].invite_uri(&uri(self.plan.number, Who::Bob));
        } else {
            let who = pick(chance, &[0, 0, 1, 1, 1, 2]);
            if chance.chance(30) {
                misbehave(&self.cast[who], chance);
            } else if who == 0 {
                self.caller(chance);
            } else {
                callee(&self.cast[who], self.plan.manners.reliable, chance);
            }
        }
        self.done += 1;
        let pause = 1 + chance.below(self.plan.thinks.as_millis() as u64);
        let more = self.done <= self.plan.verbs;
        self.due = more.then(|| now + Duration::from_millis(pause));
    }

    fn caller(&self, chance: &mut Random) {
        let alice = &self.cast[0];
        match (alice.state(), chance.below(12)) {
            (CallState::Calling | CallState::Ringing, 0) => alice.cancels(),
            (CallState::Ringing, 1) => alice.requests_early(pick(chance, &["UPDATE", "INFO"])),
            // RFC 3261 §15: the caller may send BYE on an early dialog.
            (CallState::Ringing, 2) if chance.chance(200) => alice.hangs_up_now(),
            (CallState::Talking, 0) => alice.hangs_up_now(),
            (CallState::Talking, 1) => alice.acks(),
            (CallState::Talking, roll) => within(alice, roll, chance),
            // Whoever crosses an answer with a CANCEL, or a BYE with a BYE.
            (_, 3) if chance.chance(200) => alice.cancels(),
            _ => {}
        }
    }
}

fn callee(agent: &Agent, reliable: bool, chance: &mut Random) {
    let owes = agent.owes("INVITE");
    match (agent.state(), chance.below(12)) {
        (CallState::Ringing, 0..=2) if owes && reliable => {
            agent.rings_reliably(pick(chance, &[180, 183]));
        }
        (CallState::Ringing, 0..=2) if owes => {
            agent.replies_to("INVITE", pick(chance, &[180, 183]));
        }
        (CallState::Ringing, 3..=7) if owes => agent.answers(),
        (CallState::Ringing, 8) if owes => {
            agent.rejects(pick(chance, &[302, 404, 480, 486, 500, 503, 600, 603]));
        }
        (CallState::Talking, 0) => agent.hangs_up_now(),
        // RFC 3261 §15 forbids it, and some do it. Only where the caller has heard of the dialog: the
        // proxy cannot count what belongs to nothing it knows.
        (CallState::Answered | CallState::Ringing, 9) if agent.count("PRACK") > 0 => {
            agent.hangs_up_now();
        }
        (CallState::Talking, roll) => within(agent, roll, chance),
        _ => {}
    }
}

/// Somebody in an established call wants something of the other side, or owes it an answer.
fn within(agent: &Agent, roll: u64, chance: &mut Random) {
    if agent.owes("") && roll.is_multiple_of(2) {
        let status = pick(chance, &[200, 200, 200, 488, 491, 403, 408, 481]);
        return agent.replies_to("", status);
    }
    match roll {
        2..=4 => agent.reinvites(),
        5 => agent.requests("UPDATE"),
        6 => agent.requests("INFO"),
        7 => agent.requests(pick(chance, &["OPTIONS", "NOTIFY", "REFER", "MESSAGE"])),
        8 => agent.cancels_reinvite(),
        9 => agent.sends("OPTIONS", &agent.uri()),
        _ => {}
    }
}

/// Somebody's telephone dies, or comes back to life.
fn misbehave(agent: &Agent, chance: &mut Random) {
    match chance.below(4) {
        0 => agent.silent(),
        1 => agent.ignores_cancels(),
        2 => agent.challenges(pick(chance, &["BYE", "INVITE", "INFO"])),
        _ => agent.speaks(),
    }
}
