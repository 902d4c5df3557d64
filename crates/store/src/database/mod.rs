//! A connection to a database.

mod mysql;
mod postgres;
mod sqlite;

use std::ops::ControlFlow;
use std::time::Duration;

use crate::{Batch, DatabaseUrl, Dialect, Failure, Row, Table};

/// A connection to a database, owned by one thread.
///
/// Every call blocks until it is done or failed, and none blocks for ever: see [`Options`]. After a
/// failure of the kind [`Lost`](crate::FailureKind::Lost) the connection is of no use any more;
/// [`connect`] makes another.
pub trait Database: Send {
    /// Which SQL is spoken.
    fn dialect(&self) -> Dialect;

    /// Asks for a few rows.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn query(&mut self, sql: &str) -> Result<Vec<Row>, Failure>;

    /// Changes tables, all at once where the database can do that. MySQL commits after each
    /// statement.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn define(&mut self, statements: &[String]) -> Result<(), Failure>;

    /// Makes all changes of a batch in one transaction. Doing it twice does no harm, so a batch
    /// whose commit was not answered is simply applied again.
    ///
    /// # Errors
    /// Any [`Failure`]; nothing was changed then, unless it is [`Lost`](crate::FailureKind::Lost).
    /// [`Row`](crate::FailureKind::Row) says that some row was refused, not which:
    /// [`apply_setting_aside`](crate::apply_setting_aside) finds it.
    fn apply(&mut self, batch: &Batch) -> Result<(), Failure>;

    /// Reads all rows of a table, in slices of at most `slice` rows, as they arrive: memory is
    /// bounded by a slice. `each` may end it. Returns how many rows were read.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn stream(
        &mut self,
        table: &Table,
        slice: usize,
        each: &mut dyn FnMut(Vec<Row>) -> ControlFlow<()>,
    ) -> Result<u64, Failure>;
}

/// How a connection behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether what was committed has to survive the loss of this machine's power: SQLite syncs the
    /// disk after each commit. Without it the last moments may be lost, nothing gets inconsistent,
    /// and commits are several times cheaper. What a server has committed survives its crash either
    /// way: PostgreSQL is told so, MySQL has one setting for all (`innodb_flush_log_at_trx_commit`),
    /// which we leave alone. Default: yes.
    pub durable: bool,
    /// Whether a missing file is made; servers have their databases made by others. Default: yes.
    pub create: bool,
    /// How long connecting may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a server may be silent before the connection counts as lost. Default: 10 s.
    pub answer_timeout: Duration,
    /// How long a lock of another connection is waited for. Default: 500 ms, as db_sqlite does.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durable: true,
            create: true,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_millis(500),
        }
    }
}

/// Connects to a database.
///
/// # Errors
/// Any [`Failure`]: [`Lost`](crate::FailureKind::Lost) if nobody is there,
/// [`Denied`](crate::FailureKind::Denied) if we are not wanted.
pub fn connect(url: &DatabaseUrl, options: &Options) -> Result<Box<dyn Database>, Failure> {
    Ok(match url {
        DatabaseUrl::Sqlite(file) => Box::new(sqlite::Sqlite::open(file, options)?),
        DatabaseUrl::Postgres(server) => Box::new(postgres::Postgres::connect(server, options)?),
        DatabaseUrl::MySql(server) => Box::new(mysql::MySql::connect(server, options)?),
    })
}

/// Collects rows into slices and hands them on.
struct Slices<'a> {
    rows: Vec<Row>,
    slice: usize,
    count: u64,
    each: &'a mut dyn FnMut(Vec<Row>) -> ControlFlow<()>,
}

impl<'a> Slices<'a> {
    fn new(slice: usize, each: &'a mut dyn FnMut(Vec<Row>) -> ControlFlow<()>) -> Self {
        let slice = slice.max(1);
        Self { rows: Vec::with_capacity(slice.min(4096)), slice, count: 0, each }
    }

    fn push(&mut self, row: Row) -> ControlFlow<()> {
        self.rows.push(row);
        if self.rows.len() < self.slice { ControlFlow::Continue(()) } else { self.flush() }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        if self.rows.is_empty() {
            return ControlFlow::Continue(());
        }
        self.count += self.rows.len() as u64;
        (self.each)(std::mem::take(&mut self.rows))
    }

    /// Hands on what is left; how many rows there were.
    fn finish(mut self) -> u64 {
        let _ = self.flush();
        self.count
    }
}
