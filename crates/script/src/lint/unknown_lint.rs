//! `# duologue: allow(…)` with a name that no lint has.

use super::allow::allowances;
use super::{LINTS, Lint, View};
use crate::diagnostic::{Report, did_you_mean};

pub(crate) static LINT: Lint = Lint {
    code: "unknown-lint",
    finds: "a comment that allows what does not exist",
    why: "The comment silences nothing; the name is misspelt.",
    wrong: r#"route {
	exit;  # duologue: allow(unused-varible)
}
"#,
    right: "route {\n\texit;\n}\n",
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    let codes = || LINTS.iter().map(|lint| lint.code);
    for file in 0..view.files.len() as u16 {
        for allowed in allowances(view.files, file) {
            if !codes().any(|code| code == allowed.code) {
                let message = format!("there is no lint `{}`", allowed.code);
                let help = did_you_mean(&allowed.code, codes());
                report.warning(&LINT, allowed.span, message, help);
            }
        }
    }
}
