//! `pkg_status()` and `shm_status()`: what the program takes. There is one memory here, so both tell
//! the same.

use duologue_script::{Args, Called};

use crate::context::Context;

/// Logs what the kernel says about our memory.
pub(super) fn status(ctx: &mut Context<'_>, _: &mut Args<'_>) -> Called {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match summary(&status) {
        Some(summary) => {
            tracing::info!(call_id = %ctx.turn.call_id(), "memory: {summary}");
            Called::Value(1)
        }
        None => Called::Value(-1),
    }
}

/// The lines of `/proc/self/status` that are about memory in use.
fn summary(status: &str) -> Option<String> {
    let figure = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches(':').trim())
    };
    let (now, most) = (figure("VmRSS")?, figure("VmHWM")?);
    Some(format!("{now} in use, {most} at most so far"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/modules.md §25, `pkg_status()`, `shm_status()`.
    #[test]
    fn the_kernel_tells_what_is_in_use() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";
        let expected = "1024 kB in use, 2048 kB at most so far";
        assert_eq!(summary(status).as_deref(), Some(expected));
        assert_eq!(summary(""), None);
    }
}
