//! A collection: keys and values in memory, most of them for a while only.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use duologue_sip::{Moment, Tick};
use parking_lot::Mutex;

use crate::cachedb::{CacheDb, CacheError, number};
use crate::glob;

/// The longest key in bytes.
pub const KEY_BYTES_MAX: usize = 4096;
/// The longest value in bytes: about what one datagram can bring.
pub const VALUE_BYTES_MAX: usize = 65_536;
/// What the entries of one collection may take in bytes. Beyond it values are refused.
pub const COLLECTION_BYTES_MAX: usize = 256 << 20;
/// What an entry takes beside key and value, about.
const ENTRY_BYTES: usize = 96;
/// How long a full collection waits before it looks for expired entries everywhere once more.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Keys and values, spread over locks of their own.
///
/// What has expired is invisible at once; its memory comes back when its part of the collection
/// is written to and was not swept for the clean period, or when the collection is full.
#[derive(Debug)]
pub struct Collection {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    bytes: AtomicUsize,
    bytes_max: usize,
    clean_period: Duration,
    /// Milliseconds of the last sweep through everything.
    swept: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Box<[u8]>, Entry>,
    cleaned: Tick,
}

#[derive(Debug)]
struct Entry {
    value: Box<[u8]>,
    expires: Option<Tick>,
}

impl Entry {
    fn lives(&self, now: Moment) -> bool {
        self.expires.is_none_or(|expires| now.tick < expires)
    }
}

fn size(key: &[u8], value: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + value.len()
}

fn expiry(now: Moment, lifetime: Option<u32>) -> Option<Tick> {
    lifetime.map(|seconds| now.tick + Duration::from_secs(seconds.into()))
}

impl Collection {
    /// An empty collection of 2^`exponent` parts.
    pub fn new(exponent: u32, clean_period: Duration) -> Self {
        Self::bounded(exponent, clean_period, COLLECTION_BYTES_MAX)
    }

    fn bounded(exponent: u32, clean_period: Duration, bytes_max: usize) -> Self {
        Self {
            shards: (0..1usize << exponent).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            bytes: AtomicUsize::new(0),
            bytes_max,
            clean_period,
            swept: AtomicU64::new(0),
        }
    }

    /// Forgets the keys that fit a pattern, and tells how many there were.
    pub fn remove_matching(&self, now: Moment, pattern: &[u8]) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            self.retain(&mut shard.lock(), |key, entry| {
                let fits = glob::matches(pattern, key);
                removed += usize::from(fits && entry.lives(now));
                !fits
            });
        }
        removed
    }

    /// How many parts there are for [`matching`](Self::matching).
    pub fn parts(&self) -> usize {
        self.shards.len()
    }

    /// The keys of one part that fit a pattern, with their values.
    pub fn matching(&self, part: usize, now: Moment, pattern: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(shard) = self.shards.get(part) else { return Vec::new() };
        let shard = shard.lock();
        let fitting = shard
            .entries
            .iter()
            .filter(|(key, entry)| entry.lives(now) && glob::matches(pattern, key));
        fitting.map(|(key, entry)| (key.to_vec(), entry.value.to_vec())).collect()
    }

    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        // The number of parts is a power of two; the upper bits pick buckets within the part.
        &self.shards[(hash as usize) & (self.shards.len() - 1)]
    }

    fn retain(&self, shard: &mut Shard, mut keep: impl FnMut(&[u8], &Entry) -> bool) {
        let mut freed = 0;
        shard.entries.retain(|key, entry| {
            let stays = keep(key, entry);
            freed += if stays { 0 } else { size(key, &entry.value) };
            stays
        });
        self.bytes.fetch_sub(freed, Relaxed);
    }

    /// Frees what has expired in a part that was not swept for a while.
    fn tidy(&self, shard: &mut Shard, now: Moment) {
        if now.tick.since(shard.cleaned) >= self.clean_period {
            shard.cleaned = now.tick;
            self.retain(shard, |_, entry| entry.lives(now));
        }
    }

    /// Frees what has expired anywhere, at most once in a while.
    fn sweep(&self, now: Moment) {
        let (last, millis) = (self.swept.load(Relaxed), now.tick.as_millis());
        if now.tick.since(Tick::from_millis(last)) < SWEEP_PAUSE
            || self.swept.compare_exchange(last, millis, Relaxed, Relaxed).is_err()
        {
            return;
        }
        for shard in &self.shards {
            self.retain(&mut shard.lock(), |_, entry| entry.lives(now));
        }
    }

    fn has_room(&self, key: &[u8], value: &[u8]) -> bool {
        self.bytes.load(Relaxed) + size(key, value) <= self.bytes_max
    }

    /// Puts an entry in place of what is there, if anything.
    fn put(&self, shard: &mut Shard, key: &[u8], entry: Entry) {
        let added = size(key, &entry.value);
        let old = shard.entries.insert(key.into(), entry);
        self.bytes.fetch_add(added, Relaxed);
        if let Some(old) = old {
            self.bytes.fetch_sub(size(key, &old.value), Relaxed);
        }
    }
}

impl CacheDb for Collection {
    fn store(
        &self,
        now: Moment,
        key: &[u8],
        value: &[u8],
        lifetime: Option<u32>,
    ) -> Result<(), CacheError> {
        if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(CacheError::TooLong);
        }
        if !self.has_room(key, value) {
            self.sweep(now);
        }
        let mut shard = self.shard(key).lock();
        self.tidy(&mut shard, now);
        if !self.has_room(key, value) {
            return Err(CacheError::Full);
        }
        self.put(&mut shard, key, Entry { value: value.into(), expires: expiry(now, lifetime) });
        Ok(())
    }

    fn fetch(&self, now: Moment, key: &[u8]) -> Result<Option<Vec<u8>>, CacheError> {
        let shard = self.shard(key).lock();
        let entry = shard.entries.get(key).filter(|entry| entry.lives(now));
        Ok(entry.map(|entry| entry.value.to_vec()))
    }

    fn remove(&self, _: Moment, key: &[u8]) -> Result<(), CacheError> {
        let old = self.shard(key).lock().entries.remove(key);
        if let Some(old) = old {
            self.bytes.fetch_sub(size(key, &old.value), Relaxed);
        }
        Ok(())
    }

    fn add(
        &self,
        now: Moment,
        key: &[u8],
        by: i64,
        lifetime: Option<u32>,
    ) -> Result<i32, CacheError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(CacheError::TooLong);
        }
        // A number takes up to eleven bytes.
        if !self.has_room(key, &[0; 11]) {
            self.sweep(now);
        }
        let mut shard = self.shard(key).lock();
        self.tidy(&mut shard, now);
        let old = shard.entries.get(key).filter(|entry| entry.lives(now));
        let (start, expires) = match old {
            Some(entry) => (number(&entry.value)?, entry.expires),
            None => (0, expiry(now, lifetime)),
        };
        if old.is_none() && !self.has_room(key, &[0; 11]) {
            return Err(CacheError::Full);
        }
        let sum = i64::from(start).saturating_add(by);
        let sum = i32::try_from(sum).map_err(|_| CacheError::OutOfRange)?;
        let value = sum.to_string().into_bytes().into_boxed_slice();
        self.put(&mut shard, key, Entry { value, expires });
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Moment {
        Moment { tick: Tick::from_millis(seconds * 1000), unix: seconds }
    }

    fn text(collection: &Collection, now: Moment, key: &str) -> Option<String> {
        let value = collection.fetch(now, key.as_bytes()).unwrap()?;
        Some(String::from_utf8(value).unwrap())
    }

    /// spec/modules.md §26: expired entries are invisible at once; expiry 0 (none) is never.
    #[test]
    fn values_live_as_long_as_was_said() {
        let collection = Collection::new(2, PERIOD);
        collection.store(at(0), b"a", b"1", Some(10)).unwrap();
        collection.store(at(0), b"b", b"2", None).unwrap();
        assert_eq!(text(&collection, at(9), "a").as_deref(), Some("1"));
        assert_eq!(text(&collection, at(10), "a"), None);
        assert_eq!(text(&collection, at(1_000_000), "b").as_deref(), Some("2"));
        collection.store(at(20), b"a", b"3", Some(10)).unwrap();
        assert_eq!(text(&collection, at(29), "a").as_deref(), Some("3"));
        collection.remove(at(29), b"a").unwrap();
        assert_eq!(text(&collection, at(29), "a"), None);
        collection.remove(at(29), b"a").unwrap();
    }

    /// spec/modules.md §26: a missing or expired key begins with the value and the given expiry; an
    /// existing one keeps its expiry; on text that is no number it fails.
    #[test]
    fn counters_begin_where_nothing_is_and_keep_their_expiry() {
        let collection = Collection::new(2, PERIOD);
        assert_eq!(collection.add(at(0), b"n", 5, Some(10)), Ok(5));
        assert_eq!(collection.add(at(5), b"n", -7, Some(100)), Ok(-2));
        assert_eq!(collection.counter(at(9), b"n"), Ok(Some(-2)));
        assert_eq!(collection.counter(at(10), b"n"), Ok(None));
        assert_eq!(collection.add(at(10), b"n", 1, None), Ok(1));
        assert_eq!(collection.add(at(500), b"n", i64::from(i32::MAX) - 1, None), Ok(i32::MAX));
        assert_eq!(collection.add(at(500), b"n", 1, None), Err(CacheError::OutOfRange));
        assert_eq!(collection.counter(at(500), b"n"), Ok(Some(i32::MAX)));
        collection.store(at(500), b"t", b"text", None).unwrap();
        assert_eq!(collection.add(at(500), b"t", 1, None), Err(CacheError::NotANumber));
        assert_eq!(collection.counter(at(500), b"t"), Err(CacheError::NotANumber));
        assert_eq!(text(&collection, at(500), "t").as_deref(), Some("text"));
    }

    #[test]
    fn patterns_find_and_remove_what_lives() {
        let collection = Collection::new(3, PERIOD);
        for n in 0..10 {
            collection.store(at(0), format!("call_{n}").as_bytes(), b"x", None).unwrap();
        }
        collection.store(at(0), b"call_old", b"x", Some(1)).unwrap();
        collection.store(at(0), b"other", b"y", None).unwrap();
        let found = |pattern: &[u8]| {
            let parts = 0..collection.parts();
            parts.map(|part| collection.matching(part, at(2), pattern).len()).sum::<usize>()
        };
        assert_eq!(found(b"call_*"), 10);
        assert_eq!(collection.remove_matching(at(2), b"call_[0-4]"), 5);
        assert_eq!(found(b"*"), 6);
        assert_eq!(collection.remove_matching(at(2), b"*"), 6);
        assert_eq!(collection.bytes.load(Relaxed), 0, "no byte is counted that is not there");
    }

    /// spec/modules.md §26, `cache_clean_period`.
    #[test]
    fn the_memory_of_expired_entries_comes_back() {
        let collection = Collection::new(0, PERIOD);
        for n in 0..100 {
            collection.store(at(0), &[n], b"x", Some(1)).unwrap();
        }
        collection.store(at(599), b"new", b"x", None).unwrap();
        assert_eq!(collection.shards[0].lock().entries.len(), 101);
        collection.store(at(600), b"new", b"x", None).unwrap();
        assert_eq!(collection.shards[0].lock().entries.len(), 1);
        assert_eq!(collection.bytes.load(Relaxed), size(b"new", b"x"));
    }

    #[test]
    fn a_full_collection_refuses_what_it_cannot_make_room_for() {
        let collection = Collection::bounded(1, PERIOD, 10 * size(b"k", b"v"));
        for n in 0..10u8 {
            collection.store(at(1), &[n], b"v", Some(5)).unwrap();
        }
        assert_eq!(collection.store(at(2), b"k", b"v", None), Err(CacheError::Full));
        assert_eq!(collection.add(at(2), b"k", 1, None), Err(CacheError::Full));
        collection.store(at(7), b"k", b"v", None).unwrap();
        let long = vec![b'x'; VALUE_BYTES_MAX + 1];
        assert_eq!(collection.store(at(7), b"l", &long, None), Err(CacheError::TooLong));
        assert_eq!(collection.store(at(7), &long, b"v", None), Err(CacheError::TooLong));
    }
}
