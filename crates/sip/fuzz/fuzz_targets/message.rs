//! Any bytes: parse, ask for every view, edit, answer, render. Nothing may panic.
//!
//! `cargo +nightly fuzz run message`, with the torture messages as a corpus to start from:
//! `cargo +nightly fuzz run message corpus/message ../tests/torture`.
#![no_main]

#[allow(dead_code, reason = "the samples are for the other tests")]
#[path = "../../tests/common/mod.rs"]
mod common;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| common::walk(bytes));
