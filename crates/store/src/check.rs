//! What is missing or wrong in a database, and what mends it.

use std::fmt;

use crate::schema::EXTRA_COLUMN;
use crate::{
    ColumnFacts, Database, Encoding, Failure, Kind, Names, Schema, Tables, describe, dialog,
    rejected, version,
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but less well than it could.
    Note,
    /// Nothing can be stored.
    Error,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// The command or the statement that mends it.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}\n  to mend it: {}", self.what, self.fix)
    }
}

const CREATE: &str = "duologue db create URL";
const MIGRATE: &str = "duologue db migrate URL";

/// Looks at all tables; an empty list means that all is well.
///
/// # Errors
/// Any [`Failure`]. What is missing is a finding, not a failure.
pub fn check(database: &mut dyn Database, tables: &Tables) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    if describe(database, "version")?.is_none() {
        findings.push(error("there is no table `version`, which OpenSIPS needs", CREATE));
    }
    for (schema, names) in tables.listed() {
        check_table(database, schema, names, &mut findings)?;
    }
    let aside = rejected::names(tables.dialog.table());
    if describe(database, aside.table())?.is_none() {
        let what = format!("there is no table `{}` for bad rows; a start makes it", aside.table());
        findings.push(Finding { severity: Severity::Note, what, fix: CREATE.to_owned() });
    }
    Ok(findings)
}

fn check_table(
    database: &mut dyn Database,
    schema: &Schema,
    names: &Names,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let table = names.table();
    let Some(facts) = describe(database, table)? else {
        findings.push(error(format!("there is no table `{table}`"), CREATE));
        return Ok(());
    };
    match version::of(database, table)? {
        Some(version) if version == schema.version => {}
        Some(11) if schema.version == dialog::SCHEMA.version => {
            findings.push(error(format!("table `{table}` has version 11, not 12"), MIGRATE));
            // Its columns are those of another version.
            return Ok(());
        }
        Some(other) => {
            let what = format!("table `{table}` has version {other}, not {}", schema.version);
            let fix = "a table of this version, made by opensips-cli or by duologue db create";
            findings.push(error(what, fix));
        }
        None => {
            let [delete, insert] = version::set(table, schema.version);
            let what = format!("table `version` does not list `{table}`");
            findings.push(error(what, format!("{delete}; {insert}")));
        }
    }
    let quote = |name: &str| database.dialect().quote(name);
    for (column, name) in schema.columns.iter().zip(names.columns()) {
        match find(&facts, name) {
            Some(fact) => check_column(table, fact, column.kind, findings),
            None => {
                let what = format!("table `{table}` has no column `{name}`");
                let kind = column.kind.sql(database.dialect());
                let (quoted, column) = (quote(table), quote(name));
                let fix = format!("ALTER TABLE {quoted} ADD COLUMN {column} {kind}");
                findings.push(error(what, fix));
            }
        }
    }
    let key = names.column(0);
    if find(&facts, key).is_some_and(|fact| !fact.is_unique) {
        let what =
            format!("column `{key}` of table `{table}` is no key, so rows cannot be updated");
        let fix = format!("CREATE UNIQUE INDEX {table}_key ON {} ({})", quote(table), quote(key));
        findings.push(error(what, fix));
    }
    if schema.has_extra && find(&facts, EXTRA_COLUMN).is_none() {
        let what = format!(
            "table `{table}` has no column `{EXTRA_COLUMN}`: what OpenSIPS does not store is lost \
             at a restart"
        );
        findings.push(Finding { severity: Severity::Note, what, fix: MIGRATE.to_owned() });
    }
    Ok(())
}

/// Columns that take less than ours are told, since their values are cut for whoever else reads them.
fn check_column(table: &str, fact: &ColumnFacts, kind: Kind, findings: &mut Vec<Finding>) {
    if kind == Kind::Blob && fact.fit.encoding != Encoding::Any {
        let name = &fact.name;
        let what =
            format!("column `{name}` of table `{table}` holds text, but values may be bytes");
        let fix = format!("make `{name}` a column of bytes; we keep the whole in `{EXTRA_COLUMN}`");
        findings.push(Finding { severity: Severity::Note, what, fix });
    }
}

fn find<'a>(facts: &'a [ColumnFacts], name: &str) -> Option<&'a ColumnFacts> {
    facts.iter().find(|fact| fact.name.eq_ignore_ascii_case(name))
}

fn error(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { severity: Severity::Error, what: what.into(), fix: fix.into() }
}
