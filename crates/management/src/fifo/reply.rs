//! A reply on its way into the FIFO of its client.

use std::fmt;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout};

use super::pipe::open_fifo;
use crate::chunks::{Chunk, Chunks};

/// How long to wait before a FIFO is tried once more.
const STEP: Duration = Duration::from_millis(5);

/// Why a reply did not reach its client.
#[derive(Debug)]
pub(super) enum Lost {
    /// The name is none of a file in the reply directory.
    Name,
    /// Something else than a client's FIFO stands there.
    NoFifo(PathBuf),
    /// Nobody opened it for reading, or nobody read on.
    Late(PathBuf),
    /// It could not be written to.
    Failed(PathBuf, io::Error),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("a reply name that is no bare file name"),
            Self::NoFifo(path) => write!(f, "{} is no FIFO of a client", path.display()),
            Self::Late(path) => write!(f, "nobody reads from {}", path.display()),
            Self::Failed(path, error) => write!(f, "cannot write to {}: {error}", path.display()),
        }
    }
}

/// Where the reply called `name` goes; `None` if none is wanted.
///
/// # Errors
/// The name leads elsewhere than into the directory (spec/script.md §15.5).
pub(super) fn destination(directory: &Path, name: &[u8]) -> Result<Option<PathBuf>, Lost> {
    let harmless = |byte: &u8| byte.is_ascii_graphic() && !b"/.\\\"".contains(byte);
    if !name.iter().all(harmless) {
        return Err(Lost::Name);
    }
    let name = std::str::from_utf8(name).map_err(|_| Lost::Name)?;
    Ok((!name.is_empty()).then(|| directory.join(name)))
}

/// Sends a reply, or nothing to one who waits for the end of a notification.
pub(super) async fn send(
    path: PathBuf,
    reply: Option<Chunks>,
    patience: Duration,
) -> Result<(), Lost> {
    let mut fifo = open(&path, patience).await?;
    match reply {
        None => Ok(()),
        Some(Chunks::Whole(text)) => write(&mut fifo, &path, &text, patience).await,
        Some(Chunks::More(mut chunks)) => {
            while let Some(Chunk::Part(text)) = chunks.recv().await {
                write(&mut fifo, &path, &text, patience).await?;
            }
            Ok(())
        }
    }
}

/// Opens the FIFO, which its client may do a little later than we.
async fn open(path: &Path, patience: Duration) -> Result<pipe::Sender, Lost> {
    let deadline = Instant::now() + patience;
    loop {
        let is_fifo = |found: &Metadata| found.file_type().is_fifo() && found.nlink() == 1;
        // Looked at before it is opened, since opening a device may do something, and afterwards,
        // since it may have been another file.
        if fs::symlink_metadata(path).is_ok_and(|found| !is_fifo(&found)) {
            return Err(Lost::NoFifo(path.to_owned()));
        }
        match open_fifo(path, OpenOptions::new().write(true)) {
            Ok(file) => {
                let failed = |error| Lost::Failed(path.to_owned(), error);
                if !is_fifo(&file.metadata().map_err(failed)?) {
                    return Err(Lost::NoFifo(path.to_owned()));
                }
                return pipe::Sender::from_file(file).map_err(failed);
            }
            // Mostly: it has no reader yet.
            Err(_) if Instant::now() < deadline => sleep(STEP).await,
            Err(_) => return Err(Lost::Late(path.to_owned())),
        }
    }
}

async fn write(
    fifo: &mut pipe::Sender,
    path: &Path,
    text: &str,
    patience: Duration,
) -> Result<(), Lost> {
    match timeout(patience, fifo.write_all(text.as_bytes())).await {
        Ok(written) => written.map_err(|error| Lost::Failed(path.to_owned(), error)),
        Err(_) => Err(Lost::Late(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// spec/script.md §15.5: a bare file name, without `/`, `.` and `\`.
    #[test]
    fn a_reply_stays_in_its_directory() {
        let to = |name: &str| destination(Path::new("/replies"), name.as_bytes());
        assert_eq!(to("mine_1-2").unwrap().as_deref(), Some(Path::new("/replies/mine_1-2")));
        assert_eq!(to("").unwrap(), None);
        for name in ["..", ".", "../x", "/etc/passwd", "a/b", "a\\b", "a.b", "a b", "a\0", "é"] {
            assert!(matches!(to(name), Err(Lost::Name)), "{name}");
        }
    }
}
