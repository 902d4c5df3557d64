//! Who is told of an event, and for how long (spec/script.md §16).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use duologue_sip::Tick;

use super::{PublishError, Raised};

/// How many subscribers an event may have.
pub const SUBSCRIBERS_MAX: usize = 64;

/// How many bytes a subscriber's socket may have as text.
pub const SOCKET_BYTES_MAX: usize = 512;

/// Takes events.
///
/// *When*: for each event, on the thread and in the call of whoever raises it. *It must not wait*:
/// take the event and go, as into an [`EventQueue`](super::EventQueue). *It may* raise events and
/// subscribe. *An error* is counted. *A panic* is caught and counted likewise.
pub trait EventSink: Send + Sync {
    /// Takes an event.
    ///
    /// # Errors
    /// [`NoRoom`]: this subscriber does not get it.
    fn take(&self, raised: &Arc<Raised>) -> Result<(), NoRoom>;

    /// How many events it has taken and not dealt with: how far it is behind.
    fn waiting(&self) -> usize {
        0
    }
}

/// A function takes every event.
impl<F: Fn(&Arc<Raised>) + Send + Sync> EventSink for F {
    fn take(&self, raised: &Arc<Raised>) -> Result<(), NoRoom> {
        self(raised);
        Ok(())
    }
}

/// The subscriber's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue of a subscriber is full")
    }
}

impl std::error::Error for NoRoom {}

/// Makes subscribers of the addresses behind one kind of socket, `udp:` say.
pub trait EventTransport: Send + Sync {
    /// A subscriber for the text behind the colon. It may run within a call: it must not wait, for
    /// the address of a name for example.
    ///
    /// # Errors
    /// What is wrong with the address, for people.
    fn open(&self, address: &str) -> Result<Arc<dyn EventSink>, String>;

    /// The proxy goes down and raises no more events: the place to send what waits.
    fn stop(&self) {}
}

/// Why nobody is subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// There is no such event.
    UnknownEvent,
    /// The event cannot be.
    Event(PublishError),
    /// The socket makes no sense, or no module serves it: why, for people.
    BadSocket(String),
    /// The event has [`SUBSCRIBERS_MAX`] subscribers.
    TooMany,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEvent => f.write_str("there is no such event"),
            Self::Event(error) => error.fmt(f),
            Self::BadSocket(reason) => f.write_str(reason),
            Self::TooMany => write!(f, "the event has {SUBSCRIBERS_MAX} subscribers already"),
        }
    }
}

impl std::error::Error for SubscribeError {}

impl From<PublishError> for SubscribeError {
    fn from(error: PublishError) -> Self {
        Self::Event(error)
    }
}

/// Transport and address of a socket.
///
/// # Errors
/// [`SubscribeError::BadSocket`].
pub(crate) fn check_socket(socket: &str) -> Result<(&str, &str), SubscribeError> {
    let parts = socket.split_once(':').filter(|(transport, address)| {
        !transport.is_empty() && !address.is_empty() && socket.len() <= SOCKET_BYTES_MAX
    });
    parts.ok_or_else(|| {
        SubscribeError::BadSocket(format!("a socket is transport:address, not \"{socket}\""))
    })
}

/// When a subscription ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    /// As it was asked for.
    seconds: u32,
    at: Tick,
}

impl Expiry {
    pub(super) fn of(now: Tick, seconds: u32) -> Self {
        Self { seconds, at: now + Duration::from_secs(seconds.into()) }
    }
}

/// A subscriber.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) socket: Box<str>,
    /// `None`: never.
    pub(super) expiry: Option<Expiry>,
    pub(super) sink: Arc<dyn EventSink>,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Subscriber {
    pub(super) fn is_expired(&self, now: Tick) -> bool {
        self.expiry.is_some_and(|expiry| expiry.at <= now)
    }

    /// Tells it; a text that says why it does not hear.
    pub(super) fn take(&self, raised: &Arc<Raised>) -> Result<(), &'static str> {
        match catch_unwind(AssertUnwindSafe(|| self.sink.take(raised))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(NoRoom)) => Err("the queue of a subscriber is full"),
            Err(_) => {
                tracing::error!(socket = &*self.socket, "a subscriber of events panicked");
                Err("a subscriber panicked")
            }
        }
    }

    pub(super) fn info(&self, now: Tick) -> SubscriberInfo {
        let ttl = match self.expiry {
            None => Ttl::Never,
            Some(expiry) if expiry.at <= now => Ttl::Expired,
            Some(expiry) => {
                let left = expiry.at.since(now).as_millis().div_ceil(1000);
                Ttl::Seconds(u64::try_from(left).unwrap_or(u64::MAX))
            }
        };
        let expire = self.expiry.map(|expiry| expiry.seconds);
        SubscriberInfo { socket: self.socket.clone(), expire, ttl }
    }
}

/// A subscriber as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberInfo {
    /// Where it is told.
    pub socket: Box<str>,
    /// For how many seconds it subscribed; `None` for ever.
    pub expire: Option<u32>,
    /// How long it will still be told.
    pub ttl: Ttl,
}

/// How long a subscriber will still be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// For ever.
    Never,
    /// For so many seconds.
    Seconds(u64),
    /// No longer.
    Expired,
}
