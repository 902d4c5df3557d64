//! The commands of the dialog module (spec/dialog.md §13).

use std::sync::Arc;

use duologue_dialog::{Cursor, Dialog, DialogId, Snapshot, State};
use duologue_management::{Answer, Command, CommandError, Duplicate, Params, Registry};
use duologue_server::Server;
use duologue_server::call::Ending;
use duologue_server::server::end_dialog;
use serde_json::{Map, json};

use super::listing;

/// How many dialogs are copied out of the table at a time.
const SLICE: usize = 256;

/// Adds the dialog module's commands.
///
/// # Errors
/// One of their names is taken.
pub(super) fn register(registry: &mut Registry, server: &Arc<Server>) -> Result<(), Duplicate> {
    let command = |name, help, handler: fn(&Arc<Server>, &Params) -> _| {
        let server = Arc::clone(server);
        Command::new(name, "dialog", move |params| handler(&server, params)).help(help)
    };
    registry.add(
        command("dialog:list", "lists dialogs: all, one by Call-ID, or a page", list)
            .alias("dlg_list")
            .named_only()
            .signatures(&[&[], &["callid"], &["callid", "from_tag"], &["index", "counter"]]),
    )?;
    registry.add(
        command("dialog:end_dlg", "ends a dialog by BYE or CANCEL", end)
            .alias("dlg_end_dlg")
            .signatures(&[&["dialog_id"], &["dialog_id", "extra_hdrs"]]),
    )
}

fn list(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    if params.has("callid") {
        return one(server, params);
    }
    let (first, limit, paged) = if params.has("index") {
        let number = |name| {
            let number = params.integer(name)?;
            usize::try_from(number).map_err(|_| CommandError::bad_type(name))
        };
        (number("index")?, number("counter")?, true)
    } else {
        (0, usize::MAX, false)
    };
    let mut members = Map::new();
    if paged {
        members.insert("count".to_owned(), server.node().dialogs.len().into());
    }
    let shown = {
        let server = Arc::clone(server);
        All::behind(first, Arc::clone(&server))
            .take(limit)
            .map(move |dialog| listing::dialog(server.node(), &dialog))
    };
    Ok(Answer::listing(members, "Dialogs", shown))
}

fn one(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let call_id = params.text("callid")?;
    let from_tag = params.optional_text("from_tag")?;
    let dialogs = &server.node().dialogs;
    let found = dialogs.by_callid(call_id.as_bytes(), from_tag.as_ref().map(String::as_bytes));
    let snapshot = found.and_then(|dialog| dialog.snapshot().ok());
    match snapshot.filter(|snapshot| snapshot.state != State::Deleted) {
        Some(snapshot) => Ok(json!({ "Dialog": listing::dialog(server.node(), &snapshot) }).into()),
        None => Err(CommandError::new(404, "No such dialog")),
    }
}

fn end(server: &Arc<Server>, params: &Params) -> Result<Answer, CommandError> {
    let id = params.text("dialog_id")?;
    let extra_headers = params.optional_text("extra_hdrs")?.unwrap_or_default();
    let dialog =
        find(server, &id).ok_or_else(|| CommandError::new(404, "Requested Dialog not found"))?;
    let ending =
        Ending { extra_headers: header_lines(&extra_headers)?.into(), ..Ending::default() };
    if end_dialog(server.node(), &dialog, "MI Termination", ending) {
        Ok(Answer::ok())
    } else {
        Err(CommandError::new(404, "Requested Dialog not found"))
    }
}

/// A dialog by its did, else by its Call-ID (spec/dialog.md §13): active ones only.
fn find(server: &Server, text: &str) -> Option<Dialog> {
    let dialogs = &server.node().dialogs;
    let by_did = DialogId::parse_did(text.as_bytes()).ok().and_then(|id| dialogs.by_id(id));
    by_did.or_else(|| dialogs.by_callid(text.as_bytes(), None))
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

/// All dialogs, copied out slice by slice, so that no call waits for a listing.
struct All {
    server: Arc<Server>,
    next: Option<Cursor>,
    slice: std::vec::IntoIter<Snapshot>,
}

impl All {
    /// All but the first few, which are not even looked at: a page costs the same wherever it is.
    fn behind(first: usize, server: Arc<Server>) -> Self {
        let next = server.node().dialogs.skip(Cursor::default(), first);
        Self { server, next, slice: Vec::new().into_iter() }
    }
}

impl Iterator for All {
    type Item = Snapshot;

    fn next(&mut self) -> Option<Snapshot> {
        loop {
            if let Some(dialog) = self.slice.next() {
                return Some(dialog);
            }
            let cursor = self.next.take()?;
            let mut slice = Vec::with_capacity(SLICE);
            self.next = self.server.node().dialogs.list(cursor, SLICE, &mut slice);
            self.slice = slice.into_iter();
        }
    }
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
