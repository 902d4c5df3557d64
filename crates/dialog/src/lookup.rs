//! Finding a dialog by one of its names (spec dialog.md §4.1, §15).
//!
//! By id an ended dialog is found too, as long as somebody may read it: ask
//! [`Dialog::is_active`] where only live ones will do.

use crate::table::Content;
use crate::{Dialog, DialogId, Dialogs, entry_of};

impl Dialogs {
    /// The dialog with this did text, live or ended but not yet gone.
    #[doc(alias = "get_dlg_by_did")]
    pub fn by_did(&self, did: &[u8]) -> Option<Dialog> {
        self.by_id(DialogId::parse_did(did).ok()?)
    }

    /// The dialog with this id, live or ended but not yet gone.
    #[doc(alias = "get_dlg_by_ids")]
    pub fn by_id(&self, id: DialogId) -> Option<Dialog> {
        let shard = self.shard(id.entry);
        let slot = shard.slot_of_id(id)?;
        matches!(shard.slots[slot as usize].content, Content::Live(_))
            .then(|| self.handle(shard.key(slot)))
    }

    /// The first created of the dialogs with this Call-ID (and this From-tag, if given) that have
    /// not ended.
    #[doc(alias = "get_dlg_by_callid")]
    pub fn by_callid(&self, call_id: &[u8], from_tag: Option<&[u8]>) -> Option<Dialog> {
        self.of_callid(call_id, |caller_tag, ended| {
            !ended && from_tag.is_none_or(|tag| caller_tag == tag)
        })
        .into_iter()
        .next()
    }

    /// All dialogs with this Call-ID, oldest first, ended ones included while somebody may read
    /// them: spirals and repeated INVITEs share one. At most
    /// [`DIALOGS_PER_CALL_ID_MAX`](crate::DIALOGS_PER_CALL_ID_MAX).
    #[doc(alias = "get_dlg_by_callid")]
    pub fn all_by_callid(&self, call_id: &[u8]) -> Vec<Dialog> {
        self.of_callid(call_id, |_, _| true)
    }

    /// Those with this Call-ID whose From-tag and end fit, oldest first.
    fn of_callid(&self, call_id: &[u8], fits: impl Fn(&[u8], bool) -> bool) -> Vec<Dialog> {
        let shard = self.shard(entry_of(call_id, self.inner.hash_size));
        let mut slots: Vec<u32> = shard
            .slots_of_call_id(self.hash(call_id))
            .filter(|&slot| match &shard.slots[slot as usize].content {
                Content::Live(record) => {
                    record.call_id() == call_id
                        && fits(record.legs[0].tag(), record.state.is_ended())
                }
                Content::Free | Content::Tomb(_) => false,
            })
            .collect();
        if let Some(&first) = slots.first() {
            slots.sort_unstable_by_key(|&slot| shard.order(slot, first));
        }
        slots.into_iter().map(|slot| self.handle(shard.key(slot))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::leg::Leg;
    use crate::packed::Packed;
    use crate::record::Record;
    use duologue_sip::Flow;

    // D30: an id that was given under another hash_size is found by did and by Call-ID
    #[test]
    fn ids_of_other_hash_sizes_are_found() {
        for (stored, now) in [(64, 4096), (4096, 32), (1 << 16, 4096), (1, 1 << 20)] {
            let sized = |hash_size| Settings { hash_size, ..Settings::default() };
            let table = Dialogs::new(sized(now), 3);
            for number in 0..200 {
                let call_id = format!("{number}@example.org").into_bytes();
                let id = DialogId {
                    entry: entry_of(&call_id, sized(stored).hash_size_used()),
                    id: number,
                };
                let texts = Packed::new([&call_id[..], b"", b""]).unwrap();
                let flow = Flow::datagram(0, ([127, 0, 0, 1], 1).into());
                let caller = Leg::caller(b"a", b"", b"", 1, flow).unwrap();
                let record = Content::Live(Box::new(Record::new(texts, caller, 1, 1)));
                table.shard(id.entry).place(id, table.hash(&call_id), record);
                let found = table.by_callid(&call_id, None).map(|dialog| dialog.id());
                assert_eq!(found, Some(id), "{stored} -> {now}");
                let found =
                    table.by_did(id.did().as_bytes()).and_then(|dialog| dialog.call_id().ok());
                assert_eq!(found.as_deref(), Some(&*call_id), "{stored} -> {now}");
            }
        }
    }
}
