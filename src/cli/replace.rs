//! Writing a file so that nobody ever sees half of it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Puts new content into the place of a file that exists: whole, or not at all. Its owner and
/// permissions stay, and a link to it goes on leading to it.
///
/// # Errors
/// What the file system says; the file is as it was then.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let before = fs::metadata(&path)?;
    let beside = beside(&path);
    let written = write(&beside, content, &before).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // It may not be there at all.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// It belongs to whom the other one belonged before there is anything in it: a script has secrets.
fn write(path: &Path, content: &[u8], before: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())?;
    file.write_all(content)?;
    file.sync_all()
}

/// A hidden name in the same directory, which no other process takes.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}
