//! A `$var` that is assigned and never read.

use super::script_variables::ScriptVariables;
use super::{Lint, View};
use crate::diagnostic::Report;

pub(crate) static LINT: Lint = Lint {
    code: "unused-variable",
    finds: "a `$var` that is assigned and never read",
    why: "Either it is left over, or its name is misspelt where it is read. A variable that a \
          function fills counts as read: the function may insist on one.",
    wrong: r#"route {
	$var(caller) = $fU;
}
"#,
    right: r#"route {
	$var(caller) = $fU;
	xlog("a call of $var(caller)\n");
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    let variables = ScriptVariables::of(view);
    if variables.some_read {
        return;
    }
    for variable in variables.all.iter().filter(|it| !it.shared && it.reads.is_empty()) {
        let first =
            variable.writes.iter().chain(&variable.updates).min_by_key(|it| (it.file, it.start));
        if let Some(span) = first {
            let message = format!("`$var({})` is assigned and never read", variable.name);
            report.warning(&LINT, *span, message, None);
        }
    }
}
