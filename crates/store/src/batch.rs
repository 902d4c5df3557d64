//! Changes that are committed together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::{Row, Table};

/// Changes of rows, committed together by [`Database::apply`](crate::Database::apply).
///
/// Of several changes of one row only the newest is kept, so a batch grows with the rows that it
/// touches, not with how often. Its order is that in which rows were first touched.
#[derive(Debug, Default)]
pub struct Batch {
    tables: Vec<TableChanges>,
    octets: usize,
}

/// The changes of one table.
#[derive(Debug)]
pub struct TableChanges {
    table: Arc<Table>,
    clear: bool,
    /// None is a row to delete.
    changes: Vec<(u64, Option<Row>)>,
    places: HashMap<u64, usize>,
}

impl Batch {
    /// A batch of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a row of `table`, over what is there under its key.
    ///
    /// # Panics
    /// If the row's first value is no number: every table here is keyed by one.
    pub fn upsert(&mut self, table: &Arc<Table>, row: Row) {
        let key = row.first().and_then(|value| value.as_id()).expect("a row begins with its key");
        debug_assert_eq!(row.len(), table.columns().len(), "a row has all columns of its table");
        self.set(table, key, Some(row));
    }

    /// Deletes the row under this key; it is no failure if there is none.
    pub fn delete(&mut self, table: &Arc<Table>, key: u64) {
        self.set(table, key, None);
    }

    /// Deletes all rows of the table, but not those written after this.
    pub fn clear(&mut self, table: &Arc<Table>) {
        let (place, freed) = {
            let changes = self.changes(table);
            let freed = changes.changes.iter().map(|(_, row)| octets(row.as_ref())).sum::<usize>();
            changes.clear = true;
            changes.places.clear();
            (std::mem::take(&mut changes.changes), freed)
        };
        drop(place);
        self.octets -= freed;
    }

    /// How many rows it touches.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.changes.len()).sum()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.changes.is_empty() && !table.clear)
    }

    /// How much memory it takes, about.
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// The changes, table by table.
    pub fn tables(&self) -> &[TableChanges] {
        &self.tables
    }

    /// Adds the changes of a later batch.
    pub fn append(&mut self, later: Self) {
        for table in later.tables {
            if table.clear {
                self.clear(&table.table);
            }
            for (key, row) in table.changes {
                self.set(&table.table, key, row);
            }
        }
    }

    /// Two batches that touch half of the rows each; what is cleared is cleared by the first. None
    /// if it touches fewer than two.
    pub(crate) fn split(self) -> Result<(Self, Self), Self> {
        let half = self.len() / 2;
        if half == 0 {
            return Err(self);
        }
        let (mut first, mut second) = (Self::new(), Self::new());
        for table in self.tables {
            if table.clear {
                first.clear(&table.table);
            }
            for (key, row) in table.changes {
                let part = if first.len() < half { &mut first } else { &mut second };
                part.set(&table.table, key, row);
            }
        }
        Ok((first, second))
    }

    /// Its only row to write, if it is a batch of that and nothing else.
    pub(crate) fn only_row(&self) -> Option<(&Arc<Table>, &Row)> {
        let mut touched = self.tables.iter().filter(|table| !table.changes.is_empty());
        let (table, None) = (touched.next()?, touched.next()) else { return None };
        match table.changes.as_slice() {
            [(_, Some(row))] => Some((&table.table, row)),
            _ => None,
        }
    }

    /// The same without any row: only what is to be cleared.
    pub(crate) fn only_clears(self) -> Self {
        let mut clears = Self::new();
        for table in self.tables.iter().filter(|table| table.clear) {
            clears.clear(&table.table);
        }
        clears
    }

    fn set(&mut self, table: &Arc<Table>, key: u64, row: Option<Row>) {
        let added = octets(row.as_ref());
        let changes = self.changes(table);
        let removed = match changes.places.entry(key) {
            Entry::Occupied(place) => {
                let old = std::mem::replace(&mut changes.changes[*place.get()].1, row);
                octets(old.as_ref())
            }
            Entry::Vacant(place) => {
                place.insert(changes.changes.len());
                changes.changes.push((key, row));
                0
            }
        };
        self.octets = self.octets + added - removed;
    }

    fn changes(&mut self, table: &Arc<Table>) -> &mut TableChanges {
        let place = self.tables.iter().position(|known| known.table.name() == table.name());
        let place = place.unwrap_or_else(|| {
            self.tables.push(TableChanges {
                table: Arc::clone(table),
                clear: false,
                changes: Vec::new(),
                places: HashMap::new(),
            });
            self.tables.len() - 1
        });
        &mut self.tables[place]
    }
}

/// What a change takes beside its row, about: two keys, two places, the row's header.
const CHANGE_OVERHEAD: usize = 64;

fn octets(row: Option<&Row>) -> usize {
    CHANGE_OVERHEAD + row.map_or(0, |row| row.iter().map(|value| value.octets()).sum())
}

impl TableChanges {
    /// Which table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Whether all its rows are deleted first.
    pub const fn clears(&self) -> bool {
        self.clear
    }

    /// The rows to write.
    pub fn upserts(&self) -> impl Iterator<Item = &Row> {
        self.changes.iter().filter_map(|(_, row)| row.as_ref())
    }

    /// The keys of the rows to delete.
    pub fn deletes(&self) -> impl Iterator<Item = u64> {
        self.changes.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Kind, Names, Schema, Value};

    const SMALL: Schema = Schema {
        table: "small",
        version: 1,
        columns: &[Column::new("k", Kind::Id), Column::new("t", Kind::Text)],
        has_extra: false,
    };

    fn small() -> Arc<Table> {
        Arc::new(Table::declared(&SMALL, &Names::of(&SMALL)))
    }

    fn row(key: u64, text: &str) -> Row {
        vec![Value::Id(key), Value::Text(text.into())]
    }

    #[test]
    fn the_newest_change_of_a_row_wins_at_the_place_of_the_first() {
        let (table, mut batch) = (small(), Batch::new());
        batch.upsert(&table, row(1, "old"));
        batch.upsert(&table, row(2, "gone"));
        batch.upsert(&table, row(1, "new"));
        batch.delete(&table, 2);
        let changes = &batch.tables()[0];
        assert_eq!(changes.upserts().collect::<Vec<_>>(), [&row(1, "new")]);
        assert_eq!(changes.deletes().collect::<Vec<_>>(), [2]);
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn clearing_forgets_what_came_before_and_what_it_took() {
        let (table, mut batch) = (small(), Batch::new());
        batch.upsert(&table, row(1, "x"));
        let one = batch.octets();
        batch.upsert(&table, row(2, "x"));
        assert_eq!(batch.octets(), 2 * one);
        batch.clear(&table);
        assert_eq!((batch.len(), batch.octets(), batch.is_empty()), (0, 0, false));
        batch.upsert(&table, row(3, "x"));
        assert_eq!((batch.len(), batch.octets()), (1, one));
        assert!(batch.tables()[0].clears());
    }

    #[test]
    fn halves_make_the_whole_again() {
        let (table, mut batch) = (small(), Batch::new());
        batch.clear(&table);
        for key in 0..5 {
            batch.upsert(&table, row(key, "x"));
        }
        batch.delete(&table, 9);
        let (mut first, second) = batch.split().unwrap();
        assert_eq!((first.len(), second.len()), (3, 3));
        assert!(first.tables()[0].clears() && !second.tables()[0].clears());
        first.append(second);
        assert_eq!(first.len(), 6);
        let mut one = Batch::new();
        one.upsert(&table, row(7, "x"));
        let one = one.split().unwrap_err();
        assert_eq!(one.only_row().map(|(_, row)| row.clone()), Some(row(7, "x")));
    }
}
