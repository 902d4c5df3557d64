//! Where users are: addresses of record and the contacts they are bound to (RFC 3261 §10).
//!
//! ```text
//!  REGISTER ─► Update ─► Table::update ─► Record { Contact, Contact, … }   ─► Journal
//!  INVITE   ─► Table::contacts ──────────┘      ▲    └─► marks ─► Table::take_stale ─► rows
//!  timer    ─► Location::expire ────────────────┘
//! ```
//!
//! A [`Location`] has named tables, each with an address of record (AOR) per user and the
//! [`Contact`]s of each. It owns no clock: every call takes the present [`Tick`](duologue_sip::Tick).
//! It knows no SIP message: a registrar reads the REGISTER and says in an [`Update`] what it asks for.
//!
//! # What holds, always
//! - **All or nothing.** An update is carried out as a whole or changes nothing (RFC 3261 §10.3,
//!   step 7), and nobody sees a part of it.
//! - **In order.** A request that is older than what it would change is refused (step 7: Call-ID and
//!   CSeq); one that comes again changes nothing.
//! - **Bounded.** Contacts, their texts and what belongs to one user have limits with names
//!   ([`Limits`]); what does not fit is refused and counted, and nothing that lives is displaced by it.
//! - **Nobody waits for a listing.** Users are spread over shards by a keyed hash, since attackers
//!   choose their names; a listing and the expiry copy a few users at a time under one shard's lock.
//! - **Who keeps contacts makes nobody wait.** A change marks its contact, and who
//!   [follows](Location::follow) takes what is marked when it has time.
//! - **No lock is held while a [`Journal`] is told**, and the changes of one user are told in order.
//!
//! Reading gives shared snapshots: a contact never changes, a refresh puts a new one in its place.
//!
//! ```
//! use duologue_sip::Tick;
//! use duologue_usrloc::{Change, Contact, Expires, Location, Settings, Update};
//!
//! let location = Location::new(Settings::default(), (1, 2), 1, ["location".to_owned()]);
//! let table = location.table("location").unwrap();
//! let now = Tick::from_millis(0);
//! let phone = Contact {
//!     expires: Expires::At(Tick::from_millis(60_000)),
//!     ..Contact::new(b"sip:ann@192.0.2.9", b"call-1", 1)
//! };
//! table.update(b"ann", now, Update::of(b"call-1", 1, vec![Change::Set(phone)])).unwrap();
//! assert_eq!(&*table.contacts(b"ann", now)[0].uri, b"sip:ann@192.0.2.9");
//! assert!(table.contacts(b"ann", Tick::from_millis(60_000)).is_empty());
//! ```

mod audit;
mod contact;
mod delivery;
mod expiry;
mod journal;
mod keys;
mod limits;
mod listing;
mod location;
mod matching;
mod methods;
mod record;
mod restore;
mod shard;
mod stale;
mod table;
mod update;

pub use contact::{Contact, ContactId, Expires};
pub use journal::{BoundedJournal, Entry, Event, Gone, Journal};
pub use keys::{KeyError, KeyValue};
pub use limits::{Limits, TABLES_MAX};
pub use listing::{Cursor, Listed};
pub use location::{Location, Settings};
pub use matching::Matching;
pub use methods::Methods;
pub use restore::{NoRoom, Restored};
pub use stale::{RowState, Stale};
pub use table::{Contacts, Table, TableStatistics};
pub use update::{Change, Refused, Update, Updated};
