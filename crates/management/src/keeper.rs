//! Who keeps a door: a thread with a runtime, until the door is closed.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a door that closes waits for replies that are under way.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(2);

/// Resolves when the door is to be closed.
pub(crate) type Closing = oneshot::Receiver<()>;

/// The thread of an open door. Dropping it closes the door and waits until it is closed.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Opens a door: `open` runs at once, inside the runtime, and gives what serves on a thread
    /// called `name` until it is told to close. At most `commands` run at a time.
    ///
    /// # Errors
    /// Those of `open`, or the system has no thread or event queue to give: see `machine`.
    pub(crate) fn start<Open, Serve, Error>(
        name: &str,
        commands: usize,
        machine: fn(io::Error) -> Error,
        open: Open,
    ) -> Result<Self, Error>
    where
        Open: FnOnce(Closing) -> Result<Serve, Error>,
        Serve: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(commands)
            .thread_name("mi-command")
            .build()
            .map_err(machine)?;
        let (stop, closing) = oneshot::channel();
        let serve = {
            let _inside = runtime.enter();
            open(closing)?
        };
        let run = move || {
            runtime.block_on(serve);
            // A command that hangs must not keep the program from ending.
            runtime.shutdown_background();
        };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(machine)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a management door ended by a panic");
        }
    }
}
