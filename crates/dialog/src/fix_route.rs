//! What a request within a dialog should have said: Request-URI and Routes as the dialog knows them
//! (spec dialog.md §8).

use crate::target::Target;
use crate::{Dialog, Gone};
use std::fmt;

/// Why a request cannot be set right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTarget {
    /// The dialog is gone.
    Gone,
    /// There is no such leg, or its Contact never came.
    Unknown,
}

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => Gone.fmt(f),
            Self::Unknown => f.write_str("the dialog does not know where this leg is"),
        }
    }
}

impl std::error::Error for NoTarget {}

impl From<Gone> for NoTarget {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl Dialog {
    /// Where a request to this leg goes, whatever it says itself: the leg's Contact and route set,
    /// exchanged as RFC 3261 §12.2.1.1 asks if the first router is a strict one.
    ///
    /// `dst_leg` is that of [`Matched`](crate::Matched); 0 is the caller.
    ///
    /// # Errors
    /// [`NoTarget`].
    #[doc(alias = "fix_route_dialog")]
    pub fn fix_route(&self, dst_leg: u16) -> Result<Target, NoTarget> {
        self.table().with(self.key(), |record| match record.legs.get(usize::from(dst_leg)) {
            Some(leg) if !leg.contact().is_empty() => Ok(Target::of(leg.contact(), leg.routes())),
            _ => Err(NoTarget::Unknown),
        })?
    }
}
