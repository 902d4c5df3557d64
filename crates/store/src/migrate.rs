//! Bringing tables to the version and the columns that we write.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::{
    Batch, Database, DialogTable, Failure, FailureKind, Names, RejectedTable, Row, Schema, Table,
    Tables, apply_setting_aside, describe, dialog, schema::EXTRA_COLUMN, version,
};

/// How many rows are copied at a time.
const SLICE: usize = 500;

/// What was done to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The column that OpenSIPS does not know was added.
    ExtraColumn {
        /// To which table.
        table: String,
    },
    /// Version 11 became version 12.
    Version12 {
        /// Which table.
        table: String,
        /// Under which name the old one was kept.
        kept: String,
        /// How many rows were taken over.
        rows: u64,
        /// How many could not be read, and are in the table for bad rows.
        rejected: u64,
    },
}

/// Brings the tables that are there to the version and the columns that we write, and tells what was
/// done; nothing to do is fine. `now` is in seconds since 1970.
///
/// A table `dialog` of version 11 is copied into a new one, which then takes its name; the old one is
/// kept as `dialog_v11`. Nobody may write to it meanwhile.
///
/// # Errors
/// Any [`Failure`]. What was begun is begun anew by the next try.
pub fn migrate(
    database: &mut dyn Database,
    tables: &Tables,
    now: u32,
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let names = &tables.dialog;
    if describe(database, names.table())?.is_some()
        && version::of(database, names.table())? == Some(11)
    {
        steps.push(to_version_12(database, names, now)?);
    }
    for (schema, names) in tables.listed() {
        if add_extra(database, schema, names)? {
            steps.push(Step::ExtraColumn { table: names.table().to_owned() });
        }
    }
    Ok(steps)
}

fn add_extra(database: &mut dyn Database, schema: &Schema, names: &Names) -> Result<bool, Failure> {
    let Some(facts) = describe(database, names.table())? else { return Ok(false) };
    if !schema.has_extra || facts.iter().any(|fact| fact.name.eq_ignore_ascii_case(EXTRA_COLUMN)) {
        return Ok(false);
    }
    database.define(&[database.dialect().add_extra(names.table())])?;
    Ok(true)
}

fn to_version_12(database: &mut dyn Database, names: &Names, now: u32) -> Result<Step, Failure> {
    let table = names.table().to_owned();
    let stem: String = table.chars().take(59).collect();
    let kept = format!("{stem}_v11");
    if describe(database, &kept)?.is_some() {
        let reason = format!("the old table would be kept as `{kept}`, which is there already");
        return Err(Failure::new(FailureKind::Schema, reason));
    }
    let (new, rows, rejected) = copy(database, names, &format!("{stem}_v12"), now)?;
    let mut statements = database.dialect().replace(&table, &kept, &new);
    statements.extend(version::set(&table, dialog::SCHEMA.version));
    database.define(&statements)?;
    Ok(Step::Version12 { table, kept, rows, rejected })
}

/// Copies all rows to a new table of version 12: its name, how many rows there were, and how many
/// of them were bad.
fn copy(
    database: &mut dyn Database,
    names: &Names,
    new: &str,
    now: u32,
) -> Result<(String, u64, u64), Failure> {
    let dialect = database.dialect();
    let old = DialogTable::open(database, names)?;
    let mut new_names = names.clone();
    let plain = |_| Failure::new(FailureKind::Schema, "the table's name is no plain name");
    new_names.set_table(new).map_err(plain)?;
    // What an earlier try left is of no use.
    let drop = format!("DROP TABLE IF EXISTS {}", dialect.quote(new));
    database.define(&[drop, dialect.create(&dialog::SCHEMA, &new_names)])?;
    let target = Arc::new(Table::open(database, &dialog::SCHEMA, &new_names)?);
    let aside = RejectedTable::open(database, names.table())?;
    let (mut rows, mut rejected) = (0, 0);
    // Reading and writing need the connection in turn, so all rows are read first: a table of
    // version 11 has what one OpenSIPS holds in memory.
    for slice in read_all(database, old.table())? {
        let mut batch = Batch::new();
        for row in slice {
            let was = row.clone();
            match old.decode(row) {
                Ok(read) => {
                    rows += 1;
                    batch.upsert(&target, target.encode(read.dialog.to_values(), None).row);
                }
                Err(bad) => {
                    rejected += 1;
                    aside.set_aside(&mut batch, old.table(), &was, &bad.to_string(), now);
                }
            }
        }
        let refused =
            apply_setting_aside(database, batch).map_err(|unapplied| unapplied.failure)?;
        let mut batch = Batch::new();
        for refused in refused {
            rows -= 1;
            rejected += 1;
            let reason = refused.failure.to_string();
            aside.set_aside(&mut batch, old.table(), &refused.row, &reason, now);
        }
        database.apply(&batch)?;
    }
    Ok((new.to_owned(), rows, rejected))
}

fn read_all(database: &mut dyn Database, table: &Table) -> Result<Vec<Vec<Row>>, Failure> {
    let mut slices = Vec::new();
    database.stream(table, SLICE, &mut |slice| {
        slices.push(slice);
        ControlFlow::Continue(())
    })?;
    Ok(slices)
}
