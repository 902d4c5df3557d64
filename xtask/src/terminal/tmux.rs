//! A terminal that is no window: tmux, with keys pressed and its screen read from outside.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Result;

/// What the shell says once the program has ended well.
pub(super) const ENDED: &str = "ended with 0";

/// How often the screen is read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A terminal with a program on it; dropping it ends both.
pub(super) struct Terminal {
    /// Where tmux has its socket: it is a server of our own, apart from that of who runs us.
    directory: PathBuf,
    /// The socket's name there. As a path of its own it might be too long for a socket.
    socket: String,
}

impl Terminal {
    /// Runs a command line of the shell; how it ended and in which mode the terminal was left then
    /// stands on the screen.
    pub(super) fn open(directory: &Path, command: &str, width: u16, height: u16) -> Result<Self> {
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let socket = format!("tmux-{}", OPENED.fetch_add(1, Relaxed));
        let line = format!(
            "{command}; echo ended with $?; \
             echo $(stty -a | tr -d ';' | tr ' ' '\\n' | grep -x -e -*icanon -e -*echo); exec cat"
        );
        let terminal = Self { directory: directory.to_owned(), socket };
        let (width, height) = (width.to_string(), height.to_string());
        let size = ["-x", &width, "-y", &height];
        terminal
            .tmux(&[&["-f", "/dev/null", "new-session", "-d"], &size[..], &[&line]].concat())?;
        Ok(terminal)
    }

    /// Presses keys, by tmux's names.
    pub(super) fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Makes the terminal of another size.
    pub(super) fn resize(&self, width: u16, height: u16) -> Result<()> {
        let (width, height) = (width.to_string(), height.to_string());
        self.tmux(&["resize-window", "-x", &width, "-y", &height]).map(drop)
    }

    /// Waits until the screen is as it should be.
    pub(super) fn until(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let screen = self.tmux(&["capture-pane", "-p"])?;
            if wanted(&screen) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("after {limit:?} the screen is\n{screen}").into());
            }
            sleep(LOOK_EVERY);
        }
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("tmux");
        command.current_dir(&self.directory).args(["-u", "-S", &self.socket]).args(arguments);
        let output = command.env("LC_ALL", "C.UTF-8").env_remove("TMUX").output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("tmux {arguments:?}: {said}").into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.tmux(&["kill-server"]);
    }
}
