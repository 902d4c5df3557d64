//! Dialogs and registrations in a database: OpenSIPS's tables, in SQLite, PostgreSQL, MySQL and
//! MariaDB.
//!
//! ```text
//!  DialogRow ── DialogTable::encode ──► Row ──► Batch ──► Database::apply  ──► table `dialog`
//!            ◄─ DialogTable::decode ─── Row ◄──────────── Database::stream ◄──
//! ```
//!
//! A [`Database`] is a connection, owned by one thread, that blocks and always comes back. It knows
//! tables and rows and nothing of dialogs or contacts. A [`DialogRow`] or a [`LocationRow`] is what the columns of OpenSIPS hold of a
//! dialog; what they cannot hold goes into one more column, `duologue`, which OpenSIPS ignores: a
//! payload of whoever owns the row, and the whole of texts that a column cuts ([`Extra`]). So both
//! programs read and write the same table.
//!
//! # What holds, always
//! - **A batch is one transaction.** All of it is there or nothing; doing it twice does no harm.
//! - **Nothing waits for ever.** A server that is silent counts as lost.
//! - **A bad row stops nobody.** One that is refused is found by halving its batch, one that cannot
//!   be read names its column; both go to a table of their own ([`RejectedTable`]).
//! - **A failure says what to do about it**: connect again, wait, call for help, set a row aside,
//!   mend the schema ([`FailureKind`]).
//! - **What is read is what was written**, byte by byte, whatever the column's type takes.
//!
//! ```
//! use duologue_store::{Batch, DatabaseUrl, DialogRow, DialogTable, Options, Tables};
//! use duologue_store::{connect, create};
//! use std::ops::ControlFlow;
//!
//! let mut database = connect(&DatabaseUrl::memory(), &Options::default())?;
//! let tables = Tables::default();
//! create(&mut *database, &tables)?;
//!
//! let dialogs = DialogTable::open(&mut *database, &tables.dialog)?;
//! let call = DialogRow { id: 7, call_id: b"abc".to_vec(), state: 4, ..DialogRow::default() };
//! let mut batch = Batch::new();
//! batch.upsert(dialogs.writable()?, dialogs.encode(&call, Some(b"all that we know")).row);
//! database.apply(&batch)?;
//!
//! database.stream(dialogs.table(), 500, &mut |rows| {
//!     for row in rows {
//!         let read = dialogs.decode(row).unwrap();
//!         assert_eq!(read.dialog, call);
//!         assert_eq!(read.payload.as_deref(), Some(b"all that we know".as_slice()));
//!         assert!(read.is_ours, "nobody else has changed it");
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), duologue_store::Failure>(())
//! ```

mod apply;
mod batch;
mod check;
mod cleanup;
mod contact;
mod create;
mod database;
mod describe;
mod dialect;
pub mod dialog;
mod extra;
mod failure;
mod fit;
mod keeper;
pub mod location;
mod migrate;
mod pending;
pub mod record;
pub mod rejected;
mod restore;
mod schema;
mod table;
mod url;
mod value;
pub mod vars;
pub mod version;

pub use apply::{Refused, Unapplied, apply_setting_aside};
pub use batch::{Batch, TableChanges};
pub use check::{Finding, Severity, check};
pub use contact::{
    ContactKeeper, ContactTables, ContactWords, StoredContact, WrittenContacts, read_contact,
    restore_contacts, sync_contacts, write_contact,
};
pub use create::{Tables, create, create_table};
pub use database::{Database, Options, connect};
pub use describe::{ColumnFacts, describe};
pub use dialog::{DialogRow, DialogTable, ReadRow, ScriptFlags};
pub use extra::{Extra, ExtraError};
pub use failure::{Failure, FailureKind};
pub use fit::{Encoding, Fit};
pub use keeper::{Gathered, Keeper, Written};
pub use location::{LocationRow, LocationTable, ReadLocation};
pub use migrate::{Step, migrate};
pub use pending::{PENDING_MAX, PENDING_OCTETS_MAX};
pub use record::{Dictionary, SocketNames, Unreadable};
pub use rejected::RejectedTable;
pub use restore::{Restored, restore};
pub use schema::{BadName, Column, EXTRA_COLUMN, Kind, Names, Schema};
pub use table::{BadRow, Decoded, Encoded, Table, TableColumn};
pub use url::{DatabaseUrl, Dialect, Host, Server, SqliteFile, UrlError};
pub use value::{Row, Value};
pub use vars::{ProfileLink, Sharing, Var, VarFormat, VarValue};
