//! `dialog:briefing`: the columns that somebody wants of the dialogs that are meant (lessons 5).

use std::sync::Arc;

use duologue_dialog::{Cursor, Snapshot, State};
use duologue_management::{Answer, Command, CommandError, Listing, Params, json_text};
use duologue_server::Node;
use duologue_sip::Moment;
use serde_json::{Map, Value, json};

use super::context;
use super::selected::{Clock, STATES, Selected, selection, whole, words};

const OPTIONS: &[&str] = &[
    "columns",
    "state",
    "callid",
    "profile",
    "profile_value",
    "value",
    "min_age",
    "max_age",
    "count",
    "limit",
    "cursor",
];

/// How a column is told.
type Tell = fn(&Node, Moment, &Snapshot) -> Value;

/// What there is to choose from.
const COLUMNS: [(&str, Tell); 20] = [
    ("id", |_, _, dialog| dialog.id.did().as_str().into()),
    ("db_id", |_, _, dialog| dialog.id.db_id().to_string().into()),
    ("state", |_, _, dialog| state_name(dialog.state).into()),
    ("callid", |_, _, dialog| json_text(&dialog.call_id)),
    ("from_uri", |_, _, dialog| json_text(&dialog.from_uri)),
    ("to_uri", |_, _, dialog| json_text(&dialog.to_uri)),
    ("from_tag", |_, _, dialog| json_text(dialog.caller_tag())),
    ("to_tag", |_, _, dialog| json_text(dialog.callee_tag())),
    ("start", |_, _, dialog| dialog.start_ts.into()),
    ("timeout", |_, _, dialog| dialog.timeout_ts.into()),
    ("age", |_, now, dialog| dialog.age(now).as_secs().into()),
    ("talking", |_, now, dialog| match dialog.start_ts {
        0 => 0.into(),
        start => now.unix.saturating_sub(start).into(),
    }),
    ("left", |_, now, dialog| match dialog.timeout_ts {
        0 => Value::Null,
        timeout => timeout.saturating_sub(now.unix).into(),
    }),
    ("caller_contact", |_, _, dialog| {
        dialog.legs.first().map(|leg| json_text(&leg.contact)).unwrap_or_default()
    }),
    ("callee_contact", |_, _, dialog| {
        let callee = dialog.legs.get(usize::from(dialog.answered_leg.unwrap_or(1)));
        callee.map(|leg| json_text(&leg.contact)).unwrap_or_default()
    }),
    ("flags", |node, _, dialog| node.dialogs.user_flag_names(dialog.user_flags).into()),
    ("legs", |_, _, dialog| dialog.legs.len().into()),
    ("values", |_, _, dialog| context::values(dialog).into()),
    ("profiles", |_, _, dialog| context::profiles(dialog).into()),
    ("end_reason", |_, _, dialog| match &dialog.reason {
        Some(reason) => json_text(reason.as_str().as_bytes()),
        None => Value::Null,
    }),
];

/// What is told unless somebody asks for more.
const USUAL: [&str; 6] = ["id", "state", "callid", "from_uri", "to_uri", "age"];

pub(super) fn command(node: &Arc<Node>, clock: &Clock) -> Command {
    let (node, clock) = (Arc::clone(node), Arc::clone(clock));
    Command::new("dialog:briefing", "dialog", move |params| briefing(&node, clock(), params))
        .alias("dlg_briefing")
        .reads()
        .help("tells columns of those dialogs that match filters, or counts them")
        .options(OPTIONS)
}

pub(super) fn state_name(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name)
}

fn briefing(node: &Arc<Node>, now: Moment, params: &Params) -> Result<Answer, CommandError> {
    let selection = selection(params)?;
    let columns = columns(params)?;
    if params.has("count") && params.flag("count")? {
        let count = node.dialogs.count_selected(now, &selection);
        return Ok(json!({ "count": count }).into());
    }
    let cursor = match params.optional_text("cursor")? {
        Some(text) => text
            .parse()
            .map_err(|_| CommandError::invalid_params("'cursor' is none that a briefing gave"))?,
        None => Cursor::default(),
    };
    let limit = whole(params, "limit")?
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let selected = Selected::new(node, now, selection, (cursor, limit));
    let rest = selected.rest();
    let node = Arc::clone(node);
    let rows = selected.map(move |dialog| {
        let told =
            columns.iter().map(|(name, tell)| ((*name).to_owned(), tell(&node, now, &dialog)));
        Value::Object(told.collect())
    });
    let listing = Listing::new(Map::new(), "Dialogs", rows).ending(move || {
        let cursor = rest.lock().map(|cursor| cursor.to_string());
        Map::from_iter([("cursor".to_owned(), cursor.into())])
    });
    Ok(Answer::Listing(listing))
}

fn columns(params: &Params) -> Result<Vec<(&'static str, Tell)>, CommandError> {
    let mut wanted = words(params, "columns")?;
    if wanted.is_empty() {
        wanted = USUAL.map(str::to_owned).to_vec();
    }
    let column = |name: String| {
        COLUMNS.iter().find(|(known, _)| *known == name).copied().ok_or_else(|| {
            let names = COLUMNS.map(|(name, _)| name).join(", ");
            CommandError::invalid_params(format!("No column '{name}'; there are {names}"))
        })
    };
    wanted.into_iter().map(column).collect()
}
