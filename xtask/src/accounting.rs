//! What the kernel says about a proxy: CPU time and memory of its whole process tree.

use std::fs;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// CPU time, user and system together, of all threads of some processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime(Duration);

impl CpuTime {
    /// What `tree` has used so far.
    pub(crate) fn of(tree: &[u32]) -> Result<Self> {
        let mut total = Duration::ZERO;
        for process in tree {
            total += process_time(*process)?;
        }
        Ok(Self(total))
    }

    /// Microseconds for each of `calls`.
    pub(crate) fn per_call(self, calls: u64) -> f64 {
        self.seconds() * 1e6 / calls.max(1) as f64
    }

    /// As seconds.
    pub(crate) fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// `root` and all its descendants.
pub(crate) fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // A process may end while we look.
        let Some(parent) = stat(id).and_then(|fields| fields.get(1)?.parse::<u32>().ok()) else {
            continue;
        };
        parents.push((id, parent));
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    Ok(tree)
}

/// Resident memory of `tree` in bytes, pages that several of them map counted once.
pub(crate) fn memory(tree: &[u32]) -> Result<u64> {
    let mut total = 0;
    for process in tree {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)).ok_or("no Pss")?;
        total += kilobytes.parse::<u64>()? * 1024;
    }
    Ok(total)
}

/// The most resident memory that a process ever had, in bytes.
pub(crate) fn peak_memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)).ok_or("no VmHWM")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// Nanoseconds on a CPU, summed over the threads; where the kernel does not count them so
/// finely, user and system time in clock ticks.
fn process_time(process: u32) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut nanoseconds = 0;
    for task in fs::read_dir(&tasks)? {
        match thread_time(&task?.path()) {
            Some(time) => nanoseconds += time,
            None => return ticks(process),
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn thread_time(task: &Path) -> Option<u64> {
    fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
}

fn ticks(process: u32) -> Result<Duration> {
    /// Linux shows times to user space in hundredths of a second on every architecture we know.
    const TICK: Duration = Duration::from_millis(10);
    let fields = stat(process).ok_or_else(|| format!("process {process} is gone"))?;
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u32>().ok());
    let (user, system) = field(11).zip(field(12)).ok_or("/proc/PID/stat has no times")?;
    Ok(TICK * (user + system))
}

/// The fields of `/proc/PID/stat` behind the command's name: state, parent, …
fn stat(process: u32) -> Option<Vec<String>> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses and spaces included.
    let (_, fields) = line.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_use_cpu_and_memory_ourselves() {
        let us = tree(std::process::id()).unwrap();
        let before = CpuTime::of(&us[..1]).unwrap();
        let mut sum = 0u64;
        for number in 0..20_000_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        assert!((CpuTime::of(&us[..1]).unwrap() - before).per_call(1) > 0.0);
        assert!(memory(&us[..1]).unwrap() > 100_000);
    }
}
