//! One event: its name, its number and who is subscribed to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use duologue_sip::Tick;
use parking_lot::Mutex;

use super::subscriber::{
    EventSink, Expiry, SUBSCRIBERS_MAX, SubscribeError, Subscriber, SubscriberInfo,
};

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: Box<str>,
    /// Its place in the order of publication.
    pub(super) id: usize,
    /// Whether anybody is subscribed: all that raising looks at if nobody is.
    heard: AtomicBool,
    /// Whether somebody said that he raises it.
    announced: AtomicBool,
    /// Replaced as a whole when it changes, so that raising holds no lock while it tells.
    subscribers: Mutex<Arc<[Subscriber]>>,
}

impl Event {
    pub(super) fn new(name: &str, id: usize) -> Self {
        Self {
            name: name.into(),
            id,
            heard: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            subscribers: Mutex::new(Arc::new([])),
        }
    }

    #[inline]
    pub(super) fn is_heard(&self) -> bool {
        self.heard.load(Relaxed)
    }

    pub(super) fn announce(&self) {
        if !self.is_announced() {
            self.announced.store(true, Relaxed);
        }
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(Relaxed)
    }

    /// Adds a subscriber, in the place of one with the same socket.
    pub(super) fn subscribe(
        &self,
        socket: &str,
        expiry: Option<Expiry>,
        sink: Arc<dyn EventSink>,
    ) -> Result<(), SubscribeError> {
        self.change(|subscribers| {
            // Kept here as well: what is not taken must not be dropped under the lock.
            let new = Subscriber { socket: socket.into(), expiry, sink: Arc::clone(&sink) };
            match subscribers.iter().position(|known| *known.socket == *socket) {
                Some(at) => subscribers[at] = new,
                None if subscribers.len() >= SUBSCRIBERS_MAX => {
                    return Err(SubscribeError::TooMany);
                }
                None => subscribers.push(new),
            }
            Ok(())
        })
    }

    /// Gives a subscriber a new expiry; false if this socket has not subscribed.
    pub(super) fn refresh(&self, socket: &str, expiry: Option<Expiry>) -> bool {
        self.change(|subscribers| {
            let known = subscribers.iter_mut().find(|known| *known.socket == *socket);
            known.map(|known| known.expiry = expiry).is_some()
        })
    }

    /// Removes a subscriber.
    pub(super) fn unsubscribe(&self, socket: &str) {
        self.change(|subscribers| subscribers.retain(|known| *known.socket != *socket));
    }

    pub(super) fn forget_subscribers(&self) {
        self.change(Vec::clear);
    }

    /// Who is to be told; those that have expired are dropped. `None` if nobody is left.
    pub(super) fn subscribers(&self, now: Tick) -> Option<Arc<[Subscriber]>> {
        let current = Arc::clone(&self.subscribers.lock());
        let current = if current.iter().any(|known| known.is_expired(now)) {
            self.change(|subscribers| subscribers.retain(|known| !known.is_expired(now)));
            Arc::clone(&self.subscribers.lock())
        } else {
            current
        };
        (!current.is_empty()).then_some(current)
    }

    /// Who is subscribed; those that have expired are told of once more and dropped.
    pub(super) fn list(&self, now: Tick) -> Vec<SubscriberInfo> {
        let listed = self.subscribers.lock().iter().map(|known| known.info(now)).collect();
        // What expires in between is gone without a last word.
        let _ = self.subscribers(now);
        listed
    }

    /// Those who are told, whether they have expired meanwhile or not.
    pub(super) fn readers(&self) -> Arc<[Subscriber]> {
        Arc::clone(&self.subscribers.lock())
    }

    /// Changes the list. What is taken out is dropped where no lock is held: a sink may do anything.
    fn change<R>(&self, change: impl FnOnce(&mut Vec<Subscriber>) -> R) -> R {
        let (result, _old) = {
            let mut current = self.subscribers.lock();
            let mut list = current.to_vec();
            let result = change(&mut list);
            self.heard.store(!list.is_empty(), Relaxed);
            (result, std::mem::replace(&mut *current, list.into()))
        };
        result
    }
}
