//! Any bytes at the JSON-RPC door of a running server: one JSON document comes back, or silence, soon,
//! and nothing panics.

#![no_main]

#[path = "../../../../tests/any_request/door.rs"]
mod door;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| door::walk(bytes));
