//! A body on its way through: what one side sent, and what its peer got of it (spec dialog.md §1.2,
//! `in_sdp` and `out_sdp`). They differ where a script changed it, or where we spoke for a side
//! ourselves.

use crate::Body;

/// What is in force from one side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    received: Body,
    /// Nothing if the peer got it as it came.
    sent: Option<Body>,
}

impl From<Body> for Passed {
    fn from(received: Body) -> Self {
        Self { received, sent: None }
    }
}

impl Passed {
    /// As the side sent it.
    pub(crate) const fn received(&self) -> &Body {
        &self.received
    }

    /// As the peer got it.
    pub(crate) fn sent(&self) -> &Body {
        self.sent.as_ref().unwrap_or(&self.received)
    }

    /// The peer got this.
    pub(crate) fn sent_as(&mut self, body: Body) {
        self.sent = Some(body).filter(|body| *body != self.received);
    }

    /// The side said this to us alone. Its peer hears of it by the next ping, unless the script
    /// changed what it heard before: what would be made of this one, nobody knows.
    pub(crate) fn replaced_by(self, received: Body) -> Self {
        match self {
            Self { sent: Some(sent), .. } => Self { received, sent: Some(sent) },
            Self { sent: None, .. } => received.into(),
        }
    }

    /// Bytes of the bodies, each shared by as many as hold it.
    pub(crate) fn memory(&self) -> usize {
        let bodies = self.sent.iter().chain([&self.received]);
        bodies.map(|body| body.memory() / body.holders()).sum()
    }
}
