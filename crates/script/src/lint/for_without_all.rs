//! `for ($var(x) in $(list))` without `[*]`: found by the loader.

use super::Lint;

pub(crate) static LINT: Lint = Lint {
    code: "for-without-all",
    finds: "a `for` over a list without `[*]`",
    why: "The statement yields -10 and its body never runs: the list must be written with \
          the index `[*]`.",
    wrong: r#"route {
	for ($var(contact) in $ct) {
		xlog("$var(contact)\n");
	}
}
"#,
    right: r#"route {
	for ($var(contact) in $(ct[*])) {
		xlog("$var(contact)\n");
	}
}
"#,
    look: None,
};
