//! Profiles: named counters of the calls that share something (spec dialog.md §9).
//!
//! A dialog is in a profile by *links*. A link is a value that counts itself: made, it is counted;
//! dropped, on whatever way, it is not ([`link`]). So a size is what is there, never a sum of
//! additions and subtractions that somebody could forget ([`members`]).
//!
//! Locks are leaves: links are made and dropped where no lock of the table is held.

mod definition;
mod link;
mod listing;
mod members;

pub use definition::{ProfileDefinition, ProfileError, ProfileKind, Sharing};
pub(crate) use link::Links;
pub use link::{LinkOrigin, LinkRefused, ProfileLink};
pub use listing::{ProfileCursor, ProfileValue};
pub(crate) use members::Members;

use crate::settings::PROFILES_MAX;
use crate::sync::RwLock;
use crate::{Dialogs, Gone};
use std::fmt;
use std::sync::Arc;

/// The profiles of a table, in the order of their definition. Only ever appended to.
#[derive(Default)]
pub(crate) struct Registry {
    list: RwLock<Vec<Arc<Members>>>,
}

impl Registry {
    pub(crate) fn all(&self) -> Vec<Arc<Members>> {
        self.list.read().clone()
    }
}

/// A profile of a table: a cheap handle.
#[doc(alias = "dlg_profile_table")]
#[derive(Clone)]
pub struct Profile {
    dialogs: Dialogs,
    members: Arc<Members>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Profile").field(&self.to_string()).finish()
    }
}

/// The name with its suffix: `calls`, `calls/s`, `calls/b`.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name(), self.sharing().suffix())
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.members, &other.members)
    }
}

impl Eq for Profile {}

impl Profile {
    /// The name, without suffix.
    pub fn name(&self) -> &str {
        self.members.name()
    }

    /// Whether its links carry values.
    pub fn kind(&self) -> ProfileKind {
        self.members.kind()
    }

    /// With whom it is meant to be counted.
    pub fn sharing(&self) -> Sharing {
        self.members.sharing()
    }

    /// How many links there are (§9.3): with this value, or over all values. A value is ignored
    /// where links carry none. A shared profile counts the dialogs that are this node's own; those
    /// of other nodes are not added yet.
    #[doc(alias = "get_profile_size")]
    pub fn size(&self, value: Option<&[u8]>) -> usize {
        self.members.size(value)
    }
}

impl Dialogs {
    /// Defines profiles: names separated by `;`, each with an optional suffix `/s` or `/b` (§9.1).
    /// Either all of them are added, or none. Allowed at any time.
    ///
    /// The suffix is kept as [`Profile::sharing`], but every profile is counted on this node alone
    /// so far: the caller may want to tell the operator.
    ///
    /// # Errors
    /// [`ProfileError`] for a bad name or suffix, a name that is there already, or too many.
    pub fn add_profiles(
        &self,
        definitions: &str,
        kind: ProfileKind,
    ) -> Result<Vec<Profile>, ProfileError> {
        let mut list = self.inner.profiles.list.write();
        let mut added: Vec<Arc<Members>> = Vec::new();
        for definition in ProfileDefinition::all(definitions) {
            let definition = definition?;
            if list.iter().chain(&added).any(|known| known.is(&definition)) {
                return Err(ProfileError::Duplicate(definition.to_string()));
            }
            if list.len() + added.len() >= PROFILES_MAX {
                return Err(ProfileError::TooMany);
            }
            let parts = self.settings().profile_parts();
            added.push(Arc::new(Members::new(definition, kind, parts, self.inner.hash_keys)));
        }
        list.extend(added.iter().cloned());
        drop(list);
        Ok(added.into_iter().map(|members| self.profile(members)).collect())
    }

    /// The profile of this name. With a suffix exactly that one; without, the local one or else
    /// the only shared one of that name (decision D14).
    pub fn search_profile(&self, name: &str) -> Option<Profile> {
        let wanted = ProfileDefinition::parse(name).ok()?;
        let list = self.inner.profiles.list.read();
        let at = wanted.choose(list.iter().map(|members| members.definition()))?;
        Some(self.profile(Arc::clone(&list[at])))
    }

    /// All profiles, in the order of their definition.
    #[doc(alias = "list_all_profiles")]
    pub fn profiles(&self) -> Vec<Profile> {
        self.inner.profiles.all().into_iter().map(|members| self.profile(members)).collect()
    }

    fn profile(&self, members: Arc<Members>) -> Profile {
        Profile { dialogs: self.clone(), members }
    }
}

/// A link was refused by a dialog that is gone.
impl From<Gone> for LinkRefused {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}
