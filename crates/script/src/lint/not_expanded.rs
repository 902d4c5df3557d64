//! `$ru == "sip:$rU"`: a variable in a text that is taken as it is (spec §5.2, §5.3, §13).

use super::{Lint, View};
use crate::diagnostic::Report;
use crate::lexer::is_name_byte;
use crate::load::variable::OWN;
use crate::program::Op;

pub(crate) static LINT: Lint = Lint {
    code: "not-expanded",
    finds: "a variable in a text that is not expanded",
    why: "Texts that are compared, assigned or given to `log()` are taken as they are, dollar sign \
          included. Texts are put together with `+`.",
    wrong: r#"route {
	$avp(caller) = "sip:$fU";
	xlog("$avp(caller)\n");
}
"#,
    right: r#"route {
	$avp(caller) = "sip:" + $fU;
	xlog("$avp(caller)\n");
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    if view.expands_at_run_time() {
        return;
    }
    for (at, op) in view.program.ops.iter().enumerate() {
        let (Op::PushLiteral(start, len) | Op::Log { text: (start, len), .. }) = *op else {
            continue;
        };
        if let Some(name) = variable_in(view, view.program.literal(start, len)) {
            let message = format!("`{name}` is not expanded in this text");
            let help = Some("put texts together with `+`".to_owned());
            report.warning(&LINT, view.notes.ops[at], message, help);
        }
    }
}

/// The first variable that exists.
fn variable_in(view: &View<'_>, text: &[u8]) -> Option<String> {
    let dollars = text.iter().enumerate().filter(|(_, byte)| **byte == b'$').map(|(at, _)| at);
    dollars.filter(|&at| at == 0 || text[at - 1] != b'$').find_map(|at| {
        let rest = &text[at + 1..];
        let rest = rest.strip_prefix(b"(").unwrap_or(rest);
        let len = rest.iter().take_while(|byte| is_name_byte(**byte)).count();
        let name = std::str::from_utf8(&rest[..len]).ok()?.trim_end_matches('.');
        let known = || view.catalog.variables().iter().map(|variable| variable.name).chain(OWN);
        known().any(|known| known == name).then(|| format!("${name}"))
    })
}
