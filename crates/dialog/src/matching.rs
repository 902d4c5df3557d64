//! Finding the dialog of a request (spec dialog.md §4.4).

use crate::cseq::Way;
use crate::leg::Leg;
use crate::record::Record;
use crate::table::{Content, Shard};
use crate::tombstone::Tombstone;
use crate::{
    DialogId, DialogKey, Dialogs, Direction, MatchFacts, MatchMode, State, Within, entry_of,
};

/// The dialog of a request, and how the request runs through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The dialog; for a tombstone, a key that reads as gone.
    pub key: DialogKey,
    /// The shell's word for the call.
    pub owner: u64,
    /// From where to where.
    pub direction: Direction,
    /// The leg it goes to; 0 is the caller. A tombstone counts the legs that answered.
    pub dst_leg: u16,
    /// The callee leg of the two, whichever side sends.
    pub callee_leg: u16,
    /// Its state; a tombstone is in state 5.
    pub state: State,
    /// Only a tombstone is left: relay the request, there is nothing to tell anybody.
    pub tombstone: bool,
}

impl Matched {
    pub(crate) const fn way(&self) -> Way {
        Way { leg: self.dst_leg, callee_leg: self.callee_leg }
    }
}

/// Why a request belongs to no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMatch {
    /// It has no To-tag: an initial request.
    Initial,
    /// Its did is malformed; that ends matching in every mode but DID_NONE.
    MalformedDid,
    /// It has no did, and the mode wants one.
    NoDid,
    /// No dialog has this did, and the mode wants one.
    UnknownDid,
    /// The dialog with this did has another Call-ID or other tags, and the mode wants it to fit.
    TightMatchFailed,
    /// No dialog has this Call-ID and these tags.
    NotFound,
}

impl Dialogs {
    /// Finds the dialog of a request within a dialog: by did, by Call-ID and tags, or first one
    /// then the other, as the mode says; `None` is the setting's.
    ///
    /// Call-ID and tags are compared byte for byte. An ended dialog or a tombstone is found by did,
    /// and by Call-ID and tags only where no live dialog fits.
    ///
    /// # Errors
    /// [`NoMatch`].
    #[doc(alias = "match_dialog")]
    pub fn match_request(
        &self,
        facts: &MatchFacts<'_>,
        mode: impl Into<Option<MatchMode>>,
    ) -> Result<Matched, NoMatch> {
        let mode = mode.into().unwrap_or(self.settings().match_mode);
        if facts.to_tag.is_empty() {
            return Err(NoMatch::Initial);
        }
        if mode == MatchMode::DidNone {
            return self.match_elements(facts);
        }
        match self.match_did(facts) {
            Err(NoMatch::NoDid | NoMatch::UnknownDid | NoMatch::TightMatchFailed)
                if mode == MatchMode::DidFallback =>
            {
                self.match_elements(facts)
            }
            result => result,
        }
    }

    /// The number under which a late request goes on that only a [tombstone](Matched::tombstone)
    /// matches; `None` if it keeps its own.
    pub fn number_for_late(&self, request: &Within) -> Option<u32> {
        let Within { matched, method, cseq } = request;
        let mut shard = self.shard(matched.key.id.entry);
        shard.tombstone(matched.key)?.number_for(matched.way(), *method, *cseq)
    }

    /// An INVITE that came after the end was refused.
    pub(crate) fn late_invite_refused(&self, request: &Within) {
        let Within { matched, cseq, .. } = request;
        let mut shard = self.shard(matched.key.id.entry);
        if let Some(tomb) = shard.tombstone(matched.key) {
            tomb.invite_refused(matched.way(), *cseq);
        }
    }

    fn match_did(&self, facts: &MatchFacts<'_>) -> Result<Matched, NoMatch> {
        let did = facts.did.ok_or(NoMatch::NoDid)?;
        let id = DialogId::parse_did(did).map_err(|_| NoMatch::MalformedDid)?;
        let shard = self.shard(id.entry);
        let slot = shard.slot_of_id(id).ok_or(NoMatch::UnknownDid)?;
        matched(&shard, slot, facts).ok_or(NoMatch::TightMatchFailed)
    }

    fn match_elements(&self, facts: &MatchFacts<'_>) -> Result<Matched, NoMatch> {
        let shard = self.shard(entry_of(facts.call_id, self.inner.hash_size));
        let mut best: Option<Matched> = None;
        for slot in shard.slots_of_call_id(self.hash(facts.call_id)) {
            let Some(found) = matched(&shard, slot, facts) else { continue };
            // live before ended, then creation order
            let better = best.as_ref().is_none_or(|best| {
                match (found.state.is_ended(), best.state.is_ended()) {
                    (false, true) => true,
                    (true, false) => false,
                    _ => shard.order(slot, best.key.slot) < 0,
                }
            });
            if better {
                best = Some(found);
            }
        }
        best.ok_or(NoMatch::NotFound)
    }
}

fn matched(shard: &Shard, slot: u32, facts: &MatchFacts<'_>) -> Option<Matched> {
    let (sides, owner, state, tombstone) = match &shard.slots[slot as usize].content {
        Content::Free => return None,
        Content::Live(record) => (tight_record(record, facts)?, record.owner, record.state, false),
        Content::Tomb(tomb) => (tight_tombstone(tomb, facts)?, tomb.owner, State::Deleted, true),
    };
    let (direction, callee_leg) = sides;
    let dst_leg = if direction == Direction::Downstream { callee_leg } else { 0 };
    Some(Matched { key: shard.key(slot), owner, direction, dst_leg, callee_leg, state, tombstone })
}

fn tight_record(record: &Record, facts: &MatchFacts<'_>) -> Option<(Direction, u16)> {
    tight(record.call_id(), record.legs.iter().map(Leg::tag), facts)
}

fn tight_tombstone(tombstone: &Tombstone, facts: &MatchFacts<'_>) -> Option<(Direction, u16)> {
    tight(tombstone.call_id(), tombstone.tags(), facts)
}

/// The tight match: direction and callee leg, or nothing.
fn tight<'a>(
    call_id: &[u8],
    mut tags: impl Iterator<Item = &'a [u8]>,
    facts: &MatchFacts<'_>,
) -> Option<(Direction, u16)> {
    if call_id != facts.call_id {
        return None;
    }
    let caller = tags.next()?;
    let (direction, callee) = if facts.from_tag == caller {
        (Direction::Downstream, facts.to_tag)
    } else if facts.to_tag == caller {
        (Direction::Upstream, facts.from_tag)
    } else {
        return None;
    };
    let mut legs = 0;
    for tag in tags {
        legs += 1;
        if tag == callee && !tag.is_empty() {
            return Some((direction, legs));
        }
    }
    // nothing was sent to a callee yet: an empty tag on that side is all there can be
    (legs == 0 && callee.is_empty()).then_some((direction, 1))
}
