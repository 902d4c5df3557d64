//! Opening, receiving, answering, closing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::socket::{Peer, Socket};
use super::{Address, Config, REQUESTS_MAX};
use crate::dropped::Dropped;
use crate::jsonrpc::{self, Form};
use crate::keeper::{Keeper, STOP_WAIT};
use crate::{Caller, Error, Registry, Role, Warning};

/// What log lines and callers call this door.
const NAME: &str = "mi_datagram";

/// What a client hears when its command broke down (spec/script.md §15.5).
const FAILURE: &str = "500 Internal error";

/// What a client hears whose request is no JSON (spec/script.md §15.5).
const NO_JSON: &str = "400 Parse_error";

/// A pause after a failed receive, so that one that lasts does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Whether a datagram is what a door like this one answers.
fn is_reply(document: &[u8]) -> bool {
    [NO_JSON, FAILURE].iter().any(|text| document.starts_with(text.as_bytes()))
        || jsonrpc::is_reply(document)
}

/// An open door. Dropping it closes it.
#[derive(Debug)]
pub struct Door {
    config: Address,
    address: Option<SocketAddr>,
    role: Role,
    dropped: Dropped,
    keeper: Keeper,
}

/// Opens the socket: it is bound when this returns.
///
/// # Errors
/// The address or the path cannot be had, or the user or group of the socket is not known.
pub fn serve(config: Config, registry: Arc<Registry>) -> Result<Door, Error> {
    let dropped = Dropped::default();
    let (counted, where_to) = (dropped.clone(), config.address.clone());
    let (mut address, role) = (None, config.role);
    let threads = config.commands + REQUESTS_MAX;
    let keeper = Keeper::start("mi-datagram", threads, Error::Runtime, |closing| {
        let socket = Socket::bind(&config.address)?;
        address = socket.address();
        let clerk = Arc::new(Clerk {
            socket,
            registry,
            commands: Arc::new(Semaphore::new(config.commands)),
            free: Arc::new(Semaphore::new(REQUESTS_MAX)),
            dropped: counted,
            config,
        });
        Ok(async move {
            tokio::select! {
                _ = closing => {}
                () = Arc::clone(&clerk).serve() => {}
            }
            clerk.finish().await;
        })
    })?;
    Ok(Door { config: where_to, address, role, dropped, keeper })
}

impl Door {
    /// Where it listens, with the real port.
    pub fn address(&self) -> Address {
        self.address.map_or_else(|| self.config.clone(), Address::Udp)
    }

    /// What the operator should be told, if anything.
    pub fn warning(&self) -> Option<Warning> {
        let open = self.address.filter(|address| !address.ip().is_loopback());
        open.map(match self.role {
            Role::Full => Warning::Unprotected,
            Role::ReadOnly => Warning::Open,
        })
    }

    /// How many replies did not reach who asked.
    pub fn dropped(&self) -> u64 {
        self.dropped.count()
    }

    /// Closes the door; replies under way get some seconds to leave.
    ///
    /// Do not call it from a command: it would wait for itself.
    pub fn stop(self) {
        drop(self.keeper);
    }
}

/// All that a request needs.
struct Clerk {
    socket: Socket,
    registry: Arc<Registry>,
    commands: Arc<Semaphore>,
    free: Arc<Semaphore>,
    dropped: Dropped,
    config: Config,
}

impl Clerk {
    /// Receives and answers until it is dropped.
    async fn serve(self: Arc<Self>) {
        // What is longer is cut, and then no JSON.
        let mut buffer = vec![0; self.config.buffer_size];
        loop {
            let place = a_place_of(&self.free).await;
            let turn = a_place_of(&self.commands).await;
            let (length, peer) = match self.socket.receive(&mut buffer).await {
                Ok(received) => received,
                // An earlier reply found nobody: the system tells so on the next occasion.
                Err(error) => {
                    self.dropped.note(NAME, error);
                    sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            let (clerk, document) = (Arc::clone(&self), buffer[..length].to_vec());
            tokio::spawn(async move {
                let caller = Caller { door: NAME, peer: peer.to_string(), role: clerk.config.role };
                if let Some(reply) = clerk.execute(caller, document, turn).await {
                    clerk.send(&reply, &peer).await;
                }
                drop(place);
            });
        }
    }

    /// Runs the command on a thread of its own; `None` if it was a notification.
    async fn execute(
        &self,
        caller: Caller,
        document: Vec<u8>,
        turn: OwnedSemaphorePermit,
    ) -> Option<String> {
        let (registry, pretty) = (Arc::clone(&self.registry), self.config.pretty_printing);
        let limit = self.config.buffer_size;
        if is_reply(&document) {
            // Two that answer each other would never end.
            self.dropped.note(NAME, "a reply is no request");
            return None;
        }
        // One that waits for what others do holds up nobody.
        let turn = (!jsonrpc::is_waiting(&registry, &document)).then_some(turn);
        let command = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let reply = jsonrpc::answer_to(&caller, &registry, &document, Form::Document);
            if reply.is_parse_error() {
                return Some(NO_JSON.to_owned());
            }
            let advice = format!(
                "the reply is larger than socket_buf_size ({limit} bytes): ask for less, or by \
                 another way than mi_datagram"
            );
            reply.into_text_within(limit, pretty, &advice)
        });
        command.await.unwrap_or_else(|_| Some(FAILURE.to_owned()))
    }

    async fn send(&self, reply: &str, peer: &Peer) {
        if let Err(error) = self.socket.send(reply.as_bytes(), peer, self.config.timeout).await {
            self.dropped.note(NAME, format_args!("a reply did not leave: {error}"));
        }
    }

    /// Waits for the replies that are under way, but not for ever.
    async fn finish(&self) {
        let all = u32::try_from(REQUESTS_MAX).unwrap_or(u32::MAX);
        let _ = timeout(STOP_WAIT, self.free.acquire_many(all)).await;
    }
}

async fn a_place_of(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(places).acquire_owned().await.expect("these semaphores are never closed")
}
