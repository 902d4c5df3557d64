//! A watchdog: ends every call N seconds after its answer, from the middle, with a BYE to each side.
//!
//! ```text
//! cargo run --example watchdog -- 5
//! sipp -sn uas -i 127.0.0.1 -p 5070
//! sipp -sf tests/sipp/caller_awaits_bye.xml -i 127.0.0.1 -p 5071 -rsa 127.0.0.1:5060 -m 1 127.0.0.1:5070
//! ```
//!
//! You will see, five seconds after the answer (the id is the dialog's, as in `$DLG_did`):
//!
//! ```text
//! 7b5.bbebd7af ended: Watchdog
//! ```
//!
//! `Downstream BYE` instead? Then the caller hung up in time; the `-sn uac` of SIPp does so at once.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use duologue::dialog::{Dialog, DialogEvents, Dialogs, EndReason, Event};

/// Why calls end here.
const REASON: &str = "Watchdog";

/// The answered calls, oldest first, with the time of their answer.
///
/// All have the same time to live, so the oldest is due first. A call that ends before its time
/// stays in the queue until then: its handle is a few words and keeps nothing alive.
#[derive(Default)]
pub(crate) struct Watchdog {
    answered: Mutex<VecDeque<(Duration, Dialog)>>,
}

impl Watchdog {
    /// Watches all calls from now on. `now` may count from any moment.
    pub(crate) fn watch(
        self: Arc<Self>,
        dialogs: &Dialogs,
        now: impl Fn() -> Duration + Send + Sync + 'static,
        write: impl Fn(String) + Send + Sync + 'static,
    ) {
        let tools = Arc::new((now, write));
        dialogs.on_created(move |event| {
            let (watchdog, tools) = (self.clone(), tools.clone());
            let events = DialogEvents::CONFIRMED | DialogEvents::TERMINATED;
            // Only a call that has ended already refuses, and this one has just begun.
            let _ = event.dialog().on(events, move |event| match event {
                Event::Confirmed(call) => watchdog.add(tools.0(), call.dialog),
                Event::Terminated(call) => {
                    tools.1(format!("{} ended: {}", call.dialog.id(), call.reason));
                }
                _ => {}
            });
        });
    }

    fn add(&self, now: Duration, dialog: &Dialog) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.push_back((now, dialog.clone()));
    }

    /// Ends what was answered at `before` or earlier. From any thread, at any time.
    pub(crate) fn end_answered(&self, before: Duration) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let due = answered.partition_point(|(since, _)| *since <= before);
        let due: Vec<_> = answered.drain(..due).collect();
        drop(answered);
        for (_, dialog) in due {
            // Refused by a call that has ended by itself, which is what it should do.
            let _ = dialog.terminate(EndReason::new(REASON));
        }
    }
}

#[allow(dead_code, reason = "the test of this example runs it in virtual time")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(most) = arguments.next().and_then(|seconds| seconds.parse().ok()) else {
        eprintln!("usage: watchdog SECONDS [SOCKET]");
        return ExitCode::FAILURE;
    };
    let (start, watchdog) = (Instant::now(), Arc::new(Watchdog::default()));
    let eyes = Arc::clone(&watchdog);
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(100));
            if let Some(before) = start.elapsed().checked_sub(Duration::from_secs(most)) {
                eyes.end_answered(before);
            }
        }
    });
    let write = |line| println!("{line}");
    duologue::Builder::built_in()
        .sockets(arguments)
        .dialogs(move |dialogs| watchdog.watch(dialogs, move || start.elapsed(), write))
        .run()
}
