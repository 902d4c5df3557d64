//! What of the dialogs' lives is told to others: `E_DLG_STATE_CHANGED` (spec/dialog.md §14.2), races
//! and late answers (§18.1, D3), and the event routes `dialog:start`, `dialog:end`, `dialog:failed`.

use duologue_dialog::{Changed, DialogKey, Fire, Firing, Note, Snapshot};
use duologue_script::RouteKind;

use crate::events::{EventParams, Events, Publisher};
use crate::own_routes;
use crate::turn::Turn;

/// The event of a dialog's state.
const STATE_CHANGED: &str = "E_DLG_STATE_CHANGED";
/// A 2xx that came after the dialog had failed.
const LATE_ANSWER: &str = "E_DLG_LATE_ANSWER";
/// A 2xx that crossed a CANCEL or an early BYE.
const RACE: &str = "E_DLG_RACE";

/// How the event names its dialog: `event_id_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventIds {
    /// `hash_entry` and `hash_id`: the two numbers (0).
    Numbers,
    /// `id` and `db_id` (1), also without the parameter.
    #[default]
    Names,
    /// All four (2).
    All,
}

impl EventIds {
    /// The format of a number.
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Numbers),
            1 => Some(Self::Names),
            2 => Some(Self::All),
            _ => None,
        }
    }
}

/// Who hears of dialogs beside their callbacks.
#[derive(Debug)]
pub(crate) struct Told {
    /// `None` without the dialog module.
    events: Option<Published>,
    ids: EventIds,
}

/// The events of dialogs.
#[derive(Debug)]
pub(crate) struct Published {
    state_changed: Publisher,
    late_answer: Publisher,
    race: Publisher,
}

impl Published {
    /// Publishes them.
    pub(crate) fn on(events: &Events) -> Self {
        Self {
            state_changed: events.publish_own(STATE_CHANGED),
            late_answer: events.publish_own(LATE_ANSWER),
            race: events.publish_own(RACE),
        }
    }
}

impl Told {
    /// The events, if there are dialogs.
    pub(crate) const fn of(events: Option<Published>, ids: EventIds) -> Self {
        Self { events, ids }
    }
}

/// A dialog went from one state to another. Told before the callbacks of that step; nobody
/// subscribed, it costs a look at a flag.
pub(super) fn changed(turn: &Turn<'_>, changed: &Changed) {
    let Some(events) = &turn.node.told.events else { return };
    tell(turn, &events.state_changed, changed.key, |params| {
        params
            .int("old_state", i64::from(changed.old as u8))
            .int("new_state", i64::from(changed.new as u8));
    });
}

/// The engine noted something; some of it is told.
pub(super) fn noted(turn: &Turn<'_>, key: DialogKey, note: Note) {
    let Some(events) = &turn.node.told.events else { return };
    match note {
        Note::LateAnswer => tell(turn, &events.late_answer, key, |_| {}),
        Note::Raced(released) => tell(turn, &events.race, key, |params| {
            params.int("released", i64::from(released));
        }),
        _ => {}
    }
}

/// Raises an event of a dialog: its names, then what `more` adds.
fn tell(
    turn: &Turn<'_>,
    publisher: &Publisher,
    key: DialogKey,
    more: impl FnOnce(&mut EventParams),
) {
    if !publisher.is_heard() {
        return;
    }
    let Ok(dialog) = turn.node.dialogs.handle(key).snapshot() else { return };
    publisher.raise_at(turn.now, |params| {
        name(&dialog, turn.node.told.ids, params);
        more(params);
    });
}

fn name(dialog: &Snapshot, ids: EventIds, params: &mut EventParams) {
    let id = dialog.id;
    if ids != EventIds::Names {
        params.int("hash_entry", id.entry.into()).int("hash_id", id.id.into());
    }
    if ids != EventIds::Numbers {
        // As text: it may be larger than the numbers that readers of JSON can tell apart.
        params.text("id", id.did().as_bytes()).text("db_id", id.db_id().to_string());
    }
    params
        .text("callid", &dialog.call_id)
        .text("from_tag", dialog.caller_tag())
        .text("to_tag", dialog.callee_tag());
}

/// The callbacks of a step were run: its event route runs in the same turn, with the dialog current.
pub(super) fn fired(turn: &mut Turn<'_>, firing: &Firing) {
    let routes = turn.node.script().routes;
    let route = match firing.what {
        Fire::Confirmed => routes.dialog_start,
        Fire::Terminated(_) | Fire::Expired => routes.dialog_end,
        Fire::Failed(_) => routes.dialog_failed,
        _ => None,
    };
    if let Some(route) = route {
        own_routes::run_with_dialog(turn, firing.key, route, RouteKind::Event);
    }
}
