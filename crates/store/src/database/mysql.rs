//! MySQL and MariaDB.
//!
//! The blocking crate: its sockets have timeouts, so every wait has an end. Without TLS: its feature
//! `rustls-tls-ring` is what that would take, and a `tls` option of the URL.

use std::ops::ControlFlow;

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, OptsBuilder, Params, TxOpts, UrlError};

use super::{Database, Options, Slices};
use crate::url::{Host, Server};
use crate::{Batch, Dialect, Failure, FailureKind, Row, Table, Value};

/// How many rows one statement writes, the most first: few sizes, so that few statements are
/// prepared. 64 rows of a dialog are 1,900 parameters; a statement may have 65,535.
const ROWS: [usize; 3] = [64, 8, 1];

/// How many keys one DELETE names, the most first.
const KEYS: [usize; 3] = [256, 16, 1];

pub(super) struct MySql {
    connection: Conn,
}

impl MySql {
    pub(super) fn connect(server: &Server, options: &Options) -> Result<Self, Failure> {
        let mut opts = OptsBuilder::new()
            .user(server.user.as_deref())
            .pass(server.password.as_deref())
            .db_name(Some(&server.database))
            .tcp_connect_timeout(Some(options.connect_timeout))
            .read_timeout(Some(options.answer_timeout))
            .write_timeout(Some(options.answer_timeout))
            // UPDATEs that change nothing count all the same, as in other databases.
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
            .prefer_socket(false);
        opts = match &server.host {
            Host::Tcp { name, port } => opts.ip_or_hostname(Some(name)).tcp_port(*port),
            Host::Unix(path) => opts.socket(Some(path.display().to_string())),
        };
        let mut connection = Conn::new(opts).map_err(failure)?;
        // Strict: a value that does not fit is refused, never silently changed.
        connection.query_drop("SET SESSION sql_mode = 'STRICT_ALL_TABLES'").map_err(failure)?;
        connection.query_drop("SET NAMES utf8mb4").map_err(failure)?;
        let seconds = options.busy_timeout.as_secs().max(1);
        let wait = format!(
            "SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"
        );
        connection.query_drop(wait).map_err(failure)?;
        Ok(Self { connection })
    }
}

impl Database for MySql {
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn query(&mut self, sql: &str) -> Result<Vec<Row>, Failure> {
        // Prepared, since answers to plain queries are texts alone.
        let rows: Vec<mysql::Row> = self.connection.exec(sql, ()).map_err(failure)?;
        Ok(rows.into_iter().map(read).collect())
    }

    fn define(&mut self, statements: &[String]) -> Result<(), Failure> {
        statements.iter().try_for_each(|sql| self.connection.query_drop(sql).map_err(failure))
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut transaction =
            self.connection.start_transaction(TxOpts::default()).map_err(failure)?;
        for changes in batch.tables() {
            let table = changes.table();
            if changes.clears() {
                transaction.query_drop(Dialect::MySql.clear(table)).map_err(failure)?;
            }
            let keys: Vec<_> = changes.deletes().collect();
            for keys in portions(&keys, &KEYS) {
                let sql = Dialect::MySql.delete(table, keys.len());
                let keys = keys.iter().map(|key| mysql::Value::UInt(*key)).collect();
                transaction.exec_drop(sql, Params::Positional(keys)).map_err(failure)?;
            }
            let rows: Vec<_> = changes.upserts().collect();
            for rows in portions(&rows, &ROWS) {
                let sql = Dialect::MySql.upsert(table, rows.len(), 1);
                let values = rows.iter().flat_map(|row| row.iter()).map(write).collect();
                transaction.exec_drop(sql, Params::Positional(values)).map_err(failure)?;
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
        let sql = Dialect::MySql.select(table);
        let rows = self.connection.exec_iter(sql, ()).map_err(failure)?;
        for row in rows {
            if slices.push(read(row.map_err(failure)?)).is_break() {
                break;
            }
        }
        Ok(slices.finish())
    }
}

/// Cuts a list into portions of the given sizes, the most first; the last size is 1.
fn portions<'a, T>(mut list: &'a [T], sizes: &'a [usize]) -> impl Iterator<Item = &'a [T]> {
    std::iter::from_fn(move || {
        let size = sizes.iter().copied().find(|size| *size <= list.len())?;
        let (portion, rest) = list.split_at(size);
        list = rest;
        Some(portion)
    })
}

fn write(value: &Value) -> mysql::Value {
    match value {
        Value::Null => mysql::Value::NULL,
        Value::Int(number) => mysql::Value::Int(*number),
        Value::Id(id) => mysql::Value::UInt(*id),
        Value::Real(number) => mysql::Value::Double(*number),
        Value::Text(bytes) | Value::Blob(bytes) => mysql::Value::Bytes(bytes.clone()),
    }
}

fn read(row: mysql::Row) -> Row {
    let is_binary: Vec<_> = row.columns_ref().iter().map(is_binary).collect();
    let value = |(value, is_binary)| match value {
        mysql::Value::NULL => Value::Null,
        mysql::Value::Bytes(bytes) if is_binary => Value::Blob(bytes),
        mysql::Value::Bytes(bytes) => Value::Text(bytes),
        mysql::Value::Int(number) => Value::Int(number),
        mysql::Value::UInt(number) => i64::try_from(number).map_or(Value::Id(number), Value::Int),
        mysql::Value::Float(number) => Value::Real(number.into()),
        mysql::Value::Double(number) => Value::Real(number),
        mysql::Value::Date(year, month, day, hour, minute, second, _) => Value::Text(
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}").into_bytes(),
        ),
        time @ mysql::Value::Time(..) => Value::Text(time.as_sql(true).into_bytes()),
    };
    row.unwrap().into_iter().zip(is_binary).map(value).collect()
}

/// Character set 63 is `binary`: the mark of blobs, which share a type with texts on the wire.
fn is_binary(column: &mysql::Column) -> bool {
    column.character_set() == 63
}

fn failure(error: mysql::Error) -> Failure {
    let kind = match &error {
        mysql::Error::MySqlError(said) => kind(said.code),
        mysql::Error::DriverError(DriverError::MismatchedStmtParams(..))
        | mysql::Error::UrlError(UrlError::UnsupportedScheme(_)) => FailureKind::Schema,
        _ => FailureKind::Lost,
    };
    Failure::new(kind, error)
}

/// By numbers of the server (MySQL 8.0 Error Message Reference; MariaDB Error Code Reference).
fn kind(code: u16) -> FailureKind {
    match code {
        // Too many connections; locks that others hold, or hold in a circle.
        1040 | 1047 | 1203 | 1205 | 1213 | 1226 | 3572 => FailureKind::Busy,
        // Disk full, table full, out of memory, error writing a file.
        3 | 1021 | 1026 | 1030 | 1037 | 1038 | 1041 | 1114 => FailureKind::Full,
        // Shutting down, killed, idle too long, standby, unknown statement after a restart.
        1053 | 1077 | 1152 | 1154..=1161 | 1184 | 1243 | 1290 | 1317 | 1792 | 1836 | 1927 => {
            FailureKind::Lost
        }
        1044 | 1045 | 1049 | 1130 | 1142 | 1143 | 1227 | 1251 | 1524 | 1698 => FailureKind::Denied,
        // Null, duplicate, out of range, truncated, too long, not of the character set, too big.
        1048
        | 1062
        | 1118
        | 1153
        | 1264..=1265
        | 1292
        | 1300
        | 1301
        | 1364
        | 1366
        | 1406
        | 1690
        | 3140
        | 3854
        | 4025 => FailureKind::Row,
        _ => FailureKind::Schema,
    }
}

#[cfg(test)]
mod tests {
    use super::portions;

    #[test]
    fn portions_are_as_large_as_can_be() {
        let list = [0; 75];
        let sizes: Vec<_> = portions(&list, &[64, 8, 1]).map(<[_]>::len).collect();
        assert_eq!(sizes, [64, 8, 1, 1, 1]);
    }
}
