//! Replies to the initial INVITE, its CANCEL and its end (spec dialog.md §2.1, §2.3, §2.4).

use crate::cseq::Way;
use crate::engine::{Cause, linger};
use crate::leg::{Leg, LegState};
use crate::record::Record;
use crate::settings::{LEGS_MAX, ROUTES_MAX};
use crate::{
    DialogFlags, DialogKey, DialogMethod, Dialogs, Direction, EndReason, Fire, Gone, MachineEvent,
    ModuleFlags, Note, ReplyFacts, State, Step, Steps,
};
use duologue_sip::Moment;

/// What was learnt of a reply to the INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The callee leg that sent it, if it could be determined.
    pub leg: Option<u16>,
    /// The number of the INVITE as the caller sent it; a branch may have another (§6.4).
    pub cseq: u32,
    /// It is acknowledged on behalf of the caller (§6.5): to the caller it is no reliable one.
    pub pracked: bool,
}

impl Dialogs {
    /// A reply to the INVITE is about to be relayed and may still be changed (hook 1): the leg it
    /// came from is learnt, then RESPONSE_FWDED is asked for. Call it for each reply but 100.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn reply_forwarded(
        &self,
        key: DialogKey,
        facts: &ReplyFacts<'_>,
        steps: &mut Steps,
    ) -> Result<Forwarded, Gone> {
        let settings = self.settings();
        let (forwarded, prack) = self.with(key, |record| {
            let leg = learn(record, facts).unwrap_or_else(|note| {
                steps.note(key, note);
                None
            });
            let cseq = record.invite_cseq;
            let Some(leg) = leg else { return (Forwarded { leg, cseq, pracked: false }, None) };
            let kind = (DialogMethod::Invite, facts.status, facts.rseq.is_some());
            let carrier = (Direction::Downstream, cseq);
            record.reply_negotiates(settings, leg, kind, carrier, facts.body.as_ref());
            let prack = record.prack(key, leg, facts);
            let pracked = record.is_pracked(leg, facts);
            (Forwarded { leg: Some(leg), cseq, pracked }, prack)
        })?;
        steps.fire(key, Fire::ResponseForwarded(forwarded.leg));
        steps.extend(prack.map(|prack| Step::Send(Box::new(prack))));
        Ok(forwarded)
    }

    /// A reply to the INVITE is about to be sent to the caller (hook 3): relayed, or made by us.
    /// Provisionals made by us, 100 and retransmitted 2xx are not events: do not call it for them.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn reply_about_to_be_sent(
        &self,
        now: Moment,
        key: DialogKey,
        status: u16,
        steps: &mut Steps,
    ) -> Result<State, Gone> {
        let event = match status {
            0..=100 => return self.with(key, |record| record.state),
            101..=199 => MachineEvent::Provisional,
            200..=299 => MachineEvent::Success,
            _ => MachineEvent::Failure,
        };
        let result =
            self.apply(now, key, event, Cause { status: Some(status), request: None }, steps);
        if result.is_err() && event == MachineEvent::Success {
            self.shard(key.id.entry).counts.late_answers += 1;
        }
        result
    }

    /// The INVITE's transaction is gone (TDEL). An unanswered dialog fails; an ended one loses a
    /// reason to stay.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn transaction_ended(
        &self,
        now: Moment,
        key: DialogKey,
        steps: &mut Steps,
    ) -> Result<State, Gone> {
        self.with(key, |record| record.invite_hold = false)?;
        self.apply(now, key, MachineEvent::TransactionEnded, Cause::default(), steps)
    }

    /// A CANCEL was matched to the INVITE's transaction (§2.4.4). The dialog ends by the 487 that
    /// follows, not by this.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn cancelled(&self, now: Moment, key: DialogKey) -> Result<(), Gone> {
        let race_condition_timeout = self.settings().race_condition_timeout;
        let mut raced = false;
        self.with_timer(key, |record| {
            record.flags |= DialogFlags::WAS_CANCELLED;
            match record.state {
                State::Unconfirmed | State::Early => record.note_reason(EndReason::CANCELLED),
                State::ConfirmedNa | State::Confirmed => {
                    record.flags |= DialogFlags::RACE_CONDITION_OCCURRED;
                    // RFC 3261 §9.2: else a CANCEL after the answer has no effect
                    if record.flags.contains(DialogFlags::END_ON_RACE_CONDITION) {
                        record.arm_lifetime(now, race_condition_timeout);
                    }
                    raced = true;
                }
                State::Deleted => {}
            }
        })?;
        if raced {
            self.shard(key.id.entry).counts.races += 1;
        }
        Ok(())
    }

    /// Somebody (a request under way, a script's context) stops reading the dialog: pairs with
    /// [`request_within`](Self::request_within) and [`hold`](Self::hold). The last release of an
    /// ended dialog asks for DESTROY. A forgotten release delays that by 32 s, no more.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "dlg_unref")]
    pub fn release(&self, now: Moment, key: DialogKey, steps: &mut Steps) -> Result<(), Gone> {
        let settings = self.settings();
        self.with_timer(key, |record| {
            record.holds = record.holds.saturating_sub(1);
            if record.state.is_ended() {
                linger(settings, now, key, record, steps);
            }
        })
    }

    /// Keeps the dialog readable after its end, until [`release`](Self::release) or 32 s later.
    ///
    /// # Errors
    /// [`Gone`].
    #[doc(alias = "dlg_ref")]
    pub fn hold(&self, key: DialogKey) -> Result<(), Gone> {
        self.with(key, |record| record.holds = record.holds.saturating_add(1))
    }
}

/// What a reply tells about the callee's leg (§2.3, each forwarded reply).
fn learn(record: &mut Record, facts: &ReplyFacts<'_>) -> Result<Option<u16>, Note> {
    if facts.to_tag.is_empty() && facts.status < 200 {
        return Ok(None);
    }
    let Some(leg) = leg_of(record, facts)? else { return Ok(None) };
    let answers = (200..300).contains(&facts.status);
    let hides = record.module_flags.contains(ModuleFlags::TOPOLOGY_HIDING);
    // RFC 3262 §4: what is acknowledged by a request has made a dialog, target and routes included
    let acknowledged = record.flags.contains(DialogFlags::AUTO_PRACK) || record.wants_prack(facts);
    let reliable = facts.rseq.is_some() && acknowledged;
    let side = &record.legs[leg as usize];
    if side.state != LegState::Trying {
        // the answer once more: what it said may have been refreshed since (RFC 3261 §12.2)
        return Ok(Some(leg));
    }
    let routes = (answers || hides || reliable)
        .then(|| route_set(facts.record_routes, skipped(record, facts, hides)));
    let routing = routes.as_deref().map(|routes| (facts.contact, routes));
    let enforce = record.flags.contains(DialogFlags::CSEQ_ENFORCE);
    let side = &mut record.legs[leg as usize];
    side.learn(facts.to_tag, routing, (facts.mangled_from_uri, facts.mangled_to_uri))
        .map_err(|_| Note::TextTooLong)?;
    side.flow = Some(facts.flow);
    if enforce {
        // its ACK, and the RAck of a PRACK before, name the INVITE as this leg knows it
        side.last_gen_cseq = side.last_gen_cseq.max(facts.cseq);
        record.note_number(Way::down(leg), record.invite_cseq, facts.cseq);
    }
    if answers {
        record.flags |= DialogFlags::CHANGED;
        record.legs[leg as usize].state = LegState::Answered;
        if !record.state.is_ended() {
            record.answer(leg);
        }
    }
    Ok(Some(leg))
}

/// The leg with this tag; else the branch's untagged one; else, the branch having forked
/// downstream, a new leg beside it.
fn leg_of(record: &mut Record, facts: &ReplyFacts<'_>) -> Result<Option<u16>, Note> {
    let callees = || record.legs.iter().enumerate().skip(1);
    let by_tag = callees().find(|(_, leg)| !facts.to_tag.is_empty() && leg.tag() == facts.to_tag);
    let untagged = || callees().find(|(_, leg)| leg.branch == facts.branch && leg.tag().is_empty());
    if let Some((at, _)) = by_tag.or_else(untagged) {
        return Ok(Some(at as u16));
    }
    let Some((_, first)) = callees().find(|(_, leg)| leg.branch == facts.branch) else {
        return Ok(None);
    };
    if facts.to_tag.is_empty() {
        return Ok(None);
    }
    if record.legs.len() > LEGS_MAX {
        return Err(Note::TooManyLegs);
    }
    let cseq = first.r_cseq;
    let leg = Leg::callee(facts.branch, cseq).map_err(|_| Note::TextTooLong)?;
    Ok(Some(record.add_leg(leg)))
}

/// How many of the reply's last Record-Routes are upstream's and ours.
fn skipped(record: &Record, facts: &ReplyFacts<'_>, hides: bool) -> usize {
    if hides { 0 } else { record.from_rr_nb as usize + facts.own_record_routes as usize }
}

/// RFC 3261 §12.1.2: the Record-Routes of the reply in reverse order; without those between the
/// caller and us, and our own.
fn route_set(record_routes: &[&[u8]], skip: usize) -> Vec<u8> {
    let ours = record_routes.len().saturating_sub(skip);
    let values: Vec<&[u8]> = record_routes[..ours].iter().rev().take(ROUTES_MAX).copied().collect();
    values.join(&b","[..])
}
