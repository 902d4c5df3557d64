//! How long messages are handled, by their class: histograms in each worker's shard, added up when
//! somebody reads. Like the counters, they cost a few plain loads and stores.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use duologue_sip::Method;

/// Bounds in microseconds.
const BOUNDS: [u64; 12] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000];

/// What a message is, as far as its handling is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    OtherRequest,
    Reply,
}

/// The names of the classes, in their order.
const NAMES: [&str; 8] =
    ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "other", "reply"];

impl Class {
    /// That of a request by its method; without one it is a reply.
    pub(crate) const fn of(method: Option<Method<'_>>) -> Self {
        match method {
            None => Self::Reply,
            Some(Method::Invite) => Self::Invite,
            Some(Method::Ack) => Self::Ack,
            Some(Method::Bye) => Self::Bye,
            Some(Method::Cancel) => Self::Cancel,
            Some(Method::Options) => Self::Options,
            Some(Method::Register) => Self::Register,
            Some(_) => Self::OtherRequest,
        }
    }
}

/// One worker's times.
#[derive(Debug, Default)]
pub(crate) struct Handling([OfClass; NAMES.len()]);

#[derive(Debug, Default)]
struct OfClass {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Handling {
    /// Counts one message. Only the shard's own worker may call this.
    pub(crate) fn add(&self, class: Class, took: Duration) {
        let add = |cell: &AtomicU64, n| cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
        let of = &self.0[class as usize];
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        add(&of.counts[BOUNDS.partition_point(|bound| bound * 1_000 < nanos)], 1);
        add(&of.nanos, nanos);
    }
}

/// How long all messages of a class were handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlingTimes {
    /// The method, `other`, or `reply`.
    pub class: &'static str,
    /// All times together.
    pub sum: Duration,
    /// How many messages there were.
    pub count: u64,
    /// Each bound, and how many took at most as long.
    pub cumulated: Vec<(Duration, u64)>,
}

/// The sums over all workers, class by class.
pub(super) fn sum<'a>(workers: impl Iterator<Item = &'a Handling> + Clone) -> Vec<HandlingTimes> {
    let of_class = |(at, class): (usize, &&'static str)| {
        let total = |cell: &dyn Fn(&OfClass) -> u64| {
            workers.clone().map(|worker| cell(&worker.0[at])).fold(0, u64::wrapping_add)
        };
        let mut count = 0;
        let mut below = |place: usize| {
            count += total(&|of| of.counts[place].load(Relaxed));
            count
        };
        let bounds = BOUNDS.iter().enumerate();
        let cumulated =
            bounds.map(|(at, micros)| (Duration::from_micros(*micros), below(at))).collect();
        let count = below(BOUNDS.len());
        let sum = Duration::from_nanos(total(&|of| of.nanos.load(Relaxed)));
        HandlingTimes { class, sum, count, cumulated }
    };
    NAMES.iter().enumerate().map(of_class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_added_up_over_workers() {
        let workers = [Handling::default(), Handling::default()];
        workers[0].add(Class::of(Some(Method::Bye)), Duration::from_micros(10));
        workers[1].add(Class::Bye, Duration::from_micros(11));
        workers[1].add(Class::Bye, Duration::from_secs(1));
        workers[1].add(Class::of(None), Duration::ZERO);
        let sums = sum(workers.iter());
        let bye = sums.iter().find(|sum| sum.class == "BYE").unwrap();
        assert_eq!((bye.count, bye.sum), (3, Duration::from_micros(1_000_021)));
        assert_eq!(bye.cumulated[0], (Duration::from_micros(10), 1));
        assert_eq!(bye.cumulated[11], (Duration::from_millis(250), 2));
        let reply = sums.iter().find(|sum| sum.class == "reply").unwrap();
        assert_eq!((reply.count, reply.cumulated[0].1), (1, 1));
        assert_eq!(sums.iter().map(|sum| sum.count).sum::<u64>(), 4);
    }
}
