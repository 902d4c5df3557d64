//! Any text is laid out or left alone; once laid out, it stays so and says the same.

#![no_main]

use duologue_script::format;
use libfuzzer_sys::fuzz_target;

fn squeezed(text: &str) -> String {
    text.replace("\\\r\n", "").replace("\\\n", "").split_whitespace().collect()
}

fuzz_target!(|text: &str| {
    match format("fuzz.cfg", text) {
        Err(mistakes) => drop(mistakes.render(false)),
        Ok(once) => {
            assert_eq!(squeezed(&once), squeezed(text));
            assert_eq!(format("fuzz.cfg", &once).ok().as_deref(), Some(once.as_str()));
        }
    }
});
