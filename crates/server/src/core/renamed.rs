//! Names of the past that still work, and what to write instead (spec/script.md §2.2, §2.3, §8, §11,
//! spec/modules.md §6). A name whose successor does something else is not listed: `append_branch()`
//! is no `append_msg_branch()`.

use duologue_script::Name;

const GLOBALS: &[(&str, &str)] = &[
    ("log_stderror", "stderror_enabled"),
    ("log_facility", "syslog_facility"),
    ("log_name", "syslog_name"),
];

const FUNCTIONS: &[(&str, &str)] = &[
    ("rewriteuri", "seturi"),
    ("rewriteuser", "setuser"),
    ("rewriteuserpass", "setuserpass"),
    ("rewritehost", "sethost"),
    ("rewritehostport", "sethostport"),
    ("rewriteport", "setport"),
    ("remove_branch", "remove_msg_branch"),
    ("move_branch", "move_msg_branch"),
    ("swap_branches", "swap_msg_branches"),
    ("has_body", "has_body_part"),
];

const VARIABLES: &[(&str, &str)] = &[
    ("rT", "route"),
    ("branch", "msg.branch"),
    ("fs", "socket_out"),
    ("Ri", "socket_in(ip)"),
    ("Rp", "socket_in(port)"),
    ("pr", "socket_in(proto)"),
    ("proto", "socket_in(proto)"),
    ("af", "socket_in(af)"),
];

/// The new name of a setting, a core function or a variable, if this one is old.
pub fn renamed(name: Name<'_>) -> Option<&'static str> {
    let (names, old) = match name {
        Name::Global(name) => (GLOBALS, name),
        Name::Function(name) => (FUNCTIONS, name),
        Name::Variable(name) => (VARIABLES, name),
        Name::Argument(..) => return None,
    };
    names.iter().find(|(known, _)| *known == old).map(|(_, new)| *new)
}

#[cfg(test)]
mod tests {
    use duologue_script::Catalog as _;

    use super::*;
    use crate::catalog::Catalog;

    /// Whoever follows the advice writes a name that exists.
    #[test]
    fn old_and_new_names_are_declared() {
        let catalog = Catalog::new(crate::modules::ALL.to_vec());
        for (old, new) in GLOBALS {
            for name in [old, new] {
                assert!(catalog.globals().iter().any(|it| it.name == *name), "{name}");
            }
        }
        for (old, new) in FUNCTIONS {
            for name in [old, new] {
                assert!(catalog.functions().iter().any(|it| it.name == *name), "{name}()");
            }
        }
        for (old, new) in VARIABLES {
            for name in [old, new] {
                let name = name.split('(').next().unwrap();
                let own = ["rT", "route"].contains(&name);
                assert!(own || catalog.variables().iter().any(|it| it.name == name), "${name}");
            }
        }
    }
}
