//! What every script may use without loading a module: global settings, core functions, core
//! variables and transformations (spec/script.md §2, §8, §9, §11).

pub(crate) mod functions;
mod globals;
mod planned;
mod renamed;
mod transformations;

mod variables;

pub use functions::FUNCTIONS;
pub use globals::{check_global, globals, note_global, type_of_service};
pub use planned::{PLANNED_FUNCTIONS, PLANNED_MODULES, PLANNED_VARIABLES};
pub use renamed::renamed;
pub use transformations::{TRANSFORMATIONS, transform};
pub use variables::VARIABLES;

/// How long an expanded value may get before the call that asked fails (spec/script.md §2.3,
/// `pv_print_buf_size`).
pub const EXPANSION_MAX: usize = 20_000;
