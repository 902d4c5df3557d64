//! What the writer of dialogs asks of calls and tells them (spec/dialog.md §3, §11).

use duologue_dialog::{DialogKey, SavedKind};

use super::{log_panics, release};
use crate::turn::Turn;

/// A dialog is about to be written: WRITE_VP runs, then it is taken as it is.
pub fn write_values(turn: &mut Turn<'_>, key: DialogKey) {
    let dialogs = &turn.node.dialogs;
    log_panics(turn, dialogs.write_values(key));
    let stale = dialogs.take_one_stale(turn.now, key);
    if let Some(storage) = &turn.node.storage {
        storage.values_told(key, stale);
    }
}

/// Its row was written or removed: SAVED runs. A dialog that ended was held for this.
pub fn saved(turn: &mut Turn<'_>, key: DialogKey, kind: SavedKind) {
    log_panics(turn, turn.node.dialogs.saved(key, kind));
    if kind == SavedKind::Delete {
        release(turn, key);
    }
}
