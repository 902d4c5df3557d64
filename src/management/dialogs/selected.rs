//! Filters that several commands share: which dialogs are meant (lessons 5).

use std::sync::Arc;

use duologue_dialog::{Cursor, Selection, Snapshot, State};
use duologue_management::{CommandError, Params};
use duologue_server::Node;
use duologue_sip::Moment;
use parking_lot::Mutex;
use serde_json::Value;

use super::list::SLICE;

/// What a state is called where people read it.
pub(super) const STATES: [(State, &str); 5] = [
    (State::Unconfirmed, "unconfirmed"),
    (State::Early, "early"),
    (State::ConfirmedNa, "confirmed_na"),
    (State::Confirmed, "confirmed"),
    (State::Deleted, "deleted"),
];

/// The parameters that say which dialogs are meant; all must hold.
pub(super) fn selection(params: &Params) -> Result<Selection, CommandError> {
    let mut selection = Selection::default();
    for text in words(params, "state")? {
        selection = selection.in_state(state(&text).ok_or_else(|| {
            let names = STATES.map(|(_, name)| name).join(", ");
            CommandError::invalid_params(format!("No state '{text}'; there are {names}"))
        })?);
    }
    if let Some(call_id) = params.optional_text("callid")? {
        selection = selection.of_call(call_id.as_bytes());
    }
    let value = params.optional_text("profile_value")?;
    match params.optional_text("profile")? {
        Some(name) => {
            selection = selection.in_profile(&name, value.as_ref().map(String::as_bytes));
        }
        None if value.is_some() => {
            return Err(CommandError::invalid_params("'profile_value' needs 'profile'"));
        }
        None => {}
    }
    if let Some(value) = params.optional_text("value")? {
        let (name, text) = match value.split_once('=') {
            Some((name, text)) => (name, Some(text.as_bytes())),
            None => (&*value, None),
        };
        selection = selection.with_value(name.as_bytes(), text);
    }
    if let Some(seconds) = whole(params, "min_age")? {
        selection = selection.at_least_old(seconds);
    }
    if let Some(seconds) = whole(params, "max_age")? {
        selection = selection.at_most_old(seconds);
    }
    Ok(selection)
}

/// A state by its name or its number.
fn state(text: &str) -> Option<State> {
    let by_name = STATES.iter().find(|(_, name)| *name == text);
    let by_number = || STATES.iter().find(|(state, _)| (*state as u8).to_string() == text);
    by_name.or_else(by_number).map(|(state, _)| *state)
}

/// A list: an array, or text with commas.
pub(super) fn words(params: &Params, name: &str) -> Result<Vec<String>, CommandError> {
    match params.raw(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(_)) => params.texts(name),
        Some(_) => {
            let text = params.text(name)?;
            Ok(text.split(',').map(|word| word.trim().to_owned()).collect())
        }
    }
}

/// A number that is not negative.
pub(super) fn whole(params: &Params, name: &str) -> Result<Option<u64>, CommandError> {
    let number = params.optional_integer(name)?;
    number.map(|number| u64::try_from(number).map_err(|_| CommandError::bad_type(name))).transpose()
}

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The dialogs that are meant, copied out slice by slice, at most so many.
pub(super) struct Selected {
    node: Arc<Node>,
    now: Moment,
    selection: Selection,
    rest: Rest,
    left: usize,
    slice: std::vec::IntoIter<Snapshot>,
}

/// Where the dialogs that were not told yet begin; `None` behind the last one.
pub(super) type Rest = Arc<Mutex<Option<Cursor>>>;

impl Selected {
    pub(super) fn new(
        node: &Arc<Node>,
        now: Moment,
        selection: Selection,
        (cursor, limit): (Cursor, usize),
    ) -> Self {
        let rest = Arc::new(Mutex::new(Some(cursor)));
        let slice = Vec::new().into_iter();
        Self { node: Arc::clone(node), now, selection, rest, left: limit, slice }
    }

    /// Where they go on, once they were told.
    pub(super) fn rest(&self) -> Rest {
        Arc::clone(&self.rest)
    }
}

impl Iterator for Selected {
    type Item = Snapshot;

    fn next(&mut self) -> Option<Snapshot> {
        loop {
            if let Some(dialog) = self.slice.next() {
                return Some(dialog);
            }
            if self.left == 0 {
                return None;
            }
            let mut rest = self.rest.lock();
            let cursor = rest.take()?;
            let mut slice = Vec::with_capacity(SLICE);
            let wanted = SLICE.min(self.left);
            let dialogs = &self.node.dialogs;
            *rest = dialogs.select(self.now, &self.selection, cursor, wanted, &mut slice);
            self.left -= slice.len();
            self.slice = slice.into_iter();
        }
    }
}
