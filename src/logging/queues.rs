//! The lines that wait for one writer, so that who writes them need not.

use std::io::Write;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How many lines may wait for one writer. More are dropped and counted.
const LINES_MAX: usize = 16_384;

/// How many lines of the audit may wait. Who would add one more waits as well: what cannot be told is
/// not done.
const AUDIT_LINES_MAX: usize = 256;

/// Two queues, so that no flood of other lines pushes out who did what.
pub(super) struct Queues {
    lines: NonBlocking,
    audit: NonBlocking,
}

impl Queues {
    /// Queues to a writer, which each of the two opens for itself. What waits in them is written at
    /// the latest when the guards drop.
    pub(super) fn to<W: Write + Send + 'static>(
        open: impl Fn() -> W,
        guards: &mut Vec<WorkerGuard>,
    ) -> Self {
        let mut queue = |limit, lossy| {
            let builder = NonBlockingBuilder::default().buffered_lines_limit(limit).lossy(lossy);
            let (queue, guard) = builder.finish(open());
            guards.push(guard);
            queue
        };
        Self { lines: queue(LINES_MAX, true), audit: queue(AUDIT_LINES_MAX, false) }
    }

    /// Puts a line, with its line break, into the one that it belongs to.
    pub(super) fn put(&self, is_audit: bool, line: &str) {
        let queue = if is_audit { &self.audit } else { &self.lines };
        // A full queue drops the line and counts it, or waits.
        let _ = queue.clone().write_all(line.as_bytes());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use super::*;

    /// A writer that remembers, and that can be held up.
    #[derive(Clone, Default)]
    pub(in super::super) struct Paper {
        text: Arc<Mutex<Vec<u8>>>,
        held: Arc<Mutex<()>>,
    }

    impl Paper {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _free = self.held.lock().unwrap();
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_lines_pushes_out_no_line_of_the_audit() {
        let (paper, mut guards) = (Paper::default(), Vec::new());
        let queues = Queues::to(|| paper.clone(), &mut guards);
        let held = paper.held.lock().unwrap();
        for _ in 0..2 * LINES_MAX {
            queues.put(false, "xlog\n");
        }
        queues.put(true, "dialog:end_dlg\n");
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !paper.text().lines().any(|line| line == "dialog:end_dlg") {
            assert!(Instant::now() < deadline, "the line of the audit is lost");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(guards);
        assert!(paper.text().lines().count() < 2 * LINES_MAX, "it was a flood");
    }
}
