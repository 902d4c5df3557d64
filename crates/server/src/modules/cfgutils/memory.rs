//! `pkg_status()` and `shm_status()`: what the program takes. There is one memory here, so both tell
//! the same.

use duologue_script::{Args, Called};

use crate::context::Context;
use crate::memory;

/// Logs what the kernel says about our memory.
pub(super) fn status(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    match memory::in_use() {
        Some(in_use) => {
            tracing::info!(call_id = %ctx.turn.call_id(), "memory: {in_use}");
            Called::Value(1)
        }
        None => Called::Value(-1),
    }
}
