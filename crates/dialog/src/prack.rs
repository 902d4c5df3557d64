//! Auto-PRACK (spec dialog.md §6.5, RFC 3262): we acknowledge reliable provisionals for a caller
//! that cannot.

use crate::record::Record;
use crate::{DialogFlags, DialogKey, OwnRequest, Purpose, ReplyFacts};

impl Record {
    /// The PRACK that a provisional of this leg is owed: one for each RSeq, however often it comes.
    pub(crate) fn prack(
        &mut self,
        key: DialogKey,
        leg: u16,
        facts: &ReplyFacts<'_>,
    ) -> Option<OwnRequest> {
        let rseq = facts.rseq.filter(|_| (101..200).contains(&facts.status))?;
        if !self.flags.contains(DialogFlags::AUTO_PRACK) || self.state.is_ended() {
            return None;
        }
        // RFC 3262 §5: an offer is answered in the PRACK, which only the caller can do
        if facts.body.is_some() && !self.invite_offered {
            return None;
        }
        let pracked = &mut self.extras().pracked;
        match pracked.iter_mut().find(|(of, _)| *of == leg) {
            // RFC 3262 §4: again, or one before it got lost: then that one comes again first
            Some((_, last)) if rseq != last.wrapping_add(1) => return None,
            Some((_, last)) => *last = rseq,
            None => pracked.push((leg, rseq)),
        }
        let rack = Some((rseq, facts.cseq));
        let own = self.own_request(key, leg, leg, Purpose::Prack, b"PRACK")?;
        Some(OwnRequest { rack, ..own })
    }

    /// Whether we acknowledged this provisional, now or when it came before.
    pub(crate) fn is_pracked(&self, leg: u16, facts: &ReplyFacts<'_>) -> bool {
        let pracked = self.extras.as_ref().map(|extras| &extras.pracked);
        let last = pracked.and_then(|pracked| pracked.iter().find(|(of, _)| *of == leg));
        last.is_some_and(|(_, last)| facts.rseq.is_some_and(|rseq| rseq <= *last))
    }
}
