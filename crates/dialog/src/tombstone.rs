//! What stays of an answered dialog for 32 seconds: enough to route a late or re-sent BYE
//! (spec dialog.md §18.1, decisions D4 and D26). At most 300 bytes; not listed, not counted.

use crate::record::Record;
use duologue_sip::Tick;

/// The bytes a tombstone's texts may have; a dialog with longer ones leaves none.
const TEXT_MAX: usize = 240;

pub(crate) struct Tombstone {
    /// Call-ID, caller's tag, then the callees' tags, each after a two-byte length.
    texts: Box<[u8]>,
    pub(crate) owner: u64,
    pub(crate) until: Tick,
}

impl Tombstone {
    /// Only answered calls leave one: the transaction of a failed one knows what to do.
    pub(crate) fn of(record: &Record, until: Tick) -> Option<Self> {
        record.answered_leg()?;
        let mut texts = Vec::new();
        let tags = record.legs.iter().map(|leg| leg.tag());
        for text in std::iter::once(record.call_id()).chain(tags) {
            texts.extend_from_slice(&(text.len() as u16).to_be_bytes());
            texts.extend_from_slice(text);
        }
        let texts = texts.into_boxed_slice();
        (texts.len() <= TEXT_MAX).then_some(Self { texts, owner: record.owner, until })
    }

    pub(crate) fn call_id(&self) -> &[u8] {
        self.texts().next().unwrap_or_default()
    }

    /// The tags, caller first.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.texts().skip(1)
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
