//! `set_dlg_sharing_tag()` (spec/dialog.md §12.3): which node of a cluster acts for a dialog.

use duologue_script::{Args, Called};

use crate::context::Context;

/// What the author of a script should know.
pub(super) const NOTE: &str =
    "there is no cluster yet: every dialog is this node's own, whatever its tag";

/// §12.3: without a cluster it succeeds and changes nothing.
pub(super) fn set_tag(_: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    Called::Value(1)
}
