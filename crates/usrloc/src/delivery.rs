//! How the journal hears of changes: in order, and while nobody holds a shard.

use crate::Table;
use crate::shard::Slot;

impl Table {
    /// Tells the journal of the changes of a shard that it was not told of.
    ///
    /// Whoever tells takes along what others change meanwhile, so that the changes of a user are
    /// told in the order in which they were made, and nobody waits for the journal but him.
    pub(crate) fn tell(&self, slot: &Slot) {
        let Some(journal) = self.shared.journal.get() else { return };
        loop {
            {
                let Some(_telling) = slot.teller.try_lock() else { return };
                loop {
                    let entries = std::mem::take(&mut slot.shard.lock().untold);
                    if entries.is_empty() {
                        break;
                    }
                    entries.into_iter().for_each(|entry| journal.record(entry));
                }
            }
            // Somebody may have come in the moment before the teller let go, and left.
            if slot.shard.lock().untold.is_empty() {
                return;
            }
        }
    }
}
