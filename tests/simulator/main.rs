//! The simulator: from a seed, many calls at once between people of all manners, through the real
//! road in virtual time, in all weathers. After every step checkers hold what must hold always.
//!
//! A seed is drawn into a [`plan`]: settings, weather, and for each call its shape, its flags and its
//! people. [`people`] then do what they like, one after another, while [`meddling`] modules register
//! callbacks, change and end dialogs, and panic. Who watches: [`lives`] (the events of each dialog),
//! [`wire`] (what the proxy sends), [`checks`] (gauges, profiles, closures, panics, the people's
//! complaints). [`play`] brings it all together, [`many`] plays many seeds on all cores.
//!
//! What is held after each step:
//!
//! 1. The callbacks of a dialog come in order, one at a time; EARLY never after CONFIRMED.
//! 2. No lock is held while they run: they call everything there is, and the world goes on.
//! 3. A dialog ends exactly once, then DESTROY; where the proxy ends an answered call, both sides
//!    were sent a BYE.
//! 4. Gauges are membership, profiles count their links, closures are dropped once; in the end
//!    nothing is left.
//! 5. As many panics are counted as callbacks threw.
//! 6. Nothing that people send stops the proxy; what it sends them is well-formed, with CSeq numbers
//!    that rise.
//!
//! `cargo xtask sim --seeds 1000` plays more of them; `--from SEED --seeds 1` replays one.

#[path = "../world/mod.rs"]
mod world;

mod checks;
mod faults;
mod lives;
mod many;
mod meddling;
mod people;
mod plan;
mod play;
mod script;
mod wire;

/// How many seeds `cargo test` plays, and how many calls in each.
const SEEDS: u64 = 30;
const CALLS: u32 = 12;

#[test]
fn a_few_seeds_hold() {
    many::play(0, SEEDS, CALLS);
}

// A failure can only be looked at if its seed leads to it again.
#[test]
fn a_seed_replays_itself() {
    let once = || play::play(7, CALLS).expect("this seed holds");
    assert_eq!(once(), once());
}

/// What `cargo xtask sim` runs; it says how much in the environment.
#[test]
#[ignore = "as long as it is told to be"]
fn many_seeds_hold() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let calls = number("SIM_CALLS", 20).try_into().unwrap_or(u32::MAX);
    many::play(number("SIM_FROM", 0), number("SIM_SEEDS", 100), calls);
}
