//! Batches with a row that the database refuses.

use std::fmt;
use std::sync::Arc;

use crate::{Batch, Database, Failure, FailureKind, Row, Table};

/// A row that the database refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The table that it belonged to.
    pub table: Arc<Table>,
    /// The row.
    pub row: Row,
    /// What the database said.
    pub failure: Failure,
}

/// A batch that was not, or not all, applied.
#[derive(Debug)]
pub struct Unapplied {
    /// Why.
    pub failure: Failure,
    /// What is still to be done: apply it again once the cause is gone.
    pub remaining: Batch,
    /// Rows that were refused before that.
    pub refused: Vec<Refused>,
}

/// Applies a batch, and finds the rows that make it fail: halves are applied for themselves, until
/// what is left is one row. A batch of 500 rows with a bad one is some 18 transactions.
///
/// # Errors
/// [`Unapplied`] for any failure that is not a row's.
pub fn apply_setting_aside(
    database: &mut dyn Database,
    batch: Batch,
) -> Result<Vec<Refused>, Box<Unapplied>> {
    let mut refused = Vec::new();
    // What comes first is on top.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        let failure = match database.apply(&part) {
            Ok(()) => continue,
            Err(failure) => failure,
        };
        if failure.kind != FailureKind::Row {
            let remaining = parts.into_iter().rev().fold(part, |mut remaining, later| {
                remaining.append(later);
                remaining
            });
            return Err(Box::new(Unapplied { failure, remaining, refused }));
        }
        match part.split() {
            Ok((first, second)) => parts.extend([second, first]),
            Err(part) => {
                if let Some((table, row)) = part.only_row() {
                    refused.push(Refused { table: Arc::clone(table), row: row.clone(), failure });
                }
                let clears = part.only_clears();
                if !clears.is_empty() {
                    parts.push(clears);
                }
            }
        }
    }
    Ok(refused)
}

impl fmt::Display for Unapplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows not written: {}", self.remaining.len(), self.failure)
    }
}

impl std::error::Error for Unapplied {}
