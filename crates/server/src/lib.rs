//! The Duologue proxy: sockets, workers, the road of a message and the modules.

pub mod net;
pub mod sockets;
pub mod wheel;
