//! The dialog API in one page: follow a call from CREATED to its end, keep a value in it, and end it
//! from within. The callee sends OPTIONS during the call, and that ends it, with a reason.
//!
//! ```text
//! cargo run --example dialog_callbacks
//! sipp -sf examples/sipp/callee_sends_options.xml -i 127.0.0.1 -p 5070 -m 1
//! sipp -sf examples/sipp/caller_is_asked.xml -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -m 1 127.0.0.1:5070
//! ```
//!
//! You will see (the id is the dialog's, as in `$DLG_did`):
//!
//! ```text
//! 7b5.bbebd7af CREATED at 1764065000
//! 7b5.bbebd7af CONFIRMED created_at=1764065000
//! 7b5.bbebd7af OPTIONS from the callee
//! 7b5.bbebd7af TERMINATED The callee asked for options
//! ```
//!
//! The OPTIONS is still relayed to the caller and answered: what a callback asks for queues behind
//! the current step, so the two BYEs leave after it.
//!
//! No line at all? Then no call came through: look for `403` in SIPp's window, since the built-in
//! script relays only to 127.0.0.0/8. No OPTIONS line? Then the callee is another than the one above,
//! or it sent OPTIONS without the Record-Route of the INVITE.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use duologue::dialog::{DialogEvents, Dialogs, Direction, EndReason, Event};

/// Why calls end here.
const REASON: &str = "The callee asked for options";

/// Tells each call's story. `now` is in seconds since 1970.
pub(crate) fn tell(
    dialogs: &Dialogs,
    now: impl Fn() -> u64 + Send + Sync + 'static,
    write: impl Fn(String) + Send + Sync + 'static,
) {
    let write = Arc::new(write);
    // Once per call, before the INVITE leaves. No other place sees every call.
    dialogs.on_created(move |event| {
        let (dialog, write) = (event.dialog(), write.clone());
        let created_at = now().to_string();
        write(format!("{} CREATED at {created_at}", dialog.id()));
        // The value belongs to the call: scripts read it as $dlg_val(created_at).
        let _ = dialog.store_value("created_at", created_at.as_str());

        let events = DialogEvents::CONFIRMED | DialogEvents::REQ_WITHIN | DialogEvents::TERMINATED;
        // Only a call that has ended already refuses, and this one has just begun.
        let _ = dialog.on(events, move |event| {
            if let Some(line) = heard(event) {
                write(format!("{} {line}", event.dialog().id()));
            }
        });
    });
}

fn heard(event: &mut Event<'_>) -> Option<String> {
    match event {
        Event::Confirmed(answered) => {
            let created_at = answered.dialog.fetch_value("created_at").ok()??;
            let created_at = String::from_utf8_lossy(created_at.as_bytes()?);
            Some(format!("CONFIRMED created_at={created_at}"))
        }
        Event::RequestWithin(request) => {
            let method = request.message.as_deref()?.method();
            if method != b"OPTIONS" || request.direction != Direction::Upstream {
                return None;
            }
            // Queued: this OPTIONS goes on first. Asking again, for a retransmission, does no harm.
            let _ = request.dialog.terminate(EndReason::new(REASON));
            Some("OPTIONS from the callee".to_owned())
        }
        Event::Terminated(ended) => Some(format!("TERMINATED {}", ended.reason)),
        _ => None,
    }
}

#[allow(dead_code, reason = "the test of this example runs it in virtual time")]
fn main() -> ExitCode {
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    duologue::Builder::built_in()
        .sockets(std::env::args().skip(1))
        .dialogs(move |dialogs| tell(dialogs, seconds, |line| println!("{line}")))
        .run()
}
