//! The durations and habits of transactions.

use std::time::Duration;

use crate::machine::Timer;

/// How long things take, and two habits; the parameters of `tm` (spec/modules.md §1.1).
///
/// A transaction copies what it needs when it starts: a changed setting rules the next one. All
/// durations are rounded down to whole milliseconds and capped at 49 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// RFC 3261 T1, the estimated round trip: the first retransmission interval. Default 500 ms.
    /// Too little retransmits into a slow network, too much delays recovery from a loss.
    #[doc(alias = "T1_timer")]
    pub t1: Duration,
    /// RFC 3261 T2, the longest interval between two retransmissions. Default 4 s.
    #[doc(alias = "T2_timer")]
    pub t2: Duration,
    /// RFC 3261 T4, how long a message may survive in the network: timer K. Default 5 s.
    pub t4: Duration,
    /// A branch without a final reply, or an INVITE branch without any: timers B and F. Also the
    /// wait for the ACK of a negative INVITE reply: timer H. Default 30 s.
    pub fr_timeout: Duration,
    /// An INVITE branch that got a provisional reply but no final one: timer C of RFC 3261 §16.6
    /// step 11, which wants more than three minutes; the default is `tm`'s 120 s.
    pub fr_inv_timeout: Duration,
    /// How long a completed transaction lingers to absorb retransmissions: timers D, I and J.
    /// Default 5 s. After a 2xx to an INVITE the timers L and M of RFC 6026 (64·T1) rule instead.
    pub wt_timer: Duration,
    /// Whether each provisional reply restarts [`fr_inv_timeout`](Self::fr_inv_timeout); if not,
    /// only the first does, and one with a higher code of at least 180. Default true.
    pub restart_fr_on_each_reply: bool,
    /// Treat a 6xx like any other negative reply: others are still waited for and further branches
    /// may follow. Default false.
    pub disable_6xx_block: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            fr_timeout: Duration::from_secs(30),
            fr_inv_timeout: Duration::from_secs(120),
            wt_timer: Duration::from_secs(5),
            restart_fr_on_each_reply: true,
            disable_6xx_block: false,
        }
    }
}

/// What one transaction keeps of the settings: milliseconds in 28 bytes, because a shrunk
/// transaction counts bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    t1: u32,
    t2: u32,
    t4: u32,
    pub(crate) fr: u32,
    pub(crate) fr_inv: u32,
    wt: u32,
    pub(crate) restart_fr: bool,
    pub(crate) block_on_6xx: bool,
}

impl Clocks {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            // A zero T1 would retransmit without pause.
            t1: millis(settings.t1).max(1),
            t2: millis(settings.t2).max(1),
            t4: millis(settings.t4),
            fr: millis(settings.fr_timeout),
            fr_inv: millis(settings.fr_inv_timeout),
            wt: millis(settings.wt_timer),
            restart_fr: settings.restart_fr_on_each_reply,
            block_on_6xx: !settings.disable_6xx_block,
        }
    }

    /// The span of a timer that ends a state. RFC 3261 §17, table 4, and RFC 6026 §7; over a
    /// reliable transport the timers I, J and K are zero.
    pub(crate) const fn span(&self, timer: Timer, reliable: bool) -> u32 {
        match timer {
            Timer::A | Timer::E | Timer::G => self.t1,
            Timer::B | Timer::F | Timer::H => self.fr,
            Timer::C => self.fr_inv,
            Timer::D => self.wt,
            Timer::I | Timer::J => {
                if reliable {
                    0
                } else {
                    self.wt
                }
            }
            Timer::K => {
                if reliable {
                    0
                } else {
                    self.t4
                }
            }
            Timer::L | Timer::M | Timer::Z => self.t1.saturating_mul(64),
        }
    }

    /// The retransmission interval that follows `interval`.
    pub(crate) fn back_off(&self, interval: u32) -> u32 {
        interval.saturating_mul(2).min(self.t2)
    }

    /// The longest retransmission interval.
    pub(crate) const fn t2(&self) -> u32 {
        self.t2
    }
}

/// Whole milliseconds, capped.
pub(crate) fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
