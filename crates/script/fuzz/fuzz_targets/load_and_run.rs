//! Any text loads or is refused, with a place in it for each mistake; what loads runs to an end.

#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::{Shop, World, have_places};
use duologue_script::{Machine, Outcome, Script};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Script::load("fuzz.cfg", text, &Shop) {
        Err(diagnostics) => {
            assert!(diagnostics.errors() > 0);
            have_places(text, &diagnostics);
        }
        Ok((script, warnings)) => {
            have_places(text, &warnings);
            let mut machine = Machine::new();
            for (route, _) in script.program.routes() {
                let mut world = World::new();
                machine.start(&script.program, route);
                for _ in 0..5 {
                    if machine.resume(&script.program, &mut world) == Outcome::Park {
                        machine.resume_with(1);
                    }
                }
            }
        }
    }
});
