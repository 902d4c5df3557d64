//! Whole SIP calls in virtual time: scripted user agents around a subject, from a seed.
//!
//! A [`World`] has one clock, one network and one seed. A [`Subject`], the proxy under test, stands
//! in the middle; [`Agent`]s call each other through it. Nothing sleeps, no port is opened, and a
//! failed test prints its seed and the ladder of all messages.
//!
//! # A test
//! ```
//! use duologue_testkit::{CallState, Packets, Relay, World};
//!
//! let world = World::seeded(7);
//! let (alice, proxy, bob) = world.three_party(Relay::default());
//!
//! alice.invite(&bob);
//! bob.rings();
//! world.lose_next(bob.to(&proxy).only("200")); // the 200 gets lost once
//! bob.answers();
//! world.settle();
//!
//! assert_eq!(alice.state(), CallState::Talking);
//! assert_eq!(bob.retransmissions("200"), 1);
//!
//! bob.hangs_up();
//! world.settle();
//! assert_eq!(alice.state(), CallState::Ended);
//! assert_eq!(alice.count("BYE"), 1);
//! ```
//! [`World::trace`] draws it:
//! ```text
//! seed 7
//!         ms  alice 10.0.0.11:5060        proxy 10.0.0.1:5060         bob 10.0.0.12:5060
//!       1000  |--------- INVITE --------->|                           |
//!       1005  |                           |--------- INVITE --------->|
//!       1010  |                           |<- 180 Ringing (INVITE) ---|
//! ```
//!
//! # The model
//! 1. **A verb acts now**: `bob.answers()` puts a 200 on the network. What a verb needs first (an
//!    INVITE to answer) it waits for, in virtual time; nothing else moves the clock.
//! 2. **Time passes** in [`World::settle`] (until nobody talks any more), [`World::run_for`] and
//!    [`World::run_until`]. At one millisecond first packets arrive, in the order they were sent,
//!    then the agents' timers fire, then the subject's.
//! 3. **Faults strike as packets are sent.** [`World::lose_next`] and its sisters wait for the next
//!    packet of a set ([`Packets`]); [`World::fault_nth`] tries each packet of a call in turn;
//!    [`Weather`] makes faults a matter of chance, drawn from the seed.
//! 4. **Agents are strict.** They note what is malformed in what reaches them
//!    ([`Agent::complaints`]), and `settle` fails the test for it. They read SIP with a small
//!    parser of their own ([`Message`]), not with the one under test.
//!
//! For a fork, let the subject turn one URI into several targets: [`Agent::invite_uri`] calls it.
//! For a test that plays by its own rules there are [`Agent::manual`] (each reply by the test),
//! [`Agent::silent`], [`Agent::withholds_acks`] and the `_with` verbs, which edit a message before
//! it leaves.

mod agent;
mod ladder;
mod network;
mod packets;
mod random;
mod relay;
mod subject;
mod text;
mod user_agent;
mod wellformed;
mod world;

pub use agent::{Agent, CallState, Received, Sent};
pub use ladder::ROWS_MAX;
pub use network::{Fault, REORDER_HOLD, Weather};
pub use packets::{Endpoint, Kind, Packets};
pub use random::Random;
pub use relay::Relay;
pub use subject::{Datagram, Served, Subject};
pub use text::{Malformed, Message, param, reason_of, socket_of, uri_of, uri_param};
pub use world::{EVENTS_PER_TICK_MAX, PATIENCE, QUIET, SETTLE_MAX, UNIX_AT_START, World};
