//! Key-value stores behind one face: what the `cache_…` functions and commands of the core talk to
//! (spec/script.md §11, spec/modules.md §26).
//!
//! A script names a store as `engine` or `engine:group`: `local`, `redis:main`. Modules bring the
//! stores and enter them with [`Host::add_cache`](crate::module::Host::add_cache) when they start.

use std::fmt;
use std::sync::Arc;

use duologue_sip::Moment;
use parking_lot::Mutex;

/// One key-value store.
///
/// The methods run on the worker that runs the call, which must not wait: a store behind a network
/// answers from what it has at hand, or refuses.
pub trait CacheDb: fmt::Debug + Send + Sync {
    /// Keeps a value, for some seconds or for ever. What the key had before is gone.
    ///
    /// # Errors
    /// The store cannot take it.
    fn store(
        &self,
        now: Moment,
        key: &[u8],
        value: &[u8],
        lifetime: Option<u32>,
    ) -> Result<(), CacheError>;

    /// The value of a key; `None` if there is none, or no longer.
    ///
    /// # Errors
    /// The store cannot tell.
    fn fetch(&self, now: Moment, key: &[u8]) -> Result<Option<Vec<u8>>, CacheError>;

    /// Forgets a key, whether it is there or not.
    ///
    /// # Errors
    /// The store cannot.
    fn remove(&self, now: Moment, key: &[u8]) -> Result<(), CacheError>;

    /// Adds to the number that a key has, and gives the sum. A key that is not there begins with
    /// `by` and lives as long as is said; one that is there lives on as before.
    ///
    /// # Errors
    /// [`CacheError::NotANumber`], [`CacheError::OutOfRange`], or the store cannot.
    fn add(
        &self,
        now: Moment,
        key: &[u8],
        by: i64,
        lifetime: Option<u32>,
    ) -> Result<i32, CacheError>;

    /// The number that a key has.
    ///
    /// # Errors
    /// [`CacheError::NotANumber`], or the store cannot tell.
    fn counter(&self, now: Moment, key: &[u8]) -> Result<Option<i32>, CacheError> {
        self.fetch(now, key)?.map(|value| number(&value)).transpose()
    }

    /// Asks in the store's own language; the rows of the answer.
    ///
    /// # Errors
    /// [`CacheError::Unsupported`] unless the store has such a language.
    fn query(&self, now: Moment, query: &[u8]) -> Result<Vec<Vec<Cell>>, CacheError> {
        let _ = (now, query);
        Err(CacheError::Unsupported)
    }
}

/// A field of a row that a store answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Int(i32),
    /// A text.
    Str(Vec<u8>),
}

/// The number that a value is.
///
/// # Errors
/// [`CacheError::NotANumber`].
pub fn number(value: &[u8]) -> Result<i32, CacheError> {
    let text = std::str::from_utf8(value).map_err(|_| CacheError::NotANumber)?;
    text.trim().parse().map_err(|_| CacheError::NotANumber)
}

/// Why a store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheError {
    /// The value should be counted with and is no number.
    NotANumber,
    /// The sum has more than 32 bits.
    OutOfRange,
    /// The key or the value is longer than the store takes.
    TooLong,
    /// There is no room.
    Full,
    /// The store has no such operation.
    Unsupported,
    /// What is behind the store failed.
    Failed(String),
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "the value is no number",
            Self::OutOfRange => "the sum does not fit into 32 bits",
            Self::TooLong => "the key or the value is too long",
            Self::Full => "the store is full",
            Self::Unsupported => "the store has no such operation",
            Self::Failed(reason) => reason,
        })
    }
}

impl std::error::Error for CacheError {}

/// The stores of a proxy: entered while the modules start, then only looked up.
#[derive(Debug, Default)]
pub struct Caches {
    entered: Mutex<Vec<Entry>>,
    settled: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    engine: &'static str,
    group: Option<String>,
    store: Arc<dyn CacheDb>,
}

impl Caches {
    /// Enters a store. Where two have one name, the first stays.
    pub(crate) fn enter(
        &self,
        engine: &'static str,
        group: Option<String>,
        store: Arc<dyn CacheDb>,
    ) {
        self.entered.lock().push(Entry { engine, group, store });
    }

    /// All modules have started: from now on the list stands, and nobody locks it.
    pub(crate) fn settle(&mut self) {
        self.settled.append(self.entered.get_mut());
    }

    /// The store that a script means by `engine` or `engine:group`.
    pub fn find(&self, id: &[u8]) -> Option<&Arc<dyn CacheDb>> {
        let (engine, group) = split(id);
        let named = |entry: &&Entry| {
            entry.engine.as_bytes() == engine && entry.group.as_deref().map(str::as_bytes) == group
        };
        self.settled.iter().find(named).map(|entry| &entry.store)
    }
}

/// Engine and group.
fn split(id: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b':', id) {
        Some(colon) => (&id[..colon], Some(&id[colon + 1..]).filter(|group| !group.is_empty())),
        None => (id, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Named(&'static str);

    impl CacheDb for Named {
        fn store(&self, _: Moment, _: &[u8], _: &[u8], _: Option<u32>) -> Result<(), CacheError> {
            Err(CacheError::Unsupported)
        }

        fn fetch(&self, _: Moment, _: &[u8]) -> Result<Option<Vec<u8>>, CacheError> {
            Ok(Some(self.0.as_bytes().to_vec()))
        }

        fn remove(&self, _: Moment, _: &[u8]) -> Result<(), CacheError> {
            Err(CacheError::Unsupported)
        }

        fn add(&self, _: Moment, _: &[u8], _: i64, _: Option<u32>) -> Result<i32, CacheError> {
            Err(CacheError::Unsupported)
        }
    }

    /// spec/script.md §11: `engine[:group]`.
    #[test]
    fn stores_are_found_by_engine_and_group() {
        let mut caches = Caches::default();
        caches.enter("local", None, Arc::new(Named("plain")));
        caches.enter("local", Some("g1".to_owned()), Arc::new(Named("grouped")));
        caches.enter("local", None, Arc::new(Named("late")));
        caches.settle();
        let found = |id: &str| {
            let store = caches.find(id.as_bytes())?;
            String::from_utf8(store.fetch(Moment::default(), b"").unwrap()?).ok()
        };
        assert_eq!(found("local").as_deref(), Some("plain"));
        assert_eq!(found("local:").as_deref(), Some("plain"));
        assert_eq!(found("local:g1").as_deref(), Some("grouped"));
        for unknown in ["local:g2", "redis", "redis:g1", "", "LOCAL"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_number_is_a_whole_decimal_text() {
        assert_eq!(number(b"42"), Ok(42));
        assert_eq!(number(b" -7\n"), Ok(-7));
        for other in [&b""[..], b"a", b"1a", b"1.5", b"9999999999", b"\xff"] {
            assert_eq!(number(other), Err(CacheError::NotANumber));
        }
    }
}
