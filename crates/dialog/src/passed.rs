//! A body on its way through: what one side sent, and what its peer got of it (spec dialog.md §1.2,
//! `in_sdp` and `out_sdp`). They differ where a script changed it, or where we spoke for a side
//! ourselves.

use crate::Body;

/// What is in force from one side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Nothing, if the side never said it: we did, in its name.
    received: Option<Body>,
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
        Self { received: Some(received), sent: Sent::AsReceived }
    }
}

impl Passed {
    /// What we say in the name of a side that has said nothing.
    pub(crate) const fn ours(sent: Body) -> Self {
        Self { received: None, sent: Sent::Other(sent) }
    }

    /// What was stored of it, if there is anything.
    pub(crate) fn again(received: Option<Body>, sent: Option<Body>) -> Option<Self> {
        if received.is_none() && sent.is_none() {
            return None;
        }
        let mut passed = Self { received, sent: Sent::Nothing };
        passed.sent_as(sent);
        Some(passed)
    }

    /// As the side sent it.
    pub(crate) const fn received(&self) -> Option<&Body> {
        self.received.as_ref()
    }

    /// As the peer got it, if it got one.
    pub(crate) const fn sent(&self) -> Option<&Body> {
        match &self.sent {
            Sent::AsReceived => self.received.as_ref(),
            Sent::Nothing => None,
            Sent::Other(body) => Some(body),
        }
    }

    /// The peer got this.
    pub(crate) fn sent_as(&mut self, body: Option<Body>) {
        self.sent = match body {
            None => Sent::Nothing,
            body if body == self.received => Sent::AsReceived,
            Some(body) => Sent::Other(body),
        };
    }

    /// The side said this to us alone. Its peer hears of it by the next ping, unless the script
    /// changed what it heard before: what would be made of this one, nobody knows.
    pub(crate) fn replaced_by(self, received: Body) -> Self {
        Self { received: Some(received), sent: self.sent }
    }

    /// Bytes of the bodies, each shared by as many as hold it.
    pub(crate) fn memory(&self) -> usize {
        let other = match &self.sent {
            Sent::Other(body) => Some(body),
            Sent::AsReceived | Sent::Nothing => None,
        };
        self.received.iter().chain(other).map(|body| body.memory() / body.holders()).sum()
    }
}
