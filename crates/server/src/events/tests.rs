//! The bus by itself.

use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;

use super::*;

fn at(seconds: u64) -> Moment {
    Moment { tick: Tick::from_millis(seconds * 1000), unix: seconds }
}

/// A transport that keeps what it is told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl EventTransport for Heard {
    fn open(&self, address: &str) -> Result<Arc<dyn EventSink>, String> {
        if address == "nowhere" {
            return Err("nowhere is no place".to_owned());
        }
        let (heard, address) = (Arc::clone(&self.0), address.to_owned());
        Ok(Arc::new(move |raised: &Arc<Raised>| {
            heard.lock().push(format!("{address} {}", raised.name()));
        }))
    }
}

fn bus() -> (Events, Heard) {
    let (events, heard) = (Events::default(), Heard::default());
    events.add_transport("test", Arc::new(heard.clone())).unwrap();
    (events, heard)
}

// spec/script.md §16: unique names of at most 64 bytes, numbered in their order.
#[test]
fn events_are_published_once_under_their_name() {
    let events = Events::default();
    events.publish("E_A").unwrap();
    events.publish("E_B").unwrap();
    events.publish("E_A").unwrap();
    assert_eq!(events.names(), ["E_A".into(), "E_B".into()]);
    assert_eq!(events.publish("").unwrap_err(), PublishError::BadName);
    assert!(events.publish(&"x".repeat(EVENT_NAME_MAX)).is_ok());
    assert_eq!(events.publish(&"x".repeat(EVENT_NAME_MAX + 1)).unwrap_err(), PublishError::BadName);
    for number in events.names().len()..EVENTS_MAX {
        events.publish(&format!("E_{number}")).unwrap();
    }
    assert_eq!(events.publish("E_ONE_MORE").unwrap_err(), PublishError::TooMany);
    assert!(events.publish("E_A").is_ok());
}

#[test]
fn parameters_are_made_only_for_somebody() {
    let (events, heard) = bus();
    let publisher = events.publish("E_A").unwrap();
    assert!(!publisher.is_heard());
    publisher.raise(|_| panic!("nobody listens"));
    events.subscribe_socket(at(0), "E_A", "test:here", None).unwrap();
    assert!(publisher.is_heard());
    publisher.raise(|_| {});
    assert_eq!(heard.take(), ["here E_A"]);
}

// spec/script.md §16: an expiry, refreshed by subscribing again, never without one.
#[test]
fn subscriptions_expire_and_are_refreshed() {
    let (events, heard) = bus();
    let publisher = events.publish("E_A").unwrap();
    events.subscribe_socket(at(0), "E_A", "test:one", Some(10)).unwrap();
    events.subscribe_socket(at(0), "E_A", "test:two", None).unwrap();
    publisher.raise_at(at(9), |_| {});
    assert_eq!(heard.take(), ["one E_A", "two E_A"]);
    events.subscribe_socket(at(9), "E_A", "test:one", Some(20)).unwrap();
    let (number, listed) = events.subscribers(at(15), "E_A").unwrap();
    assert_eq!(number, 0);
    let info = |socket: &str, expire, ttl| SubscriberInfo { socket: socket.into(), expire, ttl };
    let two = info("test:two", None, Ttl::Never);
    assert_eq!(listed, [info("test:one", Some(20), Ttl::Seconds(14)), two.clone()]);
    publisher.raise_at(at(28), |_| {});
    assert_eq!(heard.take().len(), 2);
    // Told of for the last time, and gone.
    let (_, listed) = events.subscribers(at(29), "E_A").unwrap();
    assert_eq!(listed, [info("test:one", Some(20), Ttl::Expired), two.clone()]);
    assert_eq!(events.subscribers(at(29), "E_A").unwrap().1, [two]);
    publisher.raise_at(at(30), |_| {});
    assert_eq!(heard.take(), ["two E_A"]);
}

#[test]
fn an_expired_subscriber_is_dropped_by_raising() {
    let (events, heard) = bus();
    let publisher = events.publish("E_A").unwrap();
    events.subscribe_socket(at(0), "E_A", "test:one", Some(10)).unwrap();
    publisher.raise_at(at(10), |_| {});
    assert!(heard.take().is_empty());
    assert!(!publisher.is_heard());
}

// spec/script.md §15.4: 0 expires at once.
#[test]
fn an_expiry_of_nothing_unsubscribes() {
    let (events, _) = bus();
    let publisher = events.publish("E_A").unwrap();
    events.subscribe_socket(at(0), "E_A", "test:one", None).unwrap();
    events.subscribe_socket(at(0), "E_A", "test:one", Some(0)).unwrap();
    assert!(!publisher.is_heard());
    events.subscribe_socket(at(0), "E_A", "test:one", Some(0)).unwrap();
    assert!(!publisher.is_heard());
}

#[test]
fn what_cannot_subscribe_is_told_why() {
    let (events, _) = bus();
    events.publish("E_A").unwrap();
    let why = |name: &str, socket: &str, expire| {
        events.subscribe_socket(at(0), name, socket, expire).unwrap_err().to_string()
    };
    assert_eq!(why("E_B", "test:one", None), "there is no such event");
    assert_eq!(why("E_A", "test:nowhere", None), "nowhere is no place");
    assert_eq!(why("E_A", "smoke:1", None), "no module serves smoke: sockets of events");
    assert_eq!(why("E_A", "smoke:1", Some(0)), "no module serves smoke: sockets of events");
    for socket in ["", "test", "test:", ":here"] {
        assert!(why("E_A", socket, None).starts_with("a socket is transport:address"), "{socket}");
    }
    for number in 0..SUBSCRIBERS_MAX {
        events.subscribe_socket(at(0), "E_A", &format!("test:{number}"), None).unwrap();
    }
    assert_eq!(why("E_A", "test:one", None), "the event has 64 subscribers already");
    events.subscribe_socket(at(0), "E_A", "test:1", Some(7)).unwrap();
    assert!(events.add_transport("test", Arc::new(Heard::default())).is_err());
}

#[test]
fn a_full_queue_and_a_panic_cost_the_event_and_nothing_else() {
    let (events, heard) = bus();
    let publisher = events.publish("E_A").unwrap();
    let queue = EventQueue::new(2);
    events.subscribe("E_A", "module:panics", |_: &Arc<Raised>| panic!("on purpose")).unwrap();
    events.subscribe("E_A", "module:queue", queue.clone()).unwrap();
    events.subscribe_socket(at(0), "E_A", "test:last", None).unwrap();
    for number in 0..3 {
        publisher.raise(|params| {
            params.int("n", number);
        });
    }
    assert_eq!(heard.take().len(), 3);
    assert_eq!(events.dropped(), 3 + 1);
    let numbers: Vec<_> = std::iter::from_fn(|| queue.take())
        .map(|raised| raised.params().get("n").cloned())
        .collect();
    assert_eq!(numbers, [Some(EventValue::Int(0)), Some(EventValue::Int(1))]);
    publisher.raise(|params| {
        params.text("t", vec![b'x'; EVENT_BYTES_MAX + 1]);
    });
    assert_eq!(events.dropped(), 5, "an event that is too large");
    assert!(heard.take().is_empty());
}

// No lock is held while a subscriber is told.
#[test]
fn a_subscriber_may_subscribe_and_raise() {
    let events = Events::default();
    let first = events.publish("E_A").unwrap();
    let second = events.publish("E_B").unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (bus, counting) = (events.clone(), Arc::clone(&count));
    let echo = move |_: &Arc<Raised>| {
        let counting = Arc::clone(&counting);
        let counted = move |_: &Arc<Raised>| {
            counting.fetch_add(1, Relaxed);
        };
        bus.subscribe("E_B", "module:counted", counted).unwrap();
        second.raise(|_| {});
    };
    events.subscribe("E_A", "module:echo", echo).unwrap();
    first.raise(|_| {});
    first.raise(|_| {});
    assert_eq!(count.load(Relaxed), 2);
}

#[test]
fn a_route_is_woken_once_for_all_that_waits() {
    let events = Events::default();
    let publisher = events.publish("E_A").unwrap();
    events.subscribe_route("E_A", 3).unwrap();
    let woken = Arc::new(AtomicUsize::new(0));
    // What is raised before the proxy runs waits for it.
    publisher.raise(|_| {});
    let waking = Arc::clone(&woken);
    events.set_runner(move |route| {
        assert_eq!(route, 3);
        waking.fetch_add(1, Relaxed);
    });
    assert_eq!(woken.load(Relaxed), 1);
    publisher.raise(|_| {});
    assert_eq!(woken.load(Relaxed), 1);
    assert!(events.next_of_route(3).unwrap().more);
    assert!(!events.next_of_route(3).unwrap().more);
    assert!(events.next_of_route(3).is_none());
    publisher.raise(|_| {});
    assert_eq!(woken.load(Relaxed), 2);
    for _ in 1..=ROUTE_QUEUE_MAX {
        publisher.raise(|_| {});
    }
    assert_eq!(events.dropped(), 1);
    assert_eq!(&*events.subscribers(at(0), "E_A").unwrap().1[0].socket, "route:E_A");
}

#[test]
fn after_the_shutdown_nobody_is_told() {
    let (events, heard) = bus();
    let publisher = events.publish("E_A").unwrap();
    events.subscribe_socket(at(0), "E_A", "test:one", None).unwrap();
    events.shutdown();
    publisher.raise(|_| {});
    assert!(heard.take().is_empty());
}

#[test]
fn readers_tell_how_far_they_are_behind() {
    let (events, _heard) = bus();
    let queue = EventQueue::new(10);
    events.subscribe("E_X", "module:reader", queue.clone()).unwrap();
    events.subscribe_socket(at(0), "E_X", "test:here", None).unwrap();
    let publisher = events.publish("E_X").unwrap();
    publisher.raise(|_| {});
    publisher.raise(|_| {});
    let behind = || {
        let mut readers = Vec::new();
        events.visit_readers(&mut |event, socket, waiting| {
            readers.push(format!("{event} {socket} {waiting}"));
        });
        readers
    };
    assert_eq!(behind(), ["E_X module:reader 2", "E_X test:here 0"]);
    assert!(queue.take().is_some());
    assert_eq!(behind()[0], "E_X module:reader 1");
}
