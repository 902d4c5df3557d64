//! What a script decides costs no memory: a message may allocate, a statement does not.
#![allow(clippy::unwrap_used, reason = "a test may stop here")]
#![allow(dead_code, reason = "the benchmarks use more of the world")]

#[path = "../benches/road/script_alone.rs"]
mod script_alone;
#[path = "../benches/road/world.rs"]
mod world;

use world::World;

/// How often the script is run for one message.
const RUNS: u64 = 1_000;

fn allocations(world: &mut World, runs: u64) -> u64 {
    let counted = allocation_counter::measure(|| {
        script_alone::run(world, runs);
    });
    counted.count_total
}

#[test]
fn statements_do_not_allocate() {
    let mut world = script_alone::world();
    // tables and buffers grow to their size
    for _ in 0..50 {
        allocations(&mut world, 10);
    }
    let once = allocations(&mut world, 1);
    let often = allocations(&mut world, RUNS);
    let further = often.saturating_sub(once);
    assert!(further < RUNS / 10, "{further} allocations in {RUNS} further runs of the script");
}
