//! The commands of the dialog module (spec/dialog.md §13): what is listed, what ends calls, their
//! profiles, values and requests, and what waits for a database or a cluster.

mod briefing;
mod context;
mod end_selected;
mod ending;
mod list;
mod profiles;
mod selected;
mod sequential;
mod storage;
mod values;
mod watch;

use std::sync::Arc;

use duologue_dialog::{Dialog, DialogId};
use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry};
use duologue_server::Node;

pub use selected::Clock;
pub use watch::feed;

type Handler = fn(&Arc<Node>, &Params) -> Result<Answer, CommandError>;

/// Adds the dialog module's commands. Ages are told by the clock.
///
/// # Errors
/// One of their names is taken.
pub fn register(registry: &mut Registry, node: &Arc<Node>, clock: &Clock) -> Result<(), Duplicate> {
    let command = |name, help, handler: Handler| {
        let node = Arc::clone(node);
        Command::new(name, "dialog", move |params| handler(&node, params)).help(help)
    };
    let mut all = list::commands(&command);
    all.extend(ending::commands(&command));
    all.extend(profiles::commands(&command));
    all.extend(values::commands(&command));
    all.extend(sequential::commands(&command));
    all.extend(storage::commands(&command));
    all.push(briefing::command(node, clock));
    all.push(end_selected::command(node, clock));
    all.into_iter().try_for_each(|command| registry.add(command))
}

/// Makes a command of a name, a sentence for `help` and a handler.
type Maker<'a> = &'a dyn Fn(&'static str, &'static str, Handler) -> Command;

/// A dialog by its did, else by its Call-ID (spec/dialog.md §13): active ones only.
fn find(node: &Node, text: &str) -> Option<Dialog> {
    let by_did = DialogId::parse_did(text.as_bytes()).ok().and_then(|id| node.dialogs.by_id(id));
    let by_did = by_did.filter(Dialog::is_active);
    by_did.or_else(|| node.dialogs.by_callid(text.as_bytes(), None))
}

/// Header lines as a command gives them: each ends in CRLF, none ends the headers.
pub(super) fn header_lines(text: &str) -> Result<Vec<u8>, CommandError> {
    let mut lines = Vec::with_capacity(text.len() + 2);
    for line in text.split("\r\n").flat_map(|line| line.split('\n')).filter(|line| !line.is_empty())
    {
        let named = line.split_once(':').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
        });
        if !named || line.contains('\r') {
            return Err(
                CommandError::new(400, "Bad param").with_data("extra_hdrs are header lines")
            );
        }
        lines.extend_from_slice(line.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_headers_are_whole_lines() {
        assert_eq!(header_lines("X-A: 1\r\nX-B: 2").unwrap(), b"X-A: 1\r\nX-B: 2\r\n");
        assert_eq!(header_lines("").unwrap(), b"");
        assert!(header_lines("no header").is_err());
        assert!(header_lines(": x").is_err());
    }
}
