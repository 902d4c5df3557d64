//! Who asks: through which door, from where, and what it may do there.

use std::fmt;

/// What a caller may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    #[default]
    Full,
    /// Look at things: commands that change something are refused.
    ReadOnly,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::ReadOnly => "read-only",
        })
    }
}

/// Somebody on the other side of a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The door, by the name of its module: `mi_http`.
    pub door: &'static str,
    /// Where the caller is, as far as the door can tell: an address, or a file and the number of a
    /// user.
    pub peer: String,
    /// What it may do.
    pub role: Role,
}
