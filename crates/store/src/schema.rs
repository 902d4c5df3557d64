//! Tables as we want them: columns, their kinds, and the names that operators give them.

use std::fmt;

use crate::Dialect;

/// What a column holds; each dialect has its own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 64 bits without sign: the number of a dialog or a contact.
    Id,
    /// 32 bits without sign.
    Unsigned,
    /// 32 bits.
    Integer,
    /// A number with a fraction.
    Real,
    /// A local date and time, `YYYY-MM-DD HH:MM:SS`.
    DateTime,
    /// Text of at most so many characters.
    Char(u16),
    /// Text.
    Text,
    /// Bytes.
    Blob,
}

/// A column as it is declared.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, unless the script gives it another.
    pub name: &'static str,
    /// The module parameter by which the script does so, if there is one.
    pub parameter: Option<&'static str>,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub nullable: bool,
    /// Its default, as SQL.
    pub default: Option<&'static str>,
}

impl Column {
    /// A column that always holds something and has no name of its own.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, parameter: None, kind, nullable: false, default: None }
    }

    /// The same, named by a module parameter.
    pub const fn named_by(mut self, parameter: &'static str) -> Self {
        self.parameter = Some(parameter);
        self
    }

    /// The same, but it may hold nothing.
    pub const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same with a default.
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

/// The name of the column that OpenSIPS does not know: what its own columns cannot hold.
pub const EXTRA_COLUMN: &str = "duologue";

/// A table as it is declared.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Its name, unless the script gives it another.
    pub table: &'static str,
    /// Its version in table `version`; 0 for a table of ours, which is not listed there.
    pub version: u32,
    /// The columns that OpenSIPS knows. The first one is the key.
    pub columns: &'static [Column],
    /// Whether [`EXTRA_COLUMN`] comes after them.
    pub has_extra: bool,
}

/// The names that a script gives to a table and its columns.
///
/// ```
/// use duologue_store::{Names, dialog};
///
/// let mut names = Names::of(&dialog::SCHEMA);
/// names.set("dlg_id_column", "id")?;
/// assert_eq!(names.column(0), "id");
/// assert!(names.set("dlg_id_column", "no; such name").is_err());
/// # Ok::<(), duologue_store::BadName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The table's.
    table: String,
    /// One per column, [`EXTRA_COLUMN`] left out.
    columns: Vec<String>,
    parameters: Vec<Option<&'static str>>,
}

/// Why a table or a column cannot have this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadName {
    /// It is not made of 1 to 63 letters, digits and `_`, or begins with a digit.
    Name(String),
    /// No parameter of the table has this name.
    Parameter(String),
}

impl Names {
    /// The names as they are declared.
    pub fn of(schema: &Schema) -> Self {
        Self {
            table: schema.table.to_owned(),
            columns: schema.columns.iter().map(|column| column.name.to_owned()).collect(),
            parameters: schema.columns.iter().map(|column| column.parameter).collect(),
        }
    }

    /// Names the table.
    ///
    /// # Errors
    /// [`BadName::Name`].
    pub fn set_table(&mut self, name: &str) -> Result<(), BadName> {
        self.table = checked(name)?;
        Ok(())
    }

    /// Names a column by its module parameter.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn set(&mut self, parameter: &str, name: &str) -> Result<(), BadName> {
        let place = self.parameters.iter().position(|known| *known == Some(parameter));
        let place = place.ok_or_else(|| BadName::Parameter(parameter.to_owned()))?;
        self.columns[place] = checked(name)?;
        Ok(())
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The name of the column at this place of the schema.
    ///
    /// # Panics
    /// If the schema has fewer columns.
    pub fn column(&self, place: usize) -> &str {
        &self.columns[place]
    }

    /// All columns' names, in the order of the schema.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }
}

/// Names go into SQL: what is no plain identifier does not get there.
fn checked(name: &str) -> Result<String, BadName> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = (1..=63).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if fits { Ok(name.to_owned()) } else { Err(BadName::Name(name.to_owned())) }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "`{}` cannot name a table or a column: 1 to 63 letters, digits and _ can",
                name.escape_debug()
            ),
            Self::Parameter(name) => write!(f, "no column is named by `{}`", name.escape_debug()),
        }
    }
}

impl std::error::Error for BadName {}

impl Kind {
    /// The type's name, in OpenSIPS's flavour for each database.
    ///
    /// MySQL's CHAR takes no more than 255 characters and drops blanks at the end; VARCHAR is read
    /// in the same way and does neither. Blobs of MySQL end at 64 KiB, medium ones at 16 MiB.
    pub fn sql(self, dialect: Dialect) -> String {
        use Dialect::{MySql, Postgres, Sqlite};
        match (self, dialect) {
            (Self::Id, MySql) => "BIGINT UNSIGNED".into(),
            (Self::Id, Postgres) => "BIGINT".into(),
            (Self::Unsigned, MySql) => "INT UNSIGNED".into(),
            (Self::Integer, MySql) => "INT".into(),
            (Self::Id | Self::Unsigned | Self::Integer, Sqlite)
            | (Self::Unsigned | Self::Integer, Postgres) => "INTEGER".into(),
            (Self::Real, Postgres) => "REAL".into(),
            (Self::Real, MySql | Sqlite) => "FLOAT(10,2)".into(),
            (Self::DateTime, Postgres) => "TIMESTAMP".into(),
            (Self::DateTime, MySql | Sqlite) => "DATETIME".into(),
            (Self::Char(length), Sqlite) => format!("CHAR({length})"),
            (Self::Char(length), MySql | Postgres) => format!("VARCHAR({length})"),
            (Self::Text, _) => "TEXT".into(),
            (Self::Blob, MySql) => "MEDIUMBLOB".into(),
            (Self::Blob, Postgres) => "BYTEA".into(),
            (Self::Blob, Sqlite) => "BLOB".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_identifiers() {
        for good in ["dialog", "_x9", "A"] {
            assert_eq!(checked(good), Ok(good.to_owned()));
        }
        let long = "x".repeat(64);
        for bad in ["", "9x", "a b", "a`b", "a\"b", "a;b", "ä", long.as_str()] {
            assert_eq!(checked(bad), Err(BadName::Name(bad.to_owned())));
        }
    }
}
