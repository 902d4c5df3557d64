//! SQLite, bundled: a file and no server.

use std::ops::ControlFlow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, ffi,
};

use super::{Database, Options, Slices};
use crate::url::SqliteFile;
use crate::{Batch, Dialect, Failure, FailureKind, Row, Table, Value};

/// How many keys one DELETE names.
const DELETE_KEYS: usize = 100;

/// How many prepared statements are kept: a few per table.
const STATEMENTS_MAX: usize = 32;

pub(super) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(super) fn open(file: &SqliteFile, options: &Options) -> Result<Self, Failure> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, options.create);
        let connection = match file {
            SqliteFile::Memory => Connection::open_in_memory(),
            SqliteFile::Path(path) => Connection::open_with_flags(path, flags),
        };
        let connection = connection.map_err(failure)?;
        connection.busy_timeout(options.busy_timeout).map_err(failure)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // The log beside the file lets others read while we write, and costs one sync per commit.
        // A database in memory keeps its own mode: the answer is not looked at.
        set(&connection, "journal_mode", "WAL")?;
        set(&connection, "synchronous", if options.durable { "FULL" } else { "NORMAL" })?;
        set(&connection, "temp_store", "MEMORY")?;
        // Deleted rows show nothing of themselves, as far as that is cheap.
        set(&connection, "secure_delete", "FAST")?;
        Ok(Self { connection })
    }
}

fn set(connection: &Connection, pragma: &str, value: &str) -> Result<(), Failure> {
    connection.pragma_update_and_check(None, pragma, value, |_| Ok(())).or_else(|error| match error
    {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        error => Err(failure(error)),
    })
}

impl Database for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn query(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let mut statement = self.connection.prepare(sql).map_err(failure)?;
        let columns = statement.column_count();
        step(&mut statement, columns, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    fn define(&mut self, statements: &[String]) -> Result<(), Failure> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failure)?;
        for statement in statements {
            transaction.execute(statement, ()).map_err(failure)?;
        }
        transaction.commit().map_err(failure)
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Failure> {
        // Immediate: a lock that cannot be had is told here, and waited for, not in the middle.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failure)?;
        for changes in batch.tables() {
            let table = changes.table();
            if changes.clears() {
                transaction.execute(&Dialect::Sqlite.clear(table), ()).map_err(failure)?;
            }
            let keys: Vec<_> = changes.deletes().map(u64::cast_signed).collect();
            for keys in keys.chunks(DELETE_KEYS) {
                let sql = Dialect::Sqlite.delete(table, keys.len());
                let mut statement = transaction.prepare_cached(&sql).map_err(failure)?;
                statement.execute(rusqlite::params_from_iter(keys)).map_err(failure)?;
            }
            let mut upserts = changes.upserts().peekable();
            if upserts.peek().is_some() {
                let sql = Dialect::Sqlite.upsert(table, 1, 1);
                let mut statement = transaction.prepare_cached(&sql).map_err(failure)?;
                upserts.try_for_each(|row| write(&mut statement, row))?;
            }
        }
        transaction.commit().map_err(failure)
    }

    fn stream(
        &mut self,
        table: &Table,
        slice: usize,
        each: &mut dyn FnMut(Vec<Row>) -> ControlFlow<()>,
    ) -> Result<u64, Failure> {
        let mut slices = Slices::new(slice, each);
        let sql = Dialect::Sqlite.select(table);
        let mut statement = self.connection.prepare(&sql).map_err(failure)?;
        step(&mut statement, table.columns().len(), &mut |row| slices.push(row))?;
        Ok(slices.finish())
    }
}

fn write(statement: &mut CachedStatement<'_>, row: &Row) -> Result<(), Failure> {
    for (place, value) in row.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value).map_err(failure)?;
    }
    statement.raw_execute().map(|_| ()).map_err(failure)
}

fn step(
    statement: &mut rusqlite::Statement<'_>,
    columns: usize,
    each: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let mut rows = statement.query(()).map_err(failure)?;
    while let Some(row) = rows.next().map_err(failure)? {
        let value = |place| row.get_ref(place).map(read);
        let row: Row = (0..columns).map(value).collect::<Result<_, _>>().map_err(failure)?;
        if each(row).is_break() {
            break;
        }
    }
    Ok(())
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(bytes.into()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Id(id) => ValueRef::Integer(id.cast_signed()),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn failure(error: rusqlite::Error) -> Failure {
    let kind = match error.sqlite_error() {
        Some(error) => kind(error),
        // Values that do not convert, statements that do not fit: ours to mend.
        None => FailureKind::Schema,
    };
    Failure::new(kind, error)
}

fn kind(error: &ffi::Error) -> FailureKind {
    match (error.code, error.extended_code) {
        // The index of the log is grown through memory, where a full disk has its own code.
        (ErrorCode::DiskFull | ErrorCode::OutOfMemory, _)
        | (_, ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_WRITE) => FailureKind::Full,
        (
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
            _,
        ) => FailureKind::Busy,
        (
            ErrorCode::ConstraintViolation
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange,
            _,
        ) => FailureKind::Row,
        (
            ErrorCode::SystemIoFailure | ErrorCode::SchemaChanged | ErrorCode::OperationAborted,
            _,
        ) => FailureKind::Lost,
        (
            ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt,
            _,
        ) => FailureKind::Denied,
        _ => FailureKind::Schema,
    }
}
