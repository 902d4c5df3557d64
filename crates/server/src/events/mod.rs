//! Events: what happens in the proxy, told to whoever subscribed (spec/script.md §16).
//!
//! ```text
//!  a module, the dialogs, raise_event(), a command
//!        │ Publisher::raise
//!        ▼
//!  the event ─► its subscribers ─┬─► event_route[NAME]: a queue, run in a call of its own
//!                                ├─► a socket: udp:…, unix:… (a transport that a module adds)
//!                                └─► a module's EventSink, or an EventQueue that it reads
//! ```
//!
//! Raising never waits for anybody: each subscriber has a queue with a bound, and what finds it full
//! is dropped and counted. An event that nobody subscribed to costs one look at a flag; its
//! parameters are not even made.
//!
//! # A module that publishes and one that listens
//!
//! Both are declared like every other module, in whatever crate:
//!
//! ```
//! use std::sync::Arc;
//!
//! use duologue_server::events::{EventValue, Raised};
//! use duologue_server::module::Module;
//!
//! /// Publishes E_CALL_MADE and raises it for each new dialog.
//! static COUNTER: Module = Module {
//!     name: "call_counter",
//!     start: |host| {
//!         let made = host.events().publish("E_CALL_MADE")?;
//!         host.dialogs()?.on_created(move |event| {
//!             let id = event.dialog().id();
//!             made.raise(|params| {
//!                 params.text("id", id.to_string()).int("calls", 1);
//!             });
//!         });
//!         Ok(())
//!     },
//!     ..Module::EMPTY
//! };
//!
//! /// Prints them. Whoever has more to do than this takes an `EventQueue` and a thread.
//! static PRINTER: Module = Module {
//!     name: "call_printer",
//!     start: |host| {
//!         host.events().subscribe("E_CALL_MADE", "module:call_printer", |raised: &Arc<Raised>| {
//!             if let Some(EventValue::Text(id)) = raised.params().get("id") {
//!                 println!("{}: {}", raised.name(), String::from_utf8_lossy(id));
//!             }
//!         })?;
//!         Ok(())
//!     },
//!     ..Module::EMPTY
//! };
//! ```

mod event;
mod params;
mod queue;
mod routes;
mod subscriber;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use duologue_sip::{Moment, Tick};
use parking_lot::RwLock;

use event::Event;
use routes::RouteQueues;

pub use params::{EVENT_BYTES_MAX, EVENT_PARAMS_MAX, EventParams, EventValue, Raised};
pub use queue::EventQueue;
pub use routes::ROUTE_QUEUE_MAX;
pub(crate) use routes::{
    DIALOG_END, DIALOG_FAILED, DIALOG_START, Wanted, check_routes, join_script,
};
pub(crate) use subscriber::check_socket;
pub use subscriber::{
    EventSink, EventTransport, NoRoom, SOCKET_BYTES_MAX, SUBSCRIBERS_MAX, SubscribeError,
    SubscriberInfo, Ttl,
};

/// How many bytes the name of an event may have (spec/script.md §16).
pub const EVENT_NAME_MAX: usize = 64;

/// How many events there may be: names come from scripts and commands, too.
pub const EVENTS_MAX: usize = 1024;

/// The event bus: a cheap handle, to keep and to share.
#[derive(Clone, Debug, Default)]
pub struct Events {
    bus: Arc<Bus>,
}

#[derive(Default)]
struct Bus {
    table: RwLock<Table>,
    transports: RwLock<Vec<(&'static str, Arc<dyn EventTransport>)>>,
    routes: RouteQueues,
    /// The latest time that somebody told, in ms: modules raise events without knowing it.
    now_millis: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Table {
    list: Vec<Arc<Event>>,
    by_name: HashMap<Box<str>, usize>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.table.read().list.iter().map(|event| event.name.clone()).collect();
        f.debug_struct("Bus").field("events", &names).finish_non_exhaustive()
    }
}

/// Why there is no such event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// A name has 1 to [`EVENT_NAME_MAX`] bytes.
    BadName,
    /// There are [`EVENTS_MAX`] events.
    TooMany,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => write!(f, "the name of an event has 1 to {EVENT_NAME_MAX} bytes"),
            Self::TooMany => write!(f, "there are {EVENTS_MAX} events already"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Raises one event. Cheap to clone; for any thread.
#[derive(Clone, Debug)]
pub struct Publisher {
    events: Events,
    event: Arc<Event>,
}

impl Events {
    /// Makes an event known and returns who raises it. A name that is known already is the same
    /// event: several may publish it.
    ///
    /// # Errors
    /// [`PublishError`].
    #[doc(alias = "evi_publish_event")]
    pub fn publish(&self, name: &str) -> Result<Publisher, PublishError> {
        let event = self.find_or_make(name)?;
        event.announce();
        Ok(Publisher { events: self.clone(), event })
    }

    /// Raises an event by its name, published if it is new.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn raise(
        &self,
        now: Moment,
        name: &str,
        params: impl FnOnce(&mut EventParams),
    ) -> Result<(), PublishError> {
        self.publish(name)?.raise_at(now, params);
        Ok(())
    }

    /// Subscribes a module to an event, for ever, whether or not somebody publishes it yet. `socket`
    /// names the subscriber in listings, `module:NAME` say; another one of the same name takes its
    /// place.
    ///
    /// # Errors
    /// [`SubscribeError`].
    #[doc(alias = "evi_event_subscribe")]
    pub fn subscribe(
        &self,
        name: &str,
        socket: &str,
        sink: impl EventSink + 'static,
    ) -> Result<(), SubscribeError> {
        subscriber::check_socket(socket)?;
        self.find_or_make(name)?.subscribe(socket, None, Arc::new(sink))
    }

    /// Subscribes a socket, `transport:address`, to a known event. It expires after `expire` seconds;
    /// never without them, at once with 0. One that subscribed already only gets the new expiry.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub fn subscribe_socket(
        &self,
        now: Moment,
        name: &str,
        socket: &str,
        expire: Option<u32>,
    ) -> Result<(), SubscribeError> {
        self.tell_time(now);
        let event = self.find(name).ok_or(SubscribeError::UnknownEvent)?;
        let expiry = expire.map(|seconds| subscriber::Expiry::of(now.tick, seconds));
        if expire == Some(0) {
            // Checked all the same: a socket that makes no sense is nobody's.
            self.transport_of(socket)?;
            event.unsubscribe(socket);
            return Ok(());
        }
        if event.refresh(socket, expiry) {
            return Ok(());
        }
        let (transport, address) = self.transport_of(socket)?;
        let sink = transport.open(address).map_err(SubscribeError::BadSocket)?;
        event.subscribe(socket, expiry, sink)
    }

    /// Adds a transport: what stands before the colon of a subscriber's socket.
    ///
    /// # Errors
    /// A text for people when another module serves these sockets.
    pub fn add_transport(
        &self,
        name: &'static str,
        transport: Arc<dyn EventTransport>,
    ) -> Result<(), String> {
        let mut transports = self.bus.transports.write();
        if transports.iter().any(|(known, _)| *known == name) {
            return Err(format!("another module serves {name}: sockets of events"));
        }
        transports.push((name, transport));
        Ok(())
    }

    /// The names of all events, each at the place of its number.
    pub fn names(&self) -> Vec<Box<str>> {
        self.bus.table.read().list.iter().map(|event| event.name.clone()).collect()
    }

    /// The number of an event and its subscribers; `None` if there is no such event. Those that have
    /// expired are told of for the last time.
    pub fn subscribers(&self, now: Moment, name: &str) -> Option<(usize, Vec<SubscriberInfo>)> {
        self.tell_time(now);
        let event = self.find(name)?;
        Some((event.id, event.list(now.tick)))
    }

    /// Shows everybody who is subscribed to anything: the event, the socket, and how many events
    /// wait for it.
    pub fn visit_readers(&self, visit: &mut dyn FnMut(&str, &str, usize)) {
        let events: Vec<_> = self.bus.table.read().list.clone();
        for event in events {
            for reader in event.readers().iter() {
                visit(&event.name, &reader.socket, reader.sink.waiting());
            }
        }
    }

    /// How many events found a queue full or were too large, over all subscribers.
    pub fn dropped(&self) -> u64 {
        self.bus.dropped.load(Relaxed)
    }

    /// Publishes an event of the program's own, before anybody else does.
    pub(crate) fn publish_own(&self, name: &str) -> Publisher {
        self.publish(name).expect("a new bus has room for this program's own events")
    }

    /// What time it is, for those who raise events without knowing it.
    pub(crate) fn tell_time(&self, now: Moment) {
        self.bus.now_millis.fetch_max(now.tick.as_millis(), Relaxed);
    }

    /// Nobody is subscribed any more; what waits to be sent is sent.
    pub(crate) fn shutdown(&self) {
        let events: Vec<_> = self.bus.table.read().list.clone();
        events.iter().for_each(|event| event.forget_subscribers());
        let transports: Vec<_> = self.bus.transports.read().clone();
        transports.iter().for_each(|(_, transport)| transport.stop());
    }

    /// Names that are subscribed to and that nobody has said to raise.
    pub(crate) fn unannounced(&self) -> Vec<Box<str>> {
        let table = self.bus.table.read();
        let silent = table.list.iter().filter(|event| !event.is_announced());
        silent.map(|event| event.name.clone()).collect()
    }

    /// Whether sockets of this form can subscribe.
    ///
    /// # Errors
    /// [`SubscribeError::BadSocket`] when it is none or no module serves it.
    pub(crate) fn check_transport(&self, socket: &str) -> Result<(), SubscribeError> {
        self.transport_of(socket).map(|_| ())
    }

    /// Subscribes a route of the script to an event.
    pub(crate) fn subscribe_route(&self, name: &str, route: u32) -> Result<(), SubscribeError> {
        let sink = routes::RouteSink { bus: Arc::downgrade(&self.bus), route };
        self.bus.routes.add(route);
        self.find_or_make(name)?.subscribe(&format!("route:{name}"), None, Arc::new(sink))
    }

    /// Sets who sees to it that a route with waiting events is run; told of those that wait already.
    pub(crate) fn set_runner(&self, runner: impl Fn(u32) + Send + Sync + 'static) {
        self.bus.routes.set_runner(Box::new(runner));
    }

    /// The oldest event that waits for a route, and whether more do.
    pub(crate) fn next_of_route(&self, route: u32) -> Option<Wanted> {
        self.bus.routes.next(route)
    }

    fn transport_of<'s>(
        &self,
        socket: &'s str,
    ) -> Result<(Arc<dyn EventTransport>, &'s str), SubscribeError> {
        let (name, address) = subscriber::check_socket(socket)?;
        let transports = self.bus.transports.read();
        let found = transports.iter().find(|(known, _)| *known == name);
        let (_, transport) = found.ok_or_else(|| {
            SubscribeError::BadSocket(format!("no module serves {name}: sockets of events"))
        })?;
        Ok((Arc::clone(transport), address))
    }

    fn find(&self, name: &str) -> Option<Arc<Event>> {
        let table = self.bus.table.read();
        table.by_name.get(name).map(|&at| Arc::clone(&table.list[at]))
    }

    fn find_or_make(&self, name: &str) -> Result<Arc<Event>, PublishError> {
        if let Some(event) = self.find(name) {
            return Ok(event);
        }
        if name.is_empty() || name.len() > EVENT_NAME_MAX {
            return Err(PublishError::BadName);
        }
        let mut table = self.bus.table.write();
        if let Some(&at) = table.by_name.get(name) {
            return Ok(Arc::clone(&table.list[at]));
        }
        let id = table.list.len();
        if id >= EVENTS_MAX {
            return Err(PublishError::TooMany);
        }
        let event = Arc::new(Event::new(name, id));
        table.list.push(Arc::clone(&event));
        table.by_name.insert(name.into(), id);
        Ok(event)
    }
}

impl Publisher {
    /// The event's name.
    pub fn name(&self) -> &str {
        &self.event.name
    }

    /// Whether anybody is subscribed: for those whose parameters cost something before they are
    /// asked for.
    #[inline]
    pub fn is_heard(&self) -> bool {
        self.event.is_heard()
    }

    /// Raises the event; `params` is run only if somebody is subscribed.
    ///
    /// *When*: any time, from any thread, within callbacks of dialogs as well. It never waits.
    #[inline]
    #[doc(alias = "evi_raise_event")]
    pub fn raise(&self, params: impl FnOnce(&mut EventParams)) {
        if self.is_heard() {
            self.deliver(params);
        }
    }

    /// As [`raise`](Self::raise), for those who know what time it is.
    #[inline]
    pub fn raise_at(&self, now: Moment, params: impl FnOnce(&mut EventParams)) {
        if self.is_heard() {
            self.events.tell_time(now);
            self.deliver(params);
        }
    }

    fn deliver(&self, params: impl FnOnce(&mut EventParams)) {
        let now = Tick::from_millis(self.events.bus.now_millis.load(Relaxed));
        let Some(subscribers) = self.event.subscribers(now) else { return };
        let mut made = EventParams::default();
        params(&mut made);
        if made.is_too_large() {
            return self.events.bus.drop_one(self.name(), "it is too large");
        }
        let raised = Arc::new(Raised::new(Arc::clone(&self.event), made));
        // No lock is held: a sink may subscribe and raise.
        for subscriber in subscribers.iter() {
            if let Err(why) = subscriber.take(&raised) {
                self.events.bus.drop_one(self.name(), why);
            }
        }
    }
}

impl Bus {
    /// Counts an event that a subscriber does not get, and tells of the first, the second, the
    /// fourth, the eighth …
    fn drop_one(&self, name: &str, why: &str) {
        let dropped = self.dropped.fetch_add(1, Relaxed) + 1;
        if dropped.is_power_of_two() {
            tracing::warn!(event = name, dropped, "an event is dropped: {why}");
        }
    }
}

#[cfg(test)]
mod tests;
