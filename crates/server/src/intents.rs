//! What is asked of calls from outside their turn: it is queued behind what they are doing.

use std::sync::Arc;

use duologue_dialog::{DialogKey, EndReason, Heard, Wish};

use crate::call::{Ending, Job};
use crate::index::Entered;
use crate::node::Node;
use crate::own_routes;

/// Asks for the end of a dialog, with header lines for its BYEs; false if it has ended already.
pub fn end_dialog(
    node: &Node,
    dialog: &duologue_dialog::Dialog,
    reason: &str,
    ending: Ending,
) -> bool {
    node.endings.lock().insert(dialog.key(), ending);
    let heard = dialog.terminate(EndReason::new(reason.to_owned()));
    // Taken by the job that was queued; nothing is left if none was.
    if heard != Ok(Heard::Queued) {
        node.endings.lock().remove(&dialog.key());
    }
    heard.is_ok()
}

/// What callbacks ask of a call is queued behind what the call is doing, for a worker to run; so are
/// events for the event routes of the script.
///
/// [`Server::start`] does this; who builds a [`Node`] by itself, to drive it in virtual time, does
/// it once and runs the queue with [`Worker::run_waiting`].
pub fn connect_intents(node: &Arc<Node>) {
    let weak = Arc::downgrade(node);
    node.dialogs.set_mailbox(move |intent| {
        if let Some(node) = weak.upgrade() {
            let key = intent.key;
            // Where there is no room, the engine asks again when its time is over.
            let _ = match intent.wish {
                Wish::End => {
                    let ending = node.endings.lock().remove(&key).unwrap_or_default();
                    post(&node, key, || Job::EndDialog(key, ending.clone()))
                }
                Wish::Send => post(&node, key, || Job::SendWithin(key)),
            };
        }
    });
    let weak = Arc::downgrade(node);
    node.events.set_runner(move |route| {
        if let Some(node) = weak.upgrade() {
            let call_id = own_routes::call_id_of_event(route);
            post_to(&node, call_id.as_bytes(), || Job::EventRoute(route));
        }
    });
}

/// Queues a job on the call of a dialog and sees to it that a worker runs it; false if there is no
/// room for one more call now. A dialog that is gone has nothing to hear.
pub(crate) fn post(node: &Node, key: DialogKey, job: impl Fn() -> Job) -> bool {
    let call_id = node.dialogs.handle(key).call_id();
    call_id.map_or(true, |call_id| post_to(node, &call_id, job))
}

/// Queues a job on the call of a Call-ID and sees to it that a worker runs it.
fn post_to(node: &Node, call_id: &[u8], job: impl Fn() -> Job) -> bool {
    let entered = node.calls.enter_own(call_id, &job);
    hand_over(node, entered, job)
}

/// A call that nobody runs gets its job and waits for a worker; one that is run has queued it. False
/// if there is no such call, or no room.
pub(crate) fn hand_over(node: &Node, entered: Entered, job: impl FnOnce() -> Job) -> bool {
    match entered {
        Entered::Run(call) => {
            call.queue(job());
            node.queue.push(call);
            true
        }
        Entered::Queued => true,
        Entered::Overflow | Entered::Unknown | Entered::Full => false,
    }
}
