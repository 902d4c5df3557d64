//! The dialogs of the last process come back before the first message is read (spec/dialog.md §11.3).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use duologue_dialog::Dialog;
use duologue_store::{Batch, Failure, Restored};

use super::connection::Connection;
use super::link::connect;
use super::words::Words;
use super::{Mode, Now, Storage, Watch, Writer};
use crate::dialogs::log_panics_of;
use crate::node::Node;
use crate::server::StartError;

/// Of so many dialogs, one more may be asked in each second after a restart, whatever the period.
const PROBES_PER_SECOND: u64 = 1000;

/// Reads the table and makes the writer, if the script wants dialogs to be kept. A database that
/// does not answer is waited for a while; then the proxy starts without it, and reads the table as
/// soon as it can.
///
/// # Errors
/// The database is there and cannot be used: no such table, no such user.
pub fn start(node: &Arc<Node>, now: &Now, watch: &mut Watch) -> Result<Option<Writer>, StartError> {
    let Some(storage) = node.storage.clone() else { return Ok(None) };
    if storage.settings.mode != Mode::Shutdown {
        let marked = Arc::clone(&storage);
        node.dialogs.follow(move || marked.inbox.mark());
    }
    let refused = |failure: Failure| {
        let reason = format!("dialogs cannot be kept in {}: {failure}", storage.url);
        StartError::Database(reason)
    };
    let Some(mut connection) = connect(&*storage, storage.settings.start_wait).map_err(refused)?
    else {
        return Ok(Some(Writer::without_connection(node, &storage, now)));
    };
    match read(node, &storage, now, &mut connection, watch) {
        Ok(restored) => {
            told(&storage, &restored);
            Ok(Some(Writer::new(node, &storage, now, (connection, &restored))))
        }
        Err(failure) if failure.is_passing() => {
            tracing::error!("the table of dialogs could not be read to its end: {failure}");
            Ok(Some(Writer::without_connection(node, &storage, now)))
        }
        Err(failure) => Err(refused(failure)),
    }
}

/// Reads the table: what is not in memory comes back, the rest is merged (§11.3, §11.4).
pub(super) fn read(
    node: &Node,
    storage: &Storage,
    now: &Now,
    connection: &mut Connection,
    watch: &mut Watch,
) -> Result<Restored, Failure> {
    let Connection { database, table, rejected } = connection;
    let probe = storage.settings.probe_period;
    let restored = duologue_store::restore(
        &mut **database,
        (table, rejected),
        (&node.dialogs, &Words(node)),
        now(),
        &|call_id| node.calls.hash(call_id),
        &mut |dialog: &Dialog, so_far| {
            log_panics_of(dialog, node.dialogs.loaded(dialog.key()));
            if let Some(period) = probe {
                let spread = period.max(Duration::from_secs(so_far.loaded / PROBES_PER_SECOND));
                // It was put there just now.
                let _ = node.dialogs.probe(now(), dialog.key(), spread);
            }
            watch(so_far);
        },
    )?;
    if storage.settings.mode == Mode::Shutdown && restored.left == 0 {
        // §11.2: the rows are written when the program ends.
        let mut nothing = Batch::new();
        nothing.clear(table.table());
        database.apply(&nothing)?;
    }
    storage.counts.restored.fetch_add(restored.loaded, Relaxed);
    storage.counts.rejected.fetch_add(restored.rejected, Relaxed);
    Ok(restored)
}

/// Lessons 10: bad rows are told, and refuse nothing.
pub(super) fn told(storage: &Storage, restored: &Restored) {
    let Restored { loaded, known, ended, rejected, left } = *restored;
    tracing::info!(loaded, known, ended, rejected, left, "dialogs read from {}", storage.url);
    if rejected > 0 {
        let table = storage.settings.names.table();
        tracing::error!("{rejected} rows cannot come back: see {table}_rejected for the reasons");
    }
    if left > 0 {
        tracing::error!(
            "{left} rows stay where they are: their socket is none of ours, or there is no room for \
             them; the next start tries them again"
        );
    }
}
