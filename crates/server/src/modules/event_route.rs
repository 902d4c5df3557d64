//! `event_route`: part of the core since OpenSIPS 3.0 (spec/modules.md §27). Scripts may load it, and
//! need not: what it did is in [`crate::events`].

use crate::module::Module;

/// The declaration.
pub static MODULE: Module = Module { name: "event_route", ..Module::EMPTY };
