//! The end of contacts that nobody refreshed.

use duologue_sip::Tick;

use crate::Table;
use crate::limits::STEPS_PER_LOCK;

impl Table {
    /// Removes contacts that are over, up to about `most` of them, and counts them.
    pub(crate) fn expire(&self, now: Tick, most: usize) -> usize {
        let mut deleted = 0;
        for slot in &self.slots {
            loop {
                let round = {
                    let mut shard = slot.shard.lock();
                    let mut round = 0;
                    while round < STEPS_PER_LOCK
                        && deleted + round < most
                        && let Some(aor) = shard.due(now)
                    {
                        // What is due is there: deadlines go with their contacts.
                        round += self.delete_expired(&mut shard, &aor, now).max(1);
                    }
                    round
                };
                self.tell(slot);
                deleted += round;
                if deleted >= most {
                    return most;
                }
                if round < STEPS_PER_LOCK {
                    break;
                }
            }
        }
        deleted
    }
}
