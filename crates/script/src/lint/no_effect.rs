//! Settings and functions that are accepted and change nothing: found by the loader.

use super::Lint;

pub(crate) static LINT: Lint = Lint {
    code: "no-effect",
    finds: "what is accepted, but changes nothing here",
    why: "Scripts for OpenSIPS size its memory and its processes; here there are none to size. The \
          warning says why in each case.",
    wrong: "auto_scaling_cycle = 2\n\nroute {\n\texit;\n}\n",
    right: "route {\n\texit;\n}\n",
    look: None,
};
