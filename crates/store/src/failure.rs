//! Why a database did not do what it was asked, sorted by what to do about it.

use std::fmt;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The connection is gone, or nobody answered in time: connect again and retry.
    Lost,
    /// Somebody else holds what we need, or the server is overloaded: retry later.
    Busy,
    /// No room on the disk: retry later, and call for help.
    Full,
    /// A row is not acceptable: it, not the batch, has to be set aside.
    Row,
    /// A table or a column is missing or is not as it should be: `duologue db check` tells.
    Schema,
    /// Wrong password, no right, no such database or file, or the file is no database.
    Denied,
}

/// A failure of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub kind: FailureKind,
    /// What the database said.
    pub reason: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, reason: impl fmt::Display) -> Self {
        Self { kind, reason: reason.to_string() }
    }

    /// Whether the same thing may succeed later without anybody changing it.
    pub const fn is_passing(&self) -> bool {
        matches!(self.kind, FailureKind::Lost | FailureKind::Busy | FailureKind::Full)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "connection lost",
            Self::Busy => "busy",
            Self::Full => "disk full",
            Self::Row => "row refused",
            Self::Schema => "schema mismatch",
            Self::Denied => "access denied",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.reason)
    }
}

impl std::error::Error for Failure {}
