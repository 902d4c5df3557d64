//! A contact as a row of `location` (spec/modules.md §13, §31): the columns for OpenSIPS, and beside
//! them what these cannot hold ([`beside`]).

mod beside;
mod keeper;
mod restore;

use duologue_sip::{Moment, Tick, Uri};
use duologue_usrloc::{Contact, ContactId, Expires, KeyValue, Methods};
use serde_json::{Map, Value as Json};

use crate::record::{SocketNames, Unreadable};
use crate::{LocationRow, ReadLocation};
use beside::Beside;

pub use keeper::{ContactKeeper, ContactTables, WrittenContacts};
pub use restore::{restore_contacts, sync_contacts};

/// What the numbers of a process stand for in rows of contacts, and how users are named.
pub trait ContactWords: SocketNames {
    /// Whether an address of record has a domain: `user@domain`.
    fn use_domain(&self) -> bool;
    /// The names of branch flags, with blanks between them.
    fn branch_flags(&self, mask: u32) -> String;
    /// The branch flags of these names; those that the script does not have are left out.
    fn branch_flags_named(&self, names: &str) -> u32;
}

/// A contact that was stored: whose it is, and the keys of that user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContact {
    /// The address of record.
    pub aor: Vec<u8>,
    /// The contact.
    pub contact: Contact,
    /// What scripts stored with the user, sorted by key.
    pub keys: Vec<KeyValue>,
}

/// The columns of a contact, and what goes beside them.
pub fn write_contact(
    (aor, contact, keys): (&[u8], &Contact, &[KeyValue]),
    now: Moment,
    words: &dyn ContactWords,
) -> (LocationRow, Vec<u8>) {
    let text = |text: &[u8]| (!text.is_empty()).then(|| text.to_vec());
    let (username, domain) = match aor.iter().rposition(|byte| *byte == b'@') {
        Some(at) if words.use_domain() => (&aor[..at], Some(aor[at + 1..].to_vec())),
        _ => (aor, None),
    };
    let row = LocationRow {
        contact_id: contact.id.0,
        username: username.to_vec(),
        domain,
        contact: contact.uri.to_vec(),
        received: text(&contact.received),
        path: text(&contact.path),
        expires: match contact.expires {
            Expires::Never => 0,
            // The last second is the phone's.
            Expires::At(at) => unix_of(at.as_millis().div_ceil(1000), now).max(1),
        },
        q_hundredths: u8::try_from((contact.q + 5).div_euclid(10)).ok().filter(|_| contact.q >= 0),
        call_id: contact.call_id.to_vec(),
        cseq: contact.cseq,
        last_modified: unix_of(contact.modified.as_millis() / 1000, now).into(),
        flags: contact.flags,
        branch_flags: text(words.branch_flags(contact.branch_flags).as_bytes()),
        user_agent: contact.user_agent.to_vec(),
        socket: contact.socket.and_then(|it| words.socket(it)).map(String::into_bytes),
        methods: Some(contact.methods.0),
        sip_instance: text(&contact.instance),
        kv_store: (!keys.is_empty()).then(|| json_of(keys)),
        attributes: text(&contact.attributes),
    };
    let sockets = contact.socket.and_then(|it| words.socket_names(it));
    let beside = Beside {
        q: contact.q,
        latency_us: contact.latency_us,
        sockets: sockets.unwrap_or_default(),
        keys: keys.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
    };
    (row, beside.encode())
}

/// The contact of a row, whether its time is over or not. A socket that is none of ours is left out:
/// the phone is called by the one that leads there.
///
/// # Errors
/// [`Unreadable`]: such a row is set aside.
pub fn read_contact(
    read: ReadLocation,
    now: Moment,
    words: &dyn ContactWords,
) -> Result<StoredContact, Unreadable> {
    let row = read.contact;
    if row.username.is_empty() {
        return Err(Unreadable::Column("username"));
    }
    if Uri::parse(&row.contact).is_err() {
        return Err(Unreadable::Column("contact"));
    }
    let mut aor = row.username;
    if let Some(domain) = row.domain.filter(|domain| words.use_domain() && !domain.is_empty()) {
        aor.push(b'@');
        aor.extend(domain.to_ascii_lowercase());
    }
    let text = |text: Option<Vec<u8>>| text.unwrap_or_default().into_boxed_slice();
    let named = |bytes: &Option<Vec<u8>>| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
    };
    let instance = row.sip_instance.as_deref().unwrap_or_default();
    let unquoted = |text: &[u8]| Some(text.strip_prefix(b"\"")?.strip_suffix(b"\"")?.into());
    let beside = read.payload.as_deref().filter(|_| read.is_ours).and_then(Beside::decode);
    let (q, latency_us, sockets, keys) = match beside {
        Some(it) => (it.q, it.latency_us, it.sockets, boxed(it.keys)),
        None => {
            let q = row.q_hundredths.map_or(-1, |q| i16::from(q) * 10);
            (q, 0, named(&row.socket), row.kv_store.map_or_else(Vec::new, |it| keys_of(&it)))
        }
    };
    let contact = Contact {
        id: ContactId(row.contact_id),
        uri: row.contact.into(),
        expires: match row.expires {
            0 => Expires::Never,
            unix => Expires::At(tick_of(unix.into(), now)),
        },
        q,
        call_id: row.call_id.into(),
        cseq: row.cseq,
        modified: tick_of(row.last_modified, now),
        user_agent: row.user_agent.into(),
        received: text(row.received),
        path: text(row.path),
        socket: words.socket_named(&sockets),
        flags: row.flags,
        branch_flags: words.branch_flags_named(&named(&row.branch_flags)),
        methods: row.methods.map_or(Methods::ALL, Methods),
        instance: unquoted(instance).unwrap_or_else(|| instance.into()),
        attributes: text(row.attributes),
        latency_us,
        memory_only: false,
    };
    Ok(StoredContact { aor, contact, keys })
}

fn boxed(keys: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<KeyValue> {
    keys.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// Keys and values as an object of texts; bytes that are none are shown as near as possible.
fn json_of(keys: &[KeyValue]) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let members = keys.iter().map(|(key, value)| (text(key), Json::from(text(value))));
    Json::Object(Map::from_iter(members)).to_string().into_bytes()
}

/// The keys of an object, whatever its members are. What is no object has none: keys are not worth
/// the contact.
fn keys_of(json: &[u8]) -> Vec<KeyValue> {
    let Ok(Json::Object(members)) = serde_json::from_slice(json) else { return Vec::new() };
    let text = |value: Json| match value {
        Json::String(text) => text,
        other => other.to_string(),
    };
    let key = |(key, value): (String, Json)| (key.into_bytes(), text(value).into_bytes());
    let mut keys: Vec<_> = members.into_iter().map(key).collect();
    keys.sort();
    boxed(keys)
}

/// The second since 1970 in which the monotonic clock shows these seconds.
fn unix_of(tick_seconds: u64, now: Moment) -> u32 {
    let unix = (now.unix + tick_seconds).saturating_sub(now.tick.as_millis() / 1000);
    u32::try_from(unix).unwrap_or(u32::MAX)
}

/// The tick at which a second since 1970 begins; that of the clock's origin for all before it.
fn tick_of(unix: i64, now: Moment) -> Tick {
    let unix = u64::try_from(unix).unwrap_or_default();
    let seconds = (unix + now.tick.as_millis() / 1000).saturating_sub(now.unix);
    Tick::from_millis(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests;
