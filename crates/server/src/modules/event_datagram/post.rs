//! The thread that sends: calls only leave their events here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::DATAGRAM_MAX;
use super::destination::{Destination, Kind, Target, look_up};
use crate::events::{EventSink, EventTransport, NoRoom, Raised};

/// How many events may wait to be sent.
pub const LETTERS_MAX: usize = 4096;

/// How long a reader whose socket is full is waited for, unless it was already in vain.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long to wait between two tries.
const STEP: Duration = Duration::from_millis(2);

/// One event for one subscriber.
struct Letter {
    to: Arc<Destination>,
    raised: Arc<Raised>,
}

/// Where letters are left.
#[derive(Clone)]
struct LetterBox {
    sender: SyncSender<Letter>,
    /// How many lie there.
    waiting: Arc<AtomicUsize>,
}

impl LetterBox {
    fn leave(&self, letter: Letter) -> Result<(), NoRoom> {
        // Before it lies there, so that it is not taken out of the count first.
        self.waiting.fetch_add(1, Relaxed);
        self.sender.try_send(letter).map_err(|_| {
            self.waiting.fetch_sub(1, Relaxed);
            NoRoom
        })
    }
}

/// The thread that sends, started for the first subscriber.
#[derive(Default)]
pub(super) struct Post {
    office: Mutex<Office>,
}

#[derive(Default)]
struct Office {
    letters: Option<LetterBox>,
    thread: Option<JoinHandle<()>>,
    closed: bool,
}

impl Post {
    fn letter_box(&self) -> Result<LetterBox, String> {
        let mut office = self.office.lock();
        if office.closed {
            return Err("the proxy goes down".to_owned());
        }
        if let Some(letters) = &office.letters {
            return Ok(letters.clone());
        }
        let (sender, receiver) = sync_channel(LETTERS_MAX);
        let letters = LetterBox { sender, waiting: Arc::default() };
        let waiting = Arc::clone(&letters.waiting);
        let thread = std::thread::Builder::new()
            .name("event-datagram".to_owned())
            .spawn(move || deliver(&receiver, &waiting))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        (office.letters, office.thread) = (Some(letters.clone()), Some(thread));
        Ok(letters)
    }

    /// Sends what waits, and ends. All subscribers must be gone, or the thread waits for them.
    fn close(&self) {
        let thread = {
            let mut office = self.office.lock();
            office.closed = true;
            office.letters = None;
            office.thread.take()
        };
        if let Some(thread) = thread {
            // A panic of the thread was told when it happened.
            let _ = thread.join();
        }
    }
}

/// Where one kind of sockets subscribes.
pub(super) struct Counter {
    kind: Kind,
    post: Arc<Post>,
}

impl Counter {
    pub(super) fn new(kind: Kind, post: &Arc<Post>) -> Self {
        Self { kind, post: Arc::clone(post) }
    }
}

impl EventTransport for Counter {
    fn open(&self, address: &str) -> Result<Arc<dyn EventSink>, String> {
        let to = Arc::new(Destination::parse(self.kind, address)?);
        Ok(Arc::new(Subscriber { to, letters: self.post.letter_box()? }))
    }

    fn stop(&self) {
        self.post.close();
    }
}

/// A subscriber's end of the queue.
struct Subscriber {
    to: Arc<Destination>,
    letters: LetterBox,
}

impl EventSink for Subscriber {
    fn take(&self, raised: &Arc<Raised>) -> Result<(), NoRoom> {
        let letter = Letter { to: Arc::clone(&self.to), raised: Arc::clone(raised) };
        self.letters.leave(letter)
    }

    fn waiting(&self) -> usize {
        self.letters.waiting.load(Relaxed)
    }
}

/// The thread's life: until nobody can leave letters any more, and none is left.
fn deliver(letters: &Receiver<Letter>, waiting: &AtomicUsize) {
    let mut sockets = Sockets::default();
    for Letter { to, raised } in letters {
        let json = raised.json().as_bytes();
        let sent = if json.len() > DATAGRAM_MAX {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "larger than a datagram may be"))
        } else {
            sockets.send(&to, json)
        };
        let news = to.note(sent.is_ok());
        match sent {
            Ok(()) if news => tracing::info!("events reach {} again", to.text),
            Err(error) if news => {
                tracing::warn!(event = raised.name(), "events do not reach {}: {error}", to.text);
            }
            Ok(()) | Err(_) => {}
        }
        waiting.fetch_sub(1, Relaxed);
    }
}

/// The sockets to send from, opened when they are needed.
#[derive(Default)]
struct Sockets {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    unix: Option<UnixDatagram>,
}

impl Sockets {
    fn send(&mut self, to: &Destination, bytes: &[u8]) -> io::Result<()> {
        let address = match &to.target {
            Target::Udp(address) => *address,
            Target::Named(lookup) => look_up(&to.text, lookup)?,
            Target::Unix(path) => {
                let socket = opened(&mut self.unix, || {
                    let socket = UnixDatagram::unbound()?;
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                })?;
                return patiently(to, || socket.send_to_addr(bytes, path));
            }
        };
        let (socket, any) = match address {
            SocketAddr::V4(_) => (&mut self.v4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            SocketAddr::V6(_) => (&mut self.v6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
        };
        let socket = opened(socket, || {
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        patiently(to, || socket.send_to(bytes, address))
    }
}

/// Sends; once more after a while if the reader was only slow.
fn patiently(to: &Destination, send: impl Fn() -> io::Result<usize>) -> io::Result<()> {
    let full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
    let mut slept = Duration::ZERO;
    loop {
        match send() {
            Ok(_) => return Ok(()),
            // A datagram socket without a peer is ready whoever is not: there is nothing to poll for.
            Err(error) if full(&error) && !to.is_failing() && slept < PATIENCE => {
                std::thread::sleep(STEP);
                slept += STEP;
            }
            Err(error) => return Err(error),
        }
    }
}

fn opened<S>(socket: &mut Option<S>, open: impl FnOnce() -> io::Result<S>) -> io::Result<&S> {
    match socket {
        Some(socket) => Ok(socket),
        None => Ok(socket.insert(open()?)),
    }
}
