//! A `$var` that is read and never assigned.

use super::script_variables::ScriptVariables;
use super::{Lint, View};
use crate::diagnostic::{Report, did_you_mean};

pub(crate) static LINT: Lint = Lint {
    code: "unassigned-variable",
    finds: "a `$var` that is read and never assigned",
    why: "It is NULL. Mostly its name is misspelt.",
    wrong: r#"route {
	$var(caller) = $fU;
	xlog("$var(caller) calls $var(callee)\n");
}
"#,
    right: r#"route {
	$var(caller) = $fU;
	$var(callee) = $tU;
	xlog("$var(caller) calls $var(callee)\n");
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    let variables = ScriptVariables::of(view);
    if variables.some_written {
        return;
    }
    let assigned = || variables.all.iter().filter(|it| it.shared || !it.writes.is_empty());
    for variable in variables.all.iter().filter(|it| !it.shared && it.writes.is_empty()) {
        let first =
            variable.reads.iter().chain(&variable.updates).min_by_key(|it| (it.file, it.start));
        if let Some(span) = first {
            let message =
                format!("`$var({})` is read and never assigned: it is NULL", variable.name);
            let help = did_you_mean(variable.name, assigned().map(|it| it.name));
            report.warning(&LINT, *span, message, help);
        }
    }
}
