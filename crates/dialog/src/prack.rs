//! PRACKs of ours (spec dialog.md §6.5, §6.6, RFC 3262): we acknowledge reliable provisionals for a
//! caller that cannot, because the dialog is made so or because somebody asks for it.

use crate::asked::NewRequest;
use crate::record::Record;
use crate::{AskError, DialogFlags, DialogKey, OwnRequest, Purpose, ReplyFacts, Settings};

/// A reliable provisional, as its PRACK names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provisional {
    pub(crate) to_tag: Box<[u8]>,
    pub(crate) rseq: u32,
    /// The number of the INVITE as the callee knows it.
    pub(crate) cseq: u32,
}

/// The RSeq numbers of a leg that were acknowledged for the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pracked {
    leg: u16,
    first: u32,
    last: u32,
}

impl Record {
    /// The PRACK that a provisional of this leg is owed: one for each RSeq, however often it comes.
    /// One that somebody asked for waits for its turn.
    pub(crate) fn prack(
        &mut self,
        key: DialogKey,
        leg: u16,
        facts: &ReplyFacts<'_>,
    ) -> Option<OwnRequest> {
        let rseq = facts.rseq.filter(|_| (101..200).contains(&facts.status))?;
        let asked = self.wants_prack(facts);
        if !(asked || self.pracks_by_itself(facts))
            || self.state.is_ended()
            || !self.is_next(leg, rseq)
        {
            return None;
        }
        let pracked = &mut self.extras().pracked;
        match pracked.iter_mut().find(|pracked| pracked.leg == leg) {
            Some(pracked) => pracked.last = rseq,
            None => pracked.push(Pracked { leg, first: rseq, last: rseq }),
        }
        if asked {
            return None;
        }
        let rack = Some((rseq, facts.cseq));
        let own = self.own_request(key, leg, leg, Purpose::Prack, b"PRACK")?;
        Some(OwnRequest { rack, ..own })
    }

    /// RFC 3262 §5: an offer is answered in the PRACK, which only the caller can do.
    fn pracks_by_itself(&self, facts: &ReplyFacts<'_>) -> bool {
        let answerable = facts.body.is_none() || self.invite_offered;
        self.flags.contains(DialogFlags::AUTO_PRACK) && answerable
    }

    /// Whether this provisional is ours to acknowledge: it was, now or when it came before, or will
    /// be when it comes again in its order (RFC 3262 §4).
    pub(crate) fn is_pracked(&self, leg: u16, facts: &ReplyFacts<'_>) -> bool {
        let (Some(rseq), Some(pracked)) = (facts.rseq, self.pracked(leg)) else { return false };
        let early = rseq > pracked.last && !self.state.is_ended();
        (pracked.first..=pracked.last).contains(&rseq) || early && self.pracks_by_itself(facts)
    }

    fn pracked(&self, leg: u16) -> Option<&Pracked> {
        let pracked = &self.extras.as_ref()?.pracked;
        pracked.iter().find(|pracked| pracked.leg == leg)
    }

    /// RFC 3262 §4: not one that comes again, and not one before which another got lost: that one
    /// comes again first.
    fn is_next(&self, leg: u16, rseq: u32) -> bool {
        self.pracked(leg).is_none_or(|pracked| rseq == pracked.last.wrapping_add(1))
    }

    /// Whether somebody asked for the PRACK of this provisional, which has not been sent yet.
    pub(crate) fn wants_prack(&self, facts: &ReplyFacts<'_>) -> bool {
        let is_this = |it: &Provisional| *it.to_tag == *facts.to_tag && Some(it.rseq) == facts.rseq;
        self.waiting_pracks().any(is_this)
    }

    fn waiting_pracks(&self) -> impl Iterator<Item = &Provisional> {
        let waiting = self.extras.iter().flat_map(|extras| &extras.asked.waiting);
        waiting.filter_map(|(_, request)| request.acknowledges.as_ref())
    }

    /// Whether a PRACK may be asked for. Its leg may be known only once the reply is passed on.
    pub(crate) fn may_prack(&self, provisional: &Provisional) -> Result<(), AskError> {
        if self.state.is_ended() {
            return Err(AskError::NotActive);
        }
        let next = self.leg_of_tag(&provisional.to_tag);
        let next = next.is_none_or(|leg| self.is_next(leg, provisional.rseq));
        let waits = self.waiting_pracks().any(|waiting| waiting == provisional);
        if next && !waits { Ok(()) } else { Err(AskError::NotNext) }
    }

    /// The PRACK that somebody asked for.
    pub(crate) fn asked_prack(
        &mut self,
        settings: &Settings,
        key: DialogKey,
        ticket: u32,
        NewRequest { body, headers, acknowledges, .. }: NewRequest,
    ) -> Option<OwnRequest> {
        let Provisional { to_tag, rseq, cseq } = acknowledges?;
        let leg = self.leg_of_tag(&to_tag)?;
        if self.state.is_ended() || self.legs.get(leg as usize)?.contact().is_empty() {
            return None;
        }
        let own = self.own_request(key, leg, leg, Purpose::Asked(ticket), b"PRACK")?;
        self.extras().asked.pracks.push(ticket);
        self.holds = self.holds.saturating_add(1);
        let own = OwnRequest { rack: Some((rseq, cseq)), body, headers, ..own };
        self.own_offers(settings, &own);
        Some(own)
    }

    /// The callee leg with this tag.
    fn leg_of_tag(&self, tag: &[u8]) -> Option<u16> {
        let mut callees = self.legs.iter().enumerate().skip(1);
        let found = callees.find(|(_, leg)| !tag.is_empty() && leg.tag() == tag);
        found.map(|(at, _)| at as u16)
    }
}
