//! What the whole road costs, from a datagram to what waits in the outbox, without a socket: a call
//! INVITE 100 180 200 ACK BYE 200 through the proxy script of the end-to-end tests.
//!
//! Budget: about 3 µs per message.
#![allow(clippy::unwrap_used)] // In a benchmark, too, an error is a failure.
#![allow(dead_code, reason = "the other benchmark uses more of the world")]

mod script_alone;
mod world;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use world::{SCRIPT, STEPS, World, without_dialogs};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whole calls, and then each of their messages.
fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    for (name, script) in [("with dialogs", SCRIPT), ("without dialogs", &without_dialogs())] {
        let mut world = World::new(script);
        group.throughput(Throughput::Elements(STEPS.len() as u64));
        group.bench_function(name, |b| {
            b.iter_custom(|count| (0..count).map(|_| world.call().iter().sum::<Duration>()).sum());
        });
    }
    group.finish();

    let mut group = c.benchmark_group("message");
    let mut world = World::new(SCRIPT);
    for (step, name) in STEPS.iter().chain(&["timers"]).enumerate() {
        group.bench_function(*name, |b| {
            b.iter_custom(|count| (0..count).map(|_| world.call()[step]).sum());
        });
    }
    group.finish();
}

/// The script's own share: the decisions about an INVITE, without what it asks others to do.
fn script(c: &mut Criterion) {
    let mut world = script_alone::world();
    c.bench_function("script alone", |b| {
        b.iter_custom(|count| script_alone::run(&mut world, count));
    });
}

criterion_group!(benches, calls, script);
criterion_main!(benches);
