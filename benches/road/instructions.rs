//! The same calls for a profiler that counts instructions: `instructions INVITE N`, or another of
//! their messages, or `instructions script N`. `cargo xtask bench instructions` runs it and reads the
//! counts.
#![allow(clippy::unwrap_used)] // In a benchmark, too, an error is a failure.
#![allow(dead_code, reason = "the other benchmark uses more of the world")]

mod script_alone;
mod world;

use world::{SCRIPT, STEPS, World};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (what, count) = (arguments.next(), arguments.next());
    let count = count.and_then(|count| count.parse().ok());
    match (what.as_deref(), count) {
        (Some("script"), Some(count)) => {
            script_alone::run(&mut script_alone::world(), count);
        }
        (Some(message), Some(count)) if STEPS.contains(&message) => {
            let mut world = World::new(SCRIPT);
            world.watch(message);
            (0..count).for_each(|_| {
                world.call();
            });
        }
        // As `cargo bench` calls it: there is nothing to time.
        _ => println!("cargo xtask bench instructions"),
    }
}
