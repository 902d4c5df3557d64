//! Why a dialog ended: `$DLG_end_reason` (spec dialog.md §7).

use std::borrow::Cow;
use std::fmt;

/// The reason of an end. The known ones cost no memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndReason(Cow<'static, str>);

impl EndReason {
    /// The callee sent the BYE.
    pub const UPSTREAM_BYE: Self = Self(Cow::Borrowed("Upstream BYE"));
    /// The caller sent the BYE.
    pub const DOWNSTREAM_BYE: Self = Self(Cow::Borrowed("Downstream BYE"));
    /// The lifetime ran out and BYEs were sent.
    pub const LIFETIME_TIMEOUT: Self = Self(Cow::Borrowed("Lifetime Timeout"));
    /// A CANCEL or early BYE crossed the answer.
    pub const SIP_RACE_CONDITION: Self = Self(Cow::Borrowed("SIP Race Condition"));
    /// An operator's command.
    pub const MI_TERMINATION: Self = Self(Cow::Borrowed("MI Termination"));
    /// The caller gave up.
    pub const CANCELLED: Self = Self(Cow::Borrowed("Cancelled"));
    /// The call rang longer than `early_timeout`.
    pub const EARLY_TIMEOUT: Self = Self(Cow::Borrowed("Early Timeout"));
    /// The ACK did not come within `noack_timeout`.
    pub const NO_ACK: Self = Self(Cow::Borrowed("No ACK"));

    /// The caller does not answer OPTIONS.
    pub const CALLER_PING_TIMEOUT: Self = Self(Cow::Borrowed("Caller Ping Timeout"));
    /// The callee does not answer OPTIONS.
    pub const CALLEE_PING_TIMEOUT: Self = Self(Cow::Borrowed("Callee Ping Timeout"));
    /// The caller does not answer re-INVITEs.
    pub const CALLER_REINVITE_PING_TIMEOUT: Self =
        Self(Cow::Borrowed("Caller ReINVITE Ping Timeout"));
    /// The callee does not answer re-INVITEs.
    pub const CALLEE_REINVITE_PING_TIMEOUT: Self =
        Self(Cow::Borrowed("Callee ReINVITE Ping Timeout"));

    /// A reason in the words of whoever ends the call.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn memory(&self) -> usize {
        match &self.0 {
            Cow::Borrowed(_) => 0,
            Cow::Owned(text) => text.capacity(),
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
