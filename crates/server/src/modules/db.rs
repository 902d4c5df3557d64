//! `db_sqlite`, `db_postgres`, `db_mysql`: the drivers behind `db_url` (spec/modules.md §31). All are
//! built in; a script loads those that it uses.

use crate::module::{Module, Parameter};

const WAITS: &str = "nobody but the writer waits for the database, ten seconds at most";
const AGAIN: &str = "what failed is tried again until it is done";
const QUERIES: &str = "queries are not timed";

/// SQLite.
pub static SQLITE: Module = Module {
    name: "db_sqlite",
    parameters: &[
        Parameter::int("alloc_limit").without_effect(None, "rows take the room that they need"),
        Parameter::int("busy_timeout")
            .without_effect(Some(500), "a lock is waited for half a second, then again and again"),
        Parameter::planned("load_extension"),
        Parameter::planned("exec_pragma"),
    ],
    ..Module::EMPTY
};

/// PostgreSQL.
pub static POSTGRES: Module = Module {
    name: "db_postgres",
    parameters: &[
        Parameter::int("exec_query_threshold").without_effect(Some(0), QUERIES),
        Parameter::int("max_db_queries").without_effect(None, AGAIN),
        Parameter::int("timeout").without_effect(None, WAITS),
        Parameter::planned("use_tls"),
    ],
    ..Module::EMPTY
};

/// MySQL and MariaDB.
pub static MYSQL: Module = Module {
    name: "db_mysql",
    parameters: &[
        Parameter::int("timeout_interval").without_effect(None, WAITS),
        Parameter::int("exec_query_threshold").without_effect(Some(0), QUERIES),
        Parameter::int("max_db_retries").without_effect(None, AGAIN),
        Parameter::int("max_db_queries").without_effect(None, AGAIN),
        Parameter::planned("use_tls"),
    ],
    ..Module::EMPTY
};
