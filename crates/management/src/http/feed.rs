//! What clients follow: a stream of events that never ends (server-sent events, WHATWG HTML §9.2).
//!
//! A new stream begins with the event `begin`. Each event has an id; who was cut off sends the last one
//! as `Last-Event-ID` and gets what came meanwhile. If that is not all there any more, the event
//! `missed` comes first, and the client looks at everything anew. An empty comment comes every
//! [`ALIVE_EVERY`], or twice in the time that a connection may be silent, so that both sides know that the other is there.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::chunks::Chunk;
use crate::http::streamed::Streamed;

/// Clients that follow at once; more are answered with 503.
pub const FOLLOWERS_MAX: usize = 16;

/// How often a client hears that the stream goes on.
pub const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// How long something new waits before it is told.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Events told in one piece.
const EVENTS_AT_ONCE: usize = 256;

/// Where the events come from. It never waits: it is asked again.
pub trait Source: Send + Sync {
    /// At most `limit` events from a place on; without a place none, but where the next one will
    /// stand.
    fn read(&self, from: Option<u64>, limit: usize) -> Batch;
}

/// What came since a place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Place, name and data of each, oldest first.
    pub events: Vec<(u64, &'static str, Value)>,
    /// The place to read from next.
    pub next: u64,
    /// Whether events before these are lost.
    pub missed: bool,
}

/// A stream and its path.
#[derive(Clone)]
pub struct Feed {
    path: String,
    /// Tells the places of this run of the program from those of another one.
    run: u64,
    source: Arc<dyn Source>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Feed {
    /// The events of `source` at a path, given without its first slash. `run` is a number that the
    /// program does not have when it runs again, such as the time of its start.
    pub fn new(path: &str, run: u64, source: Arc<dyn Source>) -> Self {
        Self { path: format!("/{}", path.trim_matches('/')), run, source }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The stream for a client, until it goes, or until the door closes. `place` is given back then.
    pub(crate) fn body(
        self,
        headers: &HeaderMap,
        place: OwnedSemaphorePermit,
        closing: watch::Receiver<()>,
        alive_every: Duration,
    ) -> Body {
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
        let (sender, chunks) = mpsc::channel(1);
        let from = last.map(|id| self.behind(id));
        let follower = Follower { from, behind: false, feed: self, sender, alive_every };
        tokio::spawn(async move {
            let _place = place;
            follower.run(closing).await;
        });
        Body::new(Streamed::new(chunks))
    }

    /// The place behind an event. What is no id of this run is a place that nobody can have.
    fn behind(&self, id: &str) -> u64 {
        let place = id.split_once('-').filter(|(run, _)| run.parse() == Ok(self.run));
        place.and_then(|(_, place)| place.parse().ok()).unwrap_or(u64::MAX)
    }

    /// An event; its id is the place behind it.
    fn write(&self, text: &mut String, next: u64, name: &str, data: &Value) {
        let _ = write!(text, "id: {}-{next}\nevent: {name}\ndata: {data}\n\n", self.run);
    }
}

/// One client.
struct Follower {
    feed: Feed,
    from: Option<u64>,
    /// Whether there is more to tell at once.
    behind: bool,
    sender: mpsc::Sender<Chunk>,
    alive_every: Duration,
}

impl Follower {
    async fn run(mut self, mut closing: watch::Receiver<()>) {
        let mut last = Instant::now();
        let mut text = self.begin();
        loop {
            let pause = if self.behind { Duration::ZERO } else { LOOK_EVERY };
            if !text.is_empty() {
                last = Instant::now();
                if self.sender.send(Chunk::Part(text)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.sender.closed() => return,
                // No word ever comes, only the end.
                _ = closing.changed() => break,
            }
            text = self.look();
            if text.is_empty() && last.elapsed() >= self.alive_every {
                text.push_str(":\n\n");
            }
        }
        let _ = self.sender.send(Chunk::End).await;
    }

    /// What a client hears at once: where it stands, and whether it missed something.
    fn begin(&mut self) -> String {
        let mut text = String::new();
        match self.from {
            None => {
                let next = self.feed.source.read(None, 0).next;
                self.from = Some(next);
                self.feed.write(&mut text, next, "begin", &json!({}));
            }
            Some(_) => text = self.look(),
        }
        text
    }

    /// What came since.
    fn look(&mut self) -> String {
        let batch = self.feed.source.read(self.from, EVENTS_AT_ONCE);
        self.from = Some(batch.next);
        self.behind = batch.events.len() == EVENTS_AT_ONCE;
        let mut text = String::new();
        if batch.missed {
            let behind = batch.events.first().map_or(batch.next, |(place, ..)| *place);
            self.feed.write(&mut text, behind, "missed", &json!({}));
        }
        for (place, name, data) in batch.events {
            self.feed.write(&mut text, place + 1, name, &data);
        }
        text
    }
}
