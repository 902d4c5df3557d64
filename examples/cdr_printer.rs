//! A record per call: who called whom, when, for how long, and why it ended.
//!
//! ```text
//! cargo run --example cdr_printer
//! sipp -sn uas -i 127.0.0.1 -p 5070
//! sipp -sn uac -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -d 2000 -m 1 127.0.0.1:5070
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use duologue::dialog::{DialogEvents, Dialogs, Event, FailCause, Snapshot};
use duologue::{Overrides, Plan, Server, script};

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
fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::load(script::DEFAULT_NAME, &script::Embedded, &[], Overrides::default())?;
    let server = Server::start(plan)?;
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    print_records(&server.node().dialogs, seconds, |line| println!("{line}"));
    println!("a line per call, by udp:127.0.0.1:5060; end with ^C");
    loop {
        std::thread::park();
    }
}
