//! `route[x] { }`: found by the loader.

use super::Lint;

pub(crate) static LINT: Lint = Lint {
    code: "empty-route",
    finds: "a block without statements",
    why: "It does nothing and returns 1. A request that comes into an empty `route` is discarded \
          without an answer.",
    wrong: "route {\n}\n",
    right: r#"loadmodule "sl.so"

route {
	sl_send_reply(503, "Not Yet");
}
"#,
    look: None,
};
