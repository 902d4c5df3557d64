//! The bodies that a request of a module may say again (spec dialog.md §13.2).

use crate::{Body, Dialog, Direction, Gone};

impl Dialog {
    /// What a side was last sent (`outbound`), as a re-INVITE ping tells it once more; the side is
    /// the one that this direction leads to. `None` unless bodies are kept
    /// ([`Settings::keep_sdp`](crate::Settings::keep_sdp)).
    ///
    /// # Errors
    /// [`Gone`].
    pub fn body_last_sent(&self, to: Direction) -> Result<Option<Body>, Gone> {
        self.table().with(self.key(), |record| {
            let leg = if to == Direction::Upstream { 0 } else { record.callee_leg() };
            record.body_to(leg).cloned()
        })
    }

    /// What came last from a side (`inbound`): the one that sends in this direction. `None` unless
    /// bodies are kept.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn body_last_received(&self, from: Direction) -> Result<Option<Body>, Gone> {
        self.table().with(self.key(), |record| {
            let leg = if from == Direction::Downstream { 0 } else { record.callee_leg() };
            record.body_from(leg).cloned()
        })
    }
}
