//! Any text is laid out or left alone; once laid out, it stays so and says the same.

#![no_main]

use duologue_script::format;
use libfuzzer_sys::fuzz_target;

/// A text without its white space. A backslash may be white space as well: at the end of a line.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect()
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
