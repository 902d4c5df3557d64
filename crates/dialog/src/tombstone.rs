//! What stays of an answered dialog for 32 seconds: enough to route a late or re-sent BYE, under a
//! number that fits (spec dialog.md §18.1, decisions D4 and D26). At most 300 bytes; not listed, not
//! counted.

use crate::DialogMethod;
use crate::cseq::Way;
use crate::record::Record;
use duologue_sip::Tick;

/// The bytes a tombstone's texts may have; a dialog with longer ones leaves none.
const TEXT_MAX: usize = 240;

/// What is remembered of the numbers towards a leg.
struct Numbers {
    /// The last of ours; 0 if the leg is not renumbered.
    last: u32,
    /// The last INVITEs, as received and as sent: their ACKs follow them (decision D13). Two, for
    /// the network may shuffle one with the next.
    invites: [(u32, u32); 2],
}

impl Numbers {
    const BYTES: usize = 5 * size_of::<u32>();

    fn of(record: &Record, leg: usize) -> Self {
        let peer = if leg == 0 { record.answered_leg().unwrap_or(1) as usize } else { 0 };
        let received = record.legs.get(peer).map_or(0, |peer| peer.inv_cseq);
        let callee_leg = if leg == 0 { peer } else { leg } as u16;
        let way = Way { leg: leg as u16, callee_leg };
        let sent = record.number_of(way, received).unwrap_or(received);
        Self { last: record.legs[leg].last_gen_cseq, invites: [(received, sent); 2] }
    }

    fn next(&mut self, method: DialogMethod, received: u32) -> Option<u32> {
        let follows = matches!(method, DialogMethod::Ack | DialogMethod::Invite);
        let known = self.invites.iter().find(|(invite, _)| follows && *invite == received);
        if let Some((_, sent)) = known {
            return Some(*sent);
        }
        if method == DialogMethod::Ack || self.last == 0 {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        if method == DialogMethod::Invite {
            self.invites = [(received, self.last), self.invites[0]];
        }
        Some(self.last)
    }

    fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let [newest, older] = self.invites;
        let numbers = [self.last, newest.0, newest.1, older.0, older.1];
        for (to, number) in bytes.chunks_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let at = |at: usize| u32::from_be_bytes(std::array::from_fn(|byte| bytes[4 * at + byte]));
        Self { last: at(0), invites: [(at(1), at(2)), (at(3), at(4))] }
    }
}

pub(crate) struct Tombstone {
    /// Call-ID, then the legs, caller first, each after a two-byte length: its [`Numbers`], and its
    /// tag.
    texts: Box<[u8]>,
    pub(crate) owner: u64,
    pub(crate) until: Tick,
}

impl Tombstone {
    /// Only answered calls leave one: the transaction of a failed one knows what to do.
    pub(crate) fn of(record: &Record, until: Tick) -> Option<Self> {
        record.answered_leg()?;
        let mut texts = Vec::new();
        let mut put = |parts: [&[u8]; 2]| {
            let length = parts.iter().map(|part| part.len()).sum::<usize>() as u16;
            texts.extend_from_slice(&length.to_be_bytes());
            texts.extend_from_slice(&parts.concat());
        };
        put([record.call_id(), b""]);
        for (number, leg) in record.legs.iter().enumerate() {
            put([&Numbers::of(record, number).to_bytes(), leg.tag()]);
        }
        let texts = texts.into_boxed_slice();
        (texts.len() <= TEXT_MAX).then_some(Self { texts, owner: record.owner, until })
    }

    pub(crate) fn call_id(&self) -> &[u8] {
        self.texts().next().unwrap_or_default()
    }

    /// The tags, caller first.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.texts().skip(1).map(|leg| leg.get(Numbers::BYTES..).unwrap_or_default())
    }

    /// The number under which a request goes on towards a leg; `None` if it keeps its own.
    pub(crate) fn number_for(
        &mut self,
        leg: u16,
        method: DialogMethod,
        received: u32,
    ) -> Option<u32> {
        let before: usize = self.texts().take(1 + leg as usize).map(|text| 2 + text.len()).sum();
        let bytes = self.texts.get_mut(before + 2..)?.first_chunk_mut()?;
        let mut numbers = Numbers::from_bytes(*bytes);
        let sent = numbers.next(method, received);
        *bytes = numbers.to_bytes();
        sent.filter(|sent| *sent != received)
    }

    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + self.texts.len()
    }

    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.texts;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(u16::from_be_bytes(*length) as usize)?;
            rest = after;
            Some(text)
        })
    }
}

const _: () = assert!(TEXT_MAX + size_of::<Tombstone>() <= 300, "a tombstone has 300 bytes");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leg::Leg;
    use crate::packed::Packed;
    use duologue_sip::Flow;

    // D26: the re-sent BYE goes on under a number above those that we gave
    #[test]
    fn numbers_go_on_where_the_dialog_left_them() {
        let flow = Flow::datagram(0, ([127, 0, 0, 1], 1).into());
        let texts = Packed::new([&b"call"[..], b"", b""]).unwrap();
        let caller = Leg::caller(b"a", b"", b"", 1, flow).unwrap();
        let mut record = Record::new(texts, caller, 1, 1);
        let mut callee = Leg::callee(0, 10).unwrap();
        callee.learn(b"bob", None, (None, None)).unwrap();
        assert_eq!(callee.next_cseq(), 11);
        record.add_leg(callee);
        record.answer(1);
        let mut tomb = Tombstone::of(&record, Tick::ZERO).unwrap();
        assert_eq!(tomb.call_id(), b"call");
        assert_eq!(tomb.tags().collect::<Vec<_>>(), [&b"a"[..], b"bob"]);
        let mut number = |leg, method, received| tomb.number_for(leg, method, received);
        assert_eq!(number(1, DialogMethod::Bye, 11), Some(12));
        assert_eq!(number(1, DialogMethod::Invite, 12), Some(13));
        assert_eq!(number(1, DialogMethod::Bye, 13), Some(14));
        assert_eq!(number(1, DialogMethod::Ack, 12), Some(13), "it follows its INVITE");
        assert_eq!(number(1, DialogMethod::Invite, 12), Some(13), "it came again");
        assert_eq!(number(1, DialogMethod::Ack, 1), None, "that of an INVITE nobody remembers");
        for leg in [0, 2] {
            assert_eq!(number(leg, DialogMethod::Bye, 11), None, "its own number is good");
        }
        assert_eq!(tomb.tags().collect::<Vec<_>>(), [&b"a"[..], b"bob"]);
    }
}
