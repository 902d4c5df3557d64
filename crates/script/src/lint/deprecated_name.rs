//! Names of the past that still work: settings, functions, variables, flags of functions.

use super::{Lint, View};
use crate::catalog::Name;
use crate::diagnostic::Report;

pub(crate) static LINT: Lint = Lint {
    code: "deprecated-name",
    finds: "a name of the past that has a newer one",
    why: "OpenSIPS has given it a new name, and dropped the old one in a later version or may do so. \
          Both work here, and mean the same.",
    wrong: r#"listen = udp:127.0.0.1:5060

route {
	rewritehost("192.0.2.1");
}
"#,
    right: r#"socket = udp:127.0.0.1:5060

route {
	sethost("192.0.2.1");
}
"#,
    look: Some(look),
};

fn look(view: &View<'_>, report: &mut Report) {
    for (named, span) in &view.notes.names {
        let Some(new) = view.catalog.renamed(named.name()) else { continue };
        let message = match named.name() {
            Name::Global(old) => format!("`{old}` is the old name of `{new}`"),
            Name::Function(old) => format!("`{old}()` is the old name of `{new}()`"),
            Name::Variable(old) => format!("`${old}` is the old name of `${new}`"),
            Name::Argument(_, _, old) => format!("`{old}` is the old way to write `{new}`"),
        };
        report.warning(&LINT, *span, message, None);
    }
}
