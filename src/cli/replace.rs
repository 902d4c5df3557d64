//! Writing a file so that nobody ever sees half of it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Puts new content into the place of a file that exists: whole, or not at all. Its permissions
/// stay, and a link to it goes on leading to it.
///
/// # Errors
/// What the file system says; the file is as it was then.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let beside = beside(&path);
    let written = write(&beside, content, permissions).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // It may not be there at all.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, content: &[u8], permissions: fs::Permissions) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.set_permissions(permissions)?;
    file.sync_all()
}

/// A hidden name in the same directory, which no other process takes.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}
