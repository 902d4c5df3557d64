//! The text that defines profiles: `calls; per_user ;trunks/s` (spec dialog.md §9.1).

use crate::settings::PROFILES_MAX;
use std::fmt;

/// Whether the links of a profile carry values (§9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProfileKind {
    /// `profiles_no_value`: a dialog is in it, that is all.
    NoValue,
    /// `profiles_with_value`: a dialog is in it with a value, which is counted apart.
    Value,
}

/// With whom a profile is meant to be counted: the suffix of its name (§9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// No suffix: this node's dialogs.
    #[default]
    Local,
    /// `/s`: through a key-value store.
    Store,
    /// `/b`: through the nodes of a cluster.
    Cluster,
}

impl Sharing {
    /// What stands behind the name: nothing, `/s` or `/b`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Local => "",
            Self::Store => "/s",
            Self::Cluster => "/b",
        }
    }
}

/// Why profiles were not defined; none of them was. Each carries the item as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileError {
    /// A name is empty or has characters beyond letters, digits, `_` and `-`.
    Name(String),
    /// A suffix is neither `/s` nor `/b`.
    Suffix(String),
    /// There is such a profile.
    Duplicate(String),
    /// There are [`PROFILES_MAX`] profiles.
    TooMany,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                write!(f, "profile \"{name}\": a name has letters, digits, _ and - only")
            }
            Self::Suffix(name) => write!(f, "profile \"{name}\": a suffix is /s or /b"),
            Self::Duplicate(name) => write!(f, "profile \"{name}\" is defined twice"),
            Self::TooMany => write!(f, "there may be {PROFILES_MAX} profiles"),
        }
    }
}

impl std::error::Error for ProfileError {}

/// One item of a definition text; printed as it is written, with its suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileDefinition {
    name: Box<str>,
    sharing: Sharing,
}

impl fmt::Display for ProfileDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.sharing.suffix())
    }
}

impl ProfileDefinition {
    /// The items of a definition text: blanks trimmed, empty ones left out.
    pub fn all(text: &str) -> impl Iterator<Item = Result<Self, ProfileError>> {
        text.split(';').map(str::trim).filter(|item| !item.is_empty()).map(Self::parse)
    }

    /// One item: a name, perhaps with a suffix.
    ///
    /// # Errors
    /// [`ProfileError::Name`], [`ProfileError::Suffix`].
    pub fn parse(item: &str) -> Result<Self, ProfileError> {
        let (name, suffix) = item.split_once('/').map_or((item, None), |(n, s)| (n, Some(s)));
        let sharing = match suffix {
            None => Sharing::Local,
            Some("s") => Sharing::Store,
            Some("b") => Sharing::Cluster,
            Some(_) => return Err(ProfileError::Suffix(item.to_owned())),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(ProfileError::Name(item.to_owned()));
        }
        Ok(Self { name: name.into(), sharing })
    }

    /// The name, without suffix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place of the profile that is meant by this: that very one, else without a suffix the only
    /// one of that name (decision D14).
    pub fn choose<'a>(&self, all: impl Iterator<Item = &'a Self> + Clone) -> Option<usize> {
        all.clone().position(|known| known == self).or_else(|| {
            let mut named = all.enumerate().filter(|(_, known)| known.name == self.name);
            let (only, _) = named.next()?;
            (self.sharing == Sharing::Local && named.next().is_none()).then_some(only)
        })
    }

    /// The suffix.
    pub const fn sharing(&self) -> Sharing {
        self.sharing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<String>, ProfileError> {
        ProfileDefinition::all(text)
            .map(|item| item.map(|definition| definition.to_string()))
            .collect()
    }

    // dialog.md §9.1: `;`-separated, blanks trimmed, empty items ignored
    #[test]
    fn items_are_trimmed_and_may_be_empty() {
        assert_eq!(of(" a ;; b-1/s;\tc_2/b ; ").unwrap(), ["a", "b-1/s", "c_2/b"]);
        assert_eq!(of("").unwrap(), [""; 0]);
    }

    // dialog.md §9.1: letters, digits, `_` and `-`; /s or /b, any other suffix is an error
    #[test]
    fn names_and_suffixes_are_checked() {
        for bad in ["a b", "a.b", "é", "/s"] {
            assert_eq!(of(bad), Err(ProfileError::Name(bad.into())));
        }
        for bad in ["a/x", "a/", "a/ss", "a/s/b"] {
            assert_eq!(of(bad), Err(ProfileError::Suffix(bad.into())));
        }
    }
}
