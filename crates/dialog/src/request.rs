//! Requests within a dialog, and the replies to them (spec dialog.md §2.2, §2.3).

use crate::cseq::Way;
use crate::engine::{Cause, source_leg};
use crate::leg::LegState;
use crate::record::Record;
use crate::{
    DialogFlags, DialogKey, DialogMethod, Dialogs, Direction, Fire, Gone, MachineEvent, Matched,
    NewNumbers, Note, RequestFacts, ResponseFacts, Settings, Steps, Within,
};
use duologue_sip::Moment;

impl Dialogs {
    /// A request was matched to this dialog: the machine, the bookkeeping, then REQ_WITHIN or, for
    /// the BYE that ends the call, TERMINATED. It goes on under the numbers that this returns.
    ///
    /// Takes one hold, so that the script can read the dialog even if this ends it: pair it with
    /// [`release`](Self::release) when the request's transaction and script are done with it. Call
    /// it once per message, whichever of `loose_route()` and `match_dialog()` ran first.
    ///
    /// # Errors
    /// [`Gone`]; no hold was taken then.
    pub fn request_within(
        &self,
        now: Moment,
        key: DialogKey,
        facts: &RequestFacts<'_>,
        steps: &mut Steps,
    ) -> Result<NewNumbers, Gone> {
        let mut shard = self.shard(key.id.entry);
        let record = shard.record(key)?;
        record.holds = record.holds.saturating_add(1);
        let event = event_of(record, facts);
        let cause = Cause { status: None, request: Some(facts) };
        let (_, change) = self.apply_locked(&mut shard, now, key, event, cause, steps)?;
        let numbers = follow(shard.record(key)?, self.settings(), facts);
        drop(shard);
        self.tell(change);
        Ok(numbers)
    }

    /// A reply to a request within the dialog is about to be relayed: a 2xx to a target refresh
    /// moves the remote target of who sent it, then RESPONSE_WITHIN is asked for: not for a BYE, and
    /// not where the request came before the answer or after the end (§3).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn response_within(
        &self,
        request: &Within,
        facts: &ResponseFacts<'_>,
        steps: &mut Steps,
    ) -> Result<(), Gone> {
        let Within { matched, method, cseq } = *request;
        let ResponseFacts { status, contact, flow, .. } = *facts;
        let (key, settings) = (matched.key, self.settings());
        if matched.tombstone && method == DialogMethod::Invite && status >= 300 {
            self.late_invite_refused(request);
            return Err(Gone);
        }
        let stored = self.with(key, |record| {
            let (kind, carrier) = ((method, status, facts.reliable), (matched.direction, cseq));
            let body = facts.body.as_ref();
            record.reply_negotiates(settings, matched.callee_leg, kind, carrier, body);
            record.heard_from(matched.dst_leg);
            if let Some(leg) = record.legs.get_mut(matched.dst_leg as usize)
                && matches!(method, DialogMethod::Invite | DialogMethod::Update)
                && matches!(status, 401 | 407)
                && leg.is_renumbered()
            {
                // §6.4: whoever answers the challenge uses one more
                leg.next_cseq();
                record.flags |= DialogFlags::CHANGED;
            }
            // RFC 3261 §12.2.1.2: a 2xx to a target refresh carries the peer's new target
            match record.legs.get_mut(matched.dst_leg as usize) {
                Some(leg) if method.refreshes_target() && (200..300).contains(&status) => {
                    record.flags |= DialogFlags::CHANGED;
                    leg.refresh(contact, flow)
                }
                _ => Ok(()),
            }
        })?;
        if stored.is_err() {
            steps.note(key, Note::TextTooLong);
        }
        if method != DialogMethod::Bye && matched.state.is_answered() {
            let direction = matched.direction.reversed();
            let back = if direction == Direction::Upstream { 0 } else { matched.callee_leg };
            steps.fire(key, Fire::ResponseWithin(direction, back));
        }
        Ok(())
    }
}

impl<'a> RequestFacts<'a> {
    /// The facts of a request as matched, without Contact and pending timeout.
    pub const fn of(
        matched: &Matched,
        method: DialogMethod,
        cseq: u32,
        flow: duologue_sip::Flow,
    ) -> Self {
        RequestFacts {
            method,
            cseq,
            rack_cseq: None,
            body: None,
            contact: b"",
            timeout: None,
            flow,
            direction: matched.direction,
            dst_leg: matched.dst_leg,
            callee_leg: matched.callee_leg,
        }
    }
}

/// The bookkeeping of a request that goes on to a leg: its numbers, the media, a sign of life.
fn follow(record: &mut Record, settings: &Settings, facts: &RequestFacts<'_>) -> NewNumbers {
    let RequestFacts { method, cseq, direction, dst_leg, callee_leg, .. } = *facts;
    record.heard_from(source_leg(facts));
    let way = Way { leg: dst_leg, callee_leg };
    let known = record.number_of(way, cseq);
    let invite = method == DialogMethod::Invite;
    // RFC 3261 §13.2.2.4: it is what the ACK will have, so no UPDATE in between may move it
    if let Some(leg) = record.legs.get_mut(source_leg(facts) as usize).filter(|_| invite) {
        leg.inv_cseq = cseq;
    }
    if !(invite && known.is_some()) {
        let body = facts.body.as_ref();
        record.request_negotiates(settings, callee_leg, method, (direction, cseq), body);
    }
    if method == DialogMethod::Ack {
        return NewNumbers { cseq: known.filter(|sent| *sent != cseq), rack_cseq: None };
    }
    // A BYE before the answer changes nothing, but should the answer come, its number is taken.
    let trying = record.legs.get(callee_leg as usize).map(|leg| leg.state);
    if let Some(leg) = record.legs.get_mut(dst_leg as usize)
        && method == DialogMethod::Bye
        && trying == Some(LegState::Trying)
    {
        leg.r_cseq = leg.r_cseq.max(cseq);
    }
    let rack = facts.rack_cseq;
    NewNumbers {
        cseq: record.number_for(way, cseq, invite),
        rack_cseq: rack
            .and_then(|number| record.number_of(way, number).filter(|sent| *sent != number)),
    }
}

/// What a request is to the machine. Decision D2: a BYE is told apart by what it ends.
fn event_of(record: &Record, facts: &RequestFacts<'_>) -> MachineEvent {
    match facts.method {
        DialogMethod::Ack => MachineEvent::Ack,
        DialogMethod::Prack => MachineEvent::Prack,
        DialogMethod::Bye => {
            let leg = record.legs.get(facts.callee_leg as usize).map(|leg| leg.state);
            if record.state.is_answered() && record.answered_legs() == 0 {
                // answered by the script: no callee leg is known
                return MachineEvent::ByeLast;
            }
            match (leg, facts.direction) {
                (Some(LegState::Answered), _) if record.answered_legs() <= 1 => {
                    MachineEvent::ByeLast
                }
                (Some(LegState::Answered | LegState::Ended), _) => MachineEvent::ByeOneOfSeveral,
                (_, Direction::Downstream) => MachineEvent::ByeUnansweredByCaller,
                (_, Direction::Upstream) => MachineEvent::ByeUnansweredByCallee,
            }
        }
        _ => MachineEvent::Request,
    }
}
