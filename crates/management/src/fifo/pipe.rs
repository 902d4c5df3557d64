//! The named pipe that clients write to.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::net::unix::pipe;

use crate::Error;
use crate::files::{Made, Rights};

/// The open pipe. Dropping it removes its file.
pub(super) struct Pipe {
    pub(super) receiver: pipe::Receiver,
    made: Made,
}

impl Pipe {
    /// Makes the FIFO and opens it. One that nobody reads any more is replaced.
    pub(super) fn make(path: &Path, rights: Rights) -> Result<Self, Error> {
        clear(path)?;
        let failed = |error: io::Error| Error::File(path.to_owned(), error);
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| failed(error.into()))?;
        let open = || {
            let made = Made::at(path)?;
            // For writing as well: so the end of a client is not the end of the pipe.
            let file = open_fifo(path, OpenOptions::new().read(true).write(true))?;
            rights.give(path)?;
            Ok(Self { receiver: pipe::Receiver::from_file(file)?, made })
        };
        open().map_err(failed)
    }

    /// Whether its file is still there.
    pub(super) fn stands(&self) -> bool {
        self.made.stands()
    }
}

/// Removes a FIFO that a program left behind.
fn clear(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let failed = |error| Error::File(path.to_owned(), error);
    if !found.file_type().is_fifo() {
        return Err(Error::Taken(path.to_owned()));
    }
    match open_fifo(path, OpenOptions::new().write(true)) {
        Ok(_) => Err(Error::Taken(path.to_owned())),
        // Nobody reads.
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Opens without waiting for the other side, and without following a link.
pub(super) fn open_fifo(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY).bits());
    options.open(path)
}
