//! The writer's thoughts (spec dialog.md §11.2, decision D18): which rows are to be written or
//! removed, and what to tell of them once that is done. It owns no thread and no connection; who has
//! both calls [`gather`](Keeper::gather) and [`write`](Keeper::write) in turn.
//!
//! What is gathered coalesces by dialog, and no more than [`PENDING_MAX`](crate::PENDING_MAX) rows are: beyond, changes
//! stay what they are in the table of dialogs, a mark each. So a database that is away costs bounded
//! memory, and nothing is lost when it is back.

use std::collections::{HashMap, HashSet};

use duologue_dialog::{
    DialogKey, Dialogs, ModuleFlags, STALE_PARTS, SavedKind, Stale, Stored, Values,
};
use duologue_sip::Moment;

use crate::pending::Pending;
use crate::record::{self, Dictionary};
use crate::{Database, DialogTable, Failure, Refused, RejectedTable};

/// How many dialogs of a part are taken at a time: a call waits for no more than these.
const TAKEN_AT_A_TIME: usize = 32;

/// Gathers and writes what differs from its rows.
pub struct Keeper {
    dialogs: Dialogs,
    pending: Pending,
    tells: HashMap<DialogKey, SavedKind>,
    keeps_values: bool,
    /// Rows without a dialog in memory are somebody's.
    spares: bool,
    /// Rows without a dialog may be there.
    lost: bool,
}

/// What there is to do besides writing.
#[derive(Debug, Default)]
pub struct Gathered {
    /// WRITE_VP is to be told to these, each in the turn of its call; what
    /// [`take_one_stale`](Dialogs::take_one_stale) gives then is for [`Keeper::add`].
    pub asks: Vec<DialogKey>,
    /// There is more to gather, once this is written.
    pub more: bool,
}

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// How many rows were written or removed.
    pub rows: usize,
    /// Who hears SAVED of it, in the turn of its call: not those whose row was refused.
    pub tells: Vec<(DialogKey, SavedKind)>,
    /// Rows that the database refused; they were set aside.
    pub refused: Vec<Refused>,
}

impl Keeper {
    /// A keeper of these dialogs. Their changes have to be [followed](Dialogs::follow).
    pub fn new(dialogs: Dialogs) -> Self {
        let (pending, tells) = (Pending::default(), HashMap::new());
        Self { dialogs, pending, tells, keeps_values: true, spares: false, lost: false }
    }

    /// Whether values, profiles and flags are written from now on, or wiped (decision D19: the old
    /// `db_flush_vals_profiles=0`).
    pub const fn keep_values(&mut self, keep: bool) {
        self.keeps_values = keep;
    }

    /// Whether rows without a dialog in memory stay: a restore has [left](crate::Restored::left) some.
    pub const fn spare_rows(&mut self, spare: bool) {
        self.spares = spare;
    }

    /// The next [`write`](Self::write) also removes rows whose dialog is not in memory.
    pub const fn compare_next(&mut self) {
        self.lost = true;
    }

    /// How many rows wait to be written or removed.
    pub fn pending(&self) -> usize {
        self.pending.batch.len()
    }

    /// Takes what differs from its rows.
    pub fn gather(&mut self, now: Moment, table: &DialogTable, words: &dyn Dictionary) -> Gathered {
        let mut gathered = Gathered::default();
        let mut stale = Vec::new();
        for part in 0..STALE_PARTS {
            loop {
                if self.pending.is_full(gathered.asks.len()) {
                    gathered.more = true;
                    return gathered;
                }
                let more = self.dialogs.take_stale(now, part, TAKEN_AT_A_TIME, &mut stale);
                for stale in stale.drain(..) {
                    match stale {
                        Stale::Asks { key } => gathered.asks.push(key),
                        stale => self.add(&stale, table, words),
                    }
                }
                if !more {
                    break;
                }
            }
        }
        gathered
    }

    /// Adds one dialog to what is to be written.
    pub fn add(&mut self, stale: &Stale, table: &DialogTable, words: &dyn Dictionary) {
        let kind = stale.saved_kind();
        let tells = match stale {
            Stale::Changed { key, stored, tells, .. } => {
                let (row, payload) = match self.keeps_values {
                    true => record::write(stored, words),
                    false => record::write(&without_values(stored), words),
                };
                self.pending.batch.upsert(table.table(), table.encode(&row, Some(&payload)).row);
                tells.then_some(*key)
            }
            Stale::Ended { id, tells } => {
                self.pending.batch.delete(table.table(), id.db_id());
                *tells
            }
            Stale::Lost => {
                self.lost = true;
                None
            }
            Stale::Asks { .. } => None,
        };
        if let Some((key, kind)) = tells.zip(kind) {
            // However often it changed, one commit is told once; a row that was not there yet is new.
            let told = self.tells.entry(key).or_insert(kind);
            if *told != SavedKind::Insert || kind == SavedKind::Delete {
                *told = kind;
            }
        }
    }

    /// Writes what was gathered, in one transaction if the database takes it. Rows that it refuses go
    /// to `rejected`.
    ///
    /// # Errors
    /// Any [`Failure`] that is not a row's: what is still to be written stays gathered.
    pub fn write(
        &mut self,
        now: Moment,
        database: &mut dyn Database,
        table: &DialogTable,
        rejected: &RejectedTable,
    ) -> Result<Written, Failure> {
        table.writable()?;
        if std::mem::take(&mut self.lost) && !self.spares {
            self.compare(database, table).inspect_err(|_| self.lost = true)?;
        }
        let rows = self.pending.batch.len();
        let refused = self.pending.write(now, database, &|_| Some(rejected))?;
        let bad: HashSet<_> = refused.iter().filter_map(|it| it.row.first()?.as_id()).collect();
        let tells = self.tells.drain().filter(|(key, _)| !bad.contains(&key.id.db_id()));
        Ok(Written { rows, tells: tells.collect(), refused })
    }

    /// Rows whose dialog ended without being remembered are removed.
    fn compare(&mut self, database: &mut dyn Database, table: &DialogTable) -> Result<(), Failure> {
        let mut ended = HashSet::new();
        let dialogs = &self.dialogs;
        database.stream(table.table(), 500, &mut |rows| {
            let ids = rows.iter().filter_map(|row| row.first()?.as_id());
            ended.extend(ids.filter(|id| {
                let id = duologue_dialog::DialogId::from_db_id(*id);
                dialogs.by_id(id).is_none_or(|dialog| !dialog.is_active())
            }));
            std::ops::ControlFlow::Continue(())
        })?;
        for id in ended {
            self.pending.batch.delete(table.table(), id);
        }
        Ok(())
    }
}

/// Decision D19: what OpenSIPS writes while it runs, unless it is told to keep these.
fn without_values(stored: &Stored) -> Stored {
    Stored {
        values: Values::default(),
        profiles: Vec::new(),
        user_flags: 0,
        module_flags: ModuleFlags::empty(),
        ..stored.clone()
    }
}
