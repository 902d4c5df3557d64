//! Opening, reading, answering, closing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::frames::{Frame, Frames, Item};
use super::pipe::Pipe;
use super::{Config, REQUESTS_MAX, reply};
use crate::chunks::Chunks;
use crate::dropped::Dropped;
use crate::files::Rights;
use crate::jsonrpc::{self, Form, Reply};
use crate::keeper::{Keeper, STOP_WAIT};
use crate::{Caller, Error, Registry};

/// How many places in what is left of a broken request may be the beginning of another one.
const BEGINNINGS_MAX: usize = 64;

/// What log lines and callers call this door.
const NAME: &str = "mi_fifo";

/// Requests are begun in their order, each when the one before it was executed or has taken so long.
const IN_ORDER: Duration = Duration::from_secs(1);

/// As much as a pipe of the system's usual size holds.
const READ_BYTES: usize = 64 * 1024;

/// What a client hears when its command broke down (spec/script.md §15.5).
const FAILURE: &str = "failed to build response";

/// An open door. Dropping it closes it and removes the pipe.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    dropped: Dropped,
    keeper: Keeper,
}

/// Makes the pipe; it is open when this returns.
///
/// # Errors
/// The file cannot be made or is somebody else's, or the user or group is not known.
pub fn serve(config: Config, registry: Arc<Registry>) -> Result<Door, Error> {
    let (path, dropped) = (config.path.clone(), Dropped::default());
    let rights = config.access.resolve()?;
    let counted = dropped.clone();
    let keeper = Keeper::start("mi-fifo", REQUESTS_MAX, Error::Runtime, |closing| {
        let pipe = Pipe::make(&config.path, rights)?;
        let free = Arc::new(Semaphore::new(REQUESTS_MAX));
        let clerk = Arc::new(Clerk { config, registry, free, dropped: counted });
        Ok(async move {
            tokio::select! {
                _ = closing => {}
                () = Arc::clone(&clerk).serve(pipe, rights) => {}
            }
            clerk.finish().await;
        })
    })?;
    Ok(Door { path, dropped, keeper })
}

impl Door {
    /// The pipe.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How often something came that was no request, or a reply found no reader.
    pub fn dropped(&self) -> u64 {
        self.dropped.count()
    }

    /// Closes the door and removes the pipe; replies under way get some seconds to leave.
    ///
    /// Do not call it from a command: it would wait for itself.
    pub fn stop(self) {
        drop(self.keeper);
    }
}

/// All that a request needs.
struct Clerk {
    config: Config,
    registry: Arc<Registry>,
    free: Arc<Semaphore>,
    dropped: Dropped,
}

impl Clerk {
    /// Reads and answers until it is dropped.
    async fn serve(self: Arc<Self>, mut pipe: Pipe, rights: Rights) {
        let mut frames = Frames::default();
        let mut buffer = vec![0; READ_BYTES];
        let mut look = interval(self.config.look_every);
        // When the frame that waits for its end is given up.
        let mut deadline = None;
        loop {
            let patience_ends = sleep_until(deadline.unwrap_or_else(Instant::now));
            tokio::select! {
                read = pipe.receiver.read(&mut buffer) => match read {
                    Ok(length) => frames.push(&buffer[..length]),
                    Err(error) => {
                        tracing::error!(%error, "mi_fifo: cannot read");
                        return;
                    }
                },
                () = patience_ends, if deadline.is_some() => {
                    self.dropped.note(NAME, "a request came in part only");
                    for _ in 0..BEGINNINGS_MAX {
                        frames.give_up();
                        self.take(&mut frames).await;
                        if !frames.is_waiting() {
                            break;
                        }
                    }
                    frames.clear();
                }
                _ = look.tick() => {
                    if !pipe.stands() {
                        self.restore(&mut pipe, rights);
                    }
                }
            }
            let next_has_begun = self.take(&mut frames).await;
            deadline = frames.is_waiting().then(|| {
                let since_before = deadline.filter(|_| !next_has_begun);
                since_before.unwrap_or_else(|| Instant::now() + self.config.patience)
            });
        }
    }

    /// Begins all requests that are complete; whether there was anything.
    async fn take(self: &Arc<Self>, frames: &mut Frames) -> bool {
        let mut any = false;
        while let Some(item) = frames.next() {
            any = true;
            match item {
                Item::Frame(frame) => self.begin(frame).await,
                Item::Garbage => self.dropped.note(NAME, "something came that is no request"),
            }
        }
        any
    }

    /// Makes the pipe once more after somebody removed it (spec/script.md §15.5).
    fn restore(&self, pipe: &mut Pipe, rights: Rights) {
        match Pipe::make(&self.config.path, rights) {
            Ok(again) => {
                *pipe = again;
                tracing::warn!(
                    "mi_fifo: {} was removed and made again",
                    self.config.path.display()
                );
            }
            Err(error) => self.dropped.note(NAME, error),
        }
    }

    /// Starts a request, and waits a little for its execution, but not for its reply to be read.
    async fn begin(self: &Arc<Self>, frame: Frame) {
        let place = Arc::clone(&self.free).acquire_owned().await;
        let place = place.expect("the semaphore of requests is never closed");
        let to = match reply::destination(&self.config.reply_dir, &frame.name) {
            Ok(to) => to,
            Err(lost) => return self.dropped.note(NAME, lost),
        };
        let (executed, next) = oneshot::channel::<()>();
        let (clerk, caller) = (Arc::clone(self), self.caller(to.as_deref()));
        tokio::spawn(async move {
            let place = Arc::new(place);
            let reply = clerk.execute(caller, frame.document, Arc::clone(&place)).await;
            drop(executed);
            if let Some(to) = to
                && let Err(lost) = reply::send(to, reply, clerk.config.patience).await
            {
                clerk.dropped.note(NAME, lost);
            }
            drop(place);
        });
        let _ = timeout(IN_ORDER, next).await;
    }

    /// A pipe does not tell who wrote to it. The reply has a name and an owner.
    fn caller(&self, reply: Option<&Path>) -> Caller {
        let peer = match reply {
            None => "nobody who waits".to_owned(),
            Some(reply) => match fs::symlink_metadata(reply) {
                Ok(found) => format!("{} uid={}", reply.display(), found.uid()),
                Err(_) => reply.display().to_string(),
            },
        };
        Caller { door: NAME, peer, role: self.config.role }
    }

    /// Runs the command on a thread of its own; `None` if it was a notification.
    async fn execute(
        &self,
        caller: Caller,
        document: Vec<u8>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Option<Chunks> {
        let (registry, pretty) = (Arc::clone(&self.registry), self.config.pretty_printing);
        let command = tokio::task::spawn_blocking(move || {
            match jsonrpc::answer_to(&caller, &registry, &document, Form::Document) {
                Reply::Pieces(pieces) => Some(Chunks::of(pieces, place)),
                reply => reply.into_text(pretty).map(Chunks::Whole),
            }
        });
        command.await.unwrap_or_else(|_| Some(Chunks::Whole(FAILURE.to_owned())))
    }

    /// Waits for the replies that are under way, but not for ever.
    async fn finish(&self) {
        let all = u32::try_from(REQUESTS_MAX).unwrap_or(u32::MAX);
        let _ = timeout(STOP_WAIT, self.free.acquire_many(all)).await;
    }
}
