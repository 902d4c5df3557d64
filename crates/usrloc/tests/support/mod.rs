//! Shorthands of the tests.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may stop here")]

use std::time::Duration;

use duologue_sip::Tick;
use duologue_usrloc::{Contact, Expires, Location, Settings, Table};

/// A location with one table.
pub(crate) fn location() -> Location {
    Location::new(Settings::default(), (1, 2), 1, ["location".to_owned()])
}

/// So many seconds after the start.
pub(crate) fn at(second: u64) -> Tick {
    Tick::from_millis(second * 1000)
}

/// A contact that is bound for so many seconds from now on, by the first request of `call-1`.
pub(crate) fn phone(uri: &str, now: Tick, seconds: u64) -> Contact {
    let expires = Expires::At(now + Duration::from_secs(seconds));
    Contact { expires, ..Contact::new(uri.as_bytes(), b"call-1", 1) }
}

/// The contacts of a user, in order.
pub(crate) fn uris(table: &Table, aor: &[u8], now: Tick) -> Vec<String> {
    let text = |contact: &std::sync::Arc<Contact>| String::from_utf8(contact.uri.to_vec()).unwrap();
    table.contacts(aor, now).iter().map(text).collect()
}
