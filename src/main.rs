//! The `duologue` program.
fn main() {}
