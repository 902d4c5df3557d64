//! `dialog:end`: all calls that are meant are ended, with a result for each.

use std::sync::Arc;

use duologue_dialog::{Byes, Cursor, DialogId, Snapshot, State};
use duologue_management::{Answer, Command, CommandError, Params, json_text};
use duologue_server::Node;
use duologue_server::call::Ending;
use duologue_server::intents::end_dialog;
use duologue_sip::Moment;
use serde_json::{Map, Value, json};

use super::ending::REASON;
use super::selected::{Clock, Selected, selection};
use super::{find, header_lines};

const OPTIONS: &[&str] = &[
    "id",
    "state",
    "callid",
    "profile",
    "profile_value",
    "value",
    "min_age",
    "max_age",
    "all",
    "mode",
    "reason",
    "extra_hdrs",
];

pub(super) fn command(node: &Arc<Node>, clock: &Clock) -> Command {
    let (node, clock) = (Arc::clone(node), Arc::clone(clock));
    Command::new("dialog:end", "dialog", move |params| end(&node, clock(), params))
        .help("ends those dialogs that match filters, towards both sides or as 'mode' says")
        .options(OPTIONS)
}

/// All are asked to end before the first result is told: what ends does not depend on who reads.
fn end(node: &Arc<Node>, now: Moment, params: &Params) -> Result<Answer, CommandError> {
    let how = How::of(params)?;
    let ended: Vec<Ended> = match params.optional_text("id")? {
        Some(id) => {
            if !selection(params)?.is_all() || params.has("all") {
                return Err(CommandError::invalid_params(
                    "'id' names one dialog: no filters beside it",
                ));
            }
            let found = find(node, &id).and_then(|dialog| dialog.snapshot().ok());
            let not_found = || CommandError::new(404, "Requested Dialog not found");
            vec![how.end(node, found.ok_or_else(not_found)?)]
        }
        None => meant(node, now, params)?.map(|dialog| how.end(node, dialog)).collect(),
    };
    let count = Map::from_iter([("count".to_owned(), ended.len().into())]);
    let told = ended.into_iter().map(|ended| ended.told());
    Ok(Answer::listing(count, "Dialogs", told))
}

fn meant(node: &Arc<Node>, now: Moment, params: &Params) -> Result<Selected, CommandError> {
    let selection = selection(params)?;
    let every = params.has("all") && params.flag("all")?;
    if selection.is_all() && !every {
        let why = "Name the dialogs by a filter, or say 'all' = 1";
        return Err(CommandError::invalid_params(why));
    }
    Ok(Selected::new(node, now, selection, (Cursor::default(), usize::MAX)))
}

/// In what way dialogs are ended.
struct How {
    reason: String,
    ending: Ending,
}

impl How {
    fn of(params: &Params) -> Result<Self, CommandError> {
        let extra_headers = params.optional_text("extra_hdrs")?.unwrap_or_default();
        let byes = match params.optional_text("mode")?.as_deref() {
            None | Some("both") => Byes::Both,
            Some("caller") => Byes::Caller,
            Some("callee") => Byes::Callees,
            Some("silent") => Byes::Nobody,
            Some(other) => {
                let why = format!("No mode '{other}'; there are both, caller, callee, silent");
                return Err(CommandError::invalid_params(why));
            }
        };
        let reason = params.optional_text("reason")?.unwrap_or_else(|| REASON.to_owned());
        let extra_headers = header_lines(&extra_headers)?.into();
        Ok(Self { reason, ending: Ending { extra_headers, byes } })
    }

    fn end(&self, node: &Node, dialog: Snapshot) -> Ended {
        let handle = node.dialogs.handle(dialog.key);
        let result = match dialog.state {
            _ if !end_dialog(node, &handle, &self.reason, self.ending.clone()) => "gone",
            State::Unconfirmed | State::Early => "cancelling",
            State::ConfirmedNa | State::Confirmed | State::Deleted => "ending",
        };
        Ended { id: dialog.id, call_id: dialog.call_id, result }
    }
}

/// What came of one: it is being ended, its INVITE is being cancelled, or it had ended already.
struct Ended {
    id: DialogId,
    call_id: Box<[u8]>,
    result: &'static str,
}

impl Ended {
    fn told(self) -> Value {
        json!({
            "id": self.id.did().as_str(),
            "callid": json_text(&self.call_id),
            "result": self.result,
        })
    }
}
