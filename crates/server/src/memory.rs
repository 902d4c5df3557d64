//! What the program takes of the machine's memory, as the kernel tells.

/// What is in use, for people; `None` where the kernel does not say.
pub fn in_use() -> Option<String> {
    summary(&std::fs::read_to_string("/proc/self/status").ok()?)
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

    /// spec/modules.md §25, `pkg_status()`, `shm_status()`; spec/script.md §15.4, `mem_shm_dump`.
    #[test]
    fn the_kernel_tells_what_is_in_use() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";
        let expected = "1024 kB in use, 2048 kB at most so far";
        assert_eq!(summary(status).as_deref(), Some(expected));
        assert_eq!(summary(""), None);
    }
}
