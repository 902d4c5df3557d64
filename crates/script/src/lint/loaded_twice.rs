//! `loadmodule` of a module that is loaded: found by the loader.

use super::Lint;

pub(crate) static LINT: Lint = Lint {
    code: "loaded-twice",
    finds: "a module that is loaded already",
    why: "The second `loadmodule` does nothing. Often a file that is included loads it too.",
    wrong: r#"loadmodule "sl.so"
loadmodule "sl.so"

route {
	sl_send_reply(503, "Not Yet");
}
"#,
    right: r#"loadmodule "sl.so"

route {
	sl_send_reply(503, "Not Yet");
}
"#,
    look: None,
};
