//! The users of the last process are there before the first message is read.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use duologue_sip::Moment;
use duologue_store::{ContactWords, Failure, Restored, restore_contacts, sync_contacts};
use duologue_usrloc::{Contact, Location, Table};

use super::connection::Connection;
use super::{Now, UserStorage, UserWriter};
use crate::modules::registrar::Registrar;
use crate::modules::usrloc::Usrloc;
use crate::node::Node;
use crate::server::StartError;
use crate::storage::link::connect;
use crate::storage::words::Words;

/// Reads the tables and makes the writer, if the script wants users to be kept. A database that does
/// not answer is waited for a while; then the proxy starts without it, and reads the tables as soon
/// as it can.
///
/// # Errors
/// The database is there and cannot be used: no such table, no such user.
pub fn start(node: &Arc<Node>, now: &Now) -> Result<Option<UserWriter>, StartError> {
    let Some(storage) = node.user_storage.clone() else { return Ok(None) };
    let Some(location) = location(node) else { return Ok(None) };
    if storage.settings.writes.is_some() {
        let marked = Arc::clone(&storage);
        location.follow(move || marked.inbox.mark());
    }
    let refused = |failure: Failure| {
        StartError::Database(format!("users cannot be kept in {}: {failure}", storage.url))
    };
    let mut writer = UserWriter::new(node, &storage, now);
    let connected = connect(&*storage, storage.settings.start_wait).map_err(refused)?;
    let Some(mut connection) = connected else { return Ok(Some(writer)) };
    let opened = connection.open_tables(&storage, location);
    match opened.and_then(|()| writer.meet_tables(&mut connection)) {
        Ok(()) => writer.keep(connection),
        Err(failure) if failure.is_passing() => {
            tracing::error!("the tables of users could not be read to their end: {failure}");
        }
        Err(failure) => return Err(refused(failure)),
    }
    Ok(Some(writer))
}

/// Where users are.
pub(super) fn location(node: &Node) -> Option<&Location> {
    node.settings::<Usrloc>().location()
}

/// Reads a table: what is not in memory comes back.
pub(super) fn read(
    node: &Node,
    storage: &UserStorage,
    now: Moment,
    connection: &mut Connection,
    users: &Table,
) -> Result<(), Failure> {
    let Connection { database, tables, .. } = connection;
    let Some((rows, rejected)) = tables.get(users.name()) else { return Ok(()) };
    let (words, each) = (&Words(node), &mut back(node, users));
    let of = (users, words as &dyn ContactWords);
    let restored = restore_contacts(&mut **database, (rows, rejected), of, now, each)?;
    told(storage, users, &restored);
    Ok(())
}

/// Makes a table in memory, or one of its users, what the rows say. How many contacts came; `None` if
/// the database does not have it.
pub(super) fn sync(
    node: &Node,
    storage: &UserStorage,
    now: Moment,
    connection: &mut Connection,
    (table, aor): (&str, Option<&[u8]>),
) -> Result<Option<u64>, Failure> {
    let Connection { database, tables, .. } = connection;
    let users = location(node).and_then(|location| location.table(table));
    let Some((users, (rows, rejected))) = users.zip(tables.get(table)) else { return Ok(None) };
    let (words, each) = (&Words(node), &mut back(node, users));
    let of = (users, words as &dyn ContactWords);
    let restored = sync_contacts(&mut **database, (rows, rejected), of, now, aor, each)?;
    told(storage, users, &restored);
    Ok(Some(restored.loaded))
}

/// What becomes of a contact that is there again.
fn back<'a>(node: &'a Node, users: &'a Table) -> impl FnMut(&[u8], &Contact, &Restored) + 'a {
    let registrar: &Registrar = node.settings();
    move |aor, contact, _| registrar.is_back(users, aor, contact)
}

/// Lessons 10: bad rows are told, and refuse nothing.
fn told(storage: &UserStorage, users: &Table, restored: &Restored) {
    let Restored { loaded, known, ended, rejected, left } = *restored;
    storage.counts.restored.fetch_add(loaded, Relaxed);
    storage.counts.rejected.fetch_add(rejected, Relaxed);
    let name = users.name();
    let url = &storage.url;
    tracing::info!(loaded, known, ended, rejected, left, "contacts of {name} read from {url}");
    if rejected > 0 {
        tracing::error!("{rejected} rows cannot come back: see {name}_rejected for the reasons");
    }
}
