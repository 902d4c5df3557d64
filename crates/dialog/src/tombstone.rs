//! What stays of an answered dialog for 32 seconds: enough to route a late or re-sent BYE, under a
//! number that fits (spec dialog.md §18.1, decisions D4 and D26). At most 300 bytes; not listed, not
//! counted.

use crate::record::Record;
use duologue_sip::Tick;

/// The bytes a tombstone's texts may have; a dialog with longer ones leaves none.
const TEXT_MAX: usize = 240;

/// The bytes of a number before each tag.
const NUMBER: usize = size_of::<u32>();

pub(crate) struct Tombstone {
    /// Call-ID, then the legs, caller first, each after a two-byte length: the last number of ours
    /// towards it in four bytes, and its tag.
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
        for leg in &record.legs {
            put([&leg.last_gen_cseq.to_be_bytes(), leg.tag()]);
        }
        let texts = texts.into_boxed_slice();
        (texts.len() <= TEXT_MAX).then_some(Self { texts, owner: record.owner, until })
    }

    pub(crate) fn call_id(&self) -> &[u8] {
        self.texts().next().unwrap_or_default()
    }

    /// The tags, caller first.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.texts().skip(1).map(|leg| leg.get(NUMBER..).unwrap_or_default())
    }

    /// The next number towards a leg that is renumbered.
    pub(crate) fn next_cseq(&mut self, leg: u16) -> Option<u32> {
        let before: usize = self.texts().take(1 + leg as usize).map(|text| 2 + text.len()).sum();
        let number = self.texts.get_mut(before + 2..)?.first_chunk_mut::<NUMBER>()?;
        let last = u32::from_be_bytes(*number);
        (last != 0).then(|| {
            *number = (last + 1).to_be_bytes();
            last + 1
        })
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
        assert_eq!([tomb.next_cseq(1), tomb.next_cseq(1)], [Some(12), Some(13)]);
        assert_eq!([tomb.next_cseq(0), tomb.next_cseq(2)], [None, None], "its own number is good");
        assert_eq!(tomb.tags().collect::<Vec<_>>(), [&b"a"[..], b"bob"]);
    }
}
