//! A body on its way through: what one side sent, and what its peer got of it (spec dialog.md §1.2,
//! `in_sdp` and `out_sdp`). They differ where a script changed it, or where we spoke for a side
//! ourselves.

use crate::Body;

/// What is in force from one side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    received: Body,
    sent: Sent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    AsReceived,
    /// A script took it away.
    Nothing,
    Other(Body),
}

impl From<Body> for Passed {
    fn from(received: Body) -> Self {
        Self { received, sent: Sent::AsReceived }
    }
}

impl Passed {
    /// As the side sent it.
    pub(crate) const fn received(&self) -> &Body {
        &self.received
    }

    /// As the peer got it, if it got one.
    pub(crate) const fn sent(&self) -> Option<&Body> {
        match &self.sent {
            Sent::AsReceived => Some(&self.received),
            Sent::Nothing => None,
            Sent::Other(body) => Some(body),
        }
    }

    /// The peer got this.
    pub(crate) fn sent_as(&mut self, body: Option<Body>) {
        self.sent = match body {
            None => Sent::Nothing,
            Some(body) if body == self.received => Sent::AsReceived,
            Some(body) => Sent::Other(body),
        };
    }

    /// The side said this to us alone. Its peer hears of it by the next ping, unless the script
    /// changed what it heard before: what would be made of this one, nobody knows.
    pub(crate) fn replaced_by(self, received: Body) -> Self {
        Self { received, sent: self.sent }
    }

    /// Bytes of the bodies, each shared by as many as hold it.
    pub(crate) fn memory(&self) -> usize {
        let bytes = |body: &Body| body.memory() / body.holders();
        let other = match &self.sent {
            Sent::Other(body) => bytes(body),
            Sent::AsReceived | Sent::Nothing => 0,
        };
        bytes(&self.received) + other
    }
}
