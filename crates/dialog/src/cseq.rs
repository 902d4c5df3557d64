//! CSeq translation (spec dialog.md §6.4, decision D13).
//!
//! As long as we send nothing ourselves, numbers pass as they are. The first request of ours
//! towards a leg takes a number that its peer does not know of; from then on every request towards
//! that leg is renumbered, each direction on its own. What has to find its number again, the ACK of
//! an INVITE, the RAck of a PRACK, a retransmission, finds it by the request it belongs to, never
//! by "the last one".

use crate::leg::Leg;
use crate::record::Record;
use crate::{Dialog, DialogFlags, DialogMethod, Dialogs, Gone, StoredNumber, Within};

/// The highest number a sender may use (RFC 3261 §8.1.1.5).
pub(crate) const CSEQ_MAX: u32 = (1 << 31) - 1;

/// How many requests under way a dialog remembers the numbers of. Beyond, the oldest is forgotten.
const UNDER_WAY_MAX: usize = 64;

/// The numbers of requests that are under way: INVITEs always, others where they differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers(Vec<Number>);

/// One direction of one of the dialogs that a fork makes: every callee counts by itself, and two of
/// them may have sent the caller a request with the same number (RFC 3261 §12.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The leg a request goes to; 0 is the caller.
    pub(crate) leg: u16,
    /// The callee leg of the two.
    pub(crate) callee_leg: u16,
}

impl Way {
    /// From the caller to a callee leg.
    pub(crate) const fn down(leg: u16) -> Self {
        Self { leg, callee_leg: leg }
    }
}

/// A request on its way: its number as received, and as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    way: Way,
    received: u32,
    sent: u32,
    invite: bool,
}

impl Numbers {
    fn sent(&self, way: Way, received: u32) -> Option<u32> {
        let mut same = self.0.iter().rev().filter(|it| it.way == way && it.received == received);
        same.next().map(|it| it.sent)
    }

    fn note(&mut self, number: Number) {
        if self.0.len() >= UNDER_WAY_MAX {
            self.0.remove(0);
        }
        self.0.push(number);
    }

    pub(crate) fn stored(&self) -> Vec<StoredNumber> {
        let stored = self.0.iter().map(|it| StoredNumber {
            leg: it.way.leg,
            callee_leg: it.way.callee_leg,
            received: it.received,
            sent: it.sent,
            invite: it.invite,
        });
        stored.collect()
    }

    pub(crate) fn revive(&mut self, stored: StoredNumber) {
        let StoredNumber { received, sent, invite, .. } = stored;
        self.note(Number { way: stored.way(), received, sent, invite });
    }

    /// A CANCEL has the number of its INVITE, which is not over by it.
    fn forget(&mut self, way: Way, received: u32, invite: bool) {
        self.0.retain(|it| (it.way, it.received, it.invite) != (way, received, invite));
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Number>()
    }
}

impl Leg {
    /// The number for a request of ours towards this leg, which takes the numbering over.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        let last = if self.is_renumbered() { self.last_gen_cseq } else { self.r_cseq };
        self.last_gen_cseq = last.wrapping_add(1).max(1);
        self.last_gen_cseq
    }

    /// Whether requests towards this leg get numbers of ours.
    pub(crate) const fn is_renumbered(&self) -> bool {
        self.last_gen_cseq != 0
    }
}

impl Record {
    /// The number that a relayed request gets towards a leg; `None` if it keeps its own. A
    /// retransmission gets the number that it had.
    pub(crate) fn number_for(&mut self, way: Way, received: u32, invite: bool) -> Option<u32> {
        let known = self.number_of(way, received);
        let side = self.legs.get_mut(way.leg as usize)?;
        let sent = match known {
            Some(sent) => sent,
            None if side.is_renumbered() => side.next_cseq(),
            None => received,
        };
        if known.is_none() && (invite || sent != received) {
            self.extras().numbers.note(Number { way, received, sent, invite });
            self.flags |= DialogFlags::CHANGED;
        }
        (sent != received).then_some(sent)
    }

    /// The number that a request under way had when it was sent on to a leg.
    pub(crate) fn number_of(&self, way: Way, received: u32) -> Option<u32> {
        self.extras.as_ref()?.numbers.sent(way, received)
    }

    /// The last two INVITEs of a way, newest first, as received and as sent.
    pub(crate) fn last_invites(&self, way: Way) -> [(u32, u32); 2] {
        let from = if way.leg == 0 { way.callee_leg } else { 0 };
        let invite = self.legs.get(from as usize).map_or(0, |leg| leg.inv_cseq);
        let numbers = self.extras.as_ref().map_or(&[][..], |extras| &extras.numbers.0);
        let mut last = numbers.iter().rev().filter(|it| it.way == way && it.invite);
        [(); 2].map(|()| last.next().map_or((invite, invite), |it| (it.received, it.sent)))
    }

    /// The INVITE left under another number than it came with: its ACK must follow it.
    pub(crate) fn note_number(&mut self, way: Way, received: u32, sent: u32) {
        if self.number_of(way, received) != Some(sent) {
            let numbers = &mut self.extras().numbers;
            numbers.forget(way, received, true);
            numbers.note(Number { way, received, sent, invite: true });
        }
    }
}

impl Dialogs {
    /// The transaction of a relayed request within the dialog is gone: nothing will ask for its
    /// number any more, and what it offered will not be answered.
    pub fn request_over(&self, request: &Within) {
        let Within { matched, method, cseq } = *request;
        // an ACK has the number of its INVITE, which is not over by it
        if method == DialogMethod::Ack || matched.tombstone {
            return;
        }
        let _ = self.with(matched.key, |record| {
            if let Some(extras) = &mut record.extras {
                extras.numbers.forget(matched.way(), cseq, method == DialogMethod::Invite);
            }
            if matches!(method, DialogMethod::Invite | DialogMethod::Update | DialogMethod::Prack) {
                record.negotiation_over(matched.callee_leg, (matched.direction, cseq));
            }
        });
    }
}

impl Dialogs {
    /// A request was matched and then waited before it was sent on: the number that it leaves under,
    /// above those that its leg was sent meanwhile (RFC 3261 §12.2.1.1); `None` if it keeps its own.
    /// An ACK does not wait.
    pub fn number_after_wait(&self, request: &Within) -> Option<u32> {
        let Within { matched, method, cseq } = *request;
        if method == DialogMethod::Ack || matched.tombstone {
            return None;
        }
        let way = matched.way();
        let renumbered = self.with(matched.key, |record| {
            let sent = record.number_of(way, cseq).unwrap_or(cseq);
            let leg = record.legs.get_mut(way.leg as usize)?;
            if leg.last_gen_cseq <= sent {
                // its own, or the one that it got when it came again while it waited
                return (sent != cseq).then_some(sent);
            }
            let (sent, invite) = (leg.next_cseq(), method == DialogMethod::Invite);
            let numbers = &mut record.extras().numbers;
            numbers.forget(way, cseq, invite);
            numbers.note(Number { way, received: cseq, sent, invite });
            record.flags |= DialogFlags::CHANGED;
            Some(sent)
        });
        renumbered.ok().flatten()
    }
}

/// Why the numbers of a leg were not moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CseqError {
    /// The dialog is gone.
    Gone,
    /// No callee leg has this tag.
    UnknownLeg,
}

impl Dialog {
    /// Moves the numbering towards a callee leg on by `by`, and enforces it from then on (`uac`
    /// authentication sends the INVITE once more with a number of its own; §6.4, `dlg_inc_cseq`).
    /// Without a tag it is the answered leg, else the first.
    ///
    /// # Errors
    /// [`CseqError`].
    #[doc(alias = "dlg_inc_cseq")]
    pub fn increase_cseq(&self, tag: Option<&[u8]>, by: u32) -> Result<(), CseqError> {
        let moved = self.table().with(self.key(), |record| {
            let first = record.callee_leg() as usize;
            let callees = || record.legs.iter().enumerate().skip(1);
            let at = match tag {
                Some(tag) => callees().find(|(_, leg)| leg.tag() == tag).map(|(at, _)| at),
                None => Some(first),
            };
            let Some(leg) = at.and_then(|at| record.legs.get_mut(at)) else { return false };
            let last = if leg.is_renumbered() { leg.last_gen_cseq } else { leg.r_cseq };
            leg.last_gen_cseq = last.wrapping_add(by).max(1);
            record.flags |= DialogFlags::CSEQ_ENFORCE | DialogFlags::CHANGED;
            true
        });
        match moved {
            Ok(true) => Ok(()),
            Ok(false) => Err(CseqError::UnknownLeg),
            Err(Gone) => Err(CseqError::Gone),
        }
    }
}
