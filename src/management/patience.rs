//! How long commands wait for what others do.

use std::time::Duration;

use duologue_management::Answer;

/// For the final reply to a request (spec/script.md §15.5).
pub(super) const REPLY_WAIT_MAX: Duration = Duration::from_secs(240);

/// For a call to have its turn.
pub(super) const TURN_WAIT_MAX: Duration = Duration::from_secs(5);

/// The answer of a command that may not wait: it has set things going (spec/dialog.md §13).
pub(super) fn accepted() -> Answer {
    "Accepted".into()
}
