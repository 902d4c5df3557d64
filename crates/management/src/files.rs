//! The files that doors make: whose they are, and how they go away again.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};

use crate::Error;

/// Who may use a file: `fifo_mode`, `fifo_user` and `fifo_group`, or those of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// Its owner, if not the one who runs this program.
    pub user: Option<Account>,
    /// Its group, likewise.
    pub group: Option<Account>,
}

impl Default for Access {
    fn default() -> Self {
        Self { mode: 0o660, user: None, group: None }
    }
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// Its number.
    Id(u32),
    /// Its name.
    Name(String),
}

/// Access with numbers for names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    mode: u32,
    user: Option<u32>,
    group: Option<u32>,
}

impl Access {
    /// Looks the names up.
    pub(crate) fn resolve(&self) -> Result<Rights, Error> {
        let user = |name: &str| User::from_name(name).map(|user| user.map(|it| it.uid.as_raw()));
        let group =
            |name: &str| Group::from_name(name).map(|group| group.map(|it| it.gid.as_raw()));
        Ok(Rights {
            mode: self.mode,
            user: self.user.as_ref().map(|account| account.number(user)).transpose()?,
            group: self.group.as_ref().map(|account| account.number(group)).transpose()?,
        })
    }
}

impl Account {
    fn number(&self, look_up: impl FnOnce(&str) -> nix::Result<Option<u32>>) -> Result<u32, Error> {
        match self {
            Self::Id(number) => Ok(*number),
            Self::Name(name) => {
                look_up(name).ok().flatten().ok_or_else(|| Error::Account(name.clone()))
            }
        }
    }
}

impl Rights {
    /// Gives a file that was just made to those who may use it. It goes to its owner last: from then
    /// on somebody else may put another file there, whose permissions are not ours to set.
    pub(crate) fn give(self, path: &Path) -> io::Result<()> {
        if self.group.is_some() {
            lchown(path, None, self.group)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(self.mode))?;
        if self.user.is_some() {
            lchown(path, self.user, None)?;
        }
        Ok(())
    }
}

/// A file that a door has made. Dropping it removes the file, unless another one stands there now.
#[derive(Debug)]
pub(crate) struct Made {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Made {
    /// The file that stands at `path`.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Whether it is still there.
    pub(crate) fn stands(&self) -> bool {
        identity(&self.path).is_ok_and(|found| found == self.identity)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.stands() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode of what stands at a path, which may be a link.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}
