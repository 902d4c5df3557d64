//! What stays of an answered dialog for 32 seconds: enough to route a late or re-sent BYE, under a
//! number that fits (spec dialog.md §18.1, decisions D4 and D26). At most 300 bytes; not listed, not
//! counted.

use crate::DialogMethod;
use crate::cseq::Way;
use crate::leg::LegState;
use crate::record::Record;
use duologue_sip::Tick;

/// The bytes a tombstone's texts may have; a dialog with longer ones leaves none.
const TEXT_MAX: usize = 264;

/// What is remembered of the numbers of a [`Way`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    /// The last of ours; 0 if the leg is not renumbered.
    last: u32,
    /// The last INVITEs, as received and as sent: their ACKs follow them (decision D13). Two, for
    /// the network may shuffle one with the next.
    invites: [(u32, u32); 2],
}

impl Numbers {
    const BYTES: usize = 5 * size_of::<u32>();

    /// `None` if every number of this way stays as it is.
    fn of(record: &Record, way: Way) -> Option<Self> {
        let last = record.legs[way.leg as usize].last_gen_cseq;
        let invites = record.last_invites(way);
        let changed = last != 0 || invites.iter().any(|(received, sent)| received != sent);
        changed.then_some(Self { last, invites })
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

    /// The INVITE was refused: its ACK goes no further than its hop, so its place is the other's.
    fn refused(&mut self, received: u32) {
        let [newest, older] = self.invites;
        self.invites = match received {
            it if it == newest.0 => [older, older],
            it if it == older.0 => [newest, newest],
            _ => self.invites,
        };
    }

    fn to_bytes(self) -> [u8; Self::BYTES] {
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
    /// Each after a two-byte length: the Call-ID, the caller's tag, and for each callee that
    /// answered or heard from us its tag, its [`Numbers`] and the caller's: empty where they stay
    /// as they are.
    texts: Box<[u8]>,
    pub(crate) owner: u64,
    pub(crate) until: Tick,
}

/// How many texts come before those of the first callee.
const BEFORE_CALLEES: usize = 2;
/// How many texts a callee has.
const PER_CALLEE: usize = 3;

impl Tombstone {
    /// Only answered calls leave one: the transaction of a failed one knows what to do.
    pub(crate) fn of(record: &Record, until: Tick) -> Option<Self> {
        record.answered_leg()?;
        let mut texts = Vec::new();
        let mut put = |text: &[u8]| {
            texts.extend_from_slice(&(text.len() as u16).to_be_bytes());
            texts.extend_from_slice(text);
        };
        put(record.call_id());
        put(record.legs[0].tag());
        for (callee_leg, leg) in (0..).zip(&record.legs).skip(1) {
            if leg.state == LegState::Trying && !leg.is_renumbered() {
                continue;
            }
            put(leg.tag());
            for leg in [callee_leg, 0] {
                let numbers = Numbers::of(record, Way { leg, callee_leg });
                put(numbers.map(Numbers::to_bytes).as_ref().map_or(b"", |bytes| bytes));
            }
        }
        let texts = texts.into_boxed_slice();
        (texts.len() <= TEXT_MAX).then_some(Self { texts, owner: record.owner, until })
    }

    pub(crate) fn call_id(&self) -> &[u8] {
        self.texts().next().unwrap_or_default()
    }

    /// The tags, caller first, then the callees that it knows.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        let caller = self.texts().skip(1).take(1);
        caller.chain(self.texts().skip(BEFORE_CALLEES).step_by(PER_CALLEE))
    }

    /// The number under which a request goes on; `None` if it keeps its own. The way counts callees
    /// as [`tags`](Self::tags) does.
    pub(crate) fn number_for(
        &mut self,
        way: Way,
        method: DialogMethod,
        received: u32,
    ) -> Option<u32> {
        let sent = self.with_numbers(way, |numbers| numbers.next(method, received))?;
        sent.filter(|sent| *sent != received)
    }

    /// An INVITE that came this way after the end was refused.
    pub(crate) fn invite_refused(&mut self, way: Way, received: u32) {
        self.with_numbers(way, |numbers| numbers.refused(received));
    }

    /// Does something to the numbers of a way; `None` if they stay as they are.
    fn with_numbers<T>(&mut self, way: Way, act: impl FnOnce(&mut Numbers) -> T) -> Option<T> {
        let callee = usize::from(way.callee_leg).checked_sub(1)?;
        let of_callee = BEFORE_CALLEES + callee * PER_CALLEE;
        let nth = of_callee + if way.leg == 0 { 2 } else { 1 };
        let before: usize = self.texts().take(nth).map(|text| 2 + text.len()).sum();
        if self.texts().nth(nth)?.is_empty() {
            return None;
        }
        let bytes = self.texts.get_mut(before + 2..)?.first_chunk_mut()?;
        let mut numbers = Numbers::from_bytes(*bytes);
        let result = act(&mut numbers);
        *bytes = numbers.to_bytes();
        Some(result)
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
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    const FLOW: Flow = Flow::datagram(0, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1));

    fn call(callees: &[&[u8]]) -> Record {
        let texts = Packed::new([&b"call"[..], b"", b""]).unwrap();
        let caller = Leg::caller(b"a", b"", b"", 1, FLOW).unwrap();
        let mut record = Record::new(texts, caller, 1, 1);
        for (branch, tag) in (0..).zip(callees) {
            let mut callee = Leg::callee(branch, 10).unwrap();
            callee.learn(tag, None, (None, None)).unwrap();
            record.add_leg(callee);
        }
        record
    }

    fn answered(record: &mut Record, leg: u16) {
        record.legs[leg as usize].state = LegState::Answered;
        record.answer(leg);
    }

    const UP: Way = Way { leg: 0, callee_leg: 1 };

    // D26: the re-sent BYE goes on under a number above those that we gave
    #[test]
    fn numbers_go_on_where_the_dialog_left_them() {
        let mut record = call(&[b"bob"]);
        assert_eq!(record.legs[1].next_cseq(), 11);
        answered(&mut record, 1);
        let mut tomb = Tombstone::of(&record, Tick::ZERO).unwrap();
        assert_eq!(tomb.call_id(), b"call");
        assert_eq!(tomb.tags().collect::<Vec<_>>(), [&b"a"[..], b"bob"]);
        let mut number = |way, method, received| tomb.number_for(way, method, received);
        assert_eq!(number(Way::down(1), DialogMethod::Bye, 11), Some(12));
        assert_eq!(number(Way::down(1), DialogMethod::Invite, 12), Some(13));
        assert_eq!(number(Way::down(1), DialogMethod::Bye, 13), Some(14));
        assert_eq!(number(Way::down(1), DialogMethod::Ack, 12), Some(13), "it follows its INVITE");
        assert_eq!(number(Way::down(1), DialogMethod::Invite, 12), Some(13), "it came again");
        let unknown = number(Way::down(1), DialogMethod::Ack, 1);
        assert_eq!(unknown, None, "that of an INVITE nobody remembers");
        for way in [UP, Way::down(2)] {
            assert_eq!(number(way, DialogMethod::Bye, 11), None, "its own number is good");
        }
        // RFC 3261 §17.1.1.3: a refused INVITE takes no place from one whose ACK is still to come
        assert_eq!(number(Way::down(1), DialogMethod::Invite, 14), Some(15));
        tomb.invite_refused(Way::down(1), 14);
        let mut number = |method, received| tomb.number_for(Way::down(1), method, received);
        assert_eq!(number(DialogMethod::Invite, 15), Some(16));
        let acks = [12, 14, 15].map(|received| number(DialogMethod::Ack, received));
        assert_eq!(acks, [Some(13), None, Some(16)]);
        assert_eq!(tomb.tags().collect::<Vec<_>>(), [&b"a"[..], b"bob"]);
    }

    // D26, RFC 3261 §12.1.1: every callee of a fork has numbers of its own in both directions
    #[test]
    fn a_fork_leaves_the_numbers_of_each_callee_that_answered() {
        let mut record = call(&[b"busy", b"bob", b"eve"]);
        answered(&mut record, 3);
        answered(&mut record, 2);
        record.legs[0].r_cseq = 100;
        record.legs[0].next_cseq();
        let ways = [2, 3].map(|callee_leg| Way { leg: 0, callee_leg });
        let sent = ways.map(|way| record.number_for(way, 7, true));
        assert_eq!(sent, [Some(102), Some(103)], "both sent the caller an INVITE 7");
        let mut tomb = Tombstone::of(&record, Tick::ZERO).unwrap();
        assert_eq!(tomb.tags().collect::<Vec<_>>(), [&b"a"[..], b"bob", b"eve"]);
        let ways = [1, 2].map(|callee_leg| Way { leg: 0, callee_leg });
        let acks = ways.map(|way| tomb.number_for(way, DialogMethod::Ack, 7));
        assert_eq!(acks, sent, "each ACK follows the INVITE of its callee");
        let byes = ways.map(|way| tomb.number_for(way, DialogMethod::Bye, 8));
        assert_eq!(byes, [Some(104), Some(104)], "each above what its dialog knows");
    }

    // D26: at most 300 bytes
    #[test]
    fn a_dialog_with_endless_names_leaves_none() {
        let mut record = call(&[&[b'x'; TEXT_MAX]]);
        answered(&mut record, 1);
        assert!(Tombstone::of(&record, Tick::ZERO).is_none());
    }
}
