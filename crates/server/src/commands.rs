//! Management commands as scripts reach them (`mi()` of `mi_script`). Whoever has commands gives
//! them to the node; this crate knows only how to ask.

use std::fmt;

use serde_json::Value;

/// The management commands of a server.
pub trait Commands: Send + Sync {
    /// Whether this command waits for what others do: the reply to a request, the turn of a call.
    fn waits(&self, command: &str) -> bool;

    /// Runs a command with the parameters in a JSON array or object; gives its result as JSON text
    /// of at most `bytes_max` bytes. A command that waits does so only with `may_wait`.
    ///
    /// # Errors
    /// [`CommandFailed`].
    fn run(
        &self,
        command: &str,
        params: Value,
        may_wait: bool,
        bytes_max: usize,
    ) -> Result<String, CommandFailed>;
}

impl fmt::Debug for dyn Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commands(..)")
    }
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandFailed {
    /// The command says so: a code as in JSON-RPC, and what is wrong.
    Told(i64, String),
    /// The result is longer than was asked for.
    TooLong,
}
