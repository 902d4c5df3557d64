//! The proxy: calls, workers, transports, the road of a message and the modules.
//!
//! ```text
//!  net ─► Worker::receive ─► CallIndex ─► Call (its turn) ─► relay, incoming ─► Outbox ─► net
//!                               │             │    ▲
//!                            timers        script  └ jobs: wake-ups, deadlines, commands
//! ```
//!
//! Rooms, in the order a message walks through them:
//! - [`net`]: sockets, batches in, batches out; [`sockets`]: which addresses are ours;
//! - [`road`]: from a datagram to its call; [`index`], [`call`], [`turn`]: who runs what when;
//! - [`context`], [`host`]: what a script's block runs on; [`core`], [`modules`]: what it can call;
//! - [`relay`], [`incoming`], [`upstream`], [`effects`]: requests down, replies up;
//! - [`commands`]: management as scripts reach it;
//! - [`events`]: what happens, told to whoever subscribed;
//! - [`waiting`], [`parked`]: functions that take their time, and the runs that wait for them;
//! - [`dialogs`], [`own_requests`], [`new_requests`]: the bridge to the dialog engine, requests of
//!   our own; `own_routes`: startup, timers and events;
//! - [`statistics`], [`cachedb`]: what counts and what remembers beyond a call;
//! - [`storage`], [`durable`]: dialogs and users that outlive the process, and answers that wait for them; [`intents`]: what is asked of calls from outside;
//! - [`server`]: all of it started, with threads; [`node`]: what they share; [`loaded`]: the script
//!   that runs, and another one in its place.

pub mod blacklist;
pub mod cachedb;
pub mod call;
pub mod catalog;
mod challenges;
pub mod changes;
mod clock;
pub mod commands;
pub mod context;
pub mod core;
mod databases;
pub mod dialogs;
pub mod durable;
pub mod effects;
pub mod events;
pub mod glob;
pub mod host;
pub mod in_dialog;
pub mod incoming;
pub mod index;
pub mod intents;
#[cfg(all(test, shuttle))]
mod interleavings;
pub mod loaded;
pub mod loglevel;
pub mod logs;
pub mod manners;
pub mod memory;
pub mod module;
pub mod modules;
pub mod net;
pub mod new_requests;
pub mod node;
pub mod own_requests;
mod own_routes;
pub mod parked;
pub mod raised;
pub mod readiness;
pub mod record_route;
pub mod relay;
pub mod replies;
mod resolve;
pub mod road;
pub mod runqueue;
pub mod serial;
pub mod server;
pub mod session_description;
mod slow;
pub mod sockets;
pub mod stateless;
pub mod statistics;
pub mod storage;
mod sync;
pub mod target;
pub mod tm;
pub mod turn;
pub mod upstream;
pub mod waiting;
pub mod wheel;
pub mod worker;

pub use databases::DatabaseChoice;
pub use loaded::Reload;
pub use node::Node;
pub use server::{Overrides, Plan, Server, StartError};
