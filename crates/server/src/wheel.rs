//! Timers that cost nothing while they wait: a hierarchical wheel over a slab.
//!
//! A timer stands in the bucket of its deadline: 64 buckets of 16 ms, 64 of 1 s, 64 of 65 s and so
//! on, six levels in all. Arming and cancelling link and unlink one entry; nothing is scanned until
//! a bucket's time has come, and then only that bucket. A bitmap per level tells the next occupied
//! bucket, so an idle wheel with a million timers answers [`Wheel::next_due`] in a few
//! instructions.
//!
//! ```
//! use duologue_server::wheel::Wheel;
//! use duologue_sip::Tick;
//!
//! let mut wheel = Wheel::new();
//! let ring = wheel.arm(Tick::from_millis(500), "retransmit");
//! wheel.arm(Tick::from_millis(32_000), "give up");
//! assert!(wheel.cancel(ring).is_some());
//!
//! let mut due = Vec::new();
//! wheel.expire(Tick::from_millis(32_000), &mut due);
//! assert_eq!(due, ["give up"]);
//! ```

use duologue_sip::Tick;

/// The wheel's step in milliseconds. A timer fires at the first step at or after its deadline, so
/// up to 15 ms late and never early.
pub const STEP_MS: u64 = 1 << STEP_BITS;

/// How far ahead a timer can stand, in milliseconds: 2.1 years. A later deadline is brought forward
/// to this; its owner then finds that nothing is due and arms again.
pub const HORIZON_MS: u64 = STEPS_MAX << STEP_BITS;

/// How many timers one wheel can hold; at 32 bytes each, memory ends before.
pub const TIMERS_MAX: usize = BUCKET as usize;

const STEP_BITS: u32 = 4;
const STEPS_MAX: u64 = u32::MAX as u64;
const LEVELS: usize = 6;
const LEVEL_BITS: u32 = 6;
const BUCKETS: usize = 1 << LEVEL_BITS;

/// Marks a link to a bucket's head rather than to another entry.
const BUCKET: u32 = 1 << 31;
/// No further entry.
const NIL: u32 = u32::MAX;

// Registrations, dialogs and bans last at most 49 days in practice (2^32 ms).
const _: () = assert!(HORIZON_MS >= 49 * 24 * 3_600_000);
// The top level must see the whole horizon without meeting its own tail.
const _: () = assert!(STEPS_MAX >> (LEVEL_BITS * (LEVELS as u32 - 1)) < BUCKETS as u64 - 1);
const _: () = assert!(size_of::<Entry<u64>>() == 32);

/// A timer of a [`Wheel`]. It stops being valid when the timer fires or is cancelled, and then
/// never touches the timer that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    slot: u32,
    generation: u32,
}

/// A set of timers, each with a value to hand back when it fires.
#[derive(Debug)]
pub struct Wheel<T> {
    /// The step up to which everything has fired.
    elapsed: u64,
    len: usize,
    /// First entry of the free list.
    free: u32,
    entries: Vec<Entry<T>>,
    occupied: [u64; LEVELS],
    heads: [[u32; BUCKETS]; LEVELS],
}

#[derive(Debug)]
struct Entry<T> {
    /// `None` while the entry is on the free list.
    value: Option<T>,
    /// The low half of the step at which it fires.
    step: u32,
    generation: u32,
    next: u32,
    /// The entry before it, or its bucket marked with [`BUCKET`].
    previous: u32,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Wheel<T> {
    /// A wheel without timers, standing at [`Tick::ZERO`]. It allocates with its first timer.
    pub const fn new() -> Self {
        Self {
            elapsed: 0,
            len: 0,
            free: NIL,
            entries: Vec::new(),
            occupied: [0; LEVELS],
            heads: [[NIL; BUCKETS]; LEVELS],
        }
    }

    /// Sets a timer for `at`. A deadline in the past fires with the next [`expire`](Self::expire).
    ///
    /// The number of timers is bounded by their owners (one per call, and calls are limited); the
    /// memory of cancelled ones is used again.
    ///
    /// # Panics
    /// Above [`TIMERS_MAX`], that is with 64 GiB of timers.
    pub fn arm(&mut self, at: Tick, value: T) -> TimerKey {
        let step = at.as_millis().div_ceil(STEP_MS);
        let step = step.clamp(self.elapsed, self.elapsed.saturating_add(STEPS_MAX));
        let slot = self.take_free();
        let entry = &mut self.entries[slot as usize];
        entry.value = Some(value);
        // The high half is known from `elapsed`, which is never 2^32 steps away.
        entry.step = step as u32;
        let generation = entry.generation;
        self.len += 1;
        self.link(slot);
        TimerKey { slot, generation }
    }

    /// Stops a timer and hands its value back; `None` if it has fired or was cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let entry = self.entries.get(key.slot as usize)?;
        if entry.generation != key.generation || entry.value.is_none() {
            return None;
        }
        self.unlink(key.slot);
        self.release(key.slot)
    }

    /// Moves all timers that are due at `now` to the end of `due`, earliest step first.
    pub fn expire(&mut self, now: Tick, due: &mut Vec<T>) {
        let now = now.as_millis() / STEP_MS;
        while let Some((level, bucket, step)) = self.next_bucket()
            && step <= now
        {
            self.elapsed = step;
            self.occupied[level] &= !(1 << bucket);
            let mut slot = std::mem::replace(&mut self.heads[level][bucket], NIL);
            while slot != NIL {
                let next = self.entries[slot as usize].next;
                if self.step(slot) <= self.elapsed {
                    due.extend(self.release(slot));
                } else {
                    self.link(slot);
                }
                slot = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// When to call [`expire`](Self::expire) next: never later than the first timer fires. It may
    /// be earlier, when far timers have to move to a finer level.
    pub fn next_due(&self) -> Option<Tick> {
        self.next_bucket().map(|(_, _, step)| Tick::from_millis(step << STEP_BITS))
    }

    /// How many timers are armed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first occupied bucket: level, index and the step at which its time begins.
    fn next_bucket(&self) -> Option<(usize, usize, u64)> {
        // All timers of a level lie within the current bucket of the level above, so the first
        // level that holds anything holds the earliest.
        let level = self.occupied.iter().position(|&map| map != 0)?;
        let shift = LEVEL_BITS * level as u32;
        let current = self.elapsed >> shift;
        let ahead =
            self.occupied[level].rotate_right((current % BUCKETS as u64) as u32).trailing_zeros();
        let begin = current + u64::from(ahead);
        Some((level, (begin % BUCKETS as u64) as usize, begin << shift))
    }

    /// The step at which the timer in `slot` fires.
    fn step(&self, slot: u32) -> u64 {
        let low = self.entries[slot as usize].step;
        self.elapsed + u64::from(low.wrapping_sub(self.elapsed as u32))
    }

    fn link(&mut self, slot: u32) {
        let step = self.step(slot);
        // The highest group of bits in which the deadline differs from now names the level.
        let differing = (step ^ self.elapsed) | 1;
        let level = ((63 - differing.leading_zeros()) / LEVEL_BITS).min(LEVELS as u32 - 1);
        let bucket = (step >> (LEVEL_BITS * level)) as usize % BUCKETS;
        let (level, head) = (level as usize, bucket as u32 | level << LEVEL_BITS | BUCKET);

        let next = std::mem::replace(&mut self.heads[level][bucket], slot);
        self.occupied[level] |= 1 << bucket;
        if next != NIL {
            self.entries[next as usize].previous = slot;
        }
        let entry = &mut self.entries[slot as usize];
        entry.next = next;
        entry.previous = head;
    }

    fn unlink(&mut self, slot: u32) {
        let Entry { next, previous, .. } = self.entries[slot as usize];
        if next != NIL {
            self.entries[next as usize].previous = previous;
        }
        if previous & BUCKET == 0 {
            self.entries[previous as usize].next = next;
            return;
        }
        let level = ((previous & !BUCKET) >> LEVEL_BITS) as usize;
        let bucket = previous as usize % BUCKETS;
        self.heads[level][bucket] = next;
        if next == NIL {
            self.occupied[level] &= !(1 << bucket);
        }
    }

    fn take_free(&mut self) -> u32 {
        if self.free == NIL {
            assert!(self.entries.len() < TIMERS_MAX, "owners bound the number of timers");
            let slot = self.entries.len() as u32;
            let (next, previous) = (NIL, NIL);
            self.entries.push(Entry { value: None, step: 0, generation: 0, next, previous });
            return slot;
        }
        let slot = self.free;
        self.free = self.entries[slot as usize].next;
        slot
    }

    /// Puts an unlinked entry on the free list.
    fn release(&mut self, slot: u32) -> Option<T> {
        let entry = &mut self.entries[slot as usize];
        let value = entry.value.take();
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = std::mem::replace(&mut self.free, slot);
        self.len -= 1;
        value
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const fn at(millis: u64) -> Tick {
        Tick::from_millis(millis)
    }

    fn expired<T>(wheel: &mut Wheel<T>, now: u64) -> Vec<T> {
        let mut due = Vec::new();
        wheel.expire(at(now), &mut due);
        due
    }

    #[test]
    fn fires_within_one_step_and_never_early() {
        for deadline in [0, 1, 15, 16, 17, 500, 1_023, 1_024, 32_000, 180_000, 4_300_000_000] {
            let mut wheel = Wheel::new();
            wheel.arm(at(deadline), ());
            if deadline > 0 {
                assert!(expired(&mut wheel, deadline - 1).is_empty(), "{deadline} early");
            }
            assert_eq!(expired(&mut wheel, deadline + STEP_MS - 1).len(), 1, "{deadline} late");
            assert!(wheel.is_empty());
        }
    }

    #[test]
    fn a_key_outlives_its_timer_harmlessly() {
        let mut wheel = Wheel::new();
        let first = wheel.arm(at(10), 'a');
        assert_eq!(wheel.cancel(first), Some('a'));
        let second = wheel.arm(at(10), 'b');
        assert_eq!(wheel.cancel(first), None);
        assert_eq!(expired(&mut wheel, 100), ['b']);
        assert_eq!(wheel.cancel(second), None);
    }

    #[test]
    fn cancelled_timers_leave_nothing_behind() {
        let mut wheel = Wheel::new();
        for round in 0..1_000 {
            let keys: Vec<_> = (0..10).map(|i| wheel.arm(at(round * 7 + i * 999), i)).collect();
            keys.into_iter().for_each(|key| assert!(wheel.cancel(key).is_some()));
        }
        assert_eq!(wheel.entries.len(), 10);
        assert_eq!(wheel.next_due(), None);
        assert_eq!(wheel.occupied, [0; LEVELS]);
    }

    #[test]
    fn beyond_the_horizon_is_brought_forward() {
        let mut wheel = Wheel::new();
        wheel.arm(at(u64::MAX), ());
        assert!(wheel.next_due() <= Some(at(HORIZON_MS)));
        assert_eq!(expired(&mut wheel, HORIZON_MS).len(), 1);
    }

    #[test]
    fn a_million_idle_timers_are_not_looked_at() {
        let mut wheel = Wheel::new();
        for i in 0..1_000_000u64 {
            wheel.arm(at(3_600_000 + i), i);
        }
        // The clock may move anywhere before the first bucket: no entry moves, nothing fires.
        for now in (0..3_000_000).step_by(100) {
            assert!(expired(&mut wheel, now).is_empty());
        }
        assert_eq!(expired(&mut wheel, 4_600_016).len(), 1_000_000);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u64),
        Cancel(usize),
        Pass(u64),
        PassToNextDue,
    }

    fn spans() -> impl Strategy<Value = u64> {
        prop_oneof![0..100u64, 0..5_000u64, 0..300_000u64, 0..5_000_000_000u64]
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => spans().prop_map(Step::Arm),
            2 => any::<usize>().prop_map(Step::Cancel),
            2 => spans().prop_map(Step::Pass),
            2 => Just(Step::PassToNextDue),
        ]
    }

    proptest! {
        /// Goal: the wheel is a sorted map of deadlines. Method: play random operations on both and
        /// compare what fires, what cancels and what is said to be due next.
        #[test]
        fn behaves_like_a_sorted_map(
            start in prop_oneof![Just(0), spans(), (1u64 << 39)..(1 << 41)],
            steps in prop::collection::vec(steps(), 1..200),
        ) {
            let mut wheel = Wheel::new();
            let mut model = BTreeMap::new();
            let mut keys = Vec::new();
            let mut now = start;
            prop_assert!(expired(&mut wheel, now).is_empty());

            for (id, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Arm(span) => {
                        let deadline = (now + span).div_ceil(STEP_MS);
                        model.insert((deadline, id), ());
                        keys.push((wheel.arm(at(now + span), id), (deadline, id)));
                    }
                    Step::Cancel(which) if !keys.is_empty() => {
                        let (key, entry) = keys.swap_remove(which % keys.len());
                        let cancelled = wheel.cancel(key).is_some();
                        prop_assert_eq!(cancelled, model.remove(&entry).is_some());
                    }
                    Step::Cancel(_) => {}
                    Step::Pass(span) => now += span,
                    Step::PassToNextDue => {
                        if let Some(due) = wheel.next_due() {
                            now = now.max(due.as_millis());
                        }
                    }
                }
                let mut fired = expired(&mut wheel, now);
                fired.sort_unstable();
                let later = model.split_off(&(now / STEP_MS + 1, 0));
                let mut wanted: Vec<_> = model.into_keys().map(|(_, id)| id).collect();
                wanted.sort_unstable();
                prop_assert_eq!(fired, wanted);
                model = later;

                prop_assert_eq!(wheel.len(), model.len());
                let first = model.keys().next().map(|&(step, _)| at(step * STEP_MS));
                prop_assert_eq!(wheel.next_due().is_some(), first.is_some());
                prop_assert!(wheel.next_due() <= first);
            }
        }
    }
}
