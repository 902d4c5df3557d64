//! Rows that wait to be written, those that are refused, and where these go.

use crate::{
    Batch, Database, Failure, Refused, RejectedTable, Table, Unapplied, apply_setting_aside,
};
use duologue_sip::Moment;

/// How many rows are gathered at most before they are written.
pub const PENDING_MAX: usize = 10_000;

/// How many octets they have at most: a slow server has to take them within its time to answer.
pub const PENDING_OCTETS_MAX: usize = 8 << 20;

/// Changes of rows until they are committed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) batch: Batch,
    /// Rows that were refused and are not set aside yet.
    refused: Vec<Refused>,
}

impl Pending {
    /// Whether this and so many more rows have to be written before others are gathered.
    pub(crate) fn is_full(&self, more: usize) -> bool {
        self.batch.len() + more >= PENDING_MAX || self.batch.octets() >= PENDING_OCTETS_MAX
    }

    /// Writes what waits, in one transaction if the database takes it. Rows that it refuses go where
    /// `aside` says; what cannot even be set aside is told, and left.
    ///
    /// # Errors
    /// Any [`Failure`] that is not a row's: what is still to be written waits on.
    pub(crate) fn write<'a>(
        &mut self,
        now: Moment,
        database: &mut dyn Database,
        aside: &dyn Fn(&Table) -> Option<&'a RejectedTable>,
    ) -> Result<Vec<Refused>, Failure> {
        let mut refused = self.apply(database)?;
        let at = u32::try_from(now.unix).unwrap_or(u32::MAX);
        for it in &refused {
            if let Some(rejected) = aside(&it.table) {
                let reason = it.failure.to_string();
                rejected.set_aside(&mut self.batch, &it.table, &it.row, &reason, at);
            }
        }
        match self.apply(database) {
            Ok(mut more) => refused.append(&mut more),
            Err(failure) => {
                self.refused.append(&mut refused);
                return Err(failure);
            }
        }
        Ok(refused)
    }

    /// Applies what is pending; what is not applied stays so. The rows that were refused.
    fn apply(&mut self, database: &mut dyn Database) -> Result<Vec<Refused>, Failure> {
        let refused = std::mem::take(&mut self.refused);
        if self.batch.is_empty() {
            return Ok(refused);
        }
        match apply_setting_aside(database, std::mem::take(&mut self.batch)) {
            Ok(mut more) => {
                more.extend(refused);
                Ok(more)
            }
            Err(unapplied) => {
                let Unapplied { failure, remaining, refused: more } = *unapplied;
                self.batch = remaining;
                self.refused = refused;
                self.refused.extend(more);
                Err(failure)
            }
        }
    }
}
