//! Whole transactions in virtual time: each timer and each rule by a test of its own.

#![allow(clippy::unwrap_used, reason = "a test that unwraps in vain fails, as it should")]

mod absorption;
mod anything;
mod cancelling;
mod forking;
mod local;
mod loss;
mod memory;
mod timers;
mod world;
