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
}
