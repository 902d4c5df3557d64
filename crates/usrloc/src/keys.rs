//! What scripts store with a user: a few keys and values, gone with the last contact.

use std::fmt;

use crate::limits::{KEY_OCTETS_MAX, VALUE_OCTETS_MAX};

/// A key and its value.
pub type KeyValue = (Box<[u8]>, Box<[u8]>);

/// The keys of a user, sorted. Hardly anybody has any.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<KeyValue>);

/// Why a key was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The user has no contact.
    NoUser,
    /// The key has more than 128 octets or none, or the value more than 1024.
    TooLong,
    /// The user has [`keys_per_user`](crate::Limits::keys_per_user) already.
    TooMany,
    /// The memory that [`Limits`](crate::Limits) allow is used up.
    Full,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUser => "the user is not registered",
            Self::TooLong => "the key or the value is too long",
            Self::TooMany => "the user has too many keys",
            Self::Full => "the location is full",
        })
    }
}

impl std::error::Error for KeyError {}

impl Keys {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.find(key).ok()?;
        Some(&self.0[at].1)
    }

    /// How many octets more or fewer there are with `value` under `key`.
    pub(crate) fn growth(&self, key: &[u8], value: &[u8]) -> isize {
        let now = key.len() + value.len() + KEY_OVERHEAD;
        let before = self.get(key).map_or(0, |old| key.len() + old.len() + KEY_OVERHEAD);
        now.cast_signed() - before.cast_signed()
    }

    /// Whether `value` may be stored under `key`.
    pub(crate) fn check(&self, key: &[u8], value: &[u8], max: usize) -> Result<(), KeyError> {
        if key.is_empty() || key.len() > KEY_OCTETS_MAX || value.len() > VALUE_OCTETS_MAX {
            Err(KeyError::TooLong)
        } else if self.find(key).is_err() && self.0.len() >= max {
            Err(KeyError::TooMany)
        } else {
            Ok(())
        }
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) {
        match self.find(key) {
            Ok(at) => self.0[at].1 = value.into(),
            Err(at) => self.0.insert(at, (key.into(), value.into())),
        }
    }

    /// Removes a key; how many octets that frees, if it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<usize> {
        let at = self.find(key).ok()?;
        let (key, value) = self.0.remove(at);
        Some(key.len() + value.len() + KEY_OVERHEAD)
    }

    pub(crate) fn all(&self) -> &[KeyValue] {
        &self.0
    }

    pub(crate) fn octets(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len() + KEY_OVERHEAD).sum()
    }

    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(key))
    }
}

const KEY_OVERHEAD: usize = 64;
