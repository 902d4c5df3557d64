//! `dialog:list` and `dialog:list_ctx` (spec/dialog.md §13.1, decision D23): copied out slice by
//! slice, so that no call waits for a listing.

use std::sync::Arc;

use duologue_dialog::{Cursor, Snapshot, State};
use duologue_management::{Answer, Command, CommandError, Params};
use duologue_server::Node;
use serde_json::{Map, Value, json};

use super::{Maker, context};
use crate::management::listing;

/// How many dialogs are copied out of the table at a time.
pub(super) const SLICE: usize = 256;

const SIGNATURES: &[&[&str]] = &[&[], &["callid"], &["callid", "from_tag"], &["index", "counter"]];

pub(super) fn commands(command: Maker<'_>) -> Vec<Command> {
    vec![
        command("dialog:list", "lists dialogs: all, one by Call-ID, or a page", list)
            .alias("dlg_list")
            .reads()
            .named_only()
            .signatures(SIGNATURES),
        command("dialog:list_ctx", "lists dialogs with their values and profiles", list_ctx)
            .alias("dlg_list_ctx")
            .reads()
            .named_only()
            .signatures(SIGNATURES),
    ]
}

/// How one dialog is told.
type Tell = fn(&Node, &Snapshot) -> Value;

fn list(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    listed(node, params, listing::dialog)
}

fn list_ctx(node: &Arc<Node>, params: &Params) -> Result<Answer, CommandError> {
    listed(node, params, with_context)
}

fn with_context(node: &Node, dialog: &Snapshot) -> Value {
    let mut told = listing::dialog(node, dialog);
    told["context"] = context::of(node, dialog);
    told
}

fn listed(node: &Arc<Node>, params: &Params, tell: Tell) -> Result<Answer, CommandError> {
    if params.has("callid") {
        return one(node, params, tell);
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
        members.insert("count".to_owned(), node.dialogs.len().into());
    }
    let all = All::behind(first, Arc::clone(node)).take(limit);
    let node = Arc::clone(node);
    Ok(Answer::listing(members, "Dialogs", all.map(move |dialog| tell(&node, &dialog))))
}

fn one(node: &Node, params: &Params, tell: Tell) -> Result<Answer, CommandError> {
    let call_id = params.text("callid")?;
    let from_tag = params.optional_text("from_tag")?;
    let found = node.dialogs.by_callid(call_id.as_bytes(), from_tag.as_ref().map(String::as_bytes));
    let snapshot = found.and_then(|dialog| dialog.snapshot().ok());
    match snapshot.filter(|snapshot| snapshot.state != State::Deleted) {
        Some(snapshot) => Ok(json!({ "Dialog": tell(node, &snapshot) }).into()),
        None => Err(CommandError::new(404, "No such dialog")),
    }
}

/// All dialogs, copied out slice by slice, so that no call waits for a listing.
struct All {
    node: Arc<Node>,
    next: Option<Cursor>,
    slice: std::vec::IntoIter<Snapshot>,
}

impl All {
    /// All but the first few, which are not even looked at: a page costs the same wherever it is.
    fn behind(first: usize, node: Arc<Node>) -> Self {
        let next = node.dialogs.skip(Cursor::default(), first);
        Self { node, next, slice: Vec::new().into_iter() }
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
            self.next = self.node.dialogs.list(cursor, SLICE, &mut slice);
            self.slice = slice.into_iter();
        }
    }
}
