//! PostgreSQL.
//!
//! `tokio-postgres` on a runtime of this thread alone rather than its blocking sister crate, which
//! is the same inside: here every wait has an end, so a server that was stopped in the middle of an
//! answer counts as lost instead of holding the writer for ever.
//!
//! Rows are written with one array per column: the statement is the same for any number of rows, is
//! prepared once, and takes one round trip, which is all that a commit costs. They are read by a
//! portal, one slice per round trip, so that the server holds the rest.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::{Database, Options, Slices};
use crate::url::{Host, Server};
use crate::{Batch, Dialect, Failure, FailureKind, Row, Table};

mod cell;

use cell::{Cell, Taken};

pub(super) struct Postgres {
    /// Declared first, since it is dropped first: the server hears of it while the runtime lives.
    client: Client,
    statements: HashMap<String, Statement>,
    runtime: Runtime,
    answer_timeout: Duration,
}

impl Postgres {
    pub(super) fn connect(server: &Server, options: &Options) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(FailureKind::Lost, error))?;
        let config = config(server, options);
        let connecting = async {
            let (client, connection) = config.connect(NoTls).await.map_err(failure)?;
            // Runs whenever this thread waits for an answer; its end is told to the client.
            tokio::spawn(connection);
            Ok(client)
        };
        let client = runtime.block_on(within(options.connect_timeout, connecting))?;
        let answer_timeout = options.answer_timeout;
        Ok(Self { client, statements: HashMap::new(), runtime, answer_timeout })
    }

    fn statement(&mut self, sql: String) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        let preparing = async { self.client.prepare(&sql).await.map_err(failure) };
        let statement = self.runtime.block_on(within(self.answer_timeout, preparing))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    fn execute(&self, statement: &Statement, parameters: &[Vec<Cell<'_>>]) -> Result<(), Failure> {
        let parameters: Vec<_> =
            parameters.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        let executing = async {
            self.client.execute(statement, &parameters).await.map(|_| ()).map_err(failure)
        };
        self.runtime.block_on(within(self.answer_timeout, executing))
    }

    fn command(&self, sql: &str) -> Result<(), Failure> {
        let executing = async { self.client.batch_execute(sql).await.map_err(failure) };
        self.runtime.block_on(within(self.answer_timeout, executing))
    }

    /// The statements of a batch, prepared, and their parameters.
    fn prepare<'a>(&mut self, batch: &'a Batch) -> Result<Vec<Prepared<'a>>, Failure> {
        let mut prepared = Vec::new();
        for changes in batch.tables() {
            let table = changes.table();
            if changes.clears() {
                prepared.push((self.statement(Dialect::Postgres.clear(table))?, Vec::new()));
            }
            let keys: Vec<_> = changes.deletes().map(Cell::id).collect();
            let columns = cell::by_column(table, changes.upserts());
            let (sql, parameters) = match (keys.is_empty(), columns) {
                (true, None) => continue,
                (true, Some(columns)) => (Some(Dialect::Postgres.upsert(table, 1, 1)), columns),
                (false, None) => (Some(Dialect::Postgres.delete(table, 1)), vec![keys]),
                (false, Some(mut columns)) => {
                    columns.insert(0, keys);
                    (Dialect::Postgres.delete_and_upsert(table), columns)
                }
            };
            let sql = sql.expect("PostgreSQL deletes and writes in one statement");
            prepared.push((self.statement(sql)?, parameters));
        }
        Ok(prepared)
    }
}

type Prepared<'a> = (Statement, Vec<Vec<Cell<'a>>>);

fn config(server: &Server, options: &Options) -> Config {
    let mut config = Config::new();
    match &server.host {
        Host::Tcp { name, port } => config.host(name).port(*port),
        Host::Unix(directory) => config.host_path(directory),
    };
    config.dbname(&server.database).application_name("duologue");
    config.user(server.user.as_deref().unwrap_or("postgres"));
    if let Some(password) = &server.password {
        config.password(password);
    }
    config.connect_timeout(options.connect_timeout);
    let lock_timeout = options.busy_timeout.as_millis();
    // A commit is one for good, whatever the server's own setting is: one that a crash of the server
    // takes back would leave rows of calls that ended, and nobody would write them again.
    config.options(format!(
        "-c synchronous_commit=on -c lock_timeout={lock_timeout} -c client_min_messages=warning"
    ));
    config
}

impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn query(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        let asking = async { self.client.query(sql, &[]).await.map_err(failure) };
        let rows = self.runtime.block_on(within(self.answer_timeout, asking))?;
        rows.iter().map(read).collect()
    }

    fn define(&mut self, statements: &[String]) -> Result<(), Failure> {
        // Several statements in one message are one transaction.
        self.command(&statements.join(";\n"))?;
        self.statements.clear();
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Failure> {
        let prepared = self.prepare(batch)?;
        if let [(statement, parameters)] = prepared.as_slice() {
            return self.execute(statement, parameters);
        }
        self.command("BEGIN")?;
        let mut all = prepared.iter();
        let done = all.try_for_each(|(statement, parameters)| self.execute(statement, parameters));
        match done {
            Ok(()) => self.command("COMMIT"),
            Err(error) => {
                // If that fails as well, the connection is gone and so is the transaction.
                let _ = self.command("ROLLBACK");
                Err(error)
            }
        }
    }

    fn stream(
        &mut self,
        table: &Table,
        slice: usize,
        each: &mut dyn FnMut(Vec<Row>) -> ControlFlow<()>,
    ) -> Result<u64, Failure> {
        let statement = self.statement(Dialect::Postgres.select(table))?;
        let rows_per_answer = i32::try_from(slice.max(1)).unwrap_or(i32::MAX);
        let mut slices = Slices::new(slice, each);
        let (runtime, client) = (&self.runtime, &mut self.client);
        let limit = self.answer_timeout;
        let beginning = async { client.transaction().await.map_err(failure) };
        let transaction = runtime.block_on(within(limit, beginning))?;
        let binding = async { transaction.bind(&statement, &[]).await.map_err(failure) };
        let portal = runtime.block_on(within(limit, binding))?;
        loop {
            // Rows are handed on outside of the runtime: whoever gets them may use another
            // connection of this kind.
            let asking =
                async { transaction.query_portal(&portal, rows_per_answer).await.map_err(failure) };
            let rows = runtime.block_on(within(limit, asking))?;
            for row in &rows {
                if slices.push(read(row)?).is_break() {
                    return Ok(slices.finish());
                }
            }
            if rows.len() < rows_per_answer as usize {
                return Ok(slices.finish());
            }
        }
    }
}

fn read(row: &tokio_postgres::Row) -> Result<Row, Failure> {
    (0..row.len())
        .map(|place| {
            let taken = row.try_get::<_, Option<Taken>>(place).map_err(failure)?;
            Ok(taken.map_or(crate::Value::Null, |taken| taken.0))
        })
        .collect()
}

async fn within<T>(
    limit: Duration,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = |_| Failure::new(FailureKind::Lost, format!("no answer within {limit:?}"));
    tokio::time::timeout(limit, future).await.map_err(late)?
}

fn failure(error: tokio_postgres::Error) -> Failure {
    let Some(said) = error.as_db_error() else {
        return Failure::new(FailureKind::Lost, with_cause(&error));
    };
    Failure::new(kind(said.code()), format!("{} ({})", said.message(), said.code().code()))
}

/// The crate's own texts stop short of the cause.
fn with_cause(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// By classes of SQLSTATE (PostgreSQL manual, appendix A).
fn kind(code: &SqlState) -> FailureKind {
    match code.code() {
        // Someone else has the lock, or the server is shedding load.
        "40001" | "40P01" | "55P03" | "57014" | "53300" | "53400" => FailureKind::Busy,
        // A standby, after a switch: the name may lead to another server by now.
        "25006" => FailureKind::Lost,
        code => match code.get(..2).unwrap_or_default() {
            "08" | "57" | "58" => FailureKind::Lost,
            "53" => FailureKind::Full,
            "22" | "23" => FailureKind::Row,
            "28" | "3D" => FailureKind::Denied,
            _ if code == "42501" => FailureKind::Denied,
            _ => FailureKind::Schema,
        },
    }
}
