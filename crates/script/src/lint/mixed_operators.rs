//! `a || b && c`, `1 + 2 * 3`: operators that bind tighter everywhere else (spec §5.1, §5.3).

use super::{Lint, Mixed, View};
use crate::diagnostic::Report;

pub(crate) static LINT: Lint = Lint {
    code: "mixed-operators",
    finds: "`&&` behind `||`, `*` behind `+` and their kin, without parentheses",
    why: "`&&` and `||` bind equally in this language, and so do `+ - * / %`: `2 + 3 * 4` is 20. \
          Parentheses say what is meant.",
    wrong: r#"route {
	if ($si == "192.0.2.1" || $si == "192.0.2.2" && $rm == "INVITE") {
		exit;
	}
}
"#,
    right: r#"route {
	if ($si == "192.0.2.1" || ($si == "192.0.2.2" && $rm == "INVITE")) {
		exit;
	}
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    for (span, mixed) in &view.notes.mixed {
        let operator = view.files.text(*span);
        let before = match mixed {
            Mixed::Logic => "`||`",
            Mixed::Arithmetic => "the operator before it",
        };
        let message = format!("`{operator}` binds no tighter than {before} here: left to right");
        let help = Some("write the parentheses that are meant".to_owned());
        report.warning(&LINT, *span, message, help);
    }
}
