//! Phones register and are called (RFC 3261 §10; spec/modules.md §12 and §13): whole REGISTERs and
//! INVITEs in virtual time. The cast stands in [`office`].

#![allow(clippy::unwrap_used, reason = "a test may stop here")]

#[path = "../world/mod.rs"]
mod world;

mod asking;
mod calling;
mod disk;
mod events;
mod gruu;
mod in_front;
mod kept;
mod kept_modes;
mod office;
mod registering;
mod sleeping;
mod ways;
mod wrong_scripts;
