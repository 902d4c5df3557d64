//! A record per call: who called whom, when, for how long, and why it ended.
//!
//! ```text
//! cargo run --example cdr_printer
//! sipp -sn uas -i 127.0.0.1 -p 5070
//! sipp -sn uac -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -d 2000 -m 1 127.0.0.1:5070
//! ```
//!
//! You will see, when the caller hangs up (the id is the dialog's, as in `$DLG_did`):
//!
//! ```text
//! 7b5.bbebd7af sip:sipp@127.0.0.1:5071 -> sip:service@127.0.0.1:5070 start=1764065000 seconds=2 Downstream BYE
//! ```
//!
//! `failed with 408` or `failed with 480` instead? Then nobody listens on port 5070.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use duologue::dialog::{DialogEvents, Dialogs, Event, FailCause, Snapshot};

/// Writes a line for every call that ends. `now` is in seconds since 1970.
pub(crate) fn print_records(
    dialogs: &Dialogs,
    now: impl Fn() -> u64 + Send + Sync + 'static,
    write: impl Fn(String) + Send + Sync + 'static,
) {
    let tools = Arc::new((now, write));
    dialogs.on_created(move |event| {
        let tools = tools.clone();
        let ends = DialogEvents::FAILED | DialogEvents::ENDED;
        // Only a dialog that has ended refuses, and there is nothing to tell of one that just began.
        let _ = event.dialog().on(ends, move |event| {
            let (now, write) = &*tools;
            if let Some(line) = record(event, now()) {
                write(line);
            }
        });
    });
}

fn record(event: &Event<'_>, now: u64) -> Option<String> {
    Some(match event {
        Event::Failed(failed) => match failed.cause {
            FailCause::Status(status) => line(failed.last, 0, &format!("failed with {status}")),
            FailCause::TransactionEnded => line(failed.last, 0, "failed without an answer"),
        },
        Event::Terminated(ended) => line(ended.last, now, ended.reason.as_str()),
        Event::Expired(ended) => line(ended.last, now, "lifetime is over"),
        _ => return None,
    })
}

/// The last snapshot has all that a record needs.
fn line(last: &Snapshot, now: u64, why: &str) -> String {
    let text = String::from_utf8_lossy;
    let seconds = now.saturating_sub(last.start_ts);
    let (from, to) = (text(&last.from_uri), text(&last.to_uri));
    format!("{} {from} -> {to} start={} seconds={seconds} {why}", last.id, last.start_ts)
}

#[allow(dead_code, reason = "the test of this example runs it in virtual time")]
fn main() -> ExitCode {
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    duologue::Builder::built_in()
        .sockets(std::env::args().skip(1))
        .dialogs(move |dialogs| print_records(dialogs, seconds, |line| println!("{line}")))
        .run()
}
