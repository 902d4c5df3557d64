//! `if (1)`: a condition that is a number. A `while (1)` ends by other means.

use super::{Lint, View};
use crate::diagnostic::Report;
use crate::program::Op;

pub(crate) static LINT: Lint = Lint {
    code: "constant-condition",
    finds: "a condition that is a number",
    why: "One of the two branches never runs. What is switched off for a while is better turned \
          into a comment. `while (1)` is left alone: `break` ends it.",
    wrong: r#"route {
	if (0) {
		xlog("never\n");
	}
}
"#,
    right: r#"route {
	if ($argv(verbose) != NULL) {
		xlog("only with -o verbose=yes\n");
	}
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    let ops = &view.program.ops;
    for (at, pair) in ops.windows(2).enumerate() {
        let &[Op::PushNumber(number), Op::Truth] = pair else { continue };
        let endless = number != 0 && at > 0 && matches!(ops[at - 1], Op::LoopEnter);
        if !endless {
            let always = if number == 0 { "false" } else { "true" };
            let message = format!("this condition is always {always}");
            report.warning(&LINT, view.notes.ops[at], message, None);
        }
    }
}
