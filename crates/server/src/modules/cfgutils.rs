//! `cfgutils`: odds and ends for scripts (spec/modules.md §25).

use super::cfgutils_sleep;
use crate::module::Module;

/// The declaration.
pub static MODULE: Module = Module {
    name: "cfgutils",
    functions: cfgutils_sleep::FUNCTIONS,
    asynchronous: cfgutils_sleep::ASYNC,
    ..Module::EMPTY
};
