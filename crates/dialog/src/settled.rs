//! What became of the requests that we sent ourselves (spec dialog.md §6.3, §6.5, §7).

use crate::engine::Cause;
use crate::record::Record;
use crate::{
    DialogKey, Dialogs, EndReason, EventMessage, Gone, Intent, MachineEvent, Note, Outcome,
    OwnLink, PanicReport, Purpose, Step, Steps, Wish,
};
use duologue_sip::Moment;

impl Dialogs {
    /// A request of ours has its outcome, once for each but an ACK. `message` is the final reply.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn own_request_ended(
        &self,
        now: Moment,
        link: OwnLink,
        outcome: Outcome,
        message: Option<&mut dyn EventMessage>,
        steps: &mut Steps,
    ) -> Result<Vec<PanicReport>, Gone> {
        let mut panics = Vec::new();
        match link.purpose {
            Purpose::Ack => {}
            Purpose::Bye => self.bye_ended(now, link, outcome, steps)?,
            Purpose::Ping(kind) => {
                let settings = self.settings();
                self.with(link.key, |record| {
                    record.own_offer_over(link);
                    let legs = (link.leg, link.callee_leg);
                    let reason = record.ping_settled(legs, kind, outcome, settings);
                    end_if(reason, link.key, record, steps);
                })?;
                self.shard(link.key.id.entry).counts.ping_ended(outcome);
                self.release(now, link.key, steps)?;
            }
            Purpose::Prack => {
                let refused = !matches!(outcome, Outcome::Reply(200..=299));
                if refused {
                    steps.note(link.key, Note::PrackFailed(outcome));
                }
                if refused && self.settings().auto_prack_hangup_on_failure {
                    steps.push(Step::Refuse(link.key, 502));
                }
            }
            Purpose::Asked(ticket) => {
                let settings = self.settings();
                self.with(link.key, |record| {
                    record.own_offer_over(link);
                    let legs = (link.leg, link.callee_leg);
                    // RFC 3262 §3: a 481 to a PRACK speaks of the provisional, not of the call
                    let prack =
                        record.extras.as_mut().is_some_and(|it| it.asked.take_prack(ticket));
                    if !prack {
                        let reason = record.asked_settled(legs, outcome, settings);
                        end_if(reason, link.key, record, steps);
                    }
                })?;
                panics = self.tell_asker(link.key, ticket, outcome, message);
                self.release(now, link.key, steps)?;
            }
        }
        Ok(panics)
    }

    /// The first outcome of any BYE ends the dialog, the last one completes the report.
    fn bye_ended(
        &self,
        now: Moment,
        link: OwnLink,
        outcome: Outcome,
        steps: &mut Steps,
    ) -> Result<(), Gone> {
        let key: DialogKey = link.key;
        let last =
            self.with(key, |record| record.bye_settled(link.leg, link.callee_leg, outcome))?;
        // RFC 3261 §15.1.1: who does not know the call any more has it not
        if !matches!(outcome, Outcome::Reply(200..=299 | 481)) {
            self.shard(key.id.entry).counts.byes_failed += 1;
            steps.note(key, Note::ByeFailed(link.leg, outcome));
        }
        self.apply(now, key, MachineEvent::InternalEnd, Cause::default(), steps)?;
        if last {
            steps.push(Step::Report(key));
        }
        self.release(now, key, steps)
    }
}

/// A side is gone, for this reason: an answered call ends.
fn end_if(reason: Option<EndReason>, key: DialogKey, record: &mut Record, steps: &mut Steps) {
    if let Some(reason) = reason.filter(|_| record.state.is_answered()) {
        record.note_reason(reason);
        record.ending = true;
        steps.push(Step::End(Intent { key, owner: record.owner, wish: Wish::End }));
    }
}
