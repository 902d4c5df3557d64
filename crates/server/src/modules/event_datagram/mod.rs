//! `event_datagram`: events as JSON-RPC notifications, one datagram each, to `udp:host:port` and
//! `unix:/path` (spec/modules.md §27).

mod destination;
mod post;

use std::sync::Arc;

use crate::events::EventTransport;
use crate::module::Module;
use destination::Kind;
use post::Post;

pub use post::LETTERS_MAX;

/// How many bytes an event may have as a datagram (spec/modules.md §27).
pub const DATAGRAM_MAX: usize = 65_457;

/// The declaration.
pub static MODULE: Module = Module {
    name: "event_datagram",
    start: |host| {
        let post = Arc::new(Post::default());
        for (name, kind) in [("udp", Kind::Udp), ("unix", Kind::Unix)] {
            let transport: Arc<dyn EventTransport> = Arc::new(post::Counter::new(kind, &post));
            host.events().add_transport(name, transport)?;
        }
        Ok(())
    },
    ..Module::EMPTY
};
