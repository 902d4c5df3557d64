//! The latest changes of dialogs, kept for who watches them (`dialog:watch`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use duologue_dialog::{Change, Journal};
use parking_lot::Mutex;

/// How many are kept for who reads late or comes back.
pub const CHANGES_MAX: usize = 16_384;

/// How many octets their texts may have: strangers choose Call-IDs and tags.
pub const TEXTS_MAX: usize = 16 << 20;

/// A bounded log of changes. It is asleep, and costs a look at a flag, until somebody reads; and
/// again once as many came as it holds and nobody read them.
#[derive(Debug, Default)]
pub struct ChangeLog {
    awake: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    changes: VecDeque<Change>,
    /// The place of the next change.
    next: u64,
    /// How many came since somebody read.
    unread: usize,
    /// The octets of their texts.
    texts: usize,
}

fn texts(change: &Change) -> usize {
    change.call_id.len() + change.from_tag.len() + change.to_tag.len()
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The changes with the place of each, oldest first.
    pub changes: Vec<(u64, Change)>,
    /// The place to read from next.
    pub next: u64,
    /// Whether changes before these are lost.
    pub missed: bool,
}

impl ChangeLog {
    /// At most so many changes from a place on; without a place none yet, but where the next one
    /// will stand. The log stays awake for who reads again.
    pub fn read(&self, from: Option<u64>, limit: usize) -> Read {
        let mut kept = self.kept.lock();
        // a place that was never given, or from before the log went to sleep
        let slept = !self.awake.swap(true, Ordering::Relaxed);
        kept.unread = 0;
        let oldest = kept.next - kept.changes.len() as u64;
        let Some(from) = from else {
            return Read { next: kept.next, ..Read::default() };
        };
        let missed = slept || from < oldest || from > kept.next;
        let start = if from > kept.next { kept.next } else { from.max(oldest) };
        let changes = kept.changes.iter().skip((start - oldest) as usize).take(limit);
        let changes: Vec<_> = (start..).zip(changes.cloned()).collect();
        Read { next: start + changes.len() as u64, changes, missed }
    }
}

impl Journal for ChangeLog {
    fn wants(&self) -> bool {
        self.awake.load(Ordering::Relaxed)
    }

    fn record(&self, change: Change) {
        let mut kept = self.kept.lock();
        kept.texts += texts(&change);
        kept.changes.push_back(change);
        while kept.changes.len() > CHANGES_MAX || kept.texts > TEXTS_MAX {
            let Some(oldest) = kept.changes.pop_front() else { break };
            kept.texts -= texts(&oldest);
        }
        kept.next += 1;
        kept.unread += 1;
        if kept.unread > CHANGES_MAX {
            // whoever comes back now has missed something in any case
            self.awake.store(false, Ordering::Relaxed);
            (kept.changes, kept.texts) = (VecDeque::new(), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use duologue_dialog::{DialogId, State};

    use super::*;

    fn change(number: u64) -> Change {
        Change {
            number,
            id: DialogId::parse_did(b"0.1").unwrap(),
            call_id: b"call"[..].into(),
            from_tag: b"a"[..].into(),
            to_tag: b"b"[..].into(),
            old: State::Early,
            new: State::Confirmed,
        }
    }

    fn numbers(read: &Read) -> Vec<u64> {
        read.changes.iter().map(|(_, change)| change.number).collect()
    }

    #[test]
    fn a_reader_gets_what_comes_after_it_came() {
        let log = ChangeLog::default();
        assert!(!log.wants(), "nobody reads");
        let begun = log.read(None, 10);
        assert_eq!(begun, Read::default());
        (1..=5).for_each(|number| log.record(change(number)));
        let first = log.read(Some(begun.next), 3);
        assert_eq!((numbers(&first), first.next, first.missed), (vec![1, 2, 3], 3, false));
        let rest = log.read(Some(first.next), 3);
        assert_eq!((numbers(&rest), rest.next, rest.missed), (vec![4, 5], 5, false));
        assert_eq!(log.read(Some(5), 3), Read { next: 5, ..Read::default() });
        assert_eq!(log.read(None, 3).next, 5, "somebody else begins at the end");
    }

    #[test]
    fn who_comes_back_too_late_is_told() {
        let log = ChangeLog::default();
        log.read(None, 1);
        for number in 0..CHANGES_MAX as u64 {
            log.record(change(number));
        }
        assert!(!log.read(Some(0), 1).missed, "all are still there");
        (0..3).for_each(|number| log.record(change(number)));
        let late = log.read(Some(1), 1);
        assert_eq!((late.changes[0].0, late.missed), (3, true));
        let unknown = log.read(Some(u64::MAX), 1);
        assert_eq!((unknown.next, unknown.missed), (CHANGES_MAX as u64 + 3, true));
    }

    #[test]
    fn long_texts_make_it_shorter() {
        let log = ChangeLog::default();
        log.read(None, 1);
        let long = || Change { call_id: vec![b'x'; 60_000].into(), ..change(1) };
        (0..500).for_each(|_| log.record(long()));
        let read = log.read(Some(0), 1000);
        assert!(read.missed && read.changes.len() * 60_000 <= TEXTS_MAX);
        assert_eq!(read.next, 500);
    }

    #[test]
    fn a_log_that_nobody_reads_goes_to_sleep() {
        let log = ChangeLog::default();
        log.read(None, 1);
        for number in 0..=CHANGES_MAX as u64 {
            assert!(log.wants());
            log.record(change(number));
        }
        assert!(!log.wants());
        let back = log.read(Some(7), 10);
        assert_eq!((back.changes.len(), back.missed), (0, true));
        assert!(log.wants());
    }
}
