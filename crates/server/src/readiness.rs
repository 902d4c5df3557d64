//! How ready the program is for new calls (spec/script.md §11, §15.4, §16): what `sr_check_status()`,
//! the commands and `E_CORE_SR_STATUS_CHANGED` tell.

use crate::node::Node;

/// The group of the program itself.
pub const CORE: &str = "core";
/// The one part in it.
pub const MAIN: &str = "main";

/// How ready it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It takes new calls.
    Running,
    /// It ends as soon as the calls it has are settled; new ones are refused.
    Draining,
}

impl Readiness {
    /// That of this moment.
    pub fn of(node: &Node) -> Self {
        if node.is_draining() { Self::Draining } else { Self::Running }
    }

    /// Whether it takes new calls.
    pub const fn is_ready(self) -> bool {
        self.status() > 0
    }

    /// As a number: above 0 if it is ready.
    pub const fn status(self) -> i32 {
        match self {
            Self::Running => 1,
            Self::Draining => -1,
        }
    }

    /// In words.
    pub const fn details(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Draining => "shutting down: new calls are refused",
        }
    }
}
