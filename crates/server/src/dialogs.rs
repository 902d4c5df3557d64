//! Between the road and the dialog engine: facts in, steps out.
//!
//! The engine (`duologue-dialog`) never sees a message. Here its questions are answered from one,
//! and what it asks for in return (callbacks, cancelling, BYEs) is carried out in its order.

mod bodies;
mod ending;
mod facts;
mod initial;
mod kept;
mod shown;
mod told;
mod within;

use duologue_dialog::{Dialog, DialogKey, EventMessage, Note, PanicReport, Step, Steps};

use crate::call::{Ending, Job};
use crate::own_routes;
use crate::turn::Turn;

pub use bodies::{changed_body, reply_changed, request_changed};
pub use ending::{
    deadline, end_requested, own_request_answered, own_request_ended, own_request_lost, send_asked,
};
pub(crate) use facts::reliable;
pub use initial::{
    Again, abandon_untold, branch_sent, cancelled, create, reply_about_to_be_sent, reply_forwarded,
    transaction_ended, transaction_made,
};
pub use kept::{saved, write_values};
pub use shown::Shown;
pub use told::EventIds;
pub(crate) use told::{Published, Told};
pub use within::{
    match_request, release, request_over, response_within, run_ended, run_parked, run_resumed,
};

use ending::{refuse, send};

/// Carries out steps in their order.
pub fn carry_out(
    turn: &mut Turn<'_>,
    steps: &mut Steps,
    mut message: Option<&mut dyn EventMessage>,
) {
    // Steps may ask for more steps (an expiry decided after a route): they go behind.
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        at += 1;
        match step {
            Step::Changed(changed) => told::changed(turn, &changed),
            Step::Fire(firing) => {
                let shown = message.as_mut().map(|message| &mut **message as &mut dyn EventMessage);
                log_panics(turn, turn.node.dialogs.fire(&firing, shown));
                told::fired(turn, &firing);
            }
            Step::Route(key, _, number) => own_routes::run_of_dialog(turn, key, number),
            Step::DecideExpiry(key) => {
                let _ = turn.node.dialogs.expire(turn.now, key, steps);
            }
            // Behind the current step: a BYE must not overtake the 2xx that is about to be sent.
            Step::End(intent) => {
                turn.call.queue(Job::EndDialog(intent.key, Ending::default()));
            }
            Step::Send(own) => send(turn, &own, b"", steps),
            Step::Refuse(key, status) => refuse(turn, key, status),
            Step::Report(key) => log_panics(turn, turn.node.dialogs.report_end(key)),
            Step::ReleaseLate(key) => {
                for own in turn.node.dialogs.release_late(key).unwrap_or_default() {
                    send(turn, &own, b"", steps);
                }
            }
            Step::Note(key, note) => {
                log_note(turn, key, note);
                told::noted(turn, key, note);
            }
        }
    }
    steps.clear();
}

fn log_note(turn: &Turn<'_>, key: DialogKey, note: Note) {
    let (call_id, did) = (turn.call_id(), key.id);
    match note {
        Note::NoAck => tracing::warn!(%call_id, %did, "answered, but no ACK came in time"),
        Note::LateAnswer => {
            tracing::info!(%call_id, %did, "a 2xx came after the dialog had failed");
        }
        Note::TooManyLegs => {
            tracing::warn!(%call_id, %did, "too many legs: the branch is not tracked");
        }
        Note::TextTooLong => tracing::warn!(%call_id, %did, "texts too long: not taken over"),
        Note::Raced(true) => {
            tracing::warn!(%call_id, %did, "answered although given up: released soon");
        }
        Note::Raced(false) => {
            tracing::warn!(%call_id, %did, "answered although given up: left to its caller");
        }
        Note::ByeFailed(leg, outcome) => {
            tracing::warn!(%call_id, %did, leg, ?outcome, "a leg did not accept our BYE");
        }
        Note::PrackFailed(outcome) => {
            tracing::warn!(%call_id, %did, ?outcome, "our PRACK was not accepted");
        }
        Note::Bogus(state, event) => {
            tracing::debug!(%call_id, %did, ?state, ?event, "unexpected event");
        }
    }
}

/// As `log_panics`, outside of a turn.
pub(crate) fn log_panics_of(dialog: &Dialog, panics: Vec<PanicReport>) {
    for panic in panics {
        tracing::error!(did = %dialog.id(), "a dialog callback panicked: {panic}");
    }
}

fn log_panics(turn: &Turn<'_>, panics: Vec<PanicReport>) {
    for panic in panics {
        tracing::error!(call_id = %turn.call_id(), "a dialog callback panicked: {panic}");
    }
}

/// Takes steps from the worker's stock, lets the engine fill them, and carries them out.
pub fn step(
    turn: &mut Turn<'_>,
    message: Option<&mut dyn EventMessage>,
    fill: impl FnOnce(&mut Turn<'_>, &mut Steps),
) {
    let mut steps = turn.worker.take_steps();
    fill(turn, &mut steps);
    carry_out(turn, &mut steps, message);
    turn.worker.give_back_steps(steps);
}
