//! The script's flags by name (spec dialog.md §10.2): at most 32, numbered in the order in which
//! their names first appear.

use crate::sync::RwLock;
use crate::{Dialog, DialogFlags, Dialogs, Gone};
use std::fmt;

/// How many named flags a table may have: the bits of a word.
pub const USER_FLAGS_MAX: usize = u32::BITS as usize;

/// How many bytes the name of a flag may have.
pub const USER_FLAG_NAME_MAX: usize = 64;

/// A script flag that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserFlag(u8);

impl UserFlag {
    /// 0 to 31, in order of appearance.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its bit, for [`Dialog::change_user_flags`] and [`Dialog::test_and_set_user_flags`].
    pub const fn mask(self) -> u32 {
        1 << self.0
    }
}

/// Why a name is no flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFlagError {
    /// It is empty, has a blank, or more than [`USER_FLAG_NAME_MAX`] bytes.
    BadName,
    /// There are [`USER_FLAGS_MAX`] flags.
    TooMany,
    /// No flag has this name, and none was to be made.
    Unknown,
}

impl fmt::Display for UserFlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => {
                write!(f, "a flag's name has 1 to {USER_FLAG_NAME_MAX} bytes and no blank")
            }
            Self::TooMany => write!(f, "there may be {USER_FLAGS_MAX} dialog flags"),
            Self::Unknown => f.write_str("no such dialog flag"),
        }
    }
}

impl std::error::Error for UserFlagError {}

/// The names, each at the place of its number.
#[derive(Default)]
pub(crate) struct UserFlags(RwLock<Vec<Box<str>>>);

impl Dialogs {
    /// The flag of this name, made if it is new. Resolve names when a script loads.
    ///
    /// # Errors
    /// [`UserFlagError::BadName`], [`UserFlagError::TooMany`].
    pub fn user_flag(&self, name: &str) -> Result<UserFlag, UserFlagError> {
        if name.is_empty() || name.len() > USER_FLAG_NAME_MAX || name.contains(char::is_whitespace)
        {
            return Err(UserFlagError::BadName);
        }
        let mut names = self.inner.user_flags.0.write();
        let number = names.iter().position(|known| **known == *name).unwrap_or(names.len());
        if number >= USER_FLAGS_MAX {
            return Err(UserFlagError::TooMany);
        }
        if number == names.len() {
            names.push(name.into());
        }
        Ok(UserFlag(number as u8))
    }

    /// The names of these flags, separated by one blank: what `$DLG_flags` reads. Flags without a
    /// name are left out.
    pub fn user_flag_names(&self, flags: u32) -> String {
        let names = self.inner.user_flags.0.read();
        let set = names.iter().enumerate().filter(|(number, _)| flags & (1 << number) != 0);
        set.map(|(_, name)| &**name).collect::<Vec<_>>().join(" ")
    }

    /// The flags with these names, separated by blanks: what is assigned to `$DLG_flags`.
    ///
    /// # Errors
    /// [`UserFlagError::Unknown`] for a name that no flag has.
    pub fn user_flags_named(&self, names: &str) -> Result<u32, UserFlagError> {
        let known = self.inner.user_flags.0.read();
        names.split_whitespace().try_fold(0, |flags, name| {
            let number = known.iter().position(|known| **known == *name);
            Ok(flags | 1 << number.ok_or(UserFlagError::Unknown)?)
        })
    }
}

impl Dialog {
    /// The script's flags, one bit each.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn user_flags(&self) -> Result<u32, Gone> {
        self.table().with(self.key(), |record| record.user_flags)
    }

    /// Changes the script's flags: first those of `clear` go, then those of `set` come. With
    /// `u32::MAX` to clear it is an assignment. Returns what they were, so that test-and-set is
    /// one step.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn change_user_flags(&self, set: u32, clear: u32) -> Result<u32, Gone> {
        self.put_user_flags(|flags| flags & !clear | set)
    }

    /// `test_and_set_dlg_flag`: if the flags in `mask` are all set (or all clear) as `want` says,
    /// they are inverted; whether they were.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn test_and_set_user_flags(&self, mask: u32, want: bool) -> Result<bool, Gone> {
        let fits = |flags: u32| flags & mask == if want { mask } else { 0 };
        let before = self.put_user_flags(|flags| if fits(flags) { flags ^ mask } else { flags })?;
        Ok(fits(before))
    }

    /// Whatever differs afterwards is to be stored, cleared flags too (decision D17).
    fn put_user_flags(&self, change: impl FnOnce(u32) -> u32) -> Result<u32, Gone> {
        self.table().with(self.key(), |record| {
            let before = record.user_flags;
            record.user_flags = change(before);
            if record.user_flags != before {
                record.flags |= DialogFlags::VALUES_CHANGED;
            }
            before
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::dialog;

    // D17: whatever changes the flags marks the dialog as changed, resetting too
    #[test]
    fn changed_flags_are_to_be_stored() {
        let dialog = dialog();
        let marks = |change: &dyn Fn() -> bool| {
            let marked = |record: &mut crate::record::Record| {
                let marked = record.flags.contains(DialogFlags::VALUES_CHANGED);
                record.flags.remove(DialogFlags::VALUES_CHANGED);
                marked
            };
            assert!(change());
            dialog.table().with(dialog.key(), marked).unwrap()
        };
        let change = |set, clear| dialog.change_user_flags(set, clear).is_ok();
        let flip = || dialog.test_and_set_user_flags(1, true).is_ok();
        assert!(marks(&|| change(0b11, 0)), "set");
        assert!(!marks(&|| change(0b11, 0)), "nothing differs");
        assert!(marks(&|| change(0, 0b10)), "reset");
        assert!(marks(&flip), "test and set");
        assert!(!marks(&flip), "it did not fit");
        assert!(marks(&|| change(0b100, u32::MAX)), "assigned");
    }
}
