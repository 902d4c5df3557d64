//! Management commands for scripts: what `mi()` of `mi_script` runs.

use std::sync::{Arc, Weak};

use duologue_management::{Answer, CommandError, Registry};
use duologue_server::Node;
use duologue_server::commands::{CommandFailed, Commands};
use serde_json::Value;

/// Lets scripts run these commands, for as long as somebody else keeps the registry: it holds the
/// server, so the server does not hold it. False if scripts have others already.
pub fn for_scripts(node: &Node, registry: &Arc<Registry>) -> bool {
    node.give_commands(Arc::new(OfRegistry(Arc::downgrade(registry))))
}

struct OfRegistry(Weak<Registry>);

impl Commands for OfRegistry {
    fn waits(&self, command: &str) -> bool {
        let registry = self.0.upgrade();
        registry.is_some_and(|registry| registry.find(command).is_ok_and(|it| it.is_waiting()))
    }

    fn run(
        &self,
        command: &str,
        params: Value,
        may_wait: bool,
        bytes_max: usize,
    ) -> Result<String, CommandFailed> {
        let registry = self.0.upgrade().ok_or_else(|| told(&CommandError::server("closing")))?;
        match registry.call(command, params, may_wait).map_err(|error| told(&error))? {
            Answer::Value(value) => {
                let text = value.to_string();
                if text.len() <= bytes_max { Ok(text) } else { Err(CommandFailed::TooLong) }
            }
            Answer::Stream(slices) => joined(slices, bytes_max),
            Answer::Listing(list) => joined(list.slices(), bytes_max),
        }
    }
}

/// A long listing is given up as soon as it is too long.
fn joined(slices: impl Iterator<Item = String>, bytes_max: usize) -> Result<String, CommandFailed> {
    let mut text = String::new();
    for slice in slices {
        if text.len() + slice.len() > bytes_max {
            return Err(CommandFailed::TooLong);
        }
        text.push_str(&slice);
    }
    Ok(text)
}

/// The message, and the details if there are any.
fn told(error: &CommandError) -> CommandFailed {
    let description = match &error.data {
        Some(data) => format!("{}: {data}", error.message),
        None => error.message.clone().into_owned(),
    };
    CommandFailed::Told(error.code, description)
}
