//! What a script says that works, but is hardly meant. Each file is one lint: what it finds, why that
//! matters, an example, and the look at the loaded program that finds it. A few are found by the
//! loader itself, where it reads the words.

mod allow;
mod assignment_in_condition;
mod constant_condition;
mod deprecated_name;
mod empty_route;
mod for_without_all;
mod loaded_twice;
mod mixed_operators;
mod no_effect;
mod not_expanded;
mod notes;
mod script_variables;
mod unassigned_variable;
mod unknown_lint;
mod unreachable_code;
mod unused_route;
mod unused_variable;

use crate::catalog::Catalog;
use crate::diagnostic::Report;
use crate::program::Program;
use crate::script::Script;
use crate::source::Files;

pub(crate) use allow::Allowed;
pub(crate) use deprecated_name::LINT as DEPRECATED_NAME;
pub(crate) use empty_route::LINT as EMPTY_ROUTE;
pub(crate) use for_without_all::LINT as FOR_WITHOUT_ALL;
pub(crate) use loaded_twice::LINT as LOADED_TWICE;
pub(crate) use no_effect::LINT as NO_EFFECT;
pub(crate) use notes::{Checked, Mixed, Named, Notes};

/// A kind of warning. A comment `# duologue: allow(CODE)` silences it on its own line or, if it
/// stands alone, on the line behind it.
#[derive(Debug)]
pub struct Lint {
    /// Its name, which never changes: `unused-variable`.
    pub code: &'static str,
    /// What it finds, in a few words.
    pub finds: &'static str,
    /// Why that is hardly meant, and what to do.
    pub why: &'static str,
    /// A script that it warns of.
    pub wrong: &'static str,
    /// The same, mended.
    pub right: &'static str,
    /// Finds it in a script that loaded; `None` if the loader does.
    look: Option<fn(&View<'_>, &mut Report)>,
}

/// All lints, by name.
pub static LINTS: [&Lint; 14] = [
    &assignment_in_condition::LINT,
    &constant_condition::LINT,
    &deprecated_name::LINT,
    &empty_route::LINT,
    &for_without_all::LINT,
    &loaded_twice::LINT,
    &mixed_operators::LINT,
    &no_effect::LINT,
    &not_expanded::LINT,
    &unassigned_variable::LINT,
    &unknown_lint::LINT,
    &unreachable_code::LINT,
    &unused_route::LINT,
    &unused_variable::LINT,
];

/// What a lint looks at: a script that loads, and where its parts stand.
struct View<'a> {
    script: &'a Script,
    program: &'a Program,
    notes: &'a Notes,
    catalog: &'a dyn Catalog,
    files: &'a Files,
}

impl View<'_> {
    /// Whether a module parameter has this word in its text: modules may use what it names.
    fn is_named_by_modules(&self, word: &str) -> bool {
        let texts =
            self.script.setup.modparams.iter().filter_map(|parameter| parameter.value.str());
        texts
            .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
            .any(|found| found == word)
    }

    /// Whether texts made at run time are expanded: they may name anything.
    fn expands_at_run_time(&self) -> bool {
        self.program.transforms.iter().any(|it| matches!(it.op, crate::program::TransOp::Eval))
    }
}

/// Runs all of them over a script without errors.
pub(crate) fn run(checked: &Checked, catalog: &dyn Catalog, files: &Files, report: &mut Report) {
    let Checked { script, notes } = checked;
    let view = View { script, program: &script.program, notes, catalog, files };
    for look in LINTS.iter().filter_map(|lint| lint.look) {
        look(&view, report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_has_each_name_once() {
        assert!(LINTS.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
