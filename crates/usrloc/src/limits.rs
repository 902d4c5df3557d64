//! How much there may be. What is beyond is refused, never dropped in silence.

/// The limits of a [`Location`](crate::Location), over all its tables where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Contacts of all users.
    pub contacts: usize,
    /// Octets of memory, counted by [`Contact::octets`](crate::Contact::octets).
    pub octets: usize,
    /// Contacts of one user. All of them stand in one 200 to a REGISTER, which has to fit into a
    /// datagram, and are compared with each contact that comes.
    pub contacts_per_user: usize,
    /// Keys that scripts may store with one user.
    pub keys_per_user: usize,
}

impl Default for Limits {
    /// Two million contacts, 2 GiB, 64 contacts and 32 keys per user.
    fn default() -> Self {
        Self { contacts: 2 << 20, octets: 2 << 30, contacts_per_user: 64, keys_per_user: 32 }
    }
}

/// How many tables a location may have: they are named in a script, a handful.
pub const TABLES_MAX: usize = 32;

/// The longest key and value that a script may store with a user.
pub(crate) const KEY_OCTETS_MAX: usize = 128;
pub(crate) const VALUE_OCTETS_MAX: usize = 1024;

/// How many users a listing copies, and how many contacts the expiry removes, under one lock.
pub(crate) const STEPS_PER_LOCK: usize = 128;

/// How many bits of `hash_size` make shards; more would be empty most of the time.
pub(crate) const SHARD_BITS_MAX: u32 = 12;
