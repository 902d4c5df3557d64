//! `dialog:watch`: what becomes of dialogs, told as it happens (spec/dialog.md §14.2).

use std::sync::Arc;

use duologue_dialog::Change;
use duologue_management::http::{Batch, Feed, Source};
use duologue_management::json_text;
use duologue_server::Node;
use serde_json::{Value, json};

use super::briefing::state_name;

/// The stream of changes, at a path.
pub fn feed(path: &str, node: &Arc<Node>) -> Feed {
    Feed::new(path, node.started.unix, Arc::new(Changes(Arc::clone(node))))
}

struct Changes(Arc<Node>);

impl Source for Changes {
    fn read(&self, from: Option<u64>, limit: usize) -> Batch {
        let read = self.0.changes.read(from, limit);
        let events = read.changes.iter().map(|(place, change)| (*place, "change", told(change)));
        Batch { events: events.collect(), next: read.next, missed: read.missed }
    }
}

fn told(change: &Change) -> Value {
    json!({
        "id": change.id.did().as_str(),
        "callid": json_text(&change.call_id),
        "from_tag": json_text(&change.from_tag),
        "to_tag": json_text(&change.to_tag),
        "old_state": state_name(change.old),
        "new_state": state_name(change.new),
    })
}
