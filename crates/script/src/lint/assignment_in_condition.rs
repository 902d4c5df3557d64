//! `if ($var(a) = 1)`: an assignment where a comparison is meant.

use super::{Lint, View};
use crate::diagnostic::Report;
use crate::program::Op;

pub(crate) static LINT: Lint = Lint {
    code: "assignment-in-condition",
    finds: "an assignment that stands as a condition",
    why: "An assignment succeeds nearly always, whatever the value: mostly `==` is meant.",
    wrong: r#"route {
	$avp(tries) = 0;
	if ($avp(tries) = 1) {
		xlog("once\n");
	}
}
"#,
    right: r#"route {
	$avp(tries) = 0;
	if ($avp(tries) == 1) {
		xlog("once\n");
	}
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    for (at, pair) in view.program.ops.windows(2).enumerate() {
        if let [Op::Assign(..), Op::TruthOfCode] = pair {
            let message = "this condition assigns, and is true nearly always";
            let help = Some("compare with `==`".to_owned());
            report.warning(&LINT, view.notes.ops[at], message, help);
        }
    }
}
